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
        by_centre: Whether each fold tests one centre.
    """

    splits: tuple[Fold, ...]
    repeats: int
    by_centre: bool = False

    @classmethod
    def of(cls, cases: LabelledCases, settings: Settings) -> Self:
        """Draw the folds.

        Raises:
            InputError: If the rarer class has too few patients, or centres cannot be left out.
        """
        if settings.folds == "centre":
            return cls(tuple(centre_folds(cases)), repeats=1, by_centre=True)
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


def centre_folds(cases: LabelledCases) -> list[Fold]:
    """Leave out one centre at a time; a patient with cases in several centres belongs to that of the first.

    A centre of one class is tested, too: whether it can be judged is for who measures.

    Raises:
        InputError: If there are fewer than two centres, or the others of one have too few patients of a class to be split.
    """
    centres = np.unique(cases.patient_centre)
    if len(centres) < 2:
        msg = f"FC011: to leave out a centre at a time needs two at least; all {len(cases.patients)} patients are of one"
        raise InputError(msg)
    result = []
    for index, centre in enumerate(centres):
        others = cases.patient_centre != centre
        rarer = int(np.bincount(cases.patient_stratum[others], minlength=2).min())
        if rarer < 2 * MIN_PER_FOLD:
            msg = (
                f"FC011: without centre {centre} the rarer class has {rarer} patients, and a fit needs {2 * MIN_PER_FOLD}; "
                "use a number of folds"
            )
            raise InputError(msg)
        in_test = np.isin(cases.patient_id, cases.patients[~others])
        result.append(Fold(0, index, np.flatnonzero(~in_test), np.flatnonzero(in_test)))
    return result
