"""PPV, NPV and net benefit, where they are observed and where another share of patients is positive.

At another prevalence they follow from sensitivity and specificity, which are taken to be the same there.
"""

from dataclasses import dataclass
from math import log, sqrt

from scipy import stats
from scipy.special import expit

from ccrcc_model.statistics.curves import benefit_of_counts
from ccrcc_model.statistics.metrics import LEVEL, Counts, Estimate, Proportion, normal_interval
from nnunet_ext.ground.errors import InputError


@dataclass(frozen=True, slots=True)
class AtPrevalence:
    """What calls at one threshold are worth where ``prevalence`` of the patients are positive."""

    prevalence: float
    ppv: Estimate
    npv: Estimate
    net_benefit: Estimate


def at_prevalence(counts: Counts, threshold: float, prevalence: float, *, level: float = LEVEL) -> AtPrevalence:
    """Carry the calls behind ``counts`` over to another prevalence.

    Args:
        counts: Patients by truth and call at ``threshold``.
        threshold: Probability from which a patient was called positive; its odds weigh the false positives.
        prevalence: Share of positive patients, known and without error, inside (0, 1).
        level: Coverage of the intervals.

    Returns:
        PPV and NPV with logit intervals, from counts with z²/2 added to each where one of the four is 0; net benefit with
        a normal interval. Not estimable where a class is missing.

    Raises:
        InputError: If the prevalence is not inside (0, 1).

    References:
        Mercaldo et al. 2007, doi:10.1002/sim.2677 (PPV and NPV); Marsh et al. 2020, doi:10.1111/biom.13190 (net benefit).
    """
    check_prevalence(prevalence)
    sensitivity, specificity = counts.sensitivity, counts.specificity
    if sensitivity.value is None or specificity.value is None:
        none = Estimate(None, reason=sensitivity.reason or specificity.reason)
        return AtPrevalence(prevalence, none, none, none)
    return AtPrevalence(
        prevalence,
        _predictive_value(sensitivity, specificity, prevalence, level),
        _predictive_value(specificity, sensitivity, 1 - prevalence, level),
        _net_benefit(counts, threshold, prevalence, level),
    )


def check_prevalence(prevalence: float) -> None:
    """Raise an InputError unless ``prevalence`` lies inside (0, 1)."""
    if not 0 < prevalence < 1:
        msg = f"A prevalence is a share of positive patients inside (0, 1), such as 0.3; got {prevalence:g}"
        raise InputError(msg)


def observed_net_benefit(counts: Counts, threshold: float, *, level: float = LEVEL) -> Estimate:
    """Net benefit of the calls behind ``counts`` at the group's own prevalence, with the normal interval of a mean.

    Each patient adds 1 if a true positive, less the odds of ``threshold`` if a false one.

    References:
        Vickers and Elkin 2006, doi:10.1177/0272989X06295361.
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


def _predictive_value(right: Proportion, other: Proportion, share: float, level: float) -> Estimate:
    """Share of those called to a class that belong to it.

    Args:
        right: Called rightly, of those of the class: sensitivity for PPV, specificity for NPV.
        other: Called rightly, of those of the other class.
        share: Share of the class among the patients.
        level: Coverage of the interval.
    """
    a, n, b, m = float(right.numerator), float(right.denominator), float(other.numerator), float(other.denominator)
    called = a / n * share + (1 - b / m) * (1 - share)
    if called == 0:
        return Estimate(None, reason="no patients called so")
    value = a / n * share / called
    z = float(stats.norm.ppf((1 + level) / 2))
    if 0 in (a, n - a, b, m - b):
        a, n, b, m = a + z**2 / 2, n + z**2, b + z**2 / 2, m + z**2
    centre = log(a / n * share / ((1 - b / m) * (1 - share)))
    half = z * sqrt((1 - a / n) / a + (b / m) / (m - b))
    return Estimate(value, min(float(expit(centre - half)), value), max(float(expit(centre + half)), value))


def _net_benefit(counts: Counts, threshold: float, prevalence: float, level: float) -> Estimate:
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


def _normal(value: float, variance: float, level: float) -> Estimate:
    if variance <= 0:
        return Estimate(value, reason="interval not estimable: its variance is zero")
    return normal_interval(value, variance, level=level)
