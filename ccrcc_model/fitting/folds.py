"""Cross-validation by patient: cases of one patient never straddle a split, and every part holds both classes."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from ccrcc_model.fitting.settings import MIN_FOLDS, Settings
from ccrcc_model.outcomes.cases import LabelledCases
from nnunet_ext.ground.errors import InputError

MIN_PER_FOLD = 2
"""Patients of the rarer class that a test part must hold: with one, its AUC is that patient's rank."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One split of a repeated cross-validation, as rows of the cases that were split.

    Args:
        repeat: Number of the shuffling.
        index: Which part of it is tested.
        train: Shape ``(n_train_cases,)``.
        test: Shape ``(n_test_cases,)``.
    """

    repeat: int
    index: int
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Folds:
    """The outer folds, drawn once: whatever is compared with a model is handed the folds that the model was judged on.

    Args:
        splits: Repeat by repeat.
        repeats: Shufflings.
    """

    splits: tuple[Fold, ...]
    repeats: int

    @classmethod
    def of(cls, cases: LabelledCases, settings: Settings) -> Self:
        """Draw the folds.

        Raises:
            InputError: If the rarer class has too few patients.
        """
        splits = patient_folds(cases, folds=settings.folds, repeats=settings.repeats, seed=settings.seed, at_least=MIN_FOLDS)
        return cls(tuple(splits), settings.repeats)

    @property
    def once(self) -> Self:
        """The folds of the first repeat."""
        return replace(self, splits=tuple(split for split in self.splits if split.repeat == 0), repeats=1)


def possible_folds(cases: LabelledCases, *, folds: int, at_least: int) -> int:
    """Return how many folds these cases allow: ``folds``, or fewer so that each tests two patients of the rarer class.

    Raises:
        InputError: If not even ``at_least`` folds are possible.
    """
    rarer = int(np.bincount(cases.patient_stratum, minlength=2).min())
    possible = min(folds, rarer // MIN_PER_FOLD)
    if possible < at_least:
        msg = (
            f"Cross-validation needs at least {at_least * MIN_PER_FOLD} patients of each class ({at_least} folds with "
            f"{MIN_PER_FOLD} each); the rarer class has {rarer} of {len(cases.patients)}"
        )
        raise InputError(msg)
    return possible


def patient_folds(cases: LabelledCases, *, folds: int, repeats: int, seed: int, at_least: int = 2) -> list[Fold]:
    """Split patients into folds of like size and share of positives, ``repeats`` times over.

    An outcome belongs to a patient, so patients are split and their cases follow: the classes are then balanced exactly,
    which splitting rows under a grouping constraint is not.

    Args:
        cases: Cases of both strata.
        folds: Parts of each repeat; fewer if ``possible_folds`` returns fewer.
        repeats: Shufflings.
        seed: Seed of the shufflings.
        at_least: Folds below which splitting is refused.

    Returns:
        ``repeats`` times the number of folds; within a repeat every case is tested once.

    Raises:
        InputError: If the rarer class has too few patients.
    """
    n_folds = possible_folds(cases, folds=folds, at_least=at_least)
    patients, y = cases.patients, cases.patient_stratum
    seeds = np.random.default_rng(seed).integers(2**31, size=repeats)
    result = []
    for repeat, shuffle_seed in enumerate(seeds):
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=int(shuffle_seed))
        for index, (_, tested) in enumerate(splitter.split(patients, y)):
            in_test = np.isin(cases.patient_id, patients[tested])
            result.append(Fold(repeat, index, np.flatnonzero(~in_test), np.flatnonzero(in_test)))
    return result
