"""How well scores, grades and percentages fit graded outcomes, beside tumour volume alone, with bootstrap intervals.

Every statistic takes weights: how often each patient was drawn. A bootstrap is then one matrix of counts, and the model and
the baseline are compared on the very same draws (Efron and Tibshirani 1993, ISBN 0-412-04231-2).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.calibration import calibrate
from ccrcc_model.statistics.metrics import LEVEL, Estimate
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats, Floats, Floats], Floats]
"""Of truth and prediction, each of shape ``(n,)``, and weights ``(n_draws, n)``: a value a draw, NaN where undefined."""

DRAWS = 1000
MIN_DEFINED = 0.95
"""Share of the draws in which a statistic must be defined for an interval."""


@dataclass(frozen=True, eq=False)
class GradedPredictions:
    """Truth and prediction of a graded outcome.

    Args:
        cohort: Name of the cohort.
        target: What is predicted.
        patient_id: Shape ``(n,)``.
        centre: Shape ``(n,)``.
        outcome: Shape ``(n,)``.
        score: Orders the patients, shape ``(n,)``.
        expected: Mean grade, or percent, shape ``(n,)``.
        probability: Of each of the target's levels, shape ``(n, n_levels)``.
        abstained: Shape ``(n,)``, True where the patient is unlike those of the development; None where nobody asked.
    """

    cohort: str
    target: Target
    patient_id: npt.NDArray[np.str_]
    centre: npt.NDArray[np.str_]
    outcome: Floats
    score: Floats
    expected: Floats
    probability: Floats
    abstained: npt.NDArray[np.bool_] | None = None

    @property
    def high(self) -> Predictions:
        """The grades from the cut up against those below it, with the probability of lying there."""
        cut = self.target.cut or 0.0
        above = np.array(self.target.levels) >= cut
        probability = np.clip(self.probability[:, above].sum(axis=1), 0, 1)
        truth = (self.outcome >= cut).astype(np.int_)
        return Predictions(self.cohort, self.target.name, self.patient_id, self.centre, truth, probability, self.abstained)


def yes_or_no(predictions: Predictions | GradedPredictions) -> Predictions:
    """Return the predictions of a yes or no as they are.

    Raises:
        InputError: If they are of grades or percentages.
    """
    if isinstance(predictions, GradedPredictions):
        msg = f"Predictions of {predictions.target.name} are no yes or no"
        raise InputError(msg)
    return predictions


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of the model and of tumour volume alone.

    Args:
        model: With its percentile interval.
        baseline: The same of tumour volume.
        difference: Model less baseline, paired.
    """

    model: Estimate
    baseline: Estimate
    difference: Estimate

    @property
    def better(self) -> bool:
        """Whether the difference's interval lies above 0."""
        return self.difference.low is not None and self.difference.low > 0

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, Any]]) -> "Comparison":
        """Read what ``asdict`` took apart."""
        return cls(**{name: Estimate(**estimate) for name, estimate in content.items()})


def concordance(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Share of the pairs of different outcome that the score orders rightly, ties counted half; 0.5 is chance.

    For two outcomes it is the AUC; Somers' D is twice it less 1.

    References:
        Harrell et al. 1996, doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4.
    """
    higher = (truth[:, None] > truth).astype(np.float64)
    ordered = higher * (0.5 + 0.5 * np.sign(score[:, None] - score))
    return _ratio(((weights @ ordered) * weights).sum(axis=1), ((weights @ higher) * weights).sum(axis=1))


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


def absolute_error(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Mean absolute error, in the outcome's unit."""
    return np.asarray(weights @ np.abs(truth - predicted) / weights.sum(axis=1), dtype=np.float64)


def spearman(truth: Floats, score: Floats, weights: Floats) -> Floats:
    """Spearman's rank correlation, ties at their mean rank."""
    a, b = _ranks(truth, weights), _ranks(score, weights)
    n = weights.sum(axis=1, keepdims=True)
    a, b = (each - (weights * each).sum(axis=1, keepdims=True) / n for each in (a, b))
    length = np.sqrt((weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1))
    return _ratio((weights * a * b).sum(axis=1), length)


def r2_log(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Share of the variance of ``log(1 + percent)`` that the predictions explain; below 0 they are worse than the mean."""
    t, p = np.log1p(truth), np.log1p(predicted)
    spread = weights @ t**2 - (weights @ t) ** 2 / weights.sum(axis=1)
    return 1 - _ratio(weights @ (t - p) ** 2, spread)


def nearest_grade(expected: Floats) -> Floats:
    """Return the grade nearest to a mean grade, the higher of two."""
    return np.floor(expected + 0.5)


def compare_graded(model: GradedPredictions, baseline: GradedPredictions, *, seed: int = 0) -> dict[str, Comparison]:
    """Return every figure of model and baseline, on the same patients and the same bootstrap draws of them.

    Args:
        model: The model's.
        baseline: Of tumour volume alone, on the same patients in the same order.
        seed: Of the draws.
    """
    figures = _ORDINAL if model.target.kind == "ordinal" else _REGRESSION
    weights = _draws(len(model.outcome), seed=seed)
    return {
        name: _compare(statistic, model.outcome, read(model), read(baseline), weights)
        for name, (statistic, read) in figures.items()
    }


def bootstrap_estimate(statistic: Statistic, truth: Floats, predicted: Floats, *, seed: int = 0) -> Estimate:
    """Return a statistic of one prediction with its percentile interval."""
    value = statistic(truth, predicted, np.ones((1, len(truth))))[0]
    return _estimate(value, statistic(truth, predicted, _draws(len(truth), seed=seed)))


def calibrate_high(model: GradedPredictions, baseline: GradedPredictions) -> dict[str, dict[str, Any]]:
    """Return the calibration of the probability of a high grade, of model and baseline; empty for a percentage."""
    if model.target.kind != "ordinal":
        return {}
    return {name: asdict(calibrate(each.high)) for name, each in (("model", model), ("baseline", baseline))}


_ORDINAL: dict[str, tuple[Statistic, Callable[[GradedPredictions], Floats]]] = {
    "concordance": (concordance, lambda p: p.score),
    "weighted_kappa": (weighted_kappa, lambda p: nearest_grade(p.expected)),
    "absolute_error": (absolute_error, lambda p: nearest_grade(p.expected)),
}
_REGRESSION: dict[str, tuple[Statistic, Callable[[GradedPredictions], Floats]]] = {
    "concordance": (concordance, lambda p: p.score),
    "spearman": (spearman, lambda p: p.score),
    "absolute_error": (absolute_error, lambda p: p.expected),
    "r2_log": (r2_log, lambda p: p.expected),
}


def _draws(n: int, *, seed: int) -> Floats:
    """How often each patient is drawn in each bootstrap draw, shape ``(DRAWS, n)``."""
    return np.random.default_rng([seed, 3]).multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(np.float64)


def _compare(statistic: Statistic, truth: Floats, model: Floats, baseline: Floats, weights: Floats) -> Comparison:
    once = np.ones((1, len(truth)))
    values = [statistic(truth, each, once)[0] for each in (model, baseline)]
    drawn = [statistic(truth, each, weights) for each in (model, baseline)]
    return Comparison(
        _estimate(values[0], drawn[0]),
        _estimate(values[1], drawn[1]),
        _estimate(values[0] - values[1], drawn[0] - drawn[1]),
    )


def _estimate(value: float, drawn: Floats) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None, reason="the patients do not differ, in outcome or in prediction")
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < MIN_DEFINED * len(drawn):
        return Estimate(float(value), reason="interval not estimable: undefined in too many bootstrap draws")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


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
