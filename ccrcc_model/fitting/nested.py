"""Repeated patient-grouped nested cross-validation, and the procedure that it judges.

In each outer training part, and at the end on all patients, the same procedure runs: split its patients again, choose
features and tune in those inner parts, and fit one member on each of ten inner training parts. The members, each with a
filter of its own, are averaged: on some 80 patients and thousands of features the choice of features is the least stable
step, and averaging over it gains more than averaging over seeds.

The procedure is the same for every kind of target; its likelihood states what differs. See
``Likelihood.calibrated_on`` for the one step that grades and percentages have and a yes or no has not: a calibration on the
inner folds' out-of-fold scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ccrcc_model.fitting.folds import Fold, Folds
from ccrcc_model.fitting.inner import InnerFold, inner_folds
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.fitting.tune import tune
from ccrcc_model.models.explanation import mean_movement
from ccrcc_model.models.likelihood import Calibration, Likelihood
from ccrcc_model.models.member import Hyperparameters, Member
from ccrcc_model.models.scorer import LIKELIHOODS, Scorer, patient_score
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
        hyperparameters: What tuning chose for all members.
        steps: What the inner folds saw and scored, in tuning and for a calibration.
    """

    model: Scorer
    baseline: Scorer
    hyperparameters: Hyperparameters
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
    with threadpool_limits(1):  # sums then have one order, whatever the number of processes
        folds = inner_folds(
            cases,
            folds=settings.inner_folds,
            repeats=settings.inner_repeats,
            seed=seed,
            kind=target.kind,
            harmonise=settings.harmonise,
            balanced=settings.balanced,
            perturbed=perturbed,
        )
        storage = open_studies(studies) if studies is not None else None
        first = folds[: len(folds) // settings.inner_repeats]
        tuned = tune(first, trials=settings.trials, seed=seed, storage=storage, study=study)
        chosen = tuned.hyperparameters
        of_folds = tuple(fold.fit(chosen, seed=seed + place)[0] for place, fold in enumerate(folds))
        members = tuple(member.after(fold.projections) for member, fold in zip(of_folds, folds, strict=True))
        if likelihood.calibrated_on == "outer":
            model, baseline = Scorer(members, likelihood), Scorer((fit_volume(cases, likelihood),), likelihood)
            return Procedure(model, baseline, chosen, tuned.steps)
        starts = tuple(fit_volume(fold.train, likelihood) for fold in folds)
        model = Scorer(members, likelihood, _calibrate(cases, folds, of_folds, likelihood))
        baseline = Scorer(starts, likelihood, _calibrate(cases, folds, starts, likelihood))
    return Procedure(model, baseline, chosen, (*tuned.steps, *_inner_steps(folds, of_folds)))


def _calibrate(
    cases: LabelledCases,
    folds: Sequence[InnerFold],
    members: Sequence[Member | VolumeModel],
    likelihood: type[Likelihood],
) -> Calibration:
    """Calibrate on each patient's mean score by the members that never saw the patient."""
    total, times = np.zeros((2, len(cases.patients)))
    for fold, member in zip(folds, members, strict=True):
        place = np.searchsorted(cases.patients, fold.test.patients)
        total[place] += patient_score([member], fold.test, likelihood)
        times[place] += 1
    return likelihood.calibrate(total / times, cases.patient_y)


def _inner_steps(folds: Sequence[InnerFold], members: Sequence[Member]) -> list[Step]:
    """The patients whom the steps and the member of each inner fold saw, and whom they scored for the calibration."""
    steps = []
    for place, (fold, member) in enumerate(zip(folds, members, strict=True)):
        scored = patient_hashes(fold.test.patient_id)
        steps += [Step(f"inner {place}: {name}", seen, scored) for name, seen in fold.seen_before]
        steps.append(Step(f"inner {place}", member.seen, scored))
    return steps


@dataclass(frozen=True, eq=False)
class OuterResult:
    """What a procedure fitted on one outer training part predicts of the patients outside it, and what moved it inside.

    Args:
        repeat: Repeat of the outer folds.
        patients: Shape ``(n_patients,)``.
        predicted: Score of each patient, and the values of a procedure that calibrates: shape ``(n_patients, 1 + n_values)``.
        baseline_predicted: The same of tumour volume alone.
        hyperparameters: What tuning chose.
        steps: What every step saw and scored.
        movement: Mean absolute contribution of each feature to the model on the training part.
    """

    repeat: int
    patients: npt.NDArray[np.str_]
    predicted: npt.NDArray[np.float64]
    baseline_predicted: npt.NDArray[np.float64]
    hyperparameters: Hyperparameters
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
        fitted.hyperparameters,
        tuple(steps),
        mean_movement(train, fitted.members),
    )
