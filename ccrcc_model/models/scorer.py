"""Members, or volume models, whose weighted score a calibration turns into the values of a target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.models.graded import LogPercent, ProportionalOdds
from ccrcc_model.models.likelihood import Calibration, Floats, Likelihood, Logistic
from ccrcc_model.models.member import Member
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.cases import Cases
from ccrcc_model.outcomes.target import Kind, Target
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from ccrcc_model.statistics.predictions import Predictions

LIKELIHOODS: Mapping[Kind, type[Likelihood]] = {"binary": Logistic, "ordinal": ProportionalOdds, "percentage": LogPercent}

AnyPredictions = Predictions | GradedPredictions


def value_columns(target: Target) -> tuple[str, ...]:
    """Return the names of what is predicted: a probability, that of each grade and the mean grade, or a percentage."""
    if target.kind == "binary":
        return ("probability",)
    if target.kind == "ordinal":
        return (*(f"grade_{level:g}" for level in target.levels), "expected_grade")
    return ("percent",)


def truth_column(target: Target) -> str:
    """Return the name of the outcome in a table of out-of-fold predictions."""
    return "y_true" if target.kind == "binary" else "outcome"


def patient_score(
    models: Sequence[Member | VolumeModel],
    cases: Cases,
    likelihood: type[Likelihood] = Logistic,
    *,
    weights: Sequence[float] = (),
) -> npt.NDArray[np.float64]:
    """Return the uncalibrated score of each of ``cases.patients``, shape ``(n_patients,)``.

    The models' scores are added up for each case, then averaged over the cases of a patient as the likelihood does it.

    Args:
        models: Members, or models of tumour volume alone.
        cases: To score.
        likelihood: Likelihood of the outcome.
        weights: Of each model; by default the models' mean.
    """
    return likelihood.pooled(weighted_log_odds(models, cases, weights=weights), cases)


def weighted_log_odds(
    models: Sequence[Member | VolumeModel], cases: Cases, *, weights: Sequence[float] = ()
) -> npt.NDArray[np.float64]:
    """Return the uncalibrated log odds of each case, shape ``(n_cases,)``; see ``patient_score``."""
    shares = weights or (1 / len(models),) * len(models)
    each = np.array([weight * model.log_odds(cases) for weight, model in zip(shares, models, strict=True)])
    return np.asarray(each.sum(axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Scorer:
    """Models whose weighted score a calibration makes values of.

    Args:
        members: Members, or models of tumour volume alone.
        likelihood: Likelihood of the outcome.
        calibration: Calibration of the score; None where it is fitted later, on the outer folds' scores.
        weights: Of each member; none for the members' mean.
    """

    members: tuple[Member, ...] | tuple[VolumeModel, ...]
    likelihood: type[Likelihood] = Logistic
    calibration: Calibration | None = None
    weights: tuple[float, ...] = ()

    @property
    def seen(self) -> frozenset[str]:
        """Hashes of the patients that any member was fitted on; a calibration on inner folds saw no others."""
        return frozenset().union(*(member.seen for member in self.members))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of a feature table that scoring needs."""
        return tuple(dict.fromkeys(column for member in self.members for column in member.columns))

    @property
    def weighted_members(self) -> list[tuple[Member, float]]:
        """The members, volume models left out, each with its weight."""
        shares = self.weights or (1 / len(self.members),) * len(self.members)
        return [(one, weight) for one, weight in zip(self.members, shares, strict=True) if isinstance(one, Member)]

    def score(self, cases: Cases) -> Floats:
        """Return the score of each of ``cases.patients``, shape ``(n_patients,)``."""
        return patient_score(self.members, cases, self.likelihood, weights=self.weights)

    def log_odds(self, cases: Cases) -> Floats:
        """Return the uncalibrated log odds of each case, shape ``(n_cases,)``."""
        return weighted_log_odds(self.members, cases, weights=self.weights)

    def predicted(self, cases: Cases, levels: Sequence[float] = ()) -> Floats:
        """Return the score of each patient and, where it is calibrated, the values: shape ``(n_patients, 1 + n_values)``."""
        score = self.score(cases)
        return score[:, None] if self.calibration is None else np.column_stack([score, self.calibration.values(score, levels)])


def predictions_of(
    target: Target,
    cohort: str,
    *,
    patients: npt.NDArray[np.str_],
    centre: npt.NDArray[np.str_],
    truth: npt.NDArray[Any],
    predicted: Floats,
    abstained: npt.NDArray[np.bool_] | None = None,
) -> AnyPredictions:
    """Return predictions of the kind that a target has.

    Args:
        target: What is predicted.
        cohort: Name of the cohort.
        patients: Shape ``(n_patients,)``.
        centre: Shape ``(n_patients,)``.
        truth: Outcome of each, shape ``(n_patients,)``.
        predicted: Score and values, as a calibrated ``Scorer.predicted`` returns them.
        abstained: Whether each patient is unlike those of the development.
    """
    if target.kind == "binary":
        return Predictions(cohort, target.name, patients, centre, truth, predicted[:, 1], abstained)
    score, *probability, expected = predicted.T
    levels = np.column_stack(probability) if probability else np.zeros((len(patients), 0))
    return GradedPredictions(
        cohort, target, patients, centre, truth, score=score, expected=expected, probability=levels, abstained=abstained
    )
