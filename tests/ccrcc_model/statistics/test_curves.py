from pathlib import Path

import numpy as np
import pytest
from predicted import predictions

from ccrcc_model.statistics.curves import decision_curve, roc_curve
from ccrcc_model.statistics.discrimination import auc

REFERENCE = Path(__file__).parents[2] / "reference"


def test_roc_curve_runs_from_corner_to_corner_and_encloses_the_auc(coin_toss):
    curve = roc_curve(coin_toss)
    assert (curve.false_positive_rate[0], curve.sensitivity[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.sensitivity[-1]) == (1, 1)
    assert np.trapezoid(curve.sensitivity, curve.false_positive_rate) == pytest.approx(auc(coin_toss).value)


def test_roc_curve_crosses_ties_in_one_step():
    curve = roc_curve(predictions([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5]))
    assert curve.sensitivity.tolist() == [0, 1]


def test_roc_curve_is_thinned_for_drawing_and_keeps_its_ends():
    rng = np.random.default_rng(1)
    curve = roc_curve(predictions(rng.integers(0, 2, 5000), rng.random(5000)), max_points=100)
    assert len(curve.sensitivity) == 100
    assert curve.sensitivity[-1] == 1


def test_roc_curve_of_one_class_is_none():
    assert roc_curve(predictions([0, 0], [0.1, 0.2])) is None


def test_decision_curve_equals_an_independent_implementation(simulated):
    expected = simulated["net_benefit"]
    curve = decision_curve(predictions(simulated["y_true"], simulated["model"]), expected["threshold"])
    assert curve.model == pytest.approx(expected["model"], abs=1e-6)
    assert curve.treat_all == pytest.approx(expected["treat_all"], abs=1e-6)


def test_decision_curve_of_nobody_is_none():
    assert decision_curve(predictions([], [])) is None
