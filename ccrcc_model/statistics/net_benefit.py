"""Net benefit: true positives per patient minus false positives per patient, weighed by the odds of the threshold.

One formula gives it everywhere: of the calls at a threshold, over the thresholds of a decision curve, of counts that a site
shares, and at another share of positive patients.

References:
    Vickers and Elkin 2006, doi:10.1177/0272989X06295361.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.estimate import LEVEL, Estimate, normal_interval
from ccrcc_model.statistics.figure import Figures
from ccrcc_model.statistics.predictions import Predictions

BENEFIT: Figures[Callable[[Counts, float], Estimate]] = Figures("benefit")
"""Figures of the counts at a threshold that also depend on the threshold itself."""


def net_benefit(predictions: Predictions, *, threshold: float, level: float = LEVEL) -> Estimate:
    """Net benefit of treating the patients at or above ``threshold``, with the normal interval of a mean.

    Args:
        predictions: Truth and probability.
        threshold: Probability at which one would treat, inside (0, 1).
        level: Coverage of the interval.

    Returns:
        True positives per patient − false positives per patient × odds of ``threshold``.

    Raises:
        ValueError: If ``threshold`` is not inside (0, 1), where the odds are undefined.

    Example:
        >>> import ccrcc_model as cc
        >>> print(cc.net_benefit(cc.Predictions.read("predictions.csv"), threshold=0.2))
        0.36(0.18-0.55)

    References:
        Vickers and Elkin 2006, doi:10.1177/0272989X06295361.
    """
    check_thresholds(np.array([threshold]))
    return net_benefit_of_calls(counts(predictions, threshold), threshold, level=level)


@BENEFIT.add("net_benefit", title="Net benefit", source="Vickers and Elkin 2006, doi:10.1177/0272989X06295361")
def net_benefit_of_calls(counts: Counts, threshold: float, *, level: float = LEVEL) -> Estimate:
    """Net benefit of the calls behind ``counts`` at the group's own prevalence, with the normal interval of a mean.

    Each patient adds 1 if a true positive, and subtracts the odds of ``threshold`` if a false positive.
    """
    if not 0 < threshold < 1:
        return Estimate(None, reason="the threshold has no odds")
    n = counts.true_positive + counts.false_negative + counts.true_negative + counts.false_positive
    if n == 0:
        return Estimate(None, reason="no patients")
    odds = threshold / (1 - threshold)
    value = float(benefit_of_counts(counts.true_positive, counts.false_positive, n, threshold))
    if n < 2:
        return Estimate(value, reason="interval not estimable: one patient")
    variance = ((counts.true_positive + odds**2 * counts.false_positive) / n - value**2) / (n - 1)
    return _normal(value, variance, level)


def net_benefit_at(counts: Counts, threshold: float, prevalence: float, *, level: float = LEVEL) -> Estimate:
    """Net benefit of the calls behind ``counts`` where ``prevalence`` of the patients are positive.

    References:
        Marsh et al. 2020, doi:10.1111/biom.13190.
    """
    if not 0 < threshold < 1:
        return Estimate(None, reason="the threshold has no odds")
    weights = prevalence, -(1 - prevalence) * threshold / (1 - threshold)
    value = variance = 0.0
    for weight, called, n in zip(
        weights,
        (counts.true_positive, counts.false_positive),
        (counts.true_positive + counts.false_negative, counts.true_negative + counts.false_positive),
        strict=True,
    ):
        share = called / n
        value += weight * share
        variance += weight**2 * share * (1 - share) / n
    return _normal(value, variance, level)


def benefit_of_counts(hits: npt.ArrayLike, alarms: npt.ArrayLike, n: int, threshold: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Net benefit from true and false positives among ``n`` patients, entry by entry."""
    at = np.asarray(threshold, dtype=np.float64)
    return np.asarray((np.asarray(hits) - np.asarray(alarms) * at / (1 - at)) / n, dtype=np.float64)


def net_benefits(
    y_true: npt.NDArray[np.int_], y_prob: npt.NDArray[np.float64], thresholds: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Net benefit at each threshold, shape ``(n_thresholds,)``; NaN without patients.

    Args:
        y_true: 0 or 1, shape ``(n,)``.
        y_prob: Shape ``(n,)``.
        thresholds: Inside (0, 1), shape ``(n_thresholds,)``.

    Raises:
        ValueError: If a threshold is not inside (0, 1).
    """
    check_thresholds(thresholds)
    if len(y_true) == 0:
        return np.full(len(thresholds), np.nan)
    positive, negative = np.sort(y_prob[y_true == 1]), np.sort(y_prob[y_true == 0])
    hits = len(positive) - np.searchsorted(positive, thresholds, side="left")
    alarms = len(negative) - np.searchsorted(negative, thresholds, side="left")
    return benefit_of_counts(hits, alarms, len(y_true), thresholds)


def check_thresholds(thresholds: npt.NDArray[np.float64]) -> None:
    """Raise a ValueError unless every threshold lies inside (0, 1)."""
    outside = thresholds[~((thresholds > 0) & (thresholds < 1))]
    if len(outside):
        msg = f"Net benefit needs a threshold inside (0, 1), not {outside[0]:g}"
        raise ValueError(msg)


def _normal(value: float, variance: float, level: float) -> Estimate:
    if variance <= 0:
        return Estimate(value, reason="interval not estimable: its variance is zero")
    return normal_interval(value, variance, level=level)
