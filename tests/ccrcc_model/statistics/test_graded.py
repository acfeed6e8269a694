"""Graded figures against closed forms and reference implementations, and their bootstrap against drawing patients."""

# Also of: ccrcc_model.statistics.graded_predictions.

import numpy as np
import pytest
from scipy.stats import somersd, spearmanr
from sklearn.metrics import cohen_kappa_score, r2_score, roc_auc_score

from ccrcc_model.outcomes.target import ISUP, KI67_PERCENT, Target
from ccrcc_model.statistics.graded import (
    DRAWS,
    Statistic,
    absolute_error,
    bootstrap_estimate,
    calibrate_high,
    compare_graded,
    concordance,
    r2_log,
    spearman,
    weighted_kappa,
)
from ccrcc_model.statistics.graded_predictions import GradedPredictions, nearest_grade

STATISTICS = (concordance, weighted_kappa, absolute_error, spearman, r2_log)


def once(statistic: Statistic, truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(statistic(truth, predicted, np.ones((1, len(truth))))[0])


@pytest.fixture
def grades() -> tuple[np.ndarray, np.ndarray]:
    """True grades of 50 patients and others that agree with them in part, both with ties."""
    rng = np.random.default_rng(0)
    truth = rng.integers(1, 5, size=50).astype(float)
    return truth, np.clip(truth + rng.integers(-1, 2, size=50), 1, 4)


def test_figures_agree_with_reference_implementations(grades: tuple[np.ndarray, np.ndarray]) -> None:
    truth, predicted = grades
    assert once(concordance, truth, predicted) == pytest.approx((somersd(truth, predicted).statistic + 1) / 2)
    assert once(weighted_kappa, truth, predicted) == pytest.approx(cohen_kappa_score(truth, predicted, weights="quadratic"))
    assert once(spearman, truth, predicted) == pytest.approx(spearmanr(truth, predicted).statistic)
    assert once(r2_log, truth, predicted) == pytest.approx(r2_score(np.log1p(truth), np.log1p(predicted)))
    assert once(absolute_error, truth, predicted) == pytest.approx(np.mean(np.abs(truth - predicted)))
    high = (truth >= 3).astype(float)
    assert once(concordance, high, predicted) == pytest.approx(roc_auc_score(high, predicted))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_weights_are_patients_drawn_several_times(statistic: Statistic, grades: tuple[np.ndarray, np.ndarray]) -> None:
    truth, predicted = grades
    drawn = np.random.default_rng(1).integers(50, size=50)
    weights = np.bincount(drawn, minlength=50).astype(float)[None]
    assert statistic(truth, predicted, weights)[0] == pytest.approx(once(statistic, truth[drawn], predicted[drawn]))


def test_perfect_constant_and_turned_predictions() -> None:
    truth = np.array([1.0, 2.0, 2.0, 3.0, 4.0])
    assert once(concordance, truth, truth) == once(weighted_kappa, truth, truth) == once(r2_log, truth, truth) == 1
    assert once(concordance, truth, -truth) == 0
    assert once(concordance, truth, np.zeros(5)) == 0.5
    assert once(weighted_kappa, truth, np.full(5, 2.0)) == pytest.approx(0)
    assert np.isnan(once(concordance, np.ones(5), truth))
    assert bootstrap_estimate(spearman, truth, np.zeros(5)).reason == "the patients do not differ, in outcome or in prediction"
    assert nearest_grade(np.array([1.49, 1.5, 2.5])).tolist() == [1, 2, 3]


def test_the_interval_of_a_concordance_of_two_outcomes_is_close_to_delongs() -> None:
    from ccrcc_model.statistics.discrimination import auc
    from ccrcc_model.statistics.predictions import Predictions

    rng = np.random.default_rng(4)
    truth = np.repeat([0, 1], 100)
    probability = 1 / (1 + np.exp(-truth - rng.normal(size=200)))
    ids = np.arange(200).astype(str)
    delong = auc(Predictions("c", "t", ids, ids, truth, probability))
    found = bootstrap_estimate(concordance, truth.astype(float), probability)
    assert found.value == pytest.approx(delong.value)
    # A thousand draws leave each bound a standard error of a tenth of the interval's half width, which is 0.06.
    assert (found.low, found.high) == pytest.approx((delong.low, delong.high), abs=0.015)


def predictions(target: Target, outcome: np.ndarray, score: np.ndarray) -> GradedPredictions:
    ids = np.arange(len(outcome)).astype(str)
    probability = np.full((len(outcome), len(target.levels)), 0.25)
    return GradedPredictions("home", target, ids, ids, outcome, score, outcome, probability)


def test_a_comparison_is_paired(grades: tuple[np.ndarray, np.ndarray]) -> None:
    truth, better = grades
    model = predictions(ISUP, truth, better)
    same = compare_graded(model, model)
    assert set(same) == {"concordance", "weighted_kappa", "absolute_error"}
    assert (same["concordance"].difference.low, same["concordance"].difference.high) == (0, 0)
    assert not same["concordance"].better
    noise = predictions(ISUP, truth, np.random.default_rng(2).normal(size=50))
    found = compare_graded(model, noise)["concordance"]
    assert found.better
    assert found.difference.value == pytest.approx(found.model.value - found.baseline.value)
    assert not compare_graded(noise, model)["concordance"].better
    assert DRAWS == 1000


def test_a_percentage_has_figures_of_its_own_and_no_high_grade() -> None:
    truth = np.linspace(1, 60, 40)
    model = predictions(KI67_PERCENT, truth, truth)
    assert set(compare_graded(model, model)) == {"concordance", "spearman", "absolute_error", "r2_log"}
    assert calibrate_high(model, model) == {}


def test_the_probability_of_a_high_grade_is_that_of_grades_3_and_4(grades: tuple[np.ndarray, np.ndarray]) -> None:
    model = predictions(ISUP, *grades)
    assert model.high.y_prob.tolist() == [0.5] * 50
    assert model.high.y_true.tolist() == (grades[0] >= 3).tolist()
    assert calibrate_high(model, model)["model"]["brier"]["value"] == pytest.approx(0.25)
