"""Intervals of figures of a repeated cross-validation, whose test patients train each other's models.

What such a figure estimates is the expected performance of a model that the whole procedure (choosing features, tuning,
fitting) makes of as many patients as a training part holds, ``n (1 - 1/k)``, on new patients of the same kind. It is neither
the performance of the folds' own models nor that of the locked model, which is fitted on all ``n`` patients and on average a
little better.

The outcomes of different folds are not independent: each fold's test patients are in the training parts of the others. An
interval that takes the pooled out-of-fold predictions for those of one fixed model, such as DeLong's, is therefore too narrow.
Nadeau and Bengio's correction replaces the ``1 / J`` of a mean of ``J`` independent figures by ``1 / J + n_test / n_train``;
Bouckaert and Frank apply it to repeated cross-validation, where ``J`` counts the folds of all repeats. The variance of one
fold's figure is estimated within the folds, from their patients, and averaged: the ``J`` figures themselves vary too little
for it, as folds of different repeats share patients, and there are few of them (``benchmarks/coverage.py`` has the coverage).

References:
    Nadeau and Bengio 2003, doi:10.1023/A:1024068626366; Bouckaert and Frank 2004, doi:10.1007/978-3-540-24775-3_3; variances
    within folds: LeDell et al. 2015, doi:10.1214/15-EJS1035.
"""

from dataclasses import replace
from math import inf, sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit

from ccrcc_model.statistics.estimate import LEVEL, Estimate, normal_interval

Floats = npt.NDArray[np.float64]

NO_VARIANCE = 1e-15
"""Variances up to here are those of rounding: an interval of width zero would claim certainty."""


def design_effect(folds: int, *, repeats: int = 1) -> float:
    """Return by how much the variance of a figure exceeds that of as many patients who were not cross-validated.

    It is ``1 / repeats + folds / (folds - 1)``: the sum ``1 / J + n_test / n_train`` over the ``1 / folds`` that independent
    folds would have.

    Args:
        folds: Folds of each repeat, at least 2.
        repeats: Times that they were drawn.
    """
    return 1 / repeats + folds / (folds - 1)


def order_within(truth: npt.NDArray[np.generic], scores: Floats) -> tuple[Floats, Floats]:
    """Return how well each score orders the patients of one fold, and the covariance of these figures.

    The figure is the concordance, which is the AUC for two outcomes; the covariance is that of its influence on each patient,
    and DeLong's for two outcomes.

    Args:
        truth: Outcomes, shape ``(n,)``.
        scores: Shape ``(k, n)``.

    Returns:
        Figures of shape ``(k,)`` and covariance ``(k, k)``; NaN where all outcomes are equal or one patient differs from the
        rest.

    References:
        DeLong et al. 1988, doi:10.2307/2531595; concordance: Harrell et al. 1996,
        doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4.
    """
    outcome = np.asarray(truth, dtype=np.float64)
    sign = np.sign(outcome[:, None] - outcome)
    pairs = np.abs(sign)
    each = pairs.sum(axis=1)
    total = each.sum()
    if total == 0:
        return np.full(len(scores), np.nan), np.full((len(scores), len(scores)), np.nan)
    right = np.stack([(0.5 * pairs + 0.5 * sign * np.sign(score[:, None] - score)).sum(axis=1) for score in scores])
    figures = right.sum(axis=1) / total
    _, place, sizes = np.unique(outcome, return_inverse=True, return_counts=True)
    alike = sizes[place]
    if len(sizes) == 2 and sizes.min() < 2:
        return figures, np.full((len(scores), len(scores)), np.nan)
    unbiased = np.where(alike > 1, alike / np.maximum(alike - 1, 1), len(outcome) / (len(outcome) - 1))
    influence = 2 * (right - figures[:, None] * each) / total
    return figures, np.asarray((influence * unbiased) @ influence.T, dtype=np.float64)


def mean_over_folds(
    values: Floats,
    variances: Floats,
    *,
    repeats: int,
    limits: tuple[float, float] = (-inf, inf),
    on_logit: bool = False,
    level: float = LEVEL,
) -> Estimate:
    """Return the mean of a figure over the folds of all repeats, with its corrected interval.

    Args:
        values: Figure of each fold, shape ``(J,)``.
        variances: Variance of each, estimated within the fold, shape ``(J,)``; NaN where it cannot be.
        repeats: Times that the folds were drawn: ``J`` is so many times their number.
        limits: Of the figure.
        on_logit: Whether the interval is made on the logit scale, as that of an AUC near 1 has to be.
        level: Coverage.
    """
    value = float(np.mean(values))
    if not np.isfinite(value):
        return Estimate(None, reason="a fold has patients of one outcome only")
    known = variances[np.isfinite(variances)]
    if not len(known) or (within := float(known.mean())) <= NO_VARIANCE:
        return Estimate(value, reason="interval not estimable: no variance within the folds")
    folds = len(values) // repeats
    variance = within / folds * design_effect(folds, repeats=repeats)
    if not on_logit or not 0 < value < 1:
        return normal_interval(value, variance, level=level, limits=limits)
    half = float(stats.norm.ppf((1 + level) / 2)) * sqrt(variance) / (value * (1 - value))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)))


def widen(estimate: Estimate, effect: float, *, limits: tuple[float, float] = (-inf, inf)) -> Estimate:
    """Return an estimate whose interval took out-of-fold predictions for independent, with both arms widened.

    Args:
        estimate: With or without an interval.
        effect: See ``design_effect``.
        limits: Of the figure.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return estimate
    below, above = ((estimate.value - estimate.low), (estimate.high - estimate.value))
    low, high = estimate.value - sqrt(effect) * below, estimate.value + sqrt(effect) * above
    return replace(estimate, low=max(low, limits[0]), high=min(high, limits[1]))


def share_effect(hits: int, patients: int, variance: float, *, folds: int) -> float:
    """Return the design effect of a share of patients at thresholds that were fitted anew for each fold.

    It is the larger of ``design_effect`` and of what resampled patients, with the thresholds fitted again, show: where a score
    carries little its best threshold may lie anywhere, and a share at it varies more than its patients explain. The interval
    is then Clopper and Pearson's at ``1 / effect`` of the patients, see ``estimate.clopper_pearson``.

    Args:
        hits: Patients that count.
        patients: Patients, at least 1.
        variance: Of the share over resamples.
        folds: Folds.

    References:
        Korn and Graubard 1998, Survey Methodology 24:193-201.
    """
    share = hits / patients
    alone = share * (1 - share) / patients
    return max(design_effect(folds), variance / alone) if alone > 0 else design_effect(folds)


def normal_p_value(estimate: Estimate, *, level: float = LEVEL) -> float | None:
    """Return the two-sided P value against 0 of an estimate with a symmetric normal interval; None without one."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    half = max(estimate.value - estimate.low, estimate.high - estimate.value)
    return 2 * float(stats.norm.sf(abs(estimate.value) / half * float(stats.norm.ppf((1 + level) / 2))))
