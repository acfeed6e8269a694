"""How well probabilities order patients: area under the ROC curve, its paired difference, and average precision."""

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ccrcc_model.statistics.estimate import LEVEL, NEEDS_BOOTSTRAP, Difference, Estimate, logit_interval, normal_interval
from ccrcc_model.statistics.figure import Figures
from ccrcc_model.statistics.intervals import clopper_pearson
from ccrcc_model.statistics.predictions import Predictions, check_same_patients, few_of_a_class, one_class

LEAST_VARIANCE = 1e-15
"""A variance of DeLong's below this is rounding of zero."""
NO_VARIANCE = "interval not estimable: DeLong's variance is zero"

DISCRIMINATION: Figures[Callable[[Predictions], Estimate]] = Figures("discrimination")
"""Figures of how probabilities order patients."""


@DISCRIMINATION.add("auc", title="AUC", source="DeLong et al. 1988, doi:10.2307/2531595", redrawn="within classes")
def auc(predictions: Predictions, *, level: float = LEVEL) -> Estimate:
    """Area under the ROC curve with an interval from DeLong's variance, made on the logit scale.

    An AUC near 1 is skewed, so that an interval on its own scale holds the truth too seldom: at 15 positive and 33 negative
    patients and an AUC of 0.93 in 86 instead of 95 % (docs/explanation/coverage.md). Classes that are separated
    completely have an exact interval, see `separated`.

    Example:
        >>> import ccrcc_model as cc
        >>> print(cc.auc(cc.Predictions.read("predictions.csv")))
        0.75(0.56-0.88)

    References:
        Variance: DeLong et al. 1988, doi:10.2307/2531595; algorithm of Sun and Xu 2014, doi:10.1109/LSP.2014.2337313. Scale:
        Pepe 2003, The Statistical Evaluation of Medical Tests for Classification and Prediction, Oxford University Press,
        section 5.2; compared with others by Qin and Hotilovac 2008, doi:10.1177/0962280207087173.
    """
    if reason := one_class(predictions):
        return Estimate(None, reason=reason)
    areas, covariance = delong(predictions.y_true, predictions.order[None, :])
    area, variance = float(areas[0]), float(covariance[0, 0])
    if reason := few_of_a_class(predictions):
        return Estimate(area, reason=reason)
    if area in {0.0, 1.0}:
        events = int(predictions.y_true.sum())
        return separated(area, min(events, len(predictions) - events), level=level)
    if variance <= LEAST_VARIANCE:
        return Estimate(area, reason=NO_VARIANCE)
    return logit_interval(area, variance, level=level)


def separated(area: float, pairs: int, *, level: float = LEVEL) -> Estimate:
    """AUC of 0 or 1 with an exact interval: DeLong's variance is zero there, which would claim certainty.

    Of m positive and n negative patients min(m, n) pairs can be formed that share no patient. Each is ordered rightly with a
    probability of the AUC, independently, so that all of them are with a probability of at most AUC^min(m, n). Clopper and
    Pearson's interval of that many successes in as many trials therefore holds the AUC at least as often as it claims.

    Args:
        area: 0 or 1.
        pairs: Patients of the smaller class.
        level: Coverage of the interval.

    References:
        Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404. Narrower bounds hold for named distributions only: Obuchowski
        and Lieber 2002, doi:10.1016/S1076-6332(03)80329-X.
    """
    low, high = clopper_pearson(np.asarray(pairs if area else 0), np.asarray(pairs), level=level)
    return Estimate(area, float(low), float(high))


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
    area, covariance = delong(model.y_true, np.stack([model.order, other.order]))
    value = float(area[0] - area[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not isfinite(variance):
        return Difference(Estimate(value, reason=few_of_a_class(model)))
    if variance <= LEAST_VARIANCE:
        return Difference(Estimate(value, reason=NO_VARIANCE))
    estimate = normal_interval(value, variance, level=level, limits=(-1.0, 1.0))
    return Difference(estimate, p_value=2 * float(stats.norm.sf(abs(value) / sqrt(variance))))


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
    order = np.argsort(-predictions.order, kind="stable")
    truth, score = predictions.y_true[order], predictions.order[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(score)), len(truth) - 1)
    hits = np.cumsum(truth)[last_of_tie]
    precision = hits / (last_of_tie + 1)
    return Estimate(float((np.diff(hits, prepend=0) * precision).sum() / hits[-1]), reason=NEEDS_BOOTSTRAP)


def delong(
    y_true: npt.NDArray[Any], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the AUCs of predictors, shape ``(k,)``, and DeLong's covariance of them, shape ``(k, k)``; ties count half.

    Args:
        y_true: 0 or 1, shape ``(n,)``; both classes must be there.
        scores: Score of each predictor for each patient, shape ``(k, n)``.

    Returns:
        The covariance is NaN where a class has one patient.

    References:
        DeLong et al. 1988, doi:10.2307/2531595; algorithm of Sun and Xu 2014, doi:10.1109/LSP.2014.2337313.
    """
    positive, negative = scores[:, y_true == 1], scores[:, y_true == 0]
    m, n = positive.shape[1], negative.shape[1]
    ranks = stats.rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    placed_positive = (ranks[:, :m] - stats.rankdata(positive, axis=1)) / n
    placed_negative = 1 - (ranks[:, m:] - stats.rankdata(negative, axis=1)) / m
    areas = placed_positive.mean(axis=1)
    if min(m, n) < 2:
        return areas, np.full((len(scores), len(scores)), np.nan)
    return areas, np.atleast_2d(np.cov(placed_positive)) / m + np.atleast_2d(np.cov(placed_negative)) / n
