import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ccrcc_model.fitting.regression import regression


def test_the_regression_of_a_yes_or_no_is_that_of_scikit_learn() -> None:
    assert isinstance(regression("binary", max_iter=1000), LogisticRegression)


def test_the_regression_of_a_percentage_is_ridge_on_the_standardised_logarithm() -> None:
    rng = np.random.default_rng(0)
    design = rng.normal(size=(60, 3))
    percent = np.expm1(2 + 0.4 * design[:, 0] + 0.2 * rng.normal(size=60))
    fitted = regression("percentage").set_params(C=0.1).fit(design, percent)
    logarithm = np.log1p(percent)
    reference = Ridge(alpha=10).fit(design, (logarithm - logarithm.mean()) / logarithm.std())
    np.testing.assert_allclose(fitted.coef_, reference.coef_)


@pytest.mark.parametrize("kind", ["ordinal", "percentage"])
def test_a_better_fit_has_a_higher_score(kind: str) -> None:
    rng = np.random.default_rng(1)
    design = rng.normal(size=(60, 2))
    outcome = np.clip(np.round(2.5 + design[:, 0]), 1, 4)
    good, poor = (regression(kind).set_params(C=penalty).fit(design, outcome) for penalty in (1.0, 1e-6))
    assert good.score(design, outcome) > poor.score(design, outcome)
    assert np.corrcoef(good.decision_function(design), design[:, 0])[0, 1] > 0.9
