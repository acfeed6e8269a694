"""From a score to a probability and a call: calibration and threshold, fitted on out-of-fold scores only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

MIN_SLOPE = 0.01
"""Least slope of the calibration. A model that is no better than chance gets almost equal probabilities; it is never turned
around, since a score that ranks the wrong way out-of-fold does so by chance."""


CALIBRATIONS = ("none", "in the large", "logistic")
"""Ways to update a score, from the simplest on: as it is, with a new intercept, with a new intercept and slope (Steyerberg et
al. 2004, doi:10.1002/sim.1844). Each holds the one before."""
CALIBRATION_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Decision:
    """Calibration and threshold of a score.

    Args:
        slope: Slope of the calibrated on the uncalibrated log odds, at least 0.01, so that the order of patients is kept.
        intercept: Calibrated log odds at a score of 0.
        threshold: Calibrated probability from which a patient is called positive.
        calibration: Which of ``CALIBRATIONS`` it is.
    """

    slope: float
    intercept: float
    threshold: float
    calibration: str

    def probability(self, log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities of uncalibrated log odds, of the same shape."""
        return np.asarray(expit(self.intercept + self.slope * log_odds), dtype=np.float64)

    def values(self, score: npt.NDArray[np.float64], _levels: Sequence[float] = ()) -> npt.NDArray[np.float64]:
        """Return the probabilities as one column, shape ``(n, 1)``."""
        return self.probability(score)[:, None]

    def to_json(self) -> dict[str, Any]:
        """Return the decision as a model folder holds it."""
        return asdict(self)


def fit_decision(log_odds: npt.NDArray[np.float64], y: npt.NDArray[np.int_], *, sensitivity: float | None = None) -> Decision:
    """Choose and fit the calibration, then the threshold.

    The calibration is the one with the least log loss in a cross-validation of its own over these patients.

    Args:
        log_odds: Out-of-fold scores, shape ``(n_patients,)``.
        y: Shape ``(n_patients,)``, both classes.
        sensitivity: Minimum sensitivity of the threshold; by default it is Youden's.
    """
    calibration = choose_calibration(log_odds, y)
    slope, intercept = _fit(calibration, log_odds, y)
    probability = np.asarray(expit(intercept + slope * log_odds), dtype=np.float64)
    threshold = youden_threshold(probability, y) if sensitivity is None else floor_threshold(probability, y, sensitivity)
    return Decision(slope, intercept, threshold, calibration)


def choose_calibration(log_odds: npt.NDArray[np.float64], y: npt.NDArray[np.int_]) -> str:
    """Return which of ``CALIBRATIONS`` has the least cross-validated log loss, the simplest of equal ones.

    Args:
        log_odds: Out-of-fold scores, shape ``(n_patients,)``.
        y: Shape ``(n_patients,)``, both classes.
    """
    folds = min(CALIBRATION_FOLDS, int(np.bincount(y, minlength=2).min()))
    if folds < 2:
        return "logistic"
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(log_odds[:, None], y))
    losses = []
    for calibration in CALIBRATIONS:
        eta = np.empty(len(y))
        for train, test in splits:
            slope, intercept = _fit(calibration, log_odds[train], y[train])
            eta[test] = intercept + slope * log_odds[test]
        losses.append(float(np.logaddexp(0, (1 - 2 * y) * eta).mean()))
    return CALIBRATIONS[int(np.argmin(np.round(losses, 9)))]


def _fit(calibration: str, log_odds: npt.NDArray[np.float64], y: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Return slope and intercept."""
    if calibration == "none":
        return 1.0, 0.0
    if calibration == "in the large":
        edge, wanted = 40.0 + float(np.abs(log_odds).max()), float(_goal(y).sum())
        return 1.0, float(brentq(lambda intercept: float(expit(intercept + log_odds).sum()) - wanted, -edge, edge))
    return platt(log_odds, y)


def floor_threshold(probability: npt.NDArray[np.float64], y: npt.NDArray[np.int_], sensitivity: float) -> float:
    """Largest probability at which at least this share of the positive patients is called, halfway to the next lower patient.

    Args:
        probability: Shape ``(n_patients,)``.
        y: Shape ``(n_patients,)``, both classes.
        sensitivity: Inside (0, 1].
    """
    positive = np.sort(probability[y == 1])[::-1]
    last = positive[ceil(sensitivity * len(positive) - 1e-9) - 1]  # rounding must not ask for one patient more
    below = probability[probability < last]
    return float((last + below.max()) / 2) if below.size else float(last)


def youden_threshold(probability: npt.NDArray[np.float64], y: npt.NDArray[np.int_]) -> float:
    """Probability at which sensitivity + specificity is largest, halfway between the two patients that it parts.

    Of several that are equally good, the one where sensitivity and specificity differ least. If all probabilities are
    equal it is that probability, and everyone is called positive.

    Args:
        probability: Shape ``(n_patients,)``.
        y: Shape ``(n_patients,)``, both classes.

    References:
        Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.
    """
    levels = np.unique(probability)
    if len(levels) == 1:
        return float(levels[0])
    cuts = (levels[:-1] + levels[1:]) / 2
    positive, negative = np.sort(probability[y == 1]), np.sort(probability[y == 0])
    sensitivity = 1 - np.searchsorted(positive, cuts) / len(positive)
    specificity = np.searchsorted(negative, cuts) / len(negative)
    # Whole patients differ by more than 1e-9, rounding by less.
    best = np.lexsort((np.abs(sensitivity - specificity), -np.round(sensitivity + specificity, 9)))[0]
    return float(cuts[best])


def platt(log_odds: npt.NDArray[np.float64], y: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Slope and intercept of Platt scaling with his smoothed targets, which keep it finite where scores separate.

    References:
        Platt 1999, in Advances in Large Margin Classifiers, MIT Press; Lin et al. 2007, doi:10.1007/s10994-007-5018-6.
    """
    goal = _goal(y)
    centre, scale = float(log_odds.mean()), float(log_odds.std()) or 1.0
    standard = (log_odds - centre) / scale

    def loss(coefficients: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        slope, intercept = coefficients
        eta = intercept + slope * standard
        excess = expit(eta) - goal
        return float((np.logaddexp(0, eta) - goal * eta).sum()), np.array([(excess * standard).sum(), excess.sum()])

    start = np.array([max(1.0, MIN_SLOPE * scale), 0.0])
    bounds = [(MIN_SLOPE * scale, None), (None, None)]
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9}).x
    slope = float(optimum[0]) / scale
    return slope, float(optimum[1]) - slope * centre


def _goal(y: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """Return Platt's targets instead of 0 and 1."""
    n_positive = int(y.sum())
    return np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (len(y) - n_positive + 2))
