"""How well scores, grades and percentages fit graded outcomes, compared with tumour volume alone, with bootstrap intervals.

Every figure takes weights: how often each patient was drawn. A bootstrap is then one matrix of counts, and the model and
the baseline are compared on the very same resamples.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from ccrcc_model.statistics.bootstrap import percentile_interval, times_drawn
from ccrcc_model.statistics.calibration import calibrate
from ccrcc_model.statistics.estimate import Comparison, Estimate
from ccrcc_model.statistics.figure import Figures
from ccrcc_model.statistics.graded_predictions import Floats, GradedPredictions

Statistic = Callable[[Floats, Floats, Floats], Floats]
"""Of truth and prediction, each of shape ``(n,)``, and weights ``(n_draws, n)``: one value per draw, NaN where undefined."""

GRADING: Figures[Statistic] = Figures("grading")
"""Figures of how well graded outcomes are predicted."""
DRAWS = 1000


@GRADING.add(
    "concordance",
    title="Concordance",
    source="Harrell et al. 1996, doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4",
    interval="bootstrap",
    redrawn="all patients",
    kinds=("ordinal", "percentage"),
    reads="score",
)
def concordance(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Share of the pairs of different outcome that the score orders rightly, ties counted half; 0.5 is chance.

    For two outcomes it is the AUC; Somers' D is 2 × concordance − 1.

    References:
        Harrell et al. 1996, doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4.
    """
    higher = (truth[:, None] > truth).astype(np.float64)
    ordered = higher * (0.5 + 0.5 * np.sign(score[:, None] - score))
    return _ratio(((weights @ ordered) * weights).sum(axis=1), ((weights @ higher) * weights).sum(axis=1))


@GRADING.add(
    "weighted_kappa",
    title="Weighted kappa",
    source="Cohen 1968, doi:10.1037/h0026256",
    interval="bootstrap",
    redrawn="all patients",
    kinds=("ordinal",),
    reads="answer",
)
def weighted_kappa(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Kappa with quadratic weights: 1 is agreement, 0 that of chance.

    References:
        Cohen 1968, doi:10.1037/h0026256.
    """
    apart = weights @ (truth - predicted) ** 2
    by_chance = (
        weights @ truth**2 + weights @ predicted**2 - 2 * (weights @ truth) * (weights @ predicted) / weights.sum(axis=1)
    )
    return 1 - _ratio(apart, by_chance)


@GRADING.add(
    "spearman",
    title="Spearman's rank correlation",
    source="Spearman 1904, doi:10.2307/1412159",
    interval="bootstrap",
    redrawn="all patients",
    kinds=("percentage",),
    reads="score",
)
def spearman(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Spearman's rank correlation, ties at their mean rank."""
    a, b = _ranks(truth, weights), _ranks(score, weights)
    n = weights.sum(axis=1, keepdims=True)
    a, b = (each - (weights * each).sum(axis=1, keepdims=True) / n for each in (a, b))
    length = np.sqrt((weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1))
    return _ratio((weights * a * b).sum(axis=1), length)


@GRADING.add(
    "absolute_error",
    title="Mean absolute error",
    source="Willmott and Matsuura 2005, doi:10.3354/cr030079",
    interval="bootstrap",
    redrawn="all patients",
    kinds=("ordinal", "percentage"),
    reads="answer",
)
def absolute_error(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Mean absolute error, in the outcome's unit."""
    return np.asarray(weights @ np.abs(truth - predicted) / weights.sum(axis=1), dtype=np.float64)


@GRADING.add(
    "r2_log",
    title="R² of log(1 + percent)",
    source="Kvalseth 1985, doi:10.1080/00031305.1985.10479448",
    interval="bootstrap",
    redrawn="all patients",
    kinds=("percentage",),
    reads="answer",
)
def r2_log(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Share of the variance of ``log(1 + percent)`` that the predictions explain; below 0 they are worse than the mean."""
    t, p = np.log1p(truth), np.log1p(predicted)
    spread = weights @ t**2 - (weights @ t) ** 2 / weights.sum(axis=1)
    return 1 - _ratio(weights @ (t - p) ** 2, spread)


def compare_graded(model: GradedPredictions, baseline: GradedPredictions, *, seed: int = 0) -> dict[str, Comparison]:
    """Return every figure of model and baseline, on the same patients and the same bootstrap draws of them.

    Args:
        model: The model's.
        baseline: Of tumour volume alone, on the same patients in the same order.
        seed: Seed of the draws.
    """
    weights = times_drawn(len(model.outcome), draws=DRAWS, seed=seed)
    return {
        figure.name: _compare(figure.compute, model.outcome, model.read(figure.reads), baseline.read(figure.reads), weights)
        for figure in GRADING.of(model.kind)
    }


def bootstrap_estimate(statistic: Statistic, truth: Floats, predicted: Floats, *, seed: int = 0) -> Estimate:
    """Return a statistic of one prediction with its percentile interval."""
    value = statistic(truth, predicted, np.ones((1, len(truth))))[0]
    return _estimate(value, statistic(truth, predicted, times_drawn(len(truth), draws=DRAWS, seed=seed)))


def calibrate_high(model: GradedPredictions, baseline: GradedPredictions) -> dict[str, dict[str, Any]]:
    """Return the calibration of the probability of a high grade, of model and baseline; empty for a percentage."""
    if model.kind != "ordinal":
        return {}
    return {name: asdict(calibrate(each.high)) for name, each in (("model", model), ("baseline", baseline))}


def _estimate(value: float, drawn: Floats) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None, reason="the patients do not differ, in outcome or in prediction")
    return percentile_interval(float(value), drawn, lacking="have patients that do not differ")


def _compare(statistic: Statistic, truth: Floats, model: Floats, baseline: Floats, weights: Floats) -> Comparison:
    once = np.ones((1, len(truth)))
    values = [statistic(truth, each, once)[0] for each in (model, baseline)]
    drawn = [statistic(truth, each, weights) for each in (model, baseline)]
    return Comparison(
        _estimate(values[0], drawn[0]),
        _estimate(values[1], drawn[1]),
        _estimate(values[0] - values[1], drawn[0] - drawn[1]),
    )


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Mean ranks of ``values`` in each draw, shape ``(n_draws, n)``."""
    _, place = np.unique(values, return_inverse=True)
    drawn = np.zeros((len(weights), place.max() + 1))
    np.add.at(drawn.T, place, weights.T)
    middle = np.cumsum(drawn, axis=1) - (drawn - 1) / 2
    return np.asarray(middle[:, place], dtype=np.float64)


def _ratio(above: Floats, below: Floats) -> Floats:
    result = np.full(len(below), np.nan)
    np.divide(above, below, out=result, where=below > 1e-12)
    return result
