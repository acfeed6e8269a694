"""How well probabilities order patients: area under the ROC curve, its paired difference, and average precision."""

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ccrcc_model.statistics.estimate import LEVEL, NEEDS_BOOTSTRAP, Difference, Estimate, normal_interval
from ccrcc_model.statistics.figure import Figures
from ccrcc_model.statistics.predictions import Predictions, check_same_patients, one_class

DISCRIMINATION: Figures[Callable[[Predictions], Estimate]] = Figures("discrimination")
"""Figures of how probabilities order patients."""


@DISCRIMINATION.add("auc", title="AUC", source="DeLong et al. 1988, doi:10.2307/2531595", redrawn="within classes")
def auc(predictions: Predictions, *, level: float = LEVEL) -> Estimate:
    """Area under the ROC curve with DeLong's interval, cut at 0 and 1.

    The interval is not given where DeLong's variance says nothing: fewer than two patients of a class, or classes that
    are separated completely (an interval of width zero would claim certainty).

    Example:
        >>> import ccrcc_model as cc
        >>> print(cc.auc(cc.Predictions.read("predictions.csv")))
        0.75(0.59-0.91)

    References:
        DeLong et al. 1988, doi:10.2307/2531595; algorithm of Sun and Xu 2014, doi:10.1109/LSP.2014.2337313.
    """
    if reason := one_class(predictions):
        return Estimate(None, reason=reason)
    area, covariance = _delong(predictions.y_true, predictions.y_prob[None, :])
    return _wald(float(area[0]), float(covariance[0, 0]), level=level, limits=(0.0, 1.0))


def auc_difference(model: Predictions, other: Predictions, *, level: float = LEVEL) -> Difference:
    """Difference of two AUCs (model − other) on the same patients, with DeLong's paired interval and test.

    Raises:
        InputError: If the two do not hold the same patients and truths in the same order.

    References:
        DeLong et al. 1988, doi:10.2307/2531595.
    """
    check_same_patients(model, other)
    if reason := one_class(model):
        return Difference(Estimate(None, reason=reason))
    area, covariance = _delong(model.y_true, np.stack([model.y_prob, other.y_prob]))
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    estimate = _wald(float(area[0] - area[1]), variance, level=level, limits=(-1.0, 1.0))
    if estimate.value is None or estimate.low is None:
        return Difference(estimate)
    return Difference(estimate, p_value=2 * float(stats.norm.sf(abs(estimate.value) / sqrt(variance))))


@DISCRIMINATION.add(
    "auprc",
    title="AUPRC",
    source="Davis and Goadrich 2006, doi:10.1145/1143844.1143874",
    interval="bootstrap",
    redrawn="all patients",
)
def average_precision(predictions: Predictions) -> Estimate:
    """Area under the precision-recall curve (AUPRC) as a sum of steps; its interval needs a bootstrap.

    A score without information has the share of positive patients, so AUPRCs compare within one group of patients only.

    References:
        Davis and Goadrich 2006, doi:10.1145/1143844.1143874; Boyd et al. 2013, doi:10.1007/978-3-642-40994-3_29.
    """
    if reason := one_class(predictions):
        return Estimate(None, reason=reason)
    order = np.argsort(-predictions.y_prob, kind="stable")
    truth, probability = predictions.y_true[order], predictions.y_prob[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(probability)), len(truth) - 1)
    hits = np.cumsum(truth)[last_of_tie]
    precision = hits / (last_of_tie + 1)
    return Estimate(float((np.diff(hits, prepend=0) * precision).sum() / hits[-1]), reason=NEEDS_BOOTSTRAP)


def _delong(
    y_true: npt.NDArray[Any], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """AUCs ``(k,)`` and their covariance ``(k, k)`` from ``scores`` of shape ``(k, n)``; NaN where a class has one patient."""
    positive, negative = scores[:, y_true == 1], scores[:, y_true == 0]
    m, n = positive.shape[1], negative.shape[1]
    ranks = stats.rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    placed_positive = (ranks[:, :m] - stats.rankdata(positive, axis=1)) / n
    placed_negative = 1 - (ranks[:, m:] - stats.rankdata(negative, axis=1)) / m
    areas = placed_positive.mean(axis=1)
    if min(m, n) < 2:
        return areas, np.full((len(scores), len(scores)), np.nan)
    return areas, np.atleast_2d(np.cov(placed_positive)) / m + np.atleast_2d(np.cov(placed_negative)) / n


def _wald(value: float, variance: float, *, level: float, limits: tuple[float, float]) -> Estimate:
    if not isfinite(variance):
        return Estimate(value, reason="interval not estimable: fewer than two patients of a class")
    if variance <= 1e-15:
        return Estimate(value, reason="interval not estimable: DeLong's variance is zero")
    return normal_interval(value, variance, level=level, limits=limits)
