import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from ccrcc_model.fitting.filter import FeatureFilter, choose_features, rank_features, rank_matrix, usable_features
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE
from nnunet_ext.ground.errors import InputError


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=20), GRADE)


def test_products_of_ranks_are_spearman_correlations():
    values = np.random.default_rng(0).integers(5, size=(30, 4)).astype(float)
    ranks = rank_matrix(values)
    np.testing.assert_allclose(ranks.T @ ranks, spearmanr(values).statistic, atol=1e-12)


def repeated(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features with ties and missing values, an outcome, and how many times each row is repeated."""
    rng = np.random.default_rng(seed)
    values = rng.integers(12, size=(40, 30)).astype(float)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values, np.arange(40) % 2, rng.integers(1, 4, size=40)


@pytest.mark.parametrize("seed", range(5))
def test_a_row_of_weight_three_is_a_row_that_is_there_three_times(seed):
    values, y, times = repeated(seed)
    often, outcome = np.repeat(values, times, axis=0), np.repeat(y, times)
    ranks, of_often = rank_matrix(values, times.astype(float)), rank_matrix(often)
    np.testing.assert_allclose(ranks.T @ ranks, of_often.T @ of_often, atol=1e-12)
    assert usable_features(values, times.astype(float)).tolist() == usable_features(often).tolist()
    chosen = rank_features(values, y, most=5, weight=times.astype(float))
    assert chosen.tolist() == rank_features(often, outcome, most=5).tolist()


def test_equal_weights_change_no_bit():
    values, y, _ = repeated(0)
    np.testing.assert_array_equal(rank_matrix(values), rank_matrix(values, np.ones(40)))
    assert rank_features(values, y, most=9).tolist() == rank_features(values, y, most=9, weight=np.ones(40)).tolist()


@pytest.mark.parametrize(("equal", "usable"), [(19, True), (20, False)])
def test_ties_and_missing_values_are_counted_by_weight(equal, usable):
    """Forty cases of which two of weight 10 and the others of weight 1: a case of weight 10 is a sixth of all."""
    weight = np.ones(42)
    weight[:2] = 10.0
    tied = np.arange(42.0)
    tied[2 : 2 + 2 * equal] = -1.0  # never more than 66% of the weight, 95% of the cases
    assert usable_features(tied[:, None], weight).tolist() == [True]
    unknown = np.arange(42.0)
    unknown[0] = np.nan
    unknown[1] = np.nan if not usable else 1.0
    assert usable_features(unknown[:, None], weight).tolist() == [usable]


def test_a_patient_with_many_scans_does_not_decide_which_feature_is_first():
    """Eight of 100 patients with six scans each: the true feature is first nearly as often as with one scan each."""

    def first(seed: int, *, by_patient: bool) -> bool:
        rng = np.random.default_rng(seed)
        y, scans = np.arange(100) % 2, np.ones(100, dtype=int)
        scans[rng.permutation(100)[:8]] = 6
        rows = np.repeat(np.arange(100), scans)
        patients = rng.normal(size=(100, 200))
        patients[:, 0] += 0.9 * y
        values = patients[rows] + 0.3 * rng.normal(size=(len(rows), 200))
        weight = 1 / scans[rows] if by_patient else None
        return bool(rank_features(values, y[rows], most=1, weight=weight)[0] == 0)

    by_scan, by_patient = (np.mean([first(seed, by_patient=each) for seed in range(60)]) for each in (False, True))
    assert by_patient >= 0.75
    assert by_scan <= 0.68


def test_a_missing_value_adds_nothing_to_a_correlation():
    known = np.array([3.0, 1.0, 2.0, 5.0])
    ranks = rank_matrix(np.append(known, [np.nan, np.nan])[:, None])
    np.testing.assert_allclose(ranks[:4], rank_matrix(known[:, None]))
    assert ranks[4:].tolist() == [[0], [0]]
    assert rank_matrix(np.full((3, 1), np.nan)).tolist() == [[0]] * 3


@pytest.mark.parametrize(("missing", "usable"), [(0, True), (10, True), (11, False), (40, False)])
def test_a_feature_may_miss_in_a_quarter_of_cases(missing, usable):
    values = np.arange(40.0)[:, None]
    values[:missing] = np.nan
    assert usable_features(values).tolist() == [usable]


@pytest.mark.parametrize(("equal", "usable"), [(1, True), (38, True), (39, False), (40, False)])
def test_a_feature_may_be_equal_in_95_percent_of_cases(equal, usable):
    values = np.arange(40.0)
    values[:equal] = -1.0
    assert usable_features(np.random.default_rng(0).permutation(values)[:, None]).tolist() == [usable]


@pytest.mark.parametrize(("spread", "usable"), [(1e-13, False), (1e-3, True)])
def test_rounding_is_no_variation(spread, usable):
    values = 5 + spread * np.random.default_rng(0).normal(size=(30, 1))
    assert usable_features(values).tolist() == [usable]


def test_ties_are_counted_among_known_values():
    values = np.arange(40.0)
    values[:8] = np.nan
    values[8:39] = 1.0  # 31 of 32
    assert usable_features(values[:, None]).tolist() == [False]


def test_features_are_chosen_by_their_auc():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=50)
    values = rng.normal(size=(50, 30)) + y[:, None] * rng.normal(size=30)
    distance = [abs(roc_auc_score(y, column) - 0.5) for column in values.T]
    chosen = rank_features(values, y, most=30)
    assert [round(distance[column], 9) for column in chosen] == sorted((round(distance[c], 9) for c in chosen), reverse=True)
    assert chosen[0] == np.argmax(distance)


def test_a_copy_is_represented_once_and_a_weaker_relation_stays():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    first = y + rng.normal(size=60)
    near, far = first + 0.1 * rng.normal(size=60), first + 1.0 * rng.normal(size=60)
    values = np.stack([-np.exp(first), first, near, far, rng.normal(size=60)], axis=1)
    assert abs(spearmanr(first, near).statistic) >= 0.9 > abs(spearmanr(first, far).statistic)
    assert sorted(rank_features(values, y, most=5)[1:]) == [3, 4]
    assert len(set(rank_features(values, y, most=5)) & {0, 1, 2}) == 1


def test_a_shorter_choice_begins_a_longer_one():
    rng = np.random.default_rng(1)
    values, y = rng.normal(size=(40, 50)), np.arange(40) % 2
    np.testing.assert_array_equal(rank_features(values, y, most=7), rank_features(values, y, most=50)[:7])


def test_the_filter_passes_the_checks_of_scikit_learn():
    results = check_estimator(FeatureFilter(), on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


def test_the_filter_works_in_a_pipeline_of_scikit_learn(cases):
    scores = cross_val_score(make_pipeline(FeatureFilter(5), LogisticRegression()), cases.features[:, 1:], cases.y, cv=3)
    assert scores.mean() > 0.6
    kept = FeatureFilter(5).fit(cases.features, cases.y)
    assert kept.transform(cases.features).shape == (60, 5)
    assert sorted(kept.ranked_) == np.flatnonzero(kept.get_support()).tolist()


def test_features_without_any_use_are_refused(cases):
    empty = LabelledCases(cases.names, np.full_like(cases.features, np.nan), cases.patient_id, cases.centre, cases.y)
    with pytest.raises(InputError, match="None of the 20 features varies and is known in 75% of 60 cases"):
        choose_features(empty, most=5)
