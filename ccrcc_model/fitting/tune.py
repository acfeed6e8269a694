"""Choosing hyperparameters by Optuna, on cross-validation inside the training patients."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite

import numpy as np
import optuna

from ccrcc_model.fitting.families.boosting import Boosting
from ccrcc_model.fitting.families.family import Family
from ccrcc_model.fitting.families.forest import Forest
from ccrcc_model.fitting.families.offset import Offset
from ccrcc_model.fitting.families.ridge import Ridge
from ccrcc_model.fitting.inner import InnerFold
from ccrcc_model.outcomes.seen import Step, patient_hashes
from nnunet_ext.ground.errors import InputError

FAMILIES: tuple[type[Family], ...] = (Offset, Forest, Boosting, Ridge)
"""What an ensemble is made of, beside tumour volume alone."""

FAMILY = "family"
"""Name of the hyperparameter that says whose the others are."""


@dataclass(frozen=True)
class Tuned:
    """What tuning chose and how.

    Args:
        families: Each family with the hyperparameters of its best trial, or its default ones where it had none.
        losses: Mean loss of that trial over the inner test parts, of the families that had one.
        trials: Trials of each family that were finished.
        steps: What the inner folds saw and scored.
    """

    families: tuple[Family, ...]
    losses: Mapping[str, float]
    trials: Mapping[str, int]
    steps: tuple[Step, ...]

    @property
    def n_trials(self) -> int:
        """Trials that were finished."""
        return sum(self.trials.values())


def tune(
    folds: Sequence[InnerFold],
    *,
    trials: int,
    seed: int,
    storage: optuna.storages.BaseStorage | None = None,
    study: str | None = None,
) -> Tuned:
    """Find the hyperparameters with the least loss on inner test parts, in exactly ``trials`` trials of all families together.

    The first trials are the defaults, one of each family, so that nothing is chosen that looked worse than it. From then on
    the sampler also chooses whose turn it is: a family that does well gets more of the trials. The loss is the
    likelihood's (the log loss for a yes or no), because it is a proper score and less noisy than the AUC of a dozen patients.

    A study that ``storage`` holds is carried on, and several processes may work on one: trials that a killed process left
    unfinished do not count, and of more finished ones than ``trials`` the first count.

    Args:
        folds: Inner folds of one repeat.
        trials: Trials in all.
        seed: Seed of the sampler (TPE) and of the trees.
        storage: Where Optuna keeps the study; in memory by default.
        study: Its name in ``storage``.

    References:
        Bergstra et al. 2011 (TPE), https://papers.nips.cc/paper/4443; Akiba et al. 2019, doi:10.1145/3292500.3330701.
    """
    done = [optuna.trial.TrialState.COMPLETE]
    with _quiet():
        running = optuna.create_study(
            storage=storage, study_name=study, load_if_exists=True, sampler=optuna.samplers.TPESampler(seed=seed)
        )
        largest = min(len(fold.train) for fold in folds)
        while len(running.get_trials(deepcopy=False, states=done)) < trials:
            for family in FAMILIES[len(running.get_trials(deepcopy=False)) :][:1]:
                running.enqueue_trial({FAMILY: family.name, **family().parameters()})
            trial = running.ask()
            running.tell(trial, _loss(folds, _suggest(trial, n_cases=largest), seed=seed))
    counted = sorted(running.get_trials(states=done), key=lambda one: one.number)[:trials]
    return _best(running, counted, folds)


def _best(study: optuna.Study, trials: Sequence[optuna.trial.FrozenTrial], folds: Sequence[InnerFold]) -> Tuned:
    """Return the best trial of each family, the first of equal ones."""
    best: dict[str, tuple[float, int, Family]] = {}
    times: dict[str, int] = dict.fromkeys((family.name for family in FAMILIES), 0)
    for trial in trials:
        family, loss = _of_trial(study, trial)
        times[family.name] += 1
        if family.name not in best or (loss, trial.number) < best[family.name][:2]:
            best[family.name] = (loss, trial.number, family)
    chosen = tuple(best[family.name][2] if family.name in best else family() for family in FAMILIES)
    losses = {name: loss for name, (loss, _, _) in best.items()}
    return Tuned(chosen, losses, times, _steps(folds))


def _of_trial(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> tuple[Family, float]:
    """Return the family of a finished trial, with its hyperparameters, and its loss.

    Raises:
        InputError: If the study asks for the largest value, or no process of ours can have reported the trial: it has no
            finite loss, or hyperparameters that are none of ours.
    """
    if study.direction != optuna.study.StudyDirection.MINIMIZE:
        msg = f"Study {study.study_name[:12]} asks for the largest value, not for the least loss; choose another file"
        raise InputError(msg)
    parameters = dict(trial.params)
    name = parameters.pop(FAMILY, None)
    asked = next((family for family in FAMILIES if family.name == name), None)
    try:
        if asked is None or trial.value is None or not isfinite(trial.value):
            raise ValueError  # noqa: TRY301 - one sentence for all that cannot be
        return asked.of_parameters(parameters), float(trial.value)
    except ValueError as error:
        msg = (
            f"Trial {trial.number} of study {study.study_name[:12]} is none of this version's: its loss or its "
            "hyperparameters cannot be; remove the studies' file, or choose another"
        )
        raise InputError(msg) from error


def _suggest(trial: optuna.Trial, *, n_cases: int) -> Family:
    """Draw a family and its hyperparameters."""
    name = trial.suggest_categorical(FAMILY, [family.name for family in FAMILIES])
    return next(family for family in FAMILIES if family.name == name).suggest(trial, n_cases=n_cases)


def _loss(folds: Sequence[InnerFold], family: Family, *, seed: int) -> float:
    """Mean loss over the cases of all test parts, every patient counting once."""
    losses = []
    for fold in folds:
        score, likelihood = family.held_out(fold, seed=seed)
        losses.append(likelihood.losses(score, fold.test.y))
    return float(np.average(np.concatenate(losses), weights=np.concatenate([fold.test.weight for fold in folds])))


def _steps(folds: Sequence[InnerFold]) -> tuple[Step, ...]:
    steps = []
    for place, fold in enumerate(folds):
        scored = patient_hashes(fold.test.patient_id)
        steps += [Step(f"tuning {place}: {name}", seen, scored) for name, seen in fold.seen_before]
        steps.append(Step(f"tuning {place}", patient_hashes(fold.train.patient_id), scored))
    return tuple(steps)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing its study: the command line speaks."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
