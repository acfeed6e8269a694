"""Truth and prediction of graded outcomes: ISUP grades in their order, and Ki67 as a percentage."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.figure import Kind, Reads
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.notebook import as_html, counted

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
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

    def __len__(self) -> int:
        return len(self.outcome)

    def __repr__(self) -> str:
        who = f"{counted(len(self), 'patient')} of {counted(len(np.unique(self.centre)), 'centre')}"
        asked = "" if self.abstained is None else f"; abstained from {int(self.abstained.sum())}"
        low, middle, high = np.quantile(self.expected, [0, 0.5, 1]) if len(self) else (np.nan,) * 3
        return (
            f"Predictions of {self.target.name} in {self.cohort}\n"
            f"{who}{asked}\n"
            f"Expected {self.target.column}: median {middle:.2f}, from {low:.2f} to {high:.2f}"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    @property
    def high(self) -> Predictions:
        """The grades from the cut up against those below it, with the probability of lying there."""
        cut = self.target.cut or 0.0
        above = np.array(self.target.levels) >= cut
        probability = np.clip(self.probability[:, above].sum(axis=1), 0, 1)
        truth = (self.outcome >= cut).astype(np.int_)
        return Predictions(self.cohort, self.target.name, self.patient_id, self.centre, truth, probability, self.abstained)

    @property
    def kind(self) -> Kind:
        """Kind of target: ordered grades have levels, a percentage has none."""
        return "ordinal" if self.target.levels else "percentage"

    def read(self, reads: Reads) -> Floats:
        """Return what a figure is computed from: the ``"score"``, or the ``"answer"``, the nearest grade or the percent."""
        if reads == "score":
            return self.score
        return nearest_grade(self.expected) if self.kind == "ordinal" else self.expected


def nearest_grade(expected: Floats) -> Floats:
    """Return the grade nearest to a mean grade, the higher of two."""
    return np.floor(expected + 0.5)


def yes_or_no(predictions: Predictions | GradedPredictions) -> Predictions:
    """Return the predictions of a yes or no as they are.

    Raises:
        InputError: If they are of grades or percentages.
    """
    if isinstance(predictions, GradedPredictions):
        msg = f"Predictions of {predictions.target.name} are no yes or no"
        raise InputError(msg)
    return predictions


def graded(predictions: Predictions | GradedPredictions) -> GradedPredictions:
    """Return the predictions of grades or percentages as they are.

    Raises:
        InputError: If they are of a yes or no.
    """
    if isinstance(predictions, Predictions):
        msg = f"Predictions of {predictions.target} are of a yes or no, not of grades or percentages"
        raise InputError(msg)
    return predictions
