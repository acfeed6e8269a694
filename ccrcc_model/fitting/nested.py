"""Repeated patient-grouped nested cross-validation, and the procedure that it judges.

In each outer training part, and at the end on all patients, the same procedure runs: split its patients again, choose
features and tune every family of models in those inner parts, fit one member of each on each of ten inner training parts, and
stack the families on the scores of patients whom their members had not seen. The members of a family, each with a
filter of its own, are averaged: on some 80 patients and thousands of features the choice of features is the least stable
step, and averaging over it gains more than averaging over seeds.

The procedure is the same for every kind of target; its likelihood states what differs. See
``Likelihood.calibrated_on`` for the one step that grades and percentages have and a yes or no has not: a calibration on the
inner folds' out-of-fold scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ccrcc_model.fitting.ensemble import Ensemble, fit_ensemble, mean_of_patients
from ccrcc_model.fitting.folds import Fold, Folds
from ccrcc_model.fitting.inner import InnerFold, Preparation, inner_folds, whole_part
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.fitting.tune import Tuned, tune
from ccrcc_model.models.explanation import mean_movement
from ccrcc_model.models.likelihood import Calibration, Likelihood
from ccrcc_model.models.member import FamilyName, Member
from ccrcc_model.models.scorer import LIKELIHOODS, Scorer
from ccrcc_model.models.volume import VolumeModel, fit_volume
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import Step, patient_hashes
from ccrcc_model.outcomes.target import Target
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues


@dataclass(frozen=True)
class Procedure:
    """Everything that was fitted on some patients.

    Args:
        model: The ensemble.
        baseline: Tumour volume alone.
        ensemble: What each family weighs in the model.
        tuned: What tuning chose for each family.
        steps: What the inner folds saw and scored, in tuning, for the stack and for a calibration.
    """

    model: Scorer
    baseline: Scorer
    ensemble: Ensemble
    tuned: Tuned
    steps: tuple[Step, ...]

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of the ensemble."""
        return tuple(member for member in self.model.members if isinstance(member, Member))

    @property
    def seen(self) -> frozenset[str]:
        """Hashes of all patients that any part of the model was fitted or tuned on."""
        return self.model.seen.union(*(step.seen | step.scored for step in self.steps))


def fit_procedure(
    cases: LabelledCases,
    target: Target,
    settings: Settings,
    *,
    seed: int,
    perturbed: PerturbedValues | None = None,
    studies: str | None = None,
    study: str | None = None,
) -> Procedure:
    """Choose features, tune and fit the ensemble and the baseline on ``cases`` and nothing else.

    Args:
        cases: As ``label`` returns them.
        target: What is predicted.
        settings: How to split and tune.
        seed: Seed of everything random.
        perturbed: Features under perturbed masks, for the stability filter.
        studies: Where to keep the tuning, see ``open_studies``; in memory by default.
        study: Its name there.

    Raises:
        InputError: If a class (or a side of the cut) has too few patients, or no feature is usable.
    """
    likelihood = LIKELIHOODS[target.kind]
    preparation = Preparation(target.kind, settings.harmonise, settings.balanced, perturbed)
    with threadpool_limits(1):  # sums then have one order, whatever the number of processes
        folds = inner_folds(
            cases, folds=settings.inner_folds, repeats=settings.inner_repeats, seed=seed, preparation=preparation
        )
        storage = open_studies(studies) if studies is not None else None
        first = folds[: len(folds) // settings.inner_repeats]
        tuned = tune(first, trials=settings.trials, seed=seed, storage=storage, study=study)
        ensemble = fit_ensemble(cases, folds, whole_part(cases, preparation), tuned.families, seed=seed)
        if likelihood.calibrated_on == "outer":
            model, baseline = ensemble.model, Scorer((fit_volume(cases, likelihood),), likelihood)
        else:
            starts = tuple(fit_volume(fold.train, likelihood) for fold in folds)
            calibration = likelihood.calibrate(ensemble.held_out, cases.patient_y)
            model = replace(ensemble.model, calibration=calibration)
            baseline = Scorer(starts, likelihood, _calibrate(cases, folds, starts, likelihood))
    return Procedure(model, baseline, ensemble, tuned, (*tuned.steps, *ensemble.steps))


def _calibrate(
    cases: LabelledCases, folds: Sequence[InnerFold], starts: Sequence[VolumeModel], likelihood: type[Likelihood]
) -> Calibration:
    """Calibrate tumour volume on each patient's mean score by the models that never saw the patient."""
    scores = [start.log_odds(fold.test) for fold, start in zip(folds, starts, strict=True)]
    return likelihood.calibrate(mean_of_patients(cases, folds, scores), cases.patient_y)


@dataclass(frozen=True, eq=False)
class OuterResult:
    """What a procedure fitted on one outer training part predicts of the patients outside it, and what moved it inside.

    Args:
        repeat: Repeat of the outer folds.
        patients: Shape ``(n_patients,)``.
        predicted: Score of each patient, and the values of a procedure that calibrates: shape ``(n_patients, 1 + n_values)``.
        baseline_predicted: The same of tumour volume alone.
        weights: What each family weighs.
        steps: What every step saw and scored.
        movement: Mean absolute contribution of each feature to the model on the training part.
    """

    repeat: int
    patients: npt.NDArray[np.str_]
    predicted: npt.NDArray[np.float64]
    baseline_predicted: npt.NDArray[np.float64]
    weights: Mapping[FamilyName, float]
    steps: tuple[Step, ...]
    movement: Mapping[str, float]

    @property
    def score(self) -> npt.NDArray[np.float64]:
        """Uncalibrated score of each patient."""
        return self.predicted[:, 0]

    @property
    def baseline_score(self) -> npt.NDArray[np.float64]:
        """The same by tumour volume alone."""
        return self.baseline_predicted[:, 0]


def run_nested(
    cases: LabelledCases,
    target: Target,
    settings: Settings,
    *,
    folds: Folds,
    perturbed: PerturbedValues | None = None,
    studies: tuple[str, str] | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> tuple[list[OuterResult], Procedure]:
    """Run the procedure on every outer training part and on all cases.

    Args:
        cases: As ``label`` returns them.
        target: What is predicted.
        settings: How to split and tune.
        folds: Outer folds of these cases.
        perturbed: Features under perturbed masks, for the stability filter.
        studies: Where to keep the tuning of each training part, see ``open_studies``, and what their names begin with.
        jobs: Processes; the result does not depend on their number.
        on_progress: Called after each fit.

    Returns:
        The results of the outer folds, repeat by repeat, and what was fitted on all cases.

    Raises:
        InputError: As ``fit_procedure``.
    """
    splits = folds.splits
    seeds = [int(seed) for seed in np.random.default_rng([settings.seed, 1]).integers(2**30, size=len(splits) + 1)]
    calls = [
        joblib.delayed(_outer)(
            *(cases, target, settings, split),
            seed=seed,
            perturbed=perturbed,
            **_kept(studies, f"outer {split.repeat}.{split.index}"),
        )
        for split, seed in zip(splits, seeds, strict=False)
    ]
    final = {"seed": seeds[-1], "perturbed": perturbed, **_kept(studies, "final")}
    calls.append(joblib.delayed(fit_procedure)(cases, target, settings, **final))
    on_progress(0, len(calls))
    results: list[Any] = []
    for result in _in_order(calls, jobs):
        results.append(result)
        on_progress(len(results), len(calls))
    return results[:-1], results[-1]


def _kept(studies: tuple[str, str] | None, part: str) -> dict[str, str]:
    """Return where the study of one training part is kept, and its name there."""
    return {"studies": studies[0], "study": f"{studies[1]}, {part}"} if studies is not None else {}


def _in_order(calls: Sequence[Any], jobs: int) -> Iterator[Any]:
    if jobs == 1:
        return (function(*arguments, **options) for function, arguments, options in calls)
    results: Iterator[Any] = joblib.Parallel(n_jobs=jobs, return_as="generator")(calls)
    return results


def _outer(
    cases: LabelledCases,
    target: Target,
    settings: Settings,
    split: Fold,
    *,
    seed: int,
    perturbed: PerturbedValues | None,
    **kept: str,
) -> OuterResult:
    train, test = cases.take(split.train), cases.take(split.test)
    fitted = fit_procedure(train, target, settings, seed=seed, perturbed=perturbed, **kept)
    name, scored = f"outer {split.repeat}.{split.index}", patient_hashes(test.patient_id)
    steps = [Step(f"{name}: {step.name}", step.seen, step.scored) for step in fitted.steps]
    steps += [Step(f"{name}: model", fitted.seen, scored), Step(f"{name}: baseline", fitted.baseline.seen, scored)]
    return OuterResult(
        split.repeat,
        test.patients,
        fitted.model.predicted(test, target.levels),
        fitted.baseline.predicted(test, target.levels),
        fitted.ensemble.weights,
        tuple(steps),
        mean_movement(train, fitted.model),
    )
