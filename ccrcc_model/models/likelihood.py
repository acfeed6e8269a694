"""From a member's score to an outcome: what the kinds of target differ in, and the logistic likelihood of a yes or no.

A likelihood states everything in which the kinds of target differ: what the linear start is fitted by, what drives the trees,
by which loss hyperparameters are chosen, how scores are averaged, and how an averaged score becomes a probability, a grade or
a percentage. Those of grades and percentages stand in ``ccrcc_model.models.graded``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from ccrcc_model.models.threshold import fit_decision
from ccrcc_model.outcomes.cases import Cases

Floats = npt.NDArray[np.float64]
Objective = Callable[[Floats, Any], tuple[Floats, Floats]]
"""Gradient and Hessian of the loss at scores of shape ``(n,)``; the second argument is LightGBM's data set."""


class Calibration(Protocol):
    """Makes of a patient's score what a reader wants to know."""

    def values(self, score: Floats, levels: Sequence[float]) -> Floats:
        """Return the columns of ``value_columns``, shape ``(n, n_columns)``."""

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as a model folder holds it."""


class LinearFit(NamedTuple):
    """A linear score, and the likelihood of an outcome given that score."""

    coefficients: Floats
    intercept: float
    likelihood: "Likelihood"


class Likelihood(ABC):
    """How an outcome follows from a score."""

    calibrated_on: ClassVar[Literal["outer", "inner"]]
    """Whose out-of-fold scores calibrate: those of the outer folds, or those of the inner folds of each training part.

    The one difference between the procedures of the kinds, with its reason. Out-of-fold, a yes or no is judged by the order of
    patients, which no calibration changes: calibration and threshold are fitted once, on the outer folds' scores. Of grades
    and percentages an outer fold also judges the values themselves (error in percent, kappa of the nearest grade). These need
    a calibration that has not seen the patients it is judged on, so it is part of the procedure.
    """

    @classmethod
    @abstractmethod
    def fit(
        cls, design: Floats, outcome: npt.NDArray[Any], *, weight: Floats, ridge: float = 1.0, least: float | None = None
    ) -> LinearFit:
        """Fit a linear score by penalised maximum likelihood.

        Args:
            design: Shape ``(n, k)``, each column about 0.
            outcome: Shape ``(n,)``, of two different values at least.
            weight: Shape ``(n,)``.
            ridge: Half of it times the squared coefficients is added to the summed losses.
            least: Lower bound of the coefficient of a design of one column; none by default.
        """

    @abstractmethod
    def losses(self, score: Floats, outcome: npt.NDArray[Any]) -> Floats:
        """Return the loss of each case, shape ``(n,)``."""

    @abstractmethod
    def derivatives(self, score: Floats, outcome: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        """Return the first and the second derivative of each loss with respect to its score, each of shape ``(n,)``."""

    @abstractmethod
    def objective(self, outcome: npt.NDArray[Any], weight: Floats) -> tuple[str | Objective, Floats | None]:
        """Return what LightGBM minimises, and the weights that its data set needs for it."""

    @staticmethod
    @abstractmethod
    def ranks(outcome: npt.NDArray[Any]) -> npt.NDArray[np.int_]:
        """Return whole numbers in the order of the outcomes, with which the filter associates features."""

    @staticmethod
    @abstractmethod
    def pooled(score: Floats, cases: Cases) -> Floats:
        """Return the score of each of ``cases.patients`` from those of their cases."""

    @classmethod
    @abstractmethod
    def calibrate(cls, score: Floats, outcome: npt.NDArray[Any], *, sensitivity: float | None = None) -> Calibration:
        """Fit a calibration on out-of-fold scores.

        Args:
            score: Shape ``(n_patients,)``.
            outcome: Shape ``(n_patients,)``.
            sensitivity: Minimum sensitivity of the threshold, where there is one; Youden's threshold by default.
        """


@dataclass(frozen=True)
class Logistic(Likelihood):
    """The score is the log odds of a positive patient."""

    calibrated_on = "outer"

    @classmethod
    def fit(
        cls, design: Floats, outcome: npt.NDArray[Any], *, weight: Floats, ridge: float = 1.0, least: float | None = None
    ) -> LinearFit:
        """Fit by scikit-learn's logistic regression.

        The loss is convex, so that where its minimum lies below the bound the best coefficient is the bound itself.
        """
        fitted = LogisticRegression(C=1.0 / ridge, max_iter=1000).fit(design, outcome, sample_weight=weight)
        coefficients, intercept = np.asarray(fitted.coef_[0], dtype=np.float64), float(fitted.intercept_[0])
        if least is not None and coefficients[0] < least:
            coefficients = np.array([least])
            intercept = _intercept(least * design[:, 0], outcome, weight)
        return LinearFit(coefficients, intercept, cls())

    def losses(self, score: Floats, outcome: npt.NDArray[Any]) -> Floats:
        """Return the log loss of each case."""
        return np.asarray(np.logaddexp(0, (1 - 2 * outcome) * score), dtype=np.float64)

    def derivatives(self, score: Floats, outcome: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        """Return probability − label, and the variance of the label."""
        probability = np.asarray(expit(score), dtype=np.float64)
        return probability - outcome, probability * (1 - probability)

    def objective(self, outcome: npt.NDArray[Any], weight: Floats) -> tuple[str | Objective, Floats | None]:  # noqa: ARG002
        """Return LightGBM's own log loss."""
        return "binary", weight

    @staticmethod
    def ranks(outcome: npt.NDArray[Any]) -> npt.NDArray[np.int_]:
        """Return the labels as they are."""
        return outcome

    @staticmethod
    def pooled(score: Floats, cases: Cases) -> Floats:
        """Average the probabilities of a patient's cases; return the log odds of the mean."""
        probability = cases.per_patient(np.asarray(expit(score), dtype=np.float64))
        return np.asarray(logit(np.clip(probability, 1e-12, 1 - 1e-12)), dtype=np.float64)

    @classmethod
    def calibrate(cls, score: Floats, outcome: npt.NDArray[Any], *, sensitivity: float | None = None) -> Calibration:
        """Fit calibration and threshold."""
        return fit_decision(score, outcome, sensitivity=sensitivity)


def _intercept(offset: Floats, outcome: npt.NDArray[Any], weight: Floats) -> float:
    """Return the intercept at which the probabilities sum up to the positive cases; the outcomes hold both classes."""
    level = float(logit(np.average(outcome, weights=weight)))
    edge = float(np.abs(offset).max()) + 1.0
    found = brentq(lambda added: float((weight * (expit(added + offset) - outcome)).sum()), level - edge, level + edge)
    return float(found)
