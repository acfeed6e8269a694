from math import sqrt

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from ccrcc_model.statistics.cross_validation import (
    design_effect,
    mean_over_folds,
    normal_p_value,
    order_within,
    share_effect,
    widen,
)
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.graded import concordance


def test_the_design_effect_is_the_correction_over_what_independent_folds_would_have():
    # Nadeau and Bengio 2003, section 3: 1/J + n_test/n_train, here of 2 x 5 folds, where independent folds have 1/5.
    assert design_effect(5, repeats=2) == pytest.approx((1 / 10 + 1 / 4) / (1 / 5))
    assert design_effect(2) == 3


def test_the_order_of_two_classes_is_the_auc_with_delongs_covariance():
    rng = np.random.default_rng(0)
    truth = np.repeat([1, 0], [7, 12])
    scores = np.round(rng.normal(size=(2, 19)) + truth, 1)  # with ties
    placed = (scores[:, :7, None] > scores[:, None, 7:]) + 0.5 * (scores[:, :7, None] == scores[:, None, 7:])
    figures, covariance = order_within(truth, scores)
    np.testing.assert_allclose(figures, placed.mean(axis=(1, 2)))
    np.testing.assert_allclose(covariance, np.cov(placed.mean(axis=2)) / 7 + np.cov(placed.mean(axis=1)) / 12)


def test_the_order_of_grades_is_their_concordance_with_about_the_variance_of_resampled_patients():
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 5, size=80).astype(float)
    score = truth + rng.normal(0, 1.5, size=80)
    figures, covariance = order_within(truth, score[None])
    drawn = rng.multinomial(80, np.full(80, 1 / 80), size=2000)
    resampled = concordance(truth, score, drawn.astype(float))
    assert figures[0] == pytest.approx(concordance(truth, score, np.ones((1, 80)))[0])
    assert sqrt(covariance[0, 0]) == pytest.approx(resampled.std(), rel=0.1)


@pytest.mark.parametrize(("truth", "value"), [([1, 1, 1], np.nan), ([1, 0, 0], 1.0)])
def test_a_fold_of_one_class_has_no_order_and_one_patient_of_a_class_no_variance(truth, value):
    figures, covariance = order_within(np.array(truth), np.array([[3.0, 1.0, 2.0]]))
    np.testing.assert_equal(figures[0], value)
    assert np.isnan(covariance).all()


def test_the_interval_of_a_mean_over_folds_is_the_corrected_one():
    values, variances = np.linspace(0.6, 0.8, 10), np.full(10, 0.02)
    found = mean_over_folds(values, variances, repeats=2)
    half = stats.norm.ppf(0.975) * sqrt((1 / 10 + 1 / 4) * 0.02)
    assert (found.value, found.low, found.high) == pytest.approx((0.7, 0.7 - half, 0.7 + half))
    on_logit = mean_over_folds(values, variances, repeats=2, on_logit=True)
    assert on_logit.low == pytest.approx(expit(logit(0.7) - half / (0.7 * 0.3)))
    assert on_logit.high == pytest.approx(expit(logit(0.7) + half / (0.7 * 0.3)))


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_folds_without_variance_have_no_interval(value):
    for variance in (0.0, np.nan):
        found = mean_over_folds(np.full(5, value), np.full(5, variance), repeats=1, on_logit=True)
        assert found == Estimate(value, reason="interval not estimable: no variance within the folds")


def test_a_fold_of_one_outcome_leaves_no_figure():
    assert mean_over_folds(np.array([np.nan, 0.5]), np.ones(2), repeats=1).value is None


def test_an_interval_is_widened_on_both_sides_and_stays_inside_its_limits():
    wide = widen(Estimate(0.5, 0.4, 0.7), 4.0, limits=(0.0, 0.8))
    assert (wide.value, wide.low, wide.high) == pytest.approx((0.5, 0.3, 0.8))
    nothing = Estimate(None, reason="no patients")
    assert widen(nothing, 4.0) is nothing


def test_a_share_has_the_larger_of_both_design_effects():
    assert share_effect(30, 45, 0.0, folds=5) == design_effect(5) == 2.25
    alone = 30 / 45 * 15 / 45 / 45
    assert share_effect(30, 45, 2.24 * alone, folds=5) == 2.25
    assert share_effect(30, 45, 2.26 * alone, folds=5) == pytest.approx(2.26)
    assert share_effect(45, 45, 0.1, folds=5) == 2.25


def test_the_p_value_of_an_interval_that_ends_at_zero_is_the_complement_of_its_level():
    assert normal_p_value(Estimate(0.1, 0.0, 0.2)) == pytest.approx(0.05)
    assert normal_p_value(Estimate(-0.95, -1.0, -0.9)) < 1e-6
    assert normal_p_value(Estimate(0.1)) is None
