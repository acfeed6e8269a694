import json
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ccrcc_model.statistics.curves import decision_curve, net_benefit, roc_curve
from ccrcc_model.statistics.metrics import (
    Counts,
    Estimate,
    auc,
    auc_difference,
    average_precision,
    clopper_pearson,
    counts,
    format_difference,
    format_estimate,
    format_number,
)
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError

REFERENCE = Path(__file__).parents[2] / "reference"


def predictions(y_true, y_prob, *, cohort="A") -> Predictions:
    n = len(y_true)
    ids = np.array([f"p{i}" for i in range(n)], dtype=np.str_)
    centre = np.full(n, "one", dtype=np.str_)
    return Predictions(cohort, "grade", ids, centre, np.asarray(y_true, dtype=int), np.asarray(y_prob, dtype=float))


@pytest.fixture(scope="module")
def simulated() -> dict:
    return json.loads((REFERENCE / "simulated_200.json").read_text(encoding="utf-8"))


@pytest.fixture
def coin_toss() -> Predictions:
    rng = np.random.default_rng(0)
    return predictions(np.repeat([1, 0], 50), rng.random(100))


def brute_force_delong(y_true, scores):
    """Placement values by their definition in the paper, pair by pair."""
    positive, negative = scores[y_true == 1], scores[y_true == 0]
    won = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    return won.mean(), won.mean(axis=1), won.mean(axis=0)


# AUC


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


# AUPRC


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


# Counts and proportions


def test_a_probability_at_the_threshold_is_called_positive():
    four = predictions([1, 1, 0, 0], [0.5, 0.5 - 1e-12, 0.5, 0.5 - 1e-12])
    assert counts(four, 0.5) == Counts(true_positive=1, false_negative=1, true_negative=1, false_positive=1)


def test_each_share_has_its_own_counts():
    four = Counts(true_positive=8, false_negative=2, true_negative=60, false_positive=30)
    shares = {name: getattr(four, name) for name in ("sensitivity", "specificity", "accuracy", "ppv", "npv")}
    fractions = {name: (share.numerator, share.denominator) for name, share in shares.items()}
    assert fractions == {
        "sensitivity": (8, 10),
        "specificity": (60, 90),
        "accuracy": (68, 100),
        "ppv": (8, 38),
        "npv": (60, 62),
    }
    assert all(share.value == pytest.approx(share.numerator / share.denominator) for share in shares.values())


def test_balanced_accuracy_and_f1_are_the_means_of_their_shares():
    four = Counts(true_positive=8, false_negative=2, true_negative=60, false_positive=30)
    assert four.balanced_accuracy.value == pytest.approx((8 / 10 + 60 / 90) / 2)
    assert four.f1.value == pytest.approx(2 / (10 / 8 + 38 / 8))


def test_balanced_accuracy_needs_both_classes_and_f1_someone_to_find():
    negatives = Counts(true_positive=0, false_negative=0, true_negative=5, false_positive=0)
    assert negatives.balanced_accuracy.reason == "no positive patients"
    assert negatives.f1.reason == "no patients that are positive or called positive"
    assert Counts(0, 0, 5, 1).f1.value == 0


def test_clopper_pearson_without_and_with_only_successes_has_its_closed_form():
    none, all_ = clopper_pearson(0, 10), clopper_pearson(10, 10)
    assert (none.low, none.high) == pytest.approx((0, 1 - 0.025**0.1))
    assert (all_.low, all_.high) == pytest.approx((0.025**0.1, 1))


def test_clopper_pearson_of_nobody_is_not_estimable():
    share = clopper_pearson(0, 0, of="positive patients")
    assert share.value is None
    assert share.reason == "no positive patients"


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 10), (11, 10), (1, 0)])
def test_clopper_pearson_refuses_impossible_counts(numerator, denominator):
    with pytest.raises(ValueError, match="0 <= numerator <= denominator"):
        clopper_pearson(numerator, denominator)


def test_table_s2_of_the_supplement_is_clopper_pearson_cut_to_two_decimals():
    rows = json.loads((REFERENCE / "table_s2.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        four = Counts(**row["counts"])
        for name, printed in row["printed"].items():
            assert format_estimate(getattr(four, name), rule="cut") == printed
    assert str(four.sensitivity) == "0.82(0.65-0.93)"  # what rounding, the default, would have printed


@pytest.mark.parametrize(
    ("value", "rounded", "cut"),
    [
        (0.29, "0.29", "0.29"),  # 0.29 * 100 is 28.999999999999996
        (0.295, "0.30", "0.29"),
        (0.125, "0.13", "0.12"),
        (0.2949, "0.29", "0.29"),
        (1.0, "1.00", "1.00"),
        (-0.126, "-0.13", "-0.12"),
        (-0.001, "0.00", "0.00"),
        (None, "not estimable", "not estimable"),
    ],
)
def test_print_rules(value, rounded, cut):
    assert format_number(value) == rounded
    assert format_number(value, rule="cut") == cut


# Curves


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


def test_net_benefit_of_a_perfect_model_is_the_prevalence(coin_toss):
    perfect = replace(coin_toss, y_prob=coin_toss.y_true.astype(float))
    assert net_benefit(perfect, 0.2) == pytest.approx(0.5)


def test_net_benefit_weighs_false_alarms_by_the_odds():
    four = predictions([1, 0, 0, 0], [0.9, 0.9, 0.1, 0.1])
    assert net_benefit(four, 0.25) == pytest.approx(1 / 4 - 1 / 4 * (1 / 3))


@pytest.mark.parametrize("threshold", [-0.1, 0.0, 1.0, float("nan")])
def test_net_benefit_refuses_a_threshold_without_odds(coin_toss, threshold):
    with pytest.raises(ValueError, match=r"inside \(0, 1\)"):
        net_benefit(coin_toss, threshold)


def test_decision_curve_equals_an_independent_implementation(simulated):
    expected = simulated["net_benefit"]
    curve = decision_curve(predictions(simulated["y_true"], simulated["model"]), expected["threshold"])
    assert curve.model == pytest.approx(expected["model"], abs=1e-6)
    assert curve.treat_all == pytest.approx(expected["treat_all"], abs=1e-6)


def test_decision_curve_of_nobody_is_none():
    assert decision_curve(predictions([], [])) is None


def test_a_difference_is_printed_with_its_sign():
    assert format_difference(Estimate(0.0196, -0.0538, 0.0931)) == "+0.02 (-0.05 to +0.09)"
    assert format_difference(Estimate(-0.002, -0.03, 0.0)) == "0.00 (-0.03 to 0.00)"
    assert format_difference(Estimate(0.3, reason="no interval")) == "+0.30"
