"""Penalised linear models of each kind of target, as scikit-learn's estimators."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from ccrcc_model.models.scorer import LIKELIHOODS
from ccrcc_model.outcomes.target import Kind

REGRESSIONS: dict[Kind, str] = {
    "binary": "logistic regression",
    "ordinal": "proportional odds",
    "percentage": "linear regression",
}
"""Name of the model of each kind of target; that of a percentage predicts its logarithm."""


def regression(kind: Kind, **options: Any) -> Any:
    """Return an estimator with a parameter ``C``, the inverse of its ridge, and ``decision_function``.

    Args:
        kind: Kind of the target.
        options: Of scikit-learn's logistic regression, which a yes or no has; the others need none.
    """
    return LogisticRegression(C=1.0, **options) if kind == "binary" else PenalisedRegression(kind)


class PenalisedRegression(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """The linear score of a likelihood, by penalised maximum likelihood.

    Args:
        kind: Kind of the target.
        C: Inverse of the ridge, as for scikit-learn's logistic regression.
    """

    def __init__(self, kind: Kind, C: float = 1.0) -> None:  # noqa: N803 - scikit-learn's name
        self.kind = kind
        self.C = C

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Fit on ``X``, shape ``(n, k)``, and outcomes ``y``, shape ``(n,)``."""
        design, outcome = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        weight = np.ones(len(outcome)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        fitted = LIKELIHOODS[self.kind].fit(design, outcome, weight=weight, ridge=1.0 / self.C)
        self.coef_, self.intercept_, self.likelihood_ = fitted.coefficients, fitted.intercept, fitted.likelihood
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the score, shape ``(n,)``."""
        return np.asarray(np.asarray(X, dtype=np.float64) @ self.coef_ + self.intercept_, dtype=np.float64)

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """Return minus the mean loss."""
        return -float(self.likelihood_.losses(self.decision_function(X), np.asarray(y, dtype=np.float64)).mean())
