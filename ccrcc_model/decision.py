"""From a score to a probability and a call: Platt scaling and the threshold, fitted on out-of-fold scores only."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

MIN_SLOPE = 0.01
"""Least slope of the calibration. A model that is no better than chance gets almost equal probabilities; it is never turned
around, since a score that ranks the wrong way out-of-fold does so by chance."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Calibration and threshold of a score.

    Args:
        slope: Of the calibrated on the uncalibrated log odds, at least 0.01, so that the order of patients is kept.
        intercept: Calibrated log odds at a score of 0.
        threshold: Calibrated probability from which a patient is called positive.
    """

    slope: float
    intercept: float
    threshold: float

    def probability(self, log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities of uncalibrated log odds, of the same shape."""
        return np.asarray(expit(self.intercept + self.slope * log_odds), dtype=np.float64)


def fit_decision(log_odds: npt.NDArray[np.float64], y: npt.NDArray[np.int_]) -> Decision:
    """Fit calibration and threshold.

    Args:
        log_odds: Out-of-fold scores, shape ``(n_patients,)``.
        y: Shape ``(n_patients,)``, both classes.
    """
    slope, intercept = _platt(log_odds, y)
    probability = expit(intercept + slope * log_odds)
    return Decision(slope, intercept, youden_threshold(probability, y))


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


def _platt(log_odds: npt.NDArray[np.float64], y: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Slope and intercept of Platt scaling with his smoothed targets, which keep it finite where scores separate.

    References:
        Platt 1999, in Advances in Large Margin Classifiers, MIT Press; Lin et al. 2007, doi:10.1007/s10994-007-5018-6.
    """
    n_positive = int(y.sum())
    n_negative = len(y) - n_positive
    goal = np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
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
