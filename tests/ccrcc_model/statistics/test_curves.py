from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from predicted import predictions

from ccrcc_model.statistics.curves import benefit_difference, decision_curve, roc_curve, threshold_grid
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.net_benefit import net_benefit
from nnunet_ext.ground.errors import InputError

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


def test_the_bands_of_a_decision_curve_are_the_intervals_of_net_benefit(coin_toss):
    curve = decision_curve(coin_toss, [0.2, 0.5])
    for place, threshold in enumerate((0.2, 0.5)):
        single = net_benefit(coin_toss, threshold=threshold)
        assert (curve.model[place], curve.low[place], curve.high[place]) == pytest.approx(
            (single.value, single.low, single.high)
        )


def test_the_difference_of_two_curves_is_paired(coin_toss):
    """Two that call all patients alike differ by nothing, with certainty; one patient more who is found adds 1 / n."""
    same = benefit_difference(coin_toss, coin_toss, [0.3])
    assert (same.value[0], same.low[0], same.high[0]) == (0, 0, 0)
    missed = int(np.flatnonzero((coin_toss.y_true == 1) & (coin_toss.y_prob < 0.3))[0])
    better = replace(coin_toss, y_prob=np.where(np.arange(100) == missed, 0.9, coin_toss.y_prob))
    found = benefit_difference(better, coin_toss, [0.3])
    assert found.value[0] == pytest.approx(0.01)
    assert found.high[0] - found.value[0] == pytest.approx(1.959964 * np.sqrt((0.01 - 0.0001) / 99))


def test_a_declared_range_is_kept_and_one_that_is_none_refused():
    assert threshold_grid((0.1, 0.5)) == pytest.approx(np.arange(10, 51) / 100)
    assert len(threshold_grid((0.1, 0.12))) == 21
    assert threshold_grid(None) == pytest.approx(np.arange(1, 100) / 100)
    for wrong in ((0.0, 0.5), (0.5, 0.5), (0.5, 1.0)):
        with pytest.raises(InputError, match="two rising thresholds inside"):
            threshold_grid(wrong)
