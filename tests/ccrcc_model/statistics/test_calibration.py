from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from ccrcc_model.statistics.calibration import (
    LOESS_MIN_PATIENTS,
    brier_score,
    calibrate,
    calibration_curve,
    calibration_intercept,
    calibration_slope,
    integrated_calibration_index,
    loess,
)
from ccrcc_model.statistics.predictions import Predictions

REFERENCE = Path(__file__).parents[2] / "reference" / "simulated_200.json"


def predictions(y_true, y_prob) -> Predictions:
    n = len(y_true)
    ids = np.array([f"p{i}" for i in range(n)], dtype=np.str_)
    return Predictions("A", "grade", ids, ids, np.asarray(y_true, dtype=int), np.asarray(y_prob, dtype=float))


@pytest.fixture(scope="module")
def calibrated() -> Predictions:
    """Every probability comes true exactly: of each ten patients at risk k/10, k are positive."""
    risk = np.repeat(np.arange(1, 10) / 10, 10)
    truth = np.concatenate([np.arange(10) < k for k in range(1, 10)])
    return predictions(truth.astype(int), risk)


def test_figures_equal_independent_implementations(simulated):
    fitted = calibrate(predictions(simulated["y_true"], simulated["model"]))
    for estimate, expected in (
        (fitted.intercept, simulated["calibration_intercept"]),
        (fitted.slope, simulated["calibration_slope"]),
    ):
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(expected, abs=1e-8)
    assert fitted.ici.value == pytest.approx(simulated["ici"], abs=1e-8)


def test_loess_equals_clevelands_own(simulated):
    x, y = np.array(simulated["model"]), np.array(simulated["y_true"])
    assert loess(x, y, x) == pytest.approx(np.array(simulated["loess"]), abs=1e-8)


def test_loess_returns_a_parabola_as_it_is():
    x = np.random.default_rng(0).random(80)
    at = np.linspace(0.1, 0.9, 7)
    assert loess(x, 1 - x + 2 * x**2, at) == pytest.approx(1 - at + 2 * at**2)


def test_loess_of_one_repeated_value_is_the_mean():
    assert loess(np.full(30, 0.4), np.arange(30) % 3 == 0, np.array([0.4])) == pytest.approx([1 / 3])


def test_calibrated_probabilities_have_intercept_0_slope_1_and_no_distance(calibrated):
    fitted = calibrate(calibrated)
    assert fitted.intercept.value == pytest.approx(0, abs=1e-9)
    assert fitted.slope.value == pytest.approx(1)
    assert fitted.ici.value == pytest.approx(0, abs=1e-9)
    assert fitted.brier.value == pytest.approx(np.mean(calibrated.y_prob * (1 - calibrated.y_prob)))


@pytest.mark.parametrize("shift", [-0.7, 0.5])
def test_intercept_undoes_a_shift_of_all_logits(calibrated, shift):
    shifted = replace(calibrated, y_prob=expit(logit(calibrated.y_prob) + shift))
    assert calibration_intercept(shifted).value == pytest.approx(-shift)


@pytest.mark.parametrize("stretch", [0.5, 2.0, 6.0])
def test_slope_undoes_a_stretch_of_all_logits(calibrated, stretch):
    stretched = replace(calibrated, y_prob=expit(logit(calibrated.y_prob) * stretch))
    assert calibration_slope(stretched).value == pytest.approx(1 / stretch)


def test_certain_probabilities_that_fail_are_survived():
    fitted = calibrate(predictions([1, 0, 1, 0] * 5, [0.0, 1.0, 1.0, 0.0] * 5))
    assert fitted.intercept.value == pytest.approx(0, abs=1e-3)
    assert fitted.slope.value == pytest.approx(0, abs=1e-3)


def test_brier_of_a_coin_is_a_quarter():
    assert brier_score(predictions([1, 0, 1, 1], [0.5] * 4)).value == 0.25


@pytest.mark.parametrize(
    ("y_true", "y_prob", "reason"),
    [
        ([1, 1, 1], [0.2, 0.4, 0.6], "no negative patients"),
        ([0, 0, 0], [0.2, 0.4, 0.6], "no positive patients"),
        ([], [], "no patients"),
    ],
)
def test_one_class_gives_reasons(y_true, y_prob, reason):
    one = calibrate(predictions(y_true, y_prob))
    assert one.intercept.value is None
    assert {one.intercept.reason, one.slope.reason, one.ici.reason} == {reason}


@pytest.mark.parametrize(
    ("y_true", "y_prob", "reason"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.4], "separate"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.2, 0.4], "separate"),
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], "equal"),
    ],
)
def test_slope_without_a_finite_solution_is_not_estimable(y_true, y_prob, reason):
    assert reason in calibration_slope(predictions(y_true, y_prob)).reason


@pytest.mark.parametrize(("rarer", "reason"), [(10, None), (9, "9 patients of the smaller class, a slope needs 10")])
def test_a_slope_needs_ten_patients_of_a_class(rarer, reason):
    truth = np.repeat([1, 0], [rarer, 30])
    found = calibration_slope(predictions(truth, expit(np.sin(np.arange(rarer + 30)) * 2 + truth)))
    assert found.reason == reason
    assert (found.value is None) == (reason is not None)


def spread(sd: float, n: int) -> Predictions:
    """Logits of two values, a distance of ``2 * sd`` apart, around even odds, and outcomes that do not follow them."""
    return predictions(np.arange(n) // 2 % 2, expit(np.where(np.arange(n) % 2, sd, -sd)))


def test_a_slope_needs_so_many_patients_that_1_is_told_from_0():
    """At even odds and logits a distance of sd from their mean, a slope of 0 has a standard error of 2 / (sd sqrt(n))."""
    n, z = 400, 1.959963984540054
    sd = 2 * z / np.sqrt(n)
    assert calibration_slope(spread(1.03 * sd, n)).value is not None
    few = calibration_slope(spread(0.99 * sd, n))
    assert few.reason == "the probabilities of 400 patients differ too little to tell a slope of 1 from one of 0"


def test_nearly_equal_probabilities_have_no_slope_of_thousands():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 30)
    found = calibration_slope(predictions(truth, 0.4 + 1e-4 * (truth + rng.normal(size=60))))
    assert (found.value, found.low) == (None, None)
    assert "differ too little" in found.reason


def test_one_positive_patient_leaves_no_interval_of_the_intercept():
    found = calibration_intercept(predictions([1] + [0] * 30, [0.2] * 31))
    assert found.value is not None
    assert (found.low, found.reason) == (None, "interval not estimable: fewer than two patients of a class")


@pytest.mark.parametrize("n", [1001, 1500, 1700])
def test_pooled_neighbours_count_as_often_as_they_hold_patients(n):
    rng = np.random.default_rng(3)
    risk = rng.beta(2, 3, n)
    truth = (rng.random(n) < risk).astype(int)
    exact = np.abs(np.clip(loess(risk, truth, risk), 0, 1) - risk).mean()
    assert integrated_calibration_index(predictions(truth, risk)).value == pytest.approx(exact, rel=0.01)


def test_a_weight_of_two_is_a_patient_twice():
    rng = np.random.default_rng(0)
    x, y, at = rng.random(40), rng.random(40), np.linspace(0.1, 0.9, 5)
    twice = loess(np.repeat(x, 2), np.repeat(y, 2), at)
    assert loess(x, y, at, weight=np.full(40, 2.0)) == pytest.approx(twice)


def test_smoother_needs_its_number_of_patients():
    y = np.arange(LOESS_MIN_PATIENTS) % 2
    x = np.linspace(0.1, 0.9, LOESS_MIN_PATIENTS)
    assert integrated_calibration_index(predictions(y, x)).value is not None
    fewer = predictions(y[1:], x[1:])
    assert integrated_calibration_index(fewer).reason == "19 patients, a smoother needs 20"
    assert len(calibration_curve(fewer).predicted) == 0


def test_curve_groups_hold_every_patient_once(simulated):
    curve = calibration_curve(predictions(simulated["y_true"], simulated["model"]))
    assert sum(group.denominator for group in curve.group_observed) == 200
    assert sum(group.numerator for group in curve.group_observed) == sum(simulated["y_true"])
    assert (np.diff(curve.group_predicted) > 0).all()
    assert ((curve.observed >= 0) & (curve.observed <= 1)).all()


def test_curve_of_five_patients_is_one_group():
    curve = calibration_curve(predictions([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5]))
    assert len(curve.group_observed) == 1
    assert curve.group_observed[0].numerator == 3


def test_many_patients_are_smoothed_at_quantiles_within_a_thousandth():
    rng = np.random.default_rng(5)
    risk = rng.beta(2, 3, 3000)
    truth = (rng.random(3000) < risk**1.3).astype(int)
    exact = np.abs(np.clip(loess(risk, truth, risk), 0, 1) - risk).mean()
    assert integrated_calibration_index(predictions(truth, risk)).value == pytest.approx(exact, abs=1e-3)
