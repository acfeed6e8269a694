"""PPV, NPV and net benefit where another share of patients is positive.

They follow from sensitivity and specificity, which are taken to be the same there.
"""

from dataclasses import dataclass
from math import log, sqrt

from scipy import stats
from scipy.special import expit

from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.estimate import LEVEL, Estimate, Proportion
from ccrcc_model.statistics.net_benefit import net_benefit_at
from nnunet_ext.ground.errors import InputError


@dataclass(frozen=True, slots=True)
class AtPrevalence:
    """Predictive values and net benefit at one threshold where ``prevalence`` of the patients are positive."""

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
        net_benefit_at(counts, threshold, prevalence, level=level),
    )


def check_prevalence(prevalence: float) -> None:
    """Raise an InputError unless ``prevalence`` lies inside (0, 1)."""
    if not 0 < prevalence < 1:
        msg = f"A prevalence is a share of positive patients inside (0, 1), such as 0.3; got {prevalence:g}"
        raise InputError(msg)


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
