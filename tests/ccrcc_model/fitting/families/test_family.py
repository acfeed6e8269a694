# Also of: ccrcc_model.fitting.families.trees.

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit

from ccrcc_model.fitting.families.family import Family, class_weight
from ccrcc_model.fitting.families.trees import features_with_volume
from ccrcc_model.fitting.inner import InnerFold, inner_folds, whole_part
from ccrcc_model.fitting.tune import FAMILIES
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE

OF_EACH = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=20), GRADE)


@pytest.fixture(scope="module")
def fold(cases) -> InnerFold:
    return inner_folds(cases, folds=3, repeats=1, seed=1)[0]


@OF_EACH
def test_a_family_survives_its_parameters(family: type[Family]) -> None:
    assert family.of_parameters(family().parameters()) == family()


@OF_EACH
def test_a_family_refuses_parameters_of_another(family: type[Family]) -> None:
    with pytest.raises(ValueError, match=f"not the hyperparameters of {family.name}"):
        family.of_parameters(family().parameters() | {"other.x": 1})


@OF_EACH
def test_a_family_predicts_patients_whom_it_has_not_seen(family: type[Family], planted) -> None:
    fold = inner_folds(label(*planted(300, features=20), GRADE), folds=3, repeats=1, seed=1)[0]
    score, likelihood = family().held_out(fold, seed=0)
    assert score.shape == (len(fold.test),)
    prevalence = np.full(len(score), logit(fold.train.y.mean()))
    assert likelihood.losses(score, fold.test.y).mean() < likelihood.losses(prevalence, fold.test.y).mean() - 0.05


@OF_EACH
def test_the_test_part_changes_nothing_that_is_fitted(family: type[Family], cases: LabelledCases) -> None:
    whole = whole_part(cases)
    once, again = (family().fit(whole, seed=0)[0] for _ in range(2))
    np.testing.assert_array_equal(once.log_odds(cases), again.log_odds(cases))


@OF_EACH
def test_balanced_classes_are_corrected_to_the_prevalence(family: type[Family], cases: LabelledCases) -> None:
    rows = np.concatenate([np.flatnonzero(cases.y == 0), np.flatnonzero(cases.y == 1)[:9]])
    rare = cases.take(np.sort(rows))
    part = replace(whole_part(rare), balanced=True)
    probability = 1 / (1 + np.exp(-family().fit(part, seed=0)[0].log_odds(rare)))
    assert probability.mean() == pytest.approx(rare.y.mean(), abs=0.1)


def test_balanced_weights_give_each_class_one_half(cases: LabelledCases) -> None:
    weight, correction = class_weight(cases, balanced=True)
    assert weight[cases.y == 1].sum() == pytest.approx(weight[cases.y == 0].sum())
    share = cases.y.mean()
    assert correction == pytest.approx(np.log(share / (1 - share)))
    assert class_weight(cases, balanced=False)[1] == 0


def test_volume_is_a_feature_of_trees_if_it_varies(fold: InnerFold) -> None:
    without = replace(fold, chosen=tuple(name for name in fold.chosen if name != fold.start.column))
    assert features_with_volume(without, 3) == (fold.start.column, *without.chosen[:3])
    column = without.train.names.index(fold.start.column)
    features = without.train.features.copy()
    features[:, column] = 7.0
    flat = replace(without, train=replace(without.train, features=features))
    assert features_with_volume(flat, 3) == without.chosen[:3]
