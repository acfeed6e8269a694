import numpy as np
import pytest
from scipy.special import expit

from ccrcc_model.models.threshold import MIN_SLOPE, choose_calibration, fit_decision, floor_threshold, platt, youden_threshold


def test_youden_threshold_of_separated_classes_lies_between_them():
    assert youden_threshold(np.array([0.1, 0.2, 0.6, 0.9]), np.array([0, 0, 1, 1])) == pytest.approx(0.4)


def test_youden_threshold_maximises_sensitivity_plus_specificity():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=80)
    probability = expit(y + rng.normal(size=80))

    def youden(threshold: float) -> float:
        return (probability[y == 1] >= threshold).mean() + (probability[y == 0] < threshold).mean()

    best = max(youden(cut) for cut in np.unique(probability))
    assert youden(youden_threshold(probability, y)) == pytest.approx(best)


def test_of_equally_good_thresholds_the_balanced_one_is_taken():
    # At 0.5 sensitivity and specificity are 4/5 and 4/5, at 0.675 they are 3/5 and 5/5.
    y = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 1])
    probability = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.65, 0.7, 0.8, 0.9])
    sensitivity = (probability[y == 1] >= 0.5).mean()
    specificity = (probability[y == 0] < 0.5).mean()
    assert (sensitivity, specificity) == (0.8, 0.8)
    assert youden_threshold(probability, y) == pytest.approx(0.5)


def test_equal_probabilities_call_everyone_positive():
    assert youden_threshold(np.full(4, 0.3), np.array([0, 1, 0, 1])) == 0.3


def test_platt_scaling_recovers_the_slope_that_made_the_outcomes():
    rng = np.random.default_rng(1)
    score = rng.normal(size=40_000)
    y = (rng.random(40_000) < expit(-0.7 + 1.8 * score)).astype(int)
    decision = fit_decision(score * 10 + 3, y)
    assert decision.slope * 10 == pytest.approx(1.8, abs=0.05)
    assert decision.probability(np.array([3.0])) == pytest.approx(expit(-0.7), abs=0.01)


def calibrated(score: np.ndarray, y: np.ndarray) -> np.ndarray:
    slope, intercept = platt(score, y)
    return expit(intercept + slope * score)


def test_mean_probability_is_the_mean_of_platts_targets():
    y = np.array([0, 0, 1, 0, 1, 1])
    score = np.array([-2.0, 0.3, -0.1, 0.1, 0.4, 1.5])
    # The gradient in the intercept is zero at the optimum: with 3 of each class the targets are 4/5 and 1/5.
    assert calibrated(score, y).mean() == pytest.approx(0.5, abs=1e-6)


def test_a_score_that_separates_stays_finite():
    score, y = np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0, 0, 1, 1])
    assert calibrated(score, y) == pytest.approx([1 / 4, 1 / 4, 3 / 4, 3 / 4], abs=1e-6)  # Platt's targets


@pytest.mark.parametrize("scale", [1e-3, 1, 100])
def test_a_score_that_ranks_the_wrong_way_is_never_turned_around(scale):
    score = scale * np.arange(10.0)
    y = np.array([1] * 5 + [0] * 5)
    assert platt(score, y)[0] == pytest.approx(MIN_SLOPE)
    assert (np.diff(fit_decision(score, y).probability(score)) > 0).all()


def test_a_constant_score_gives_the_prevalence():
    assert fit_decision(np.zeros(6), np.array([1, 0, 0, 1, 0, 1])).probability(np.zeros(1)) == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("slope", "intercept", "calibration"), [(1, 0, "none"), (1, -1.5, "in the large"), (0.3, -1, "logistic")]
)
def test_the_calibration_is_the_simplest_that_the_outcomes_ask_for(slope, intercept, calibration):
    rng = np.random.default_rng(3)
    score = rng.normal(size=20_000)
    y = (rng.random(20_000) < expit(intercept + slope * score)).astype(int)
    chosen = choose_calibration(score, y)
    # Cross-validation cannot tell a parameter that is needless from one that is needed by less than its error.
    assert chosen == calibration or (calibration == "none" and fit_decision(score, y).slope == pytest.approx(1, abs=0.05))


def test_a_new_intercept_makes_the_mean_probability_the_prevalence():
    rng = np.random.default_rng(4)
    score = rng.normal(size=2000)
    y = (rng.random(2000) < expit(score - 2)).astype(int)
    decision = fit_decision(score, y)
    assert decision.probability(score).mean() == pytest.approx(y.mean(), abs=2e-3)  # Platt's targets are not 0 and 1


def test_the_threshold_with_a_floor_is_the_highest_that_reaches_it():
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    y = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    assert floor_threshold(probability, y, 1.0) == pytest.approx(0.15)  # all four: between 0.1 and 0.2
    assert floor_threshold(probability, y, 0.75) == pytest.approx(0.35)
    assert floor_threshold(probability, y, 0.76) == pytest.approx(0.15)
    assert floor_threshold(np.full(4, 0.3), np.array([0, 1, 0, 1]), 0.9) == 0.3


@pytest.mark.parametrize("sensitivity", [0.5, 0.9, 1.0])
def test_a_fitted_threshold_reaches_its_floor(sensitivity):
    rng = np.random.default_rng(5)
    y = np.arange(90) % 2
    score = y + rng.normal(size=90)
    decision = fit_decision(score, y, sensitivity=sensitivity)
    assert (decision.probability(score)[y == 1] >= decision.threshold).mean() >= sensitivity
