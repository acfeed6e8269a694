"""Figures that are lines: the ROC curve and the decision curve of net benefit."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import PlainSerializer, PlainValidator

from ccrcc_model.statistics.net_benefit import net_benefits
from ccrcc_model.statistics.predictions import Predictions, one_class

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
    """Net benefit at each threshold, of the model and of treating all; treating none has 0. Shapes ``(n_thresholds,)``."""

    threshold: FloatArray
    model: FloatArray
    treat_all: FloatArray


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
    """Net benefit over a range of thresholds (0.01 to 0.99 unless given); None without patients.

    Raises:
        ValueError: If a threshold is not inside (0, 1).

    References:
        Vickers and Elkin 2006, doi:10.1177/0272989X06295361.
    """
    if len(predictions) == 0:
        return None
    grid = np.linspace(0.01, 0.99, 99) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    treated = net_benefits(predictions.y_true, np.ones(len(predictions)), grid)
    return DecisionCurve(grid, net_benefits(predictions.y_true, predictions.y_prob, grid), treated)
