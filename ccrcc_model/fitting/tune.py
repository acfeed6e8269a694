"""Choosing hyperparameters by Optuna, on cross-validation inside the training patients."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite
from typing import Any

import numpy as np
import optuna

from ccrcc_model.fitting.inner import MAX_FEATURES, InnerFold
from ccrcc_model.models.member import Hyperparameters
from ccrcc_model.outcomes.seen import Step, patient_hashes
from nnunet_ext.ground.errors import InputError


@dataclass(frozen=True)
class Tuned:
    """What tuning chose and how.

    Args:
        hyperparameters: Hyperparameters of the best trial.
        loss: Its mean loss over the inner test parts.
        n_trials: Trials that were finished.
        steps: What the inner folds saw and scored.
    """

    hyperparameters: Hyperparameters
    loss: float
    n_trials: int
    steps: tuple[Step, ...]


def tune(
    folds: Sequence[InnerFold],
    *,
    trials: int,
    seed: int,
    storage: optuna.storages.BaseStorage | None = None,
    study: str | None = None,
) -> Tuned:
    """Find the hyperparameters with the least loss on inner test parts, in exactly ``trials`` trials.

    The first trial is the default, so that nothing is chosen that looked worse than it. The loss is the
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
        if not running.trials:
            running.enqueue_trial(asdict(Hyperparameters()))
        largest = min(len(fold.train) for fold in folds)
        while len(running.get_trials(deepcopy=False, states=done)) < trials:
            trial = running.ask()
            running.tell(trial, _loss(folds, _suggest(trial, n_cases=largest), seed=seed))
    counted = sorted(running.get_trials(states=done), key=lambda one: one.number)[:trials]
    _refuse_foreign(running, counted)
    best = min(counted, key=lambda one: (one.value or 0.0, one.number))
    return Tuned(Hyperparameters(**best.params), float(best.value or 0.0), len(counted), _steps(folds))


def _refuse_foreign(study: optuna.Study, trials: Sequence[optuna.trial.FrozenTrial]) -> None:
    """Refuse finished trials that no process of ours can have reported to the study.

    Raises:
        InputError: If the study asks for the largest value, or a trial has no finite loss or other hyperparameters than ours.
    """
    wanted = {field.name for field in fields(Hyperparameters)}
    for trial in trials:
        loss = trial.value
        if loss is None or not isfinite(loss) or set(trial.params) != wanted or not _is_usable(trial.params):
            msg = (
                f"Trial {trial.number} of study {study.study_name[:12]} is none of this version's: its loss or its "
                "hyperparameters cannot be; remove the studies' file, or choose another"
            )
            raise InputError(msg)
    if study.direction != optuna.study.StudyDirection.MINIMIZE:
        msg = f"Study {study.study_name[:12]} asks for the largest value, not for the least loss; choose another file"
        raise InputError(msg)


def _is_usable(parameters: Mapping[str, Any]) -> bool:
    """Whether each hyperparameter is a number above 0, and those that count something are whole."""
    whole = all(isinstance(parameters[name], int) for name in ("n_features", "num_leaves", "min_data_in_leaf"))
    return whole and all(isinstance(value, int | float) and 0 < value < inf for value in parameters.values())


def _suggest(trial: optuna.Trial, *, n_cases: int) -> Hyperparameters:
    """Draw a trial's hyperparameters; ranges for 50 to 1000 patients, on the side of too simple."""
    return Hyperparameters(
        n_features=trial.suggest_int("n_features", 10, MAX_FEATURES, log=True),
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.15, log=True),
        num_leaves=trial.suggest_int("num_leaves", 2, 8),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 4, max(12, n_cases // 8), log=True),
        lambda_l2=trial.suggest_float("lambda_l2", 0.5, 50.0, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.1, 0.6),
        bagging_fraction=trial.suggest_float("bagging_fraction", 0.5, 0.9),
        prior=trial.suggest_float("prior", 0.003, 0.3, log=True),
    )


def _loss(folds: Sequence[InnerFold], hyperparameters: Hyperparameters, *, seed: int) -> float:
    """Mean loss over the cases of all test parts, every patient counting once."""
    losses = [fold.losses(hyperparameters, seed=seed) for fold in folds]
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
