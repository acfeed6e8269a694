"""Repeated patient-grouped nested cross-validation, and the procedure that it judges.

In each outer training part, and at the end on all patients, the same procedure runs: split its patients again, choose
features and tune in those inner parts, and fit one member on each of ten inner training parts. The members, each with a
filter of its own, are averaged: on some 80 patients and thousands of features the choice of features is the least stable
step, and averaging over it gains more than averaging over seeds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, get_args

import joblib
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ccrcc_model.fitting.folds import Fold, patient_folds
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.fitting.tune import inner_folds, tune
from ccrcc_model.models.combat import Harmonisation
from ccrcc_model.models.explanation import mean_movement
from ccrcc_model.models.member import Hyperparameters, Member
from ccrcc_model.models.model import patient_score
from ccrcc_model.models.volume import VolumeModel, fit_volume
from ccrcc_model.outcomes.seen import Step, patient_hashes
from ccrcc_model.outcomes.target import LabelledCases
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues

Judged = TypeVar("Judged")
Final = TypeVar("Final")

MIN_FOLDS = 3
"""With two outer folds a model would be judged by others fitted on half of the patients."""
INNER_FOLDS = 5
INNER_REPEATS = 2
"""Members are fitted on the training parts of all repeats, tuning uses the first."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is fitted.

    Args:
        folds: Outer folds.
        repeats: Times that they are drawn anew.
        trials: Of Optuna in each training part.
        seed: Of everything random.
        inner_folds: Of each training part.
        inner_repeats: Times that they are drawn anew.
        harmonise: Whether features go through ComBat, see ``ccrcc_model.models.combat``.
        balanced: Whether both classes weigh the same; probabilities are corrected for it.
        sensitivity: That the threshold must reach; Youden's threshold by default.
    """

    folds: int
    repeats: int
    trials: int
    seed: int
    inner_folds: int = INNER_FOLDS
    inner_repeats: int = INNER_REPEATS
    harmonise: Harmonisation = "none"
    balanced: bool = False
    sensitivity: float | None = None

    def __post_init__(self) -> None:
        if self.harmonise not in get_args(Harmonisation):
            msg = f"No harmonisation {self.harmonise!r}; known ones are {', '.join(get_args(Harmonisation))}"
            raise InputError(msg)
        if self.sensitivity is not None and not 0 < self.sensitivity <= 1:
            msg = f"The threshold's sensitivity must lie inside (0, 1], not {self.sensitivity:g}"
            raise InputError(msg)
        least_of = {"folds": MIN_FOLDS, "repeats": 1, "trials": 1, "seed": 0, "inner_folds": 2, "inner_repeats": 1}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                msg = f"Fitting needs {name} of at least {least}, not {getattr(self, name)}"
                raise InputError(msg)


@dataclass(frozen=True)
class Procedure:
    """Everything that was fitted on some patients.

    Args:
        members: The ensemble.
        hyperparameters: What tuning chose for all of them.
        loss: Inner log loss of that choice.
        baseline: Volume alone, on the same patients.
        tuning: What the inner folds saw and scored.
    """

    members: tuple[Member, ...]
    hyperparameters: Hyperparameters
    loss: float
    baseline: VolumeModel
    tuning: tuple[Step, ...]

    @property
    def seen(self) -> frozenset[str]:
        """Hashes of all patients that any part of it was fitted or tuned on."""
        parts = [member.seen for member in self.members]
        return frozenset().union(*parts, *(step.seen | step.scored for step in self.tuning))


def fit_procedure(
    cases: LabelledCases,
    settings: Settings,
    *,
    seed: int,
    perturbed: PerturbedValues | None = None,
    studies: str | None = None,
    study: str | None = None,
) -> Procedure:
    """Choose features, tune and fit the ensemble and the baseline on ``cases`` and nothing else.

    Args:
        cases: Cases of both classes.
        settings: How to split and tune.
        seed: Of everything random.
        perturbed: Features under perturbed masks, for the stability filter.
        studies: Where to keep the tuning, see ``open_studies``; in memory by default.
        study: Its name there.

    Raises:
        InputError: If a class has too few patients, or no feature is usable.
    """
    with threadpool_limits(1):  # sums then have one order, whatever the number of processes
        folds = inner_folds(
            cases,
            folds=settings.inner_folds,
            repeats=settings.inner_repeats,
            seed=seed,
            harmonise=settings.harmonise,
            balanced=settings.balanced,
            perturbed=perturbed,
        )
        storage = open_studies(studies) if studies is not None else None
        first = folds[: len(folds) // settings.inner_repeats]
        tuned = tune(first, trials=settings.trials, seed=seed, storage=storage, study=study)
        members = tuple(fold.member(tuned.hyperparameters, seed=seed + place) for place, fold in enumerate(folds))
        return Procedure(members, tuned.hyperparameters, tuned.loss, fit_volume(cases), tuned.steps)


@dataclass(frozen=True, eq=False)
class OuterResult:
    """What a procedure fitted on one outer training part said about the patients outside it, and what moved it inside."""

    repeat: int
    patients: npt.NDArray[np.str_]
    score: npt.NDArray[np.float64]
    baseline_score: npt.NDArray[np.float64]
    hyperparameters: Hyperparameters
    steps: tuple[Step, ...]
    movement: Mapping[str, float]


def run_nested(
    cases: LabelledCases,
    settings: Settings,
    *,
    perturbed: PerturbedValues | None = None,
    studies: tuple[str, str] | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> tuple[list[OuterResult], Procedure]:
    """Run the procedure on every outer training part and on all cases.

    Args:
        cases: Cases of both classes.
        settings: How to split and tune.
        perturbed: Features under perturbed masks, for the stability filter.
        studies: Where to keep the tuning of each training part, see ``open_studies``, and what their names begin with.
        jobs: Processes; the result does not depend on their number.
        on_progress: Told of each fit.

    Returns:
        The results of the outer folds, repeat by repeat, and what was fitted on all cases.

    Raises:
        InputError: If a class has too few patients, or no feature is usable.
    """
    judged = partial(_outer, cases, settings=settings, perturbed=perturbed)
    final = partial(fit_procedure, cases, settings, perturbed=perturbed)
    return run_parts(cases, settings, judged, final, studies=studies, jobs=jobs, on_progress=on_progress)


def run_parts(
    cases: LabelledCases,
    settings: Settings,
    judge: Callable[..., Judged],
    fit_all: Callable[..., Final],
    *,
    studies: tuple[str, str] | None,
    jobs: int,
    on_progress: OnProgress,
) -> tuple[list[Judged], Final]:
    """Call ``judge`` for every outer split and ``fit_all`` once, each with a seed and a place for its study.

    Args:
        cases: To split.
        settings: How to split.
        judge: Takes a ``Fold``, ``seed``, and where to keep the study; fits on the training part and scores the test part.
        fit_all: Takes ``seed`` and where to keep the study; fits on all cases.
        studies: See ``run_nested``.
        jobs: Processes.
        on_progress: Told of each call.

    Returns:
        What ``judge`` returned, repeat by repeat, and what ``fit_all`` did.
    """
    splits = patient_folds(cases, folds=settings.folds, repeats=settings.repeats, seed=settings.seed, at_least=MIN_FOLDS)
    seeds = [int(seed) for seed in np.random.default_rng([settings.seed, 1]).integers(2**30, size=len(splits) + 1)]
    kept = [_kept(studies, f"outer {split.repeat}.{split.index}") for split in splits]
    calls = [joblib.delayed(judge)(split, seed=seed, **where) for split, seed, where in zip(splits, seeds, kept, strict=False)]
    calls.append(joblib.delayed(fit_all)(seed=seeds[-1], **_kept(studies, "final")))
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
    split: Fold,
    *,
    settings: Settings,
    seed: int,
    perturbed: PerturbedValues | None,
    **kept: str,
) -> OuterResult:
    train, test = cases.take(split.train), cases.take(split.test)
    fitted = fit_procedure(train, settings, seed=seed, perturbed=perturbed, **kept)
    name = f"outer {split.repeat}.{split.index}"
    scored = patient_hashes(test.patient_id)
    steps = [Step(f"{name}: {step.name}", step.seen, step.scored) for step in fitted.tuning]
    steps += [Step(f"{name}: model", fitted.seen, scored), Step(f"{name}: baseline", fitted.baseline.seen, scored)]
    return OuterResult(
        split.repeat,
        test.patients,
        patient_score(fitted.members, test),
        patient_score([fitted.baseline], test),
        fitted.hyperparameters,
        tuple(steps),
        mean_movement(train, fitted.members),
    )
