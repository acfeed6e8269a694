import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ccrcc_model.fitting.families.ridge import Ridge
from ccrcc_model.fitting.inner import inner_folds, whole_part
from ccrcc_model.fitting.wide import WideDesign
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=100), GRADE)


def test_the_dual_form_is_the_logistic_ridge_of_scikit_learn(cases: LabelledCases) -> None:
    part = whole_part(cases)
    member, _ = Ridge(prior=2.0).fit(part, seed=0)
    design = WideDesign.of(cases)
    columns = np.column_stack([part.start.standard(cases), design.values * 2.0 / np.sqrt(len(design.names))])
    reference = LogisticRegression(C=1.0, max_iter=5000, tol=1e-10).fit(columns, cases.y).decision_function(columns)
    np.testing.assert_allclose(member.log_odds(cases), reference, atol=5e-3)


def test_scores_by_inner_products_are_those_of_the_member(cases: LabelledCases) -> None:
    fold = inner_folds(cases, folds=3, repeats=1, seed=1)[0]
    by_products, _ = Ridge().held_out(fold, seed=0)
    member, _ = Ridge().fit(
        whole_part(fold_train := cases.take(np.flatnonzero(np.isin(cases.patient_id, fold.train.patients)))), seed=0
    )
    assert len(fold_train) == len(fold.train)
    test = cases.take(np.flatnonzero(np.isin(cases.patient_id, fold.test.patients)))
    np.testing.assert_allclose(member.log_odds(test), by_products, atol=1e-8)


def test_a_member_needs_the_design_of_its_part(cases: LabelledCases) -> None:
    with pytest.raises(ValueError, match="was not kept"):
        Ridge().fit(inner_folds(cases, folds=3, repeats=1, seed=1)[0], seed=0)
