"""One figure of several hospitals, each with a true value of its own: their mean, their spread, and what the next one may see.

Random effects with the variance between sites by restricted maximum likelihood and Hartung and Knapp's interval of the mean,
as is advised for the validation of prediction models (Debray et al. 2017, doi:10.1136/bmj.i6460). They speak of hospitals like
these. `mean_of_these` speaks of these hospitals alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from ccrcc_model.statistics.estimate import LEVEL, Estimate

Scale = Literal["identity", "logit"]
"""Scale on which the sites' true values, and their intervals, are taken as normal: as they are, or as log odds (an AUC)."""
Limits = tuple[float, float]
NO_LIMITS: Limits = (-inf, inf)


@dataclass(frozen=True, slots=True)
class MetaAnalysis:
    """The estimates of one figure at several sites, combined.

    Args:
        sites: Sites that were used; those without an interval are not.
        mean: Mean of the sites' true values, on the figure's own scale, with Hartung and Knapp's interval.
        prediction: The same value with the interval of the true value of a site like these; three sites or more.
        tau_squared: Variance of the true values between sites, on the scale of the analysis.
        i_squared: Its share of the whole variance, inside [0, 1].
        q_p_value: P value of Cochran's Q, against the same true value at all sites.
    """

    sites: int
    mean: Estimate
    prediction: Estimate
    tau_squared: float | None = None
    i_squared: float | None = None
    q_p_value: float | None = None


def meta_analysis(
    estimates: Sequence[Estimate], *, scale: Scale = "identity", limits: Limits = NO_LIMITS, level: float = LEVEL
) -> MetaAnalysis:
    """Combine a figure of several sites by random effects.

    The factor of Hartung and Knapp's variance is never taken below 1, as they advise: two sites that agree by chance would
    otherwise have an interval of no width.

    Args:
        estimates: Estimate of each site, with intervals of coverage ``level`` that are normal on the scale of the analysis,
            such as that of ``auc`` on the logit scale. Those without an interval are left out, and so are those of 0 or 1 on
            the logit scale.
        scale: Scale of the analysis; ``"logit"`` for an AUC (Snell et al. 2018, doi:10.1177/0962280217705678).
        limits: Least and largest value that the figure can have, at which intervals are cut.
        level: Coverage of all intervals.

    References:
        REML: Viechtbauer 2005, doi:10.3102/10769986030003261. Interval of the mean: Hartung and Knapp 2001,
        doi:10.1002/sim.1009; Knapp and Hartung 2003, doi:10.1002/sim.1482. Prediction: Higgins et al. 2009,
        doi:10.1111/j.1467-985X.2008.00552.x. I squared: Higgins and Thompson 2002, doi:10.1002/sim.1186.
    """
    y, se = _on_scale(estimates, scale, level)
    if (k := len(y)) < 2:
        nothing = Estimate(None, reason=_too_few(k))
        return MetaAnalysis(k, nothing, nothing)
    tau_squared = reml(y, se**2)
    weight = 1 / (se**2 + tau_squared)
    mean = float(np.average(y, weights=weight))
    factor = max(float((weight * (y - mean) ** 2).sum()) / (k - 1), 1.0)
    error = sqrt(factor / weight.sum())

    tail = (1 + level) / 2
    summary = _back(mean, float(stats.t.ppf(tail, k - 1)) * error, scale, limits)
    if k > 2:
        prediction = _back(mean, float(stats.t.ppf(tail, k - 2)) * sqrt(tau_squared + error**2), scale, limits)
    else:
        prediction = Estimate(summary.value, reason="a prediction interval needs three sites")
    typical, q = _typical_variance(se**2), _cochran_q(y, se**2)
    i_squared = tau_squared / (tau_squared + typical)
    return MetaAnalysis(k, summary, prediction, tau_squared, i_squared, float(stats.chi2.sf(q, k - 1)))


def mean_of_these(
    estimates: Sequence[Estimate], *, scale: Scale = "identity", limits: Limits = NO_LIMITS, level: float = LEVEL
) -> Estimate:
    """Mean of a figure over these very sites, weighted by its precision in each: a stratified figure, not one of other sites.

    It needs no assumption on how the sites differ, and says nothing of another one. Two sites say nothing of it anyway: no
    interval of their random-effects mean is both honest and narrow enough to be of use (Gonnermann et al. 2015,
    doi:10.1002/sim.6473).

    Args:
        estimates: As ``meta_analysis`` takes them, as the other arguments.
        scale: Scale of the analysis.
        limits: Least and largest value that the figure can have.
        level: Coverage of the interval.

    References:
        Rice et al. 2018, doi:10.1111/rssa.12275.
    """
    y, se = _on_scale(estimates, scale, level)
    if len(y) < 2:
        return Estimate(None, reason=_too_few(len(y)))
    weight = 1 / se**2
    half = float(stats.norm.ppf((1 + level) / 2)) / sqrt(weight.sum())
    return _back(float(np.average(y, weights=weight)), half, scale, limits)


def heterogeneity(estimates: Sequence[Estimate], *, scale: Scale = "identity", level: float = LEVEL) -> float | None:
    """P value of Cochran's Q, against one true value of all independent estimates; None for fewer than two with an interval.

    References:
        Cochran 1954, doi:10.2307/3001666.
    """
    y, se = _on_scale(estimates, scale, level)
    return float(stats.chi2.sf(_cochran_q(y, se**2), len(y) - 1)) if len(y) > 1 else None


def standard_error(estimate: Estimate, *, scale: Scale = "identity", level: float = LEVEL) -> float | None:
    """Return the standard error behind an interval that is normal on a scale, or None if there is none.

    One bound of an interval on the figure's own scale may be cut; on the logit scale value and bounds lie inside (0, 1).
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    z = float(stats.norm.ppf((1 + level) / 2))
    if scale == "logit":
        if not 0 < estimate.low <= estimate.value <= estimate.high < 1:
            return None
        width = float(special.logit(estimate.high) - special.logit(estimate.low))
        return width / (2 * z) if width > 0 else None
    half = max(estimate.value - estimate.low, estimate.high - estimate.value)
    return half / z if half > 0 else None


def reml(y: npt.NDArray[np.float64], variance: npt.NDArray[np.float64]) -> float:
    """Variance between sites by restricted maximum likelihood, 0 where the likelihood falls from there on.

    Args:
        y: Estimates, shape ``(n_sites,)``, two or more.
        variance: Variance of each estimate, above 0.

    References:
        Viechtbauer 2005, doi:10.3102/10769986030003261.
    """

    def score(tau_squared: float) -> float:
        """Twice the derivative of the restricted log likelihood."""
        weight = 1 / (variance + tau_squared)
        residual = y - np.average(y, weights=weight)
        return float((weight**2 * residual**2).sum() - weight.sum() + (weight**2).sum() / weight.sum())

    if score(0.0) <= 0:
        return 0.0
    upper = float(y.var(ddof=1))
    while score(upper) > 0:
        upper *= 2
    return float(optimize.brentq(score, 0.0, upper, xtol=1e-12))


def _on_scale(
    estimates: Sequence[Estimate], scale: Scale, level: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return values and standard errors of the estimates that have both on the scale, each of shape ``(k,)``."""
    errors = [(one.value, standard_error(one, scale=scale, level=level)) for one in estimates]
    known = [(value, error) for value, error in errors if value is not None and error is not None]
    y, se = np.array(known, dtype=np.float64).reshape(-1, 2).T
    return (np.asarray(special.logit(y)) if scale == "logit" else y), se


def _back(mean: float, half: float, scale: Scale, limits: Limits) -> Estimate:
    """Return a mean and half the width of its interval on the scale of the analysis as an estimate of the figure."""
    ends = mean, mean - half, mean + half
    value, low, high = (float(special.expit(end)) for end in ends) if scale == "logit" else ends
    return Estimate(value, max(low, limits[0]), min(high, limits[1]))


def _too_few(k: int) -> str:
    return f"needs two sites with an interval, there are {k}"


def _cochran_q(y: npt.NDArray[np.float64], variance: npt.NDArray[np.float64]) -> float:
    weight = 1 / variance
    return float((weight * (y - np.average(y, weights=weight)) ** 2).sum())


def _typical_variance(variance: npt.NDArray[np.float64]) -> float:
    """Variance within a site, as I squared takes it: equation 9 of Higgins and Thompson 2002."""
    weight = 1 / variance
    return float((len(weight) - 1) * weight.sum() / (weight.sum() ** 2 - (weight**2).sum()))
