"""The logistic likelihood of a yes or no, and what every likelihood states."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from ccrcc_model.models.likelihood import Logistic
from ccrcc_model.models.scorer import LIKELIHOODS
from ccrcc_model.outcomes.cases import Cases


def test_a_logistic_fit_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    design = rng.normal(size=(80, 2))
    y = (rng.random(80) < expit(design[:, 0])).astype(int)
    fitted = Logistic.fit(design, y, weight=np.ones(80))
    reference = LogisticRegression(C=1.0).fit(design, y)
    assert fitted.coefficients.tolist() == reference.coef_[0].tolist()
    assert fitted.intercept == reference.intercept_[0]


def test_a_slope_below_its_bound_is_the_bound_with_the_intercept_that_fits_best() -> None:
    design = np.linspace(-2, 2, 30)[:, None]
    y = (np.arange(30) < 12).astype(int)
    weight = np.linspace(0.5, 1.5, 30)
    free, bound = (Logistic.fit(design, y, weight=weight, least=least) for least in (None, 0.3))
    assert free.coefficients[0] < 0
    assert bound.coefficients.tolist() == [0.3]
    probability = expit(bound.intercept + 0.3 * design[:, 0])
    assert (weight * probability).sum() == pytest.approx((weight * y).sum())


@pytest.mark.parametrize("kind", ["binary", "ordinal", "percentage"])
def test_a_bound_below_the_slope_changes_nothing(kind: str) -> None:
    rng = np.random.default_rng(1)
    design = rng.normal(size=(60, 1))
    y = (design[:, 0] + rng.normal(size=60) > 0).astype(int)
    free, bound = (LIKELIHOODS[kind].fit(design, y, weight=np.ones(60), least=least) for least in (None, 0.01))
    assert bound.coefficients == pytest.approx(free.coefficients, rel=1e-5)
    down = LIKELIHOODS[kind].fit(-design, y, weight=np.ones(60), least=0.01)
    assert down.coefficients.tolist() == pytest.approx([0.01])


def test_a_loss_is_minus_the_logarithm_of_the_probability() -> None:
    score, y = np.array([-1.0, 0.0, 2.0]), np.array([0, 1, 0])
    probability = np.where(y == 1, expit(score), 1 - expit(score))
    np.testing.assert_allclose(Logistic().losses(score, y), -np.log(probability))
    assert Logistic().losses(np.array([800.0]), np.array([0])).tolist() == [800.0]


def test_cases_of_a_patient_are_averaged_as_probabilities_for_a_yes_or_no_and_as_scores_for_grades() -> None:
    ids = np.array(["a", "a", "b"])
    cases = Cases((), np.zeros((3, 0)), ids, ids)
    score = np.array([0.0, 4.0, 1.0])
    np.testing.assert_allclose(Logistic.pooled(score, cases), [logit((0.5 + expit(4.0)) / 2), 1.0])
    assert LIKELIHOODS["ordinal"].pooled(score, cases).tolist() == [2.0, 1.0]


@pytest.mark.parametrize(("kind", "ranks"), [("binary", [0, 1, 1]), ("ordinal", [2, 5, 5]), ("percentage", [2, 5, 5])])
def test_features_are_associated_with_labels_or_ranks(kind: str, ranks: list[int]) -> None:
    assert LIKELIHOODS[kind].ranks(np.array([0, 1, 1])).tolist() == ranks


def test_only_a_yes_or_no_is_calibrated_on_the_outer_folds() -> None:
    assert {kind: one.calibrated_on for kind, one in LIKELIHOODS.items()} == {
        "binary": "outer",
        "ordinal": "inner",
        "percentage": "inner",
    }
