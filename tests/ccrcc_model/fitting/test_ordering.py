import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ccrcc_model.fitting.folds import Folds
from ccrcc_model.fitting.ordering import FoldScores, compare_order, measure_of, order_of
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.target import GRADE, ISUP


def scores_of(cases, score, *, folds=3, repeats=2):
    """Scores of the patients of folds that are drawn at random, each fold with a level of its own."""
    settings = Settings(folds=folds, repeats=repeats)
    patients = [cases.take(split.test).patients for split in Folds.of(cases, settings).splits]
    parts = [score[np.isin(cases.patients, each)] + 10.0 * place for place, each in enumerate(patients)]
    return FoldScores(patients, parts, repeats)


@pytest.mark.parametrize("target", [GRADE, ISUP])
def test_a_score_that_is_the_outcome_orders_all_pairs_and_its_reverse_none(graded_planted, target):
    cases = label(*graded_planted(60), target)
    right = cases.patient_y.astype(float)
    found, reverse = scores_of(cases, right), scores_of(cases, -right)
    assert order_of(cases, found).value == pytest.approx(1)
    assert order_of(cases, reverse).value == pytest.approx(0)
    noise = scores_of(cases, np.random.default_rng(0).normal(size=len(right)))
    apart = compare_order(cases, found, noise)
    assert apart.difference.value == pytest.approx(1 - apart.baseline.value)
    assert apart.better


def test_a_score_against_itself_has_no_difference(graded_planted):
    cases = label(*graded_planted(60), GRADE)
    noise = scores_of(cases, np.random.default_rng(0).normal(size=len(cases.patients)))
    found = compare_order(cases, noise, noise)
    assert (found.difference.value, found.difference.low) == (0, None)
    assert found.model == found.baseline == order_of(cases, noise)


def test_the_order_of_one_score_is_the_mean_of_the_folds_own_aucs(graded_planted):
    cases = label(*graded_planted(60), GRADE)
    scores = scores_of(cases, np.random.default_rng(1).normal(size=len(cases.patients)))
    pairs = zip(scores.patients, scores.scores, strict=True)
    own = [roc_auc_score(cases.patient_y[np.isin(cases.patients, one)], score) for one, score in pairs]
    assert order_of(cases, scores).value == pytest.approx(np.mean(own))


def test_a_yes_or_no_is_measured_by_the_auc():
    assert (measure_of(GRADE), measure_of(ISUP)) == ("auc", "concordance")
