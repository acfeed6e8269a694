"""The feature filter: fitted on the training part of a fold, and on nothing else."""

from typing import Any, NamedTuple, Self

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


Floats = npt.NDArray[np.float64]


def rank_matrix(features: Floats, weight: Floats | None = None) -> Floats:
    """Return the ranks of every column, centred and scaled to length 1, so that products are Spearman correlations.

    Args:
        features: Shape ``(n_cases, n_features)``; a missing value takes the mean rank, and so adds nothing.
        weight: Weight of each case, shape ``(n_cases,)``; by default, and where all are equal, every case counts once.
            A case then ranks by the weight below it, and rows are scaled by the roots of the weights.

    Returns:
        Shape ``(n_cases, n_features)``; columns without spread are 0.
    """
    missing = np.isnan(features)
    if weight is None or weight.min() == weight.max():
        ranks = rankdata(np.where(missing, np.inf, features), axis=0)
        weight = np.ones(len(features))
    else:
        ranks = _weighted_runs(features, weight).middle
    column = weight[:, None]
    ranks[missing] = 0
    ranks -= (ranks * column).sum(axis=0) / np.where((~missing).any(axis=0), (~missing * column).sum(axis=0), 1.0)
    ranks[missing] = 0
    ranks *= np.sqrt(column)
    length = np.linalg.norm(ranks, axis=0)
    return np.asarray(ranks / np.where(length > 0, length, np.inf), dtype=np.float64)


class _Runs(NamedTuple):
    """Runs of equal values in each column.

    Args:
        middle: Weight below a case's value and half the weight of its run, shape ``(n_cases, n_features)``.
        heaviest: Weight of the heaviest run of each column, shape ``(n_features,)``.
    """

    middle: Floats
    heaviest: Floats


def _weighted_runs(features: Floats, weight: Floats) -> _Runs:
    """Return the runs of equal values, a missing value weighing nothing."""
    order = np.argsort(features, axis=0)  # missing values come last
    ordered = np.take_along_axis(features, order, axis=0)
    weights = np.where(np.isnan(ordered), 0.0, weight[order])
    up_to = np.cumsum(weights, axis=0)
    begins = np.ones(features.shape, dtype=bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    ends = np.ones(features.shape, dtype=bool)
    ends[:-1] = begins[1:]
    below = np.maximum.accumulate(np.where(begins, up_to - weights, 0.0), axis=0)
    to_end = np.minimum.accumulate(np.where(ends, up_to, np.inf)[::-1], axis=0)[::-1]
    middle = np.empty(features.shape)
    np.put_along_axis(middle, order, (below + to_end) / 2, axis=0)
    return _Runs(middle, (to_end - below).max(axis=0))


def usable_features(features: Floats, weight: Floats | None = None) -> npt.NDArray[np.bool_]:
    """Return which features are known often enough and vary, shape ``(n_features,)``.

    Values that differ by rounding only, as in the wavelet bands of a flat region, do not vary.

    Args:
        features: Shape ``(n_cases, n_features)``.
        weight: Weight of each case, shape ``(n_cases,)``; by default, and where all are equal, every case counts once.
    """
    if weight is not None and weight.min() < weight.max():
        return _usable_by_weight(features, weight)
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
        usable[columns] = ~constant & _vary(low, high)
    return usable


def _usable_by_weight(features: Floats, weight: Floats) -> npt.NDArray[np.bool_]:
    known = (~np.isnan(features) * weight[:, None]).sum(axis=0)
    usable: npt.NDArray[np.bool_] = known >= (1 - MAX_MISSING) * weight.sum() - 1e-9
    columns = np.flatnonzero(usable & (known > 0))
    of_known = features[:, columns]
    tied = _weighted_runs(of_known, weight).heaviest > MAX_TIED * known[columns] + 1e-9
    usable[:] = False
    usable[columns] = ~tied & _vary(np.nanmin(of_known, axis=0), np.nanmax(of_known, axis=0))
    return usable


def _vary(low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    """Return which features differ by more than rounding."""
    return np.asarray(high - low > 1e-10 * np.maximum(np.abs(low), np.abs(high)), dtype=np.bool_)


def rank_features(features: Floats, y: npt.NDArray[Any], *, most: int, weight: Floats | None = None) -> npt.NDArray[np.intp]:
    """Choose features one by one: each time the one most associated with the label among those not yet represented.

    A chosen feature represents all whose absolute Spearman correlation with it is 0.9 or more, and they are dropped. The
    association is the absolute rank correlation with the label, which orders features as the distance of their AUC from
    0.5 does where no value is missing or tied. The first ``k`` of a longer choice are the choice of ``k``.

    Args:
        features: Shape ``(n_cases, n_features)``.
        y: Shape ``(n_cases,)``, both classes.
        most: Features to choose at most.
        weight: Weight of each case, shape ``(n_cases,)``; one over the number of a patient's cases lets patients count, so
            that one with many scans does not decide.

    Returns:
        Columns in the order of choice, shape ``(n_chosen,)``.
    """
    columns = np.flatnonzero(usable_features(features, weight))
    ranks = rank_matrix(features[:, columns], weight)
    outcome = y - y.mean() if weight is None else (y - np.average(y, weights=weight)) * np.sqrt(weight)
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

    def fit(self, X: Any, y: Any, case_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Choose the features of ``X``, shape ``(n_cases, n_features)``, for the outcomes ``y``, shape ``(n_cases,)``.

        ``case_weight``, shape ``(n_cases,)``, lets patients count rather than scans: see ``rank_features``.
        """
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64, ensure_min_samples=2, y_numeric=True)  # noqa: N806
        weight = None if case_weight is None else np.asarray(case_weight, dtype=np.float64)
        self.ranked_ = rank_features(X, LIKELIHOODS[self.kind].ranks(y), most=self.n_features, weight=weight)
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
    """Choose features as the filter does, every patient counting once, and return their names, the most associated first.

    Raises:
        InputError: If none is usable.
    """
    outcome = LIKELIHOODS[kind].ranks(cases.y)
    chosen = rank_features(cases.features, outcome, most=most, weight=cases.weight)
    if len(chosen) == 0:
        msg = f"None of the {len(cases.names)} features varies and is known in {1 - MAX_MISSING:.0%} of {len(cases)} cases"
        raise InputError(msg)
    return tuple(cases.names[column] for column in chosen)
