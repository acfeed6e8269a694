from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from predicted import predictions
from sklearn.metrics import average_precision_score

from ccrcc_model.statistics.discrimination import auc, auc_difference, average_precision
from ccrcc_model.statistics.estimate import Estimate
from nnunet_ext.ground.errors import InputError

REFERENCE = Path(__file__).parents[2] / "reference"


def brute_force_delong(y_true, scores):
    """Placement values by their definition in the paper, pair by pair."""
    positive, negative = scores[y_true == 1], scores[y_true == 0]
    won = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    return won.mean(), won.mean(axis=1), won.mean(axis=0)


def test_auc_counts_the_pairs_that_are_ordered_rightly_and_ties_by_half():
    assert auc(predictions([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])).value == pytest.approx(3.5 / 4)


def test_auc_interval_is_delongs_by_its_definition():
    rng = np.random.default_rng(3)
    y_true = (rng.random(60) < 0.4).astype(int)
    y_prob = np.round(np.clip(0.3 * y_true + rng.random(60) * 0.7, 0, 1), 1)
    area, placed_positive, placed_negative = brute_force_delong(y_true, y_prob)
    half = 1.959963984540054 * sqrt(
        placed_positive.var(ddof=1) / len(placed_positive) + placed_negative.var(ddof=1) / len(placed_negative)
    )
    estimate = auc(predictions(y_true, y_prob))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((area, area - half, area + half))


def test_auc_and_paired_difference_equal_independent_implementations(simulated):
    model, baseline = (predictions(simulated["y_true"], simulated[name]) for name in ("model", "baseline"))
    estimate = auc(model)
    expected = simulated["auc"], simulated["auc_low"], simulated["auc_high"]
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(expected, abs=1e-9)
    difference = auc_difference(model, baseline)
    delta, half = simulated["auc"] - simulated["baseline_auc"], 1.959963984540054 * sqrt(simulated["difference_variance"])
    assert difference.estimate.value == pytest.approx(delta)
    assert (difference.estimate.low, difference.estimate.high) == pytest.approx((delta - half, delta + half))
    assert difference.p_value == pytest.approx(simulated["difference_p"])


def test_swapping_the_two_models_turns_the_difference_round(simulated):
    model, baseline = (predictions(simulated["y_true"], simulated[name]) for name in ("model", "baseline"))
    there, back = auc_difference(model, baseline).estimate, auc_difference(baseline, model).estimate
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_auc_ignores_a_monotone_change_of_the_probabilities(coin_toss):
    squared = replace(coin_toss, y_prob=coin_toss.y_prob**2)
    assert auc(squared) == auc(coin_toss)


@pytest.mark.parametrize(
    ("y_true", "reason"), [([], "no patients"), ([0, 0, 0], "no positive patients"), ([1, 1], "no negative patients")]
)
def test_auc_of_one_class_is_not_estimable(y_true, reason):
    one = predictions(y_true, np.linspace(0.1, 0.9, len(y_true)))
    assert auc(one) == Estimate(None, reason=reason)
    assert auc_difference(one, one).estimate == Estimate(None, reason=reason)
    assert str(auc(one)) == "not estimable"


def test_auc_has_an_interval_from_two_patients_a_class_on():
    three, four = predictions([1, 0, 0], [0.4, 0.5, 0.2]), predictions([1, 1, 0, 0], [0.4, 0.7, 0.5, 0.2])
    assert auc(three).value == 0.5
    assert auc(three).low is None
    assert "fewer than two" in auc(three).reason
    assert auc(four).low is not None


def test_separated_classes_claim_no_interval_of_width_zero():
    estimate = auc(predictions([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1]))
    assert (estimate.value, estimate.low) == (1.0, None)
    assert "variance is zero" in estimate.reason


def test_a_model_compared_with_itself_differs_by_nothing(coin_toss):
    difference = auc_difference(coin_toss, coin_toss)
    assert difference.estimate.value == 0
    assert difference.p_value is None


def test_paired_difference_refuses_other_patients(coin_toss):
    shuffled = replace(coin_toss, patient_id=coin_toss.patient_id[::-1])
    with pytest.raises(InputError, match="same patients in the same order"):
        auc_difference(coin_toss, shuffled)


@pytest.mark.parametrize("decimals", [1, 4])
def test_average_precision_equals_an_independent_implementation(simulated, decimals):
    y_true, y_prob = np.array(simulated["y_true"]), np.array(simulated["model"]).round(decimals)
    expected = average_precision_score(y_true, y_prob)  # scikit-learn's
    assert average_precision(predictions(y_true, y_prob)).value == pytest.approx(expected)


def test_average_precision_of_a_constant_is_the_share_of_positives_and_of_a_perfect_order_1():
    assert average_precision(predictions([1, 0, 0, 0], [0.3] * 4)).value == 0.25
    assert average_precision(predictions([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1])).value == 1


def test_average_precision_of_one_class_is_not_estimable():
    assert average_precision(predictions([0, 0], [0.1, 0.2])).reason == "no positive patients"
