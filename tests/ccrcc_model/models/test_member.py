import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from ccrcc_model.fitting.filter import FeatureFilter, choose_features, rank_features, rank_matrix, usable_features
from ccrcc_model.models.member import Hyperparameters, Member, fit_member
from ccrcc_model.models.volume import fit_volume
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.target import GRADE
from nnunet_ext.ground.errors import InputError


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=20), GRADE)


def fitted(cases: LabelledCases, **choice: float) -> Member:
    hyperparameters = Hyperparameters(**choice)
    return fit_member(cases, fit_volume(cases), choose_features(cases, most=10), hyperparameters, seed=3)[0]


def test_products_of_ranks_are_spearman_correlations():
    values = np.random.default_rng(0).integers(5, size=(30, 4)).astype(float)
    ranks = rank_matrix(values)
    np.testing.assert_allclose(ranks.T @ ranks, spearmanr(values).statistic, atol=1e-12)


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


def test_a_member_adds_up_to_its_contributions(cases):
    member = fitted(cases)
    shap = member.trees.predict(cases.columns(member.names), pred_contrib=True)
    expected = member.start.volume.intercept + shap[:, -1] + member.contributions(cases).sum(axis=1)
    np.testing.assert_allclose(member.log_odds(cases), expected, atol=1e-9)
    assert member.contributions(cases).shape == (60, len(member.columns))
    assert member.seen == patient_hashes(cases.patient_id)


def test_a_member_that_learns_nothing_is_the_volume_model(cases):
    still = fitted(cases, learning_rate=1e-12, prior=1e-9)
    np.testing.assert_allclose(still.log_odds(cases), fit_volume(cases).log_odds(cases), atol=1e-6)
    assert np.abs(fitted(cases).log_odds(cases) - fit_volume(cases).log_odds(cases)).max() > 0.1


def test_the_same_seed_gives_the_same_trees(cases):
    first, again = (fitted(cases).trees.model_to_string() for _ in range(2))
    assert first == again


def test_a_value_that_was_never_missing_is_replaced_by_the_median(cases):
    member = fitted(cases)
    column = cases.names.index(member.names[0])
    one = cases.take(np.array([0]))
    missing, typical, zero = (one.features.copy() for _ in range(3))
    missing[0, column], typical[0, column], zero[0, column] = np.nan, np.median(cases.features[:, column]), -1e9

    def odds(values: np.ndarray) -> float:
        return member.log_odds(LabelledCases(cases.names, values, one.patient_id, one.centre, one.y))[0]

    assert odds(missing) == odds(typical) != odds(zero)


def test_a_value_that_was_missing_in_training_is_left_to_the_trees(cases):
    features = cases.features.copy()
    informative = 1
    features[(cases.y == 1) & (np.arange(60) % 3 == 0), informative] = np.nan
    holed = LabelledCases(cases.names, features, cases.patient_id, cases.centre, cases.y)
    member = fit_member(holed, fit_volume(holed), [cases.names[informative]], Hyperparameters(feature_fraction=1.0), seed=0)[0]
    assert np.isnan(member.typical).all()
    known = holed.take(np.array([0]))
    without = LabelledCases(known.names, known.features.copy(), known.patient_id, known.centre, known.y)
    without.features[0, informative] = np.nan
    assert member.log_odds(without)[0] > member.log_odds(holed)[~np.isnan(features[:, informative])].mean()
