"""Intervals from resampled patients, for figures that have no closed one: percentiles over many resamples.

Each figure states whom it is resampled from: those that describe each class by itself (AUC, balanced accuracy) within the
classes; those that also depend on how many patients are positive (AUPRC, F1, Brier score, ICI), and those of graded outcomes,
over all patients, so that this number varies too.

A resample is a count for each patient. For a binary target the patients are sorted once, and every figure is one compiled pass
over the drawn places; for a graded one the counts of all resamples are one matrix, see ``times_drawn``.

References:
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; of the ICI: Austin and Steyerberg 2019,
    doi:10.1002/sim.8281.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.bootstrap_kernels import resampled_calibration, resampled_ranking
from ccrcc_model.statistics.calibration import CALIBRATION, LOESS_MIN_PATIENTS, LOESS_SPAN
from ccrcc_model.statistics.calls import CALLS, counts
from ccrcc_model.statistics.discrimination import DISCRIMINATION
from ccrcc_model.statistics.estimate import LEVEL, Estimate
from ccrcc_model.statistics.figure import Figure
from ccrcc_model.statistics.predictions import Predictions, few_of_a_class, one_class

REPLICATES = 2000
SEED = 0
SMOOTHED_GROUPS = 300
"""More distinct probabilities than this are pooled into so many groups of neighbours before a resample is smoothed."""
SMOOTHED_POINTS = 101
"""With more groups than this the smoother of a resample is fitted at so many of them and interpolated between."""
USABLE_SHARE = 0.95
"""With a smaller share of resamples in which a figure is defined no interval is given. Our choice."""
_BLOCK = 2_000_000
"""Drawn patients that are held in memory at a time."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Figures with percentile intervals over resampled patients.

    Args:
        replicates: Resamples.
        seed: Seed of the resampling.
        auc: Area under the ROC curve.
        auprc: Area under the precision-recall curve, as average precision.
        balanced_accuracy: At the threshold.
        f1: At the threshold.
        brier: Brier score.
        ici: Integrated calibration index. Resampling adds noise to the smoothed curve, so that its interval lies high
            in a small cohort (docs/explanation/coverage.md).
    """

    replicates: int
    seed: int
    auc: Estimate
    auprc: Estimate
    balanced_accuracy: Estimate
    f1: Estimate
    brier: Estimate
    ici: Estimate


def bootstrap(
    predictions: Predictions, threshold: float, *, replicates: int = REPLICATES, seed: int = SEED, level: float = LEVEL
) -> Bootstrap:
    """Return the figures of ``predictions`` with percentile intervals.

    Args:
        predictions: Truth and probability.
        threshold: From which a patient is called positive.
        replicates: Resamples, at least 1.
        seed: Seed of the resampling: the same patients and seed give the same intervals.
        level: Coverage of the intervals.
    """
    if replicates < 1:
        msg = f"A bootstrap needs at least one replicate, not {replicates}"
        raise ValueError(msg)
    cells = counts(predictions, threshold)
    values: list[tuple[Figure[Any], Estimate]] = [(figure, figure.compute(cells)) for figure in CALLS if figure.redrawn]
    for family in (DISCRIMINATION, CALIBRATION):
        values += [(figure, figure.compute(predictions)) for figure in family if figure.redrawn]
    resampled = resample(predictions, threshold, replicates=replicates, seed=seed) if len(predictions) else {}
    few = few_of_a_class(predictions)
    found = {}
    for figure, estimate in values:
        if few and figure.compares_classes and estimate.value is not None:
            found[figure.name] = Estimate(estimate.value, reason=few)
        else:
            found[figure.name] = _with_interval(estimate, resampled.get(figure.name), level)
    return Bootstrap(replicates, seed, **found)


def resample(predictions: Predictions, threshold: float, *, replicates: int, seed: int) -> dict[str, _Floats]:
    """Return the figures of `Bootstrap` in each resample, shape ``(replicates,)``; NaN where one is not estimable.

    Args:
        predictions: At least one patient.
        threshold: From which a patient is called positive.
        replicates: Resamples.
        seed: Seed of the resampling.
    """
    order = np.argsort(predictions.y_prob, kind="stable")
    probability, truth = predictions.y_prob[order], predictions.y_true[order].astype(np.int64)
    first_called = int(np.searchsorted(probability, threshold, side="left"))
    ranked, first_of_tie = _ranking(predictions)
    within, over = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    group, points = neighbour_groups(probability, smooth=len(probability) >= LOESS_MIN_PATIENTS)
    precisions, calibrations = [], []
    for draws in _draws([np.arange(len(truth))], replicates, over):
        precisions.append(resampled_ranking(ranked, first_of_tie, 0, draws)[:, 1])
        calibrations.append(resampled_calibration(probability, truth, group, points, LOESS_SPAN, first_called, draws))
    found = dict(zip(("f1", "brier", "ici"), np.concatenate(calibrations).T, strict=True))
    found["auprc"] = np.concatenate(precisions)
    if one_class(predictions) is None:
        new = np.append(True, np.diff(probability) > 0)
        called = [resampled_ranking(truth, new, first_called, draws) for draws in _draws(_strata(truth), replicates, within)]
        found["auc"], _, found["balanced_accuracy"] = np.concatenate(called).T
    if one_class(predictions) is None and predictions.score is not None:
        areas = [resampled_ranking(ranked, first_of_tie, 0, draws) for draws in _draws(_strata(ranked), replicates, within)]
        found["auc"] = np.concatenate(areas)[:, 0]
    return found


def _ranking(predictions: Predictions) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the truth in the order of the patients, and whether each differs from the one before, each of shape ``(n,)``."""
    order = np.argsort(predictions.order, kind="stable")
    return predictions.y_true[order].astype(np.int64), np.append(True, np.diff(predictions.order[order]) > 0)


def _strata(truth: npt.NDArray[np.int64]) -> list[npt.NDArray[np.intp]]:
    """Return the places of the negative and of the positive patients."""
    return [np.flatnonzero(truth == value) for value in (0, 1)]


def times_drawn(n: int, *, draws: int, seed: int) -> _Floats:
    """Return how often each of ``n`` patients is drawn in each resample of all patients, shape ``(draws, n)``."""
    return np.random.default_rng([seed, 3]).multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)


def percentile_interval(value: float, resampled: _Floats, *, level: float = LEVEL, lacking: str = "lack a class") -> Estimate:
    """Return a figure with the interval between the percentiles of its resamples.

    Args:
        value: Value of the patients themselves.
        resampled: In each resample; NaN where it is not defined.
        level: Coverage of the interval.
        lacking: Why it may not be defined in a resample, for the reason.
    """
    usable = resampled[np.isfinite(resampled)]
    if len(usable) < USABLE_SHARE * len(resampled):
        reason = f"interval not estimable: {len(resampled) - len(usable)} of {len(resampled)} resamples {lacking}"
        return Estimate(value, reason=reason)
    low, high = (float(bound) for bound in np.quantile(usable, [(1 - level) / 2, (1 + level) / 2]))
    return Estimate(value, low, high)


def neighbour_groups(probability: _Floats, *, smooth: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the group of each patient, ascending from 0, shape ``(n,)``, and the groups at which the smoother is fitted.

    Equal probabilities share a group, which changes no fit. No points mean that nothing is smoothed.
    """
    group = np.cumsum(np.append(False, np.diff(probability) > 0)).astype(np.int64)
    if group[-1] + 1 > SMOOTHED_GROUPS:
        # Unevenly many where probabilities are tied: a tie is never parted.
        _, group = np.unique(group * SMOOTHED_GROUPS // (group[-1] + 1), return_inverse=True)
    n_groups = int(group[-1]) + 1
    points = np.unique(np.linspace(0, n_groups - 1, min(n_groups, SMOOTHED_POINTS)).round().astype(np.int64))
    return group.astype(np.int64), points if smooth else points[:0]


def _draws(strata: list[npt.NDArray[np.intp]], replicates: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield blocks of resamples, shape ``(n_block, n)``: places of patients, as many of each stratum as it has."""
    n = sum(map(len, strata))
    step = max(_BLOCK // n, 1)
    for start in range(0, replicates, step):
        shape = min(step, replicates - start)
        drawn = [stratum[rng.integers(0, len(stratum), size=(shape, len(stratum)))] for stratum in strata]
        yield np.concatenate(drawn, axis=1).astype(np.int64)


def _with_interval(estimate: Estimate, resampled: _Floats | None, level: float) -> Estimate:
    if estimate.value is None or resampled is None:
        return estimate
    found = percentile_interval(estimate.value, resampled, level=level)
    if found.low is not None and found.low == found.high:
        return Estimate(estimate.value, reason="interval not estimable: all resamples are equal")
    return found
