"""One figure of several hospitals, each with a true value of its own: their mean, their spread, and what the next one may see.

Random effects with the variance between sites by restricted maximum likelihood and Hartung and Knapp's interval of the mean,
as is advised for the validation of prediction models (Debray et al. 2017, doi:10.1136/bmj.i6460).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from ccrcc_model.statistics.estimate import LEVEL, Estimate

Scale = Literal["identity", "logit"]
"""Scale on which the sites' true values are taken as normal: as they are, or as log odds (for an AUC)."""


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


def meta_analysis(estimates: Sequence[Estimate], *, scale: Scale = "identity", level: float = LEVEL) -> MetaAnalysis:
    """Combine a figure of several sites by random effects.

    The factor of Hartung and Knapp's variance is never taken below 1, as they advise: two sites that agree by chance would
    otherwise have an interval of no width.

    Args:
        estimates: Estimate of each site, with normal intervals of coverage ``level`` such as DeLong's and Wald's. Those
            without an interval are left out, and so are those of 0 or 1 on the logit scale.
        scale: Scale of the analysis; ``"logit"`` for an AUC (Snell et al. 2018, doi:10.1177/0962280217705678).
        level: Coverage of all intervals.

    References:
        REML: Viechtbauer 2005, doi:10.3102/10769986030003261. Interval of the mean: Hartung and Knapp 2001,
        doi:10.1002/sim.1009; Knapp and Hartung 2003, doi:10.1002/sim.1482. Prediction: Higgins et al. 2009,
        doi:10.1111/j.1467-985X.2008.00552.x. I squared: Higgins and Thompson 2002, doi:10.1002/sim.1186.
    """
    pairs = [(e.value, se) for e in estimates if e.value is not None and (se := standard_error(e, level=level)) is not None]
    if scale == "logit":
        pairs = [(float(special.logit(value)), se / (value * (1 - value))) for value, se in pairs if 0 < value < 1]
    if (k := len(pairs)) < 2:
        nothing = Estimate(None, reason=f"needs two sites with an interval, there are {k}")
        return MetaAnalysis(k, nothing, nothing)
    y, se = np.array(pairs).T
    tau_squared = reml(y, se**2)
    weight = 1 / (se**2 + tau_squared)
    mean = float(np.average(y, weights=weight))
    factor = max(float((weight * (y - mean) ** 2).sum()) / (k - 1), 1.0)
    error = sqrt(factor / weight.sum())

    def interval(half: float) -> Estimate:
        value, low, high = mean, mean - half, mean + half
        if scale == "logit":
            value, low, high = (float(special.expit(each)) for each in (value, low, high))
        return Estimate(value, low, high)

    tail = (1 + level) / 2
    summary = interval(float(stats.t.ppf(tail, k - 1)) * error)
    if k > 2:
        prediction = interval(float(stats.t.ppf(tail, k - 2)) * sqrt(tau_squared + error**2))
    else:
        prediction = Estimate(summary.value, reason="a prediction interval needs three sites")
    typical, q = _typical_variance(se**2), _cochran_q(y, se**2)
    i_squared = tau_squared / (tau_squared + typical)
    return MetaAnalysis(k, summary, prediction, tau_squared, i_squared, float(stats.chi2.sf(q, k - 1)))


def standard_error(estimate: Estimate, *, level: float = LEVEL) -> float | None:
    """Return the standard error behind a normal interval, of which one bound may be cut; None if there is none."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    half = max(estimate.value - estimate.low, estimate.high - estimate.value)
    return half / float(stats.norm.ppf((1 + level) / 2)) if half > 0 else None


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


def _cochran_q(y: npt.NDArray[np.float64], variance: npt.NDArray[np.float64]) -> float:
    weight = 1 / variance
    return float((weight * (y - np.average(y, weights=weight)) ** 2).sum())


def _typical_variance(variance: npt.NDArray[np.float64]) -> float:
    """Variance within a site, as I squared takes it: equation 9 of Higgins and Thompson 2002."""
    weight = 1 / variance
    return float((len(weight) - 1) * weight.sum() / (weight.sum() ** 2 - (weight**2).sum()))
