"""Proportional odds and the line: derivatives against finite differences, fits against statsmodels and closed forms."""

import numpy as np
import pytest
from scipy.special import expit, logit
from statsmodels.miscmodels.ordinal_model import OrderedModel

from ccrcc_model.models.graded import Calibrated, Graded, LogPercent, ProportionalOdds, calibrate_scores

GRADES = (1.0, 2.0, 3.0, 4.0)
THRESHOLDS = (-2.0, 0.5, 2.5)


def graded(n: int, *, slope: tuple[float, ...] = (1.0, -0.5), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(n, len(slope)))
    latent = design @ np.array(slope) + rng.logistic(size=n)
    return design, 1.0 + (latent[:, None] > THRESHOLDS).sum(axis=1)


@pytest.mark.parametrize("link", [ProportionalOdds(GRADES, THRESHOLDS), LogPercent(1.7, 0.6)])
def test_derivatives_are_those_of_the_losses(link: Graded) -> None:
    score, outcome = (each.ravel() for each in np.meshgrid(np.linspace(-6, 6, 25), GRADES))
    gradient, hessian = link.derivatives(score, outcome)
    step = 1e-4
    ahead, here, behind = (link.losses(score + shift, outcome) for shift in (step, 0.0, -step))
    np.testing.assert_allclose(gradient, (ahead - behind) / (2 * step), atol=1e-7)
    np.testing.assert_allclose(hessian, (ahead - 2 * here + behind) / step**2, atol=1e-6)
    assert (hessian > 0).all()


def test_probabilities_are_those_between_the_thresholds() -> None:
    link = ProportionalOdds(GRADES, THRESHOLDS)
    score = np.array([-30.0, 0.0, 1.0, 30.0])
    probability = link.probabilities(score, GRADES)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_allclose(probability[:, 2:].sum(axis=1), expit(score - 0.5), atol=1e-15)
    for place, grade in enumerate(GRADES):
        np.testing.assert_allclose(link.losses(score[1:3], np.full(2, grade)), -np.log(probability[1:3, place]))
    np.testing.assert_allclose(link.expected(score)[[0, 3]], [1, 4])


def test_a_loss_far_from_the_thresholds_is_finite() -> None:
    link = ProportionalOdds(GRADES, THRESHOLDS)
    score = np.array([-800.0, 800.0, -800.0, 800.0])
    losses = link.losses(score, np.array([4.0, 1.0, 3.0, 2.0]))
    np.testing.assert_allclose(losses, [802.5, 802.0, 800.5 - np.log1p(-np.exp(-2.0)), 799.5 - np.log1p(-np.exp(-2.5))])


def test_proportional_odds_agree_with_statsmodels() -> None:
    design, outcome = graded(400)
    coefficients, link = ProportionalOdds.fit_level(design, outcome, weight=np.ones(400), ridge=0.0)
    reference = OrderedModel(outcome, design, distr="logit")
    fitted = reference.fit(method="bfgs", disp=False, gtol=1e-8, maxiter=500)
    np.testing.assert_allclose(coefficients, fitted.params[:2], atol=1e-5)
    np.testing.assert_allclose(link.thresholds, reference.transform_threshold_params(fitted.params)[1:-1], atol=1e-5)
    assert link.levels == GRADES


def test_a_patient_with_two_cases_of_half_the_weight_counts_once() -> None:
    design, outcome = graded(60)
    once = ProportionalOdds.fit_level(design, outcome, weight=np.ones(60), ridge=1.0)
    twice = ProportionalOdds.fit_level(np.repeat(design, 2, 0), np.repeat(outcome, 2), weight=np.full(120, 0.5), ridge=1.0)
    np.testing.assert_allclose(once[0], twice[0], atol=1e-6)
    np.testing.assert_allclose(once[1].thresholds, twice[1].thresholds, atol=1e-6)


def test_without_features_the_thresholds_are_the_log_odds_of_the_shares() -> None:
    outcome = np.repeat([1.0, 2.0, 3.0, 4.0], [1, 5, 3, 1])
    _, link = ProportionalOdds.fit_level(np.zeros((10, 1)), outcome, weight=np.ones(10), ridge=1.0)
    np.testing.assert_allclose(link.thresholds, logit([0.1, 0.6, 0.9]), atol=1e-6)


def test_two_grades_are_a_logistic_regression_and_a_third_has_probability_0() -> None:
    design, outcome = graded(200, slope=(1.0,))
    two = np.where(outcome >= 3, 3.0, 2.0)
    coefficients, link = ProportionalOdds.fit_level(design, two, weight=np.ones(200), ridge=1.0)
    from sklearn.linear_model import LogisticRegression

    reference = LogisticRegression(C=1.0, tol=1e-10).fit(design, two)
    assert coefficients[0] == pytest.approx(reference.coef_[0, 0], abs=1e-5)
    assert link.thresholds[0] == pytest.approx(-reference.intercept_[0], abs=1e-5)
    assert (link.probabilities(design[:, 0], GRADES)[:, [0, 3]] == 0).all()


def test_a_grade_that_the_fit_did_not_know_counts_as_the_nearest_above_or_the_highest() -> None:
    link = ProportionalOdds((2.0, 4.0), (0.3,))
    score = np.zeros(4)
    losses = link.losses(score, np.array(GRADES))
    np.testing.assert_allclose(losses, -np.log([expit(0.3), expit(0.3), expit(-0.3), expit(-0.3)]))


def test_the_line_is_least_squares_on_the_logarithm() -> None:
    design, _ = graded(80)
    outcome = np.expm1(2 + 0.5 * design[:, 0])
    coefficients, link = LogPercent.fit_level(design + 3, outcome, weight=np.ones(80), ridge=0.0)
    np.testing.assert_allclose(link.expected((design + 3) @ coefficients), outcome, rtol=1e-9)
    assert coefficients[0] * link.sd == pytest.approx(0.5)
    assert link.expected(np.array([-100.0, 100.0])).tolist() == [0, 100]


@pytest.mark.parametrize("kind", [ProportionalOdds, LogPercent])
def test_calibration_undoes_a_stretch_and_never_turns_the_order_around(kind: type[Graded]) -> None:
    design, outcome = graded(300, slope=(1.0,))
    score = design[:, 0]
    plain, stretched = calibrate_scores(kind, score, outcome), calibrate_scores(kind, 5 * score, outcome)
    assert stretched.slope == pytest.approx(plain.slope / 5, rel=1e-4)
    np.testing.assert_allclose(stretched.expected(5 * score), plain.expected(score), rtol=1e-4)
    assert calibrate_scores(kind, -score, outcome).slope == pytest.approx(0.01)


def test_a_calibration_survives_scores_that_separate_and_scores_that_are_all_equal() -> None:
    outcome = np.repeat(GRADES, 5)
    assert 1 < calibrate_scores(ProportionalOdds, outcome, outcome).slope < 100
    equal = calibrate_scores(ProportionalOdds, 1e-17 * np.arange(20.0), outcome)
    assert equal.slope == pytest.approx(0.01)
    np.testing.assert_allclose(equal.probabilities(np.zeros(1), GRADES), 0.25, atol=1e-5)


@pytest.mark.parametrize("link", [ProportionalOdds(GRADES, THRESHOLDS), LogPercent(1.7, 0.6)])
def test_a_calibration_is_read_back_from_json(link: Graded) -> None:
    calibrated = Calibrated(0.7, link)
    assert Calibrated.from_json(calibrated.to_json()) == calibrated
