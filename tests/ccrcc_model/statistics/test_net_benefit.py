from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from predicted import predictions

from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.curves import decision_curve
from ccrcc_model.statistics.net_benefit import net_benefit, net_benefit_of_calls

REFERENCE = Path(__file__).parents[2] / "reference"


@pytest.fixture
def screening() -> Counts:
    return Counts(true_positive=40, false_negative=10, true_negative=120, false_positive=30)


def test_net_benefit_of_a_perfect_model_is_the_prevalence(coin_toss):
    perfect = replace(coin_toss, y_prob=coin_toss.y_true.astype(float))
    assert net_benefit(perfect, threshold=0.2).value == pytest.approx(0.5)


def test_net_benefit_weighs_false_alarms_by_the_odds():
    four = predictions([1, 0, 0, 0], [0.9, 0.9, 0.1, 0.1])
    assert net_benefit(four, threshold=0.25).value == pytest.approx(1 / 4 - 1 / 4 * (1 / 3))


@pytest.mark.parametrize("threshold", [-0.1, 0.0, 1.0, float("nan")])
def test_net_benefit_refuses_a_threshold_without_odds(coin_toss, threshold):
    with pytest.raises(ValueError, match=r"inside \(0, 1\)"):
        net_benefit(coin_toss, threshold=threshold)


def test_observed_net_benefit_is_the_mean_of_what_each_patient_adds(screening):
    odds = 0.2 / 0.8
    each = np.repeat([1, 0, 0, -odds], [40, 10, 120, 30])
    half = 1.959963984540054 * each.std(ddof=1) / sqrt(200)
    estimate = net_benefit_of_calls(screening, 0.2)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (each.mean(), each.mean() - half, each.mean() + half)
    )


def test_the_decision_curve_is_the_net_benefit_at_each_threshold(coin_toss):
    curve = decision_curve(coin_toss, [0.2, 0.5, 0.8])
    assert curve.model.tolist() == [net_benefit(coin_toss, threshold=at).value for at in (0.2, 0.5, 0.8)]


@pytest.mark.parametrize(("cells", "reason"), [((0, 0, 0, 0), "no patients"), ((1, 0, 0, 0), "one patient")])
def test_net_benefit_needs_two_patients_for_an_interval(cells, reason):
    assert reason in net_benefit_of_calls(Counts(*cells), 0.3).reason
    assert net_benefit_of_calls(Counts(1, 0, 1, 0), 0.3).low is not None
