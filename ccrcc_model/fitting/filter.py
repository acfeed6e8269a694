"""The feature filter: fitted on the training part of a fold, and on nothing else."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ccrcc_model.models.scorer import LIKELIHOODS
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Kind
from nnunet_ext.ground.errors import InputError

MAX_MISSING = 0.25
"""Share of missing values above which a feature is dropped."""
MAX_TIED = 0.95
"""Share of equal values above which a feature counts as constant: caret's ``nearZeroVar`` draws the same line."""
MAX_CORRELATION = 0.9
"""Absolute Spearman correlation from which two features count as one, the usual choice in radiomics."""


def rank_matrix(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the ranks of every column, centred and scaled to length 1, so that products are Spearman correlations.

    Args:
        features: Shape ``(n_cases, n_features)``; a missing value takes the mean rank, and so adds nothing.

    Returns:
        Shape ``(n_cases, n_features)``; columns without spread are 0.
    """
    missing = np.isnan(features)
    ranks = rankdata(np.where(missing, np.inf, features), axis=0)
    ranks[missing] = 0
    ranks -= ranks.sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    ranks[missing] = 0
    length = np.linalg.norm(ranks, axis=0)
    return np.asarray(ranks / np.where(length > 0, length, np.inf), dtype=np.float64)


def usable_features(features: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which features are known often enough and vary, shape ``(n_features,)``.

    Values that differ by rounding only, as in the wavelet bands of a flat region, do not vary.
    """
    n_cases, n_features = features.shape
    usable = np.zeros(n_features, dtype=bool)
    ordered = np.sort(features, axis=0)  # missing values come last
    n_known = n_cases - np.isnan(features).sum(axis=0)
    for n in np.unique(n_known[n_known >= max(2, (1 - MAX_MISSING) * n_cases)]):
        columns = np.flatnonzero(n_known == n)
        known = ordered[:n, columns]
        low, high = known[0], known[-1]
        ties = int(MAX_TIED * n)
        constant = (known[ties:] == known[: n - ties]).any(axis=0)
        usable[columns] = ~constant & (high - low > 1e-10 * np.maximum(np.abs(low), np.abs(high)))
    return usable


def rank_features(features: npt.NDArray[np.float64], y: npt.NDArray[Any], *, most: int) -> npt.NDArray[np.intp]:
    """Choose features one by one: each time the one most associated with the label among those not yet represented.

    A chosen feature represents all whose absolute Spearman correlation with it is 0.9 or more, and they are dropped. The
    association is the absolute rank correlation with the label, which orders features as the distance of their AUC from
    0.5 does where no value is missing or tied. The first ``k`` of a longer choice are the choice of ``k``.

    Args:
        features: Shape ``(n_cases, n_features)``.
        y: Shape ``(n_cases,)``, both classes.
        most: Features to choose at most.

    Returns:
        Columns in the order of choice, shape ``(n_chosen,)``.
    """
    columns = np.flatnonzero(usable_features(features))
    ranks = rank_matrix(features[:, columns])
    outcome = y - y.mean()
    association = np.abs(outcome @ ranks)
    chosen: list[int] = []
    while len(chosen) < min(most, len(columns)):
        best = int(association.argmax())
        if association[best] < 0:
            break
        chosen.append(best)
        association[np.abs(ranks[:, best] @ ranks) >= MAX_CORRELATION] = -1
        association[best] = -1
    return columns[chosen]


class FeatureFilter(SelectorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Keep the features that are known, vary, are no copies of one another, and are most associated with the label.

    A scikit-learn transformer, so that it is fitted on the training part of a fold like any other.

    Args:
        n_features: Features to keep at most.
        kind: Kind of the target: grades and percentages are associated by their ranks.

    Attributes:
        ranked_: Columns kept, the most associated with the label first.
    """

    def __init__(self, n_features: int = 30, kind: Kind = "binary") -> None:
        self.n_features = n_features
        self.kind = kind

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Choose the features of ``X``, shape ``(n_cases, n_features)``, for the outcomes ``y``, shape ``(n_cases,)``."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64, ensure_min_samples=2, y_numeric=True)  # noqa: N806
        self.ranked_ = rank_features(X, LIKELIHOODS[self.kind].ranks(y), most=self.n_features)
        return self

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self)
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.ranked_] = True
        return mask

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags


def choose_features(cases: LabelledCases, *, most: int, kind: Kind = "binary") -> tuple[str, ...]:
    """Fit the filter on ``cases`` and return the names that it keeps, the most associated first.

    Raises:
        InputError: If it keeps none.
    """
    fitted = FeatureFilter(most, kind).fit(cases.features, cases.y)
    if len(fitted.ranked_) == 0:
        msg = f"None of the {len(cases.names)} features varies and is known in {1 - MAX_MISSING:.0%} of {len(cases)} cases"
        raise InputError(msg)
    return tuple(cases.names[column] for column in fitted.ranked_)
