"""What a model predicted for each patient: the only input of figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnunet_ext.documents.csv_table import read_csv, write_csv
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.notebook import as_html, counted

PER_PATIENT = ("patient_id", "centre", "y_true", "y_prob")
"""Columns of predictions with one entry per patient."""


@dataclass(frozen=True, repr=False)
class Predictions:
    """Truth and probability of one target in one cohort.

    Args:
        cohort: Name of the cohort, as tables and figures print it.
        target: Name of the target, such as ``"grade"``.
        patient_id: Shape ``(n,)``, one entry per patient.
        centre: Shape ``(n,)``.
        y_true: Shape ``(n,)``, 1 where the target is positive, else 0.
        y_prob: Shape ``(n,)``, probability that the target is positive, inside [0, 1].
        abstained: Shape ``(n,)``, True where the model should not be believed, as the patient is unlike its development
            patients; the probability is given all the same. None where this was not asked.
        score: Shape ``(n,)``, orders the patients where the probability should not, as the logarithm of tumour volume does for
            the baseline: its probability may be the same for all. None where the probability orders them.

    Example:
        >>> import ccrcc_model as cc
        >>> cc.Predictions.read("predictions.csv")
        Predictions of grade in north
        40 patients of 2 centres, 20 positive
        Probability: median 0.50, from 0.01 to 0.99
    """

    cohort: str
    target: str
    patient_id: npt.NDArray[np.str_]
    centre: npt.NDArray[np.str_]
    y_true: npt.NDArray[np.int_]
    y_prob: npt.NDArray[np.float64]
    abstained: npt.NDArray[np.bool_] | None = None
    score: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n = len(self.y_true)
        for name in self._columns:
            if len(getattr(self, name)) != n:
                msg = f"Predictions of {self.cohort}: {len(getattr(self, name))} entries in {name}, {n} in y_true"
                raise InputError(msg)
        if len(np.unique(self.patient_id)) != n:
            patients = len(np.unique(self.patient_id))
            msg = f"Predictions of {self.cohort}: {n} entries for {patients} patients; give one per patient"
            raise InputError(msg)
        if not np.isin(self.y_true, (0, 1)).all():
            msg = f"Predictions of {self.cohort}: y_true must hold 0 and 1 only"
            raise InputError(msg)
        if not ((self.y_prob >= 0) & (self.y_prob <= 1)).all():
            msg = f"Predictions of {self.cohort}: y_prob must lie inside [0, 1] and not be missing"
            raise InputError(msg)
        if not np.isfinite(self.order).all():
            msg = f"Predictions of {self.cohort}: score must be finite and not be missing"
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self.y_true)

    def __repr__(self) -> str:
        who = f"{counted(len(self), 'patient')} of {counted(len(np.unique(self.centre)), 'centre')}"
        asked = "" if self.abstained is None else f"; abstained from {int(self.abstained.sum())}"
        low, middle, high = np.quantile(self.y_prob, [0, 0.5, 1]) if len(self) else (np.nan,) * 3
        return (
            f"Predictions of {self.target} in {self.cohort}\n"
            f"{who}, {int(self.y_true.sum())} positive{asked}\n"
            f"Probability: median {middle:.2f}, from {low:.2f} to {high:.2f}"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    @property
    def _columns(self) -> tuple[str, ...]:
        """Fields of one entry per patient."""
        return PER_PATIENT + tuple(name for name in ("abstained", "score") if getattr(self, name) is not None)

    @property
    def order(self) -> npt.NDArray[np.float64]:
        """What the patients are ordered by, shape ``(n,)``: the score where there is one, else the probability."""
        return self.y_prob if self.score is None else self.score

    def take(self, chosen: npt.NDArray[Any]) -> Self:
        """Return the predictions of some patients: a mask of shape ``(n,)``, or their places."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self._columns})

    @property
    def answered(self) -> Self:
        """The predictions of the patients whom the model does not abstain from; of all patients where this was not asked."""
        return self if self.abstained is None else self.take(~self.abstained)

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read a CSV file of one cohort and target, as ``write`` writes it; it may come from any other program.

        Raises:
            InputError: If the file is missing, lacks a column, holds several cohorts or targets, or a truth or probability
                is missing or out of range.
        """
        path = Path(path)
        columns = ", ".join(("cohort", "target", *PER_PATIENT))
        frame = read_csv(path, "predictions", if_missing=f"it is a CSV file with the columns {columns}")
        for name in ("cohort", "target", *PER_PATIENT):
            if name not in frame.columns:
                msg = f"{path} lacks the column {name}; figures need a probability and the truth of every patient"
                raise InputError(msg)
        for name in ("cohort", "target"):
            if frame[name].nunique() != 1:
                msg = f"{path} holds {frame[name].nunique()} different values of {name}; give each its own file"
                raise InputError(msg)
        truth, probability = (pd.to_numeric(frame[name], errors="coerce") for name in ("y_true", "y_prob"))
        for name, values in (("y_true", truth), ("y_prob", probability)):
            if missing := int(values.isna().sum()):
                msg = f"{path}: {missing} of {len(frame)} patients have no number in {name}"
                raise InputError(msg)
        return cls(
            str(frame["cohort"].iloc[0]),
            str(frame["target"].iloc[0]),
            frame["patient_id"].to_numpy(dtype=np.str_),
            frame["centre"].to_numpy(dtype=np.str_),
            _whole(truth, path),
            probability.to_numpy(dtype=np.float64),
            _flags(frame["abstained"], path) if "abstained" in frame.columns else None,
            pd.to_numeric(frame["score"], errors="coerce").to_numpy(dtype=np.float64) if "score" in frame.columns else None,
        )

    def write(self, path: AnyPath) -> None:
        """Write to a CSV file atomically, one row per patient; abstentions and scores are columns where there are any."""
        frame = pd.DataFrame({name: getattr(self, name) for name in self._columns})
        frame.insert(0, "target", self.target)
        frame.insert(0, "cohort", self.cohort)
        write_csv(Path(path), frame)


def joined(parts: Sequence[Predictions], name: str) -> Predictions:
    """Return the predictions of several cohorts as those of one cohort called ``name``.

    Two hospitals may both have a patient "1", so that every id begins with its cohort.
    """
    ids = np.concatenate([np.char.add(f"{part.cohort}/", part.patient_id.astype(np.str_)) for part in parts])
    abstained = [part.abstained for part in parts if part.abstained is not None]
    scores = [part.score for part in parts if part.score is not None]
    return Predictions(
        name,
        parts[0].target,
        ids,
        np.concatenate([part.centre for part in parts]),
        np.concatenate([part.y_true for part in parts]),
        np.concatenate([part.y_prob for part in parts]),
        np.concatenate(abstained) if len(abstained) == len(parts) else None,
        np.concatenate(scores) if len(scores) == len(parts) else None,
    )


def check_same_patients(first: Predictions, second: Predictions) -> None:
    """Check that two predictors' predictions are of the same patients.

    Raises:
        InputError: If they do not hold the same patients and truths in the same order.
    """
    if not (np.array_equal(first.patient_id, second.patient_id) and np.array_equal(first.y_true, second.y_true)):
        msg = f"A paired comparison needs the same patients in the same order; {first.cohort} and {second.cohort} differ"
        raise InputError(msg)


def one_class(predictions: Predictions) -> str | None:
    """Return why nothing that compares classes can be estimated here, or None if both classes are there."""
    events = int(predictions.y_true.sum())
    if len(predictions) == 0:
        return "no patients"
    if events == 0:
        return "no positive patients"
    return "no negative patients" if events == len(predictions) else None


def few_of_a_class(predictions: Predictions) -> str | None:
    """Return why no interval of a figure that compares classes can be estimated, or None: it needs two patients of each."""
    events = int(predictions.y_true.sum())
    if min(events, len(predictions) - events) < 2:
        return "interval not estimable: fewer than two patients of a class"
    return None


def _flags(abstained: pd.Series, path: Path) -> npt.NDArray[np.bool_]:
    if not abstained.isin(("True", "False")).all():
        msg = f"{path}: abstained must hold True and False only; leave the column out where it is not known"
        raise InputError(msg)
    return (abstained == "True").to_numpy(dtype=np.bool_)


def _whole(truth: pd.Series, path: Path) -> npt.NDArray[np.int_]:
    if not truth.isin((0, 1)).all():
        msg = f"{path}: y_true must hold 0 and 1 only"
        raise InputError(msg)
    return truth.to_numpy(dtype=np.int_)
