"""How well predictions tell positive from negative patients, each figure with its 95 % interval and its counts.

A figure that the data cannot give is an `Estimate` without a value and with the reason: a subgroup of one class is a
finding, not a crash.
"""

from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from ccrcc_model.statistics import intervals
from ccrcc_model.statistics.predictions import Predictions, check_same_patients

PrintRule = Literal["round", "cut"]
"""How a printed figure loses its further digits: to the nearest, half up (the default), or cut, as Table S2 was."""

LEVEL = 0.95
NOT_ESTIMABLE = "not estimable"
NEEDS_BOOTSTRAP = "interval needs a bootstrap"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval, or why there is none.

    Args:
        value: The figure; None if it is not estimable.
        low: Lower bound; None if there is no interval.
        high: Upper bound; None if there is no interval.
        reason: Why value or interval are missing; None if both are there.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return format_estimate(self)


@dataclass(frozen=True, slots=True)
class Proportion(Estimate):
    """A share of patients with its exact interval and the counts behind it."""

    numerator: int = 0
    denominator: int = 0

    def __str__(self) -> str:
        return format_estimate(self)


@dataclass(frozen=True, slots=True)
class Counts:
    """Patients by truth and by prediction at one threshold."""

    true_positive: int
    false_negative: int
    true_negative: int
    false_positive: int

    @property
    def sensitivity(self) -> Proportion:
        """Share of the positive patients that are called positive."""
        return clopper_pearson(self.true_positive, self.true_positive + self.false_negative, of="positive patients")

    @property
    def specificity(self) -> Proportion:
        """Share of the negative patients that are called negative."""
        return clopper_pearson(self.true_negative, self.true_negative + self.false_positive, of="negative patients")

    @property
    def accuracy(self) -> Proportion:
        """Share of all patients that are called rightly."""
        n = self.true_positive + self.false_negative + self.true_negative + self.false_positive
        return clopper_pearson(self.true_positive + self.true_negative, n, of="patients")

    @property
    def ppv(self) -> Proportion:
        """Positive predictive value: share of those called positive that are."""
        return clopper_pearson(self.true_positive, self.true_positive + self.false_positive, of="patients called positive")

    @property
    def npv(self) -> Proportion:
        """Negative predictive value: share of those called negative that are."""
        return clopper_pearson(self.true_negative, self.true_negative + self.false_negative, of="patients called negative")

    @property
    def balanced_accuracy(self) -> Estimate:
        """Mean of sensitivity and specificity; its interval needs a bootstrap.

        References:
            Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
        """
        sensitivity, specificity = self.sensitivity, self.specificity
        if sensitivity.value is None or specificity.value is None:
            return Estimate(None, reason=sensitivity.reason or specificity.reason)
        return Estimate((sensitivity.value + specificity.value) / 2, reason=NEEDS_BOOTSTRAP)

    @property
    def f1(self) -> Estimate:
        """Harmonic mean of sensitivity and PPV, at the group's own share of positives; its interval needs a bootstrap.

        Where no patient is positive or called positive it is not estimable: there is then nothing to find.

        References:
            van Rijsbergen 1979, Information Retrieval, Butterworths, chapter 7.
        """
        concerned = 2 * self.true_positive + self.false_positive + self.false_negative
        if concerned == 0:
            return Estimate(None, reason="no patients that are positive or called positive")
        return Estimate(2 * self.true_positive / concerned, reason=NEEDS_BOOTSTRAP)


@dataclass(frozen=True, slots=True)
class Difference:
    """AUC of a model less the AUC of another on the same patients.

    Args:
        estimate: The difference with its paired DeLong interval.
        p_value: Two-sided, against no difference; None if not estimable.
    """

    estimate: Estimate
    p_value: float | None = None


def format_number(value: float | None, *, decimals: int = 2, rule: PrintRule = "round") -> str:
    """Return ``value`` with ``decimals`` digits: to the nearest (half up), or cut towards zero; "not estimable" for None.

    A value within 1e-9 of a printed digit counts as that digit, so that 0.29 is never cut to 0.28.
    """
    if value is None:
        return NOT_ESTIMABLE
    digits = int(printed_digits(np.asarray(abs(value)), decimals=decimals, rule=rule))
    sign = "-" if value < 0 and digits else ""
    return f"{sign}{digits / 10**decimals:.{decimals}f}"


def printed_digits(magnitude: npt.NDArray[np.float64], *, decimals: int, rule: PrintRule) -> npt.NDArray[np.float64]:
    """Return figures from 0 up in units of their last printed digit, so that 0.816 is 82 at two decimals, and 81 if cut."""
    scaled = magnitude * 10**decimals
    return np.asarray(np.floor((scaled if rule == "cut" else scaled + 0.5) + 1e-9))


def format_estimate(estimate: Estimate, *, decimals: int = 2, rule: PrintRule = "round") -> str:
    """Return an estimate in the form of the supplement's Table S2, ``0.81(0.64-0.93)``; rounded unless ``rule`` is "cut"."""
    value = format_number(estimate.value, decimals=decimals, rule=rule)
    if estimate.low is None or estimate.high is None:
        return value
    low, high = (format_number(bound, decimals=decimals, rule=rule) for bound in (estimate.low, estimate.high))
    return f"{value}({low}-{high})"


def format_difference(estimate: Estimate) -> str:
    """Return a difference with its sign and interval, ``+0.02 (-0.05 to +0.09)``."""

    def signed(number: float | None) -> str:
        text = format_number(number)
        return f"+{text}" if number is not None and float(text) > 0 else text

    if estimate.low is None or estimate.high is None:
        return signed(estimate.value)
    return f"{signed(estimate.value)} ({signed(estimate.low)} to {signed(estimate.high)})"


def clopper_pearson(numerator: int, denominator: int, *, of: str = "cases", level: float = LEVEL) -> Proportion:
    """Proportion with the exact interval, whose coverage is never below ``level``.

    Args:
        numerator: Cases that count.
        denominator: Cases in all; with none the proportion is not estimable.
        of: What the denominator counts, for the reason.
        level: Coverage of the interval.

    Raises:
        ValueError: If the counts are not 0 <= numerator <= denominator.

    References:
        Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    if not 0 <= numerator <= denominator:
        msg = f"A proportion needs 0 <= numerator <= denominator, not {numerator} of {denominator}"
        raise ValueError(msg)
    if denominator == 0:
        return Proportion(None, reason=f"no {of}")
    low, high = intervals.clopper_pearson(np.asarray(numerator), np.asarray(denominator), level=level)
    return Proportion(numerator / denominator, float(low), float(high), numerator=numerator, denominator=denominator)


def normal_interval(
    value: float, variance: float, *, level: float = LEVEL, limits: tuple[float, float] = (-inf, inf)
) -> Estimate:
    """Return a figure with the interval that a normal one of this variance has, cut at the limits of the figure."""
    half = float(stats.norm.ppf((1 + level) / 2)) * sqrt(variance)
    return Estimate(value, max(value - half, limits[0]), min(value + half, limits[1]))


def counts(predictions: Predictions, threshold: float) -> Counts:
    """Count patients by truth and prediction; a probability equal to ``threshold`` is called positive."""
    called = predictions.y_prob >= threshold
    positive = predictions.y_true == 1
    return Counts(
        true_positive=int((called & positive).sum()),
        false_negative=int((~called & positive).sum()),
        true_negative=int((~called & ~positive).sum()),
        false_positive=int((called & ~positive).sum()),
    )


def one_class(predictions: Predictions) -> str | None:
    """Return why nothing that compares classes can be estimated here, or None if both classes are there."""
    events = int(predictions.y_true.sum())
    if len(predictions) == 0:
        return "no patients"
    if events == 0:
        return "no positive patients"
    return "no negative patients" if events == len(predictions) else None


def auc(predictions: Predictions, *, level: float = LEVEL) -> Estimate:
    """Area under the ROC curve with DeLong's interval, cut at 0 and 1.

    The interval is not given where DeLong's variance says nothing: fewer than two patients of a class, or classes that
    are separated completely (an interval of width zero would claim certainty).

    References:
        DeLong et al. 1988, doi:10.2307/2531595; algorithm of Sun and Xu 2014, doi:10.1109/LSP.2014.2337313.
    """
    if reason := one_class(predictions):
        return Estimate(None, reason=reason)
    area, covariance = _delong(predictions.y_true, predictions.y_prob[None, :])
    return _wald(float(area[0]), float(covariance[0, 0]), level=level, limits=(0.0, 1.0))


def auc_difference(model: Predictions, other: Predictions, *, level: float = LEVEL) -> Difference:
    """Difference of two AUCs on the same patients, model less other, with DeLong's paired interval and test.

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
