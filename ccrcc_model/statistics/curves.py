"""Figures that are lines: the ROC curve and the decision curve of net benefit."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import PlainSerializer, PlainValidator
from scipy import stats

from ccrcc_model.statistics.estimate import LEVEL
from ccrcc_model.statistics.net_benefit import net_benefits
from ccrcc_model.statistics.predictions import Predictions, check_same_patients, one_class
from nnunet_ext.ground.errors import InputError

FloatArray = Annotated[
    npt.NDArray[np.float64],
    PlainValidator(lambda values: np.asarray(values, dtype=np.float64)),
    PlainSerializer(lambda values: values.tolist(), return_type=list[float]),
]
"""A float array that can also be written to and read from JSON."""


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Sensitivity and false positive rate at falling thresholds, each of shape ``(n_points,)``, from (0, 0) to (1, 1)."""

    false_positive_rate: FloatArray
    sensitivity: FloatArray


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit at each threshold, of the model and of treating all; treating none has 0. Shapes ``(n_thresholds,)``.

    Args:
        threshold: Inside (0, 1).
        model: Of treating by the model.
        treat_all: Of treating all.
        low: Lower bounds of the model's, one threshold at a time; empty for one patient, and in an older benchmark.
        high: Upper bounds.
    """

    threshold: FloatArray
    model: FloatArray
    treat_all: FloatArray
    low: FloatArray = field(default_factory=lambda: np.empty(0))
    high: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, eq=False)
class BenefitDifference:
    """Difference of net benefit (model − other) at the same thresholds with its paired bounds. Shapes ``(n_thresholds,)``."""

    threshold: FloatArray
    value: FloatArray
    low: FloatArray
    high: FloatArray


def roc_curve(predictions: Predictions, *, max_points: int = 501) -> RocCurve | None:
    """ROC curve with one point per distinct probability or score; None for one class.

    Args:
        predictions: Truth and probability.
        max_points: A longer curve is thinned evenly for drawing, ends kept; no figure is computed from it.
    """
    if one_class(predictions):
        return None
    order = np.argsort(-predictions.order, kind="stable")
    truth, score = predictions.y_true[order], predictions.order[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(score)), len(truth) - 1)
    hits, alarms = np.cumsum(truth)[last_of_tie], np.cumsum(1 - truth)[last_of_tie]
    sensitivity = np.concatenate([[0.0], hits / hits[-1]])
    false_positive_rate = np.concatenate([[0.0], alarms / alarms[-1]])
    kept = np.unique(np.linspace(0, len(sensitivity) - 1, min(max_points, len(sensitivity))).round().astype(int))
    return RocCurve(false_positive_rate[kept], sensitivity[kept])


def decision_curve(predictions: Predictions, thresholds: npt.ArrayLike | None = None) -> DecisionCurve | None:
    """Net benefit over a range of thresholds (0.01 to 0.99 unless given) with pointwise bounds; None without patients.

    Raises:
        ValueError: If a threshold is not inside (0, 1).

    References:
        Vickers and Elkin 2006, doi:10.1177/0272989X06295361.
    """
    if len(predictions) == 0:
        return None
    grid = threshold_grid(None) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    treated = net_benefits(predictions.y_true, np.ones(len(predictions)), grid)
    value = net_benefits(predictions.y_true, predictions.y_prob, grid)
    called = (predictions.y_prob >= grid[:, None]).astype(np.float64)
    return DecisionCurve(grid, value, treated, *_bounds(value, called, predictions, grid))


def benefit_difference(
    model: Predictions, other: Predictions, thresholds: npt.ArrayLike | None = None
) -> BenefitDifference | None:
    """Difference of net benefit (model − other) on the same patients, with pointwise paired bounds; None for one or none.

    A patient adds what the calls of both differ by: 1 if positive, the odds of the threshold if negative. The bounds are the
    normal ones of a mean, each for its threshold alone.

    Raises:
        InputError: If the two do not hold the same patients and truths in the same order.
        ValueError: If a threshold is not inside (0, 1).

    References:
        Vickers et al. 2008, doi:10.1186/1472-6947-8-53.
    """
    check_same_patients(model, other)
    if len(model) < 2:
        return None
    grid = threshold_grid(None) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    value = net_benefits(model.y_true, model.y_prob, grid) - net_benefits(other.y_true, other.y_prob, grid)
    apart = (model.y_prob >= grid[:, None]).astype(np.float64) - (other.y_prob >= grid[:, None])
    return BenefitDifference(grid, value, *_bounds(value, apart, model, grid))


def threshold_grid(decision_range: tuple[float, float] | None) -> npt.NDArray[np.float64]:
    """Return the thresholds of a decision curve: 0.01 apart, or 21 in a narrow range; from 0.01 to 0.99 if none is declared.

    Raises:
        InputError: If the range is none inside (0, 1).
    """
    if decision_range is None:
        return np.linspace(0.01, 0.99, 99)
    check_range(decision_range)
    low, high = decision_range
    return np.linspace(low, high, max(round((high - low) / 0.01) + 1, 21))


def check_range(decision_range: tuple[float, float]) -> None:
    """Raise an InputError unless a range of thresholds lies inside (0, 1) and rises."""
    low, high = decision_range
    if not 0 < low < high < 1:
        msg = f"A decision range is two rising thresholds inside (0, 1), such as 0.1 and 0.5; got {low:g} and {high:g}"
        raise InputError(msg)


def _bounds(
    value: npt.NDArray[np.float64],
    called: npt.NDArray[np.float64],
    predictions: Predictions,
    grid: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the 95 % bounds of a mean over the patients of what each adds, empty for fewer than two.

    Args:
        value: The mean at each threshold.
        called: What each patient adds if positive, and the odds of the threshold subtract if negative, shape
            ``(n_thresholds, n)``: -1, 0 or 1.
        predictions: Truth.
        grid: Thresholds.
    """
    n = len(predictions)
    if n < 2:
        return np.empty(0), np.empty(0)
    weight = np.where(predictions.y_true == 1, 1.0, -(grid / (1 - grid))[:, None])
    variance = np.maximum(((weight * called) ** 2).mean(axis=1) - value**2, 0.0) / (n - 1)
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * np.sqrt(variance)
    return value - half, value + half
