"""What is predicted: the targets, the outcomes file, and the cases of a feature table with their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.outcomes.table import MISSING, OUTCOMES, check_outcomes, outcomes_of, read_outcomes, refuse_unknown
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

__all__ = [
    "GRADE",
    "MAX_MAGNITUDE",
    "MISSING",
    "OUTCOMES",
    "Cases",
    "LabelledCases",
    "Target",
    "check_outcomes",
    "feature_matrix",
    "find_target",
    "ki67",
    "label",
    "outcomes_of",
    "read_outcomes",
]


@dataclass(frozen=True, slots=True)
class Target:
    """A yes or no question about a patient: is the outcome at or above a cut?

    Args:
        name: Names the target in commands, tables and figures.
        column: Column of the outcomes file.
        cut: Positive from this value on.
        sentence: What positive means, for a reader.
    """

    name: str
    column: str
    cut: float
    sentence: str

    @property
    def rule(self) -> str:
        """When a patient is positive, such as ``"isup_grade >= 3"``."""
        return f"{self.column} >= {self.cut:g}"

    def positive(self, values: npt.ArrayLike) -> npt.NDArray[np.int_]:
        """Return 1 where an outcome is positive, else 0. Missing outcomes are the caller's to drop first."""
        return (np.asarray(values, dtype=np.float64) >= self.cut).astype(np.int_)


GRADE = Target("grade", "isup_grade", 3, "WHO/ISUP grade 3 or 4, as opposed to 1 or 2")


KI67_CUT = 15.0
"""Percentage from which Ki67 counts as high, unless something else is asked for: the supplement's."""


def ki67(cut: float = KI67_CUT) -> Target:
    """High Ki67: at least ``cut`` percent of the tumour's nuclei are stained.

    Raises:
        InputError: If the cut is not inside (0, 100].
    """
    if not 0 < cut <= 100:
        msg = f"The Ki67 cut must lie inside (0, 100] percent, not {cut:g}"
        raise InputError(msg)
    return Target("ki67", "ki67_percent", cut, f"Ki67 of {cut:g} % or more")


def find_target(name: str, *, ki67_cut: float = KI67_CUT) -> Target:
    """Return the target called ``name``.

    Raises:
        InputError: If there is none of that name.
    """
    known = {target.name: target for target in (GRADE, ki67(ki67_cut))}
    if name not in known:
        msg = f"Unknown target {name!r}; known ones are {', '.join(known)}"
        raise InputError(msg)
    return known[name]


MAX_MAGNITUDE = 1e100
"""Beyond it squares and sums overflow; no feature of an image is near."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases with their features.

    Whatever is fitted takes these rather than bare arrays: the patients travel with the numbers, so that what a step saw
    is recorded from the very rows that it was given.

    Args:
        names: Features, in the order of the columns of ``features``.
        features: Shape ``(n_cases, n_features)``; missing values are NaN.
        patient_id: Shape ``(n_cases,)``.
        centre: Shape ``(n_cases,)``.
    """

    names: tuple[str, ...]
    features: npt.NDArray[np.float64]
    patient_id: npt.NDArray[np.str_]
    centre: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.patient_id)

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return the cases of these rows."""
        per_case = [field.name for field in fields(self) if field.name != "names"]
        return replace(self, **{name: getattr(self, name)[rows] for name in per_case})

    def only(self, names: Sequence[str]) -> Self:
        """Return these cases with the features of these names alone."""
        return replace(self, names=tuple(names), features=self.columns(names))

    def columns(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the features of these names, shape ``(n_cases, len(names))``."""
        place = {name: column for column, name in enumerate(self.names)}
        return self.features[:, [place[name] for name in names]]

    @property
    def patients(self) -> npt.NDArray[np.str_]:
        """Each patient once, sorted, shape ``(n_patients,)``."""
        return np.unique(self.patient_id)

    @property
    def patient_centre(self) -> npt.NDArray[np.str_]:
        """Centre of each of ``patients``, that of the first case."""
        _, first = np.unique(self.patient_id, return_index=True)
        return self.centre[first]

    @property
    def weight(self) -> npt.NDArray[np.float64]:
        """One over the number of the patient's cases, shape ``(n_cases,)``: every patient counts once."""
        _, place, counts = np.unique(self.patient_id, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / counts[place], dtype=np.float64)

    def per_patient(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Mean of ``values``, shape ``(n_cases,)``, over the cases of each of ``patients``."""
        _, place, counts = np.unique(self.patient_id, return_inverse=True, return_counts=True)
        return np.asarray(np.bincount(place, weights=values) / counts, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class LabelledCases(Cases):
    """Cases with their features and labels.

    Args:
        y: Shape ``(n_cases,)``, 1 where the patient is positive, else 0; the same for all cases of a patient.
    """

    y: npt.NDArray[np.int_]

    @property
    def patient_y(self) -> npt.NDArray[np.int_]:
        """Label of each of ``patients``, shape ``(n_patients,)``."""
        _, first = np.unique(self.patient_id, return_index=True)
        return self.y[first]


def label(table: FeatureTable, outcomes: pd.DataFrame, target: Target, *, allow_one_class: bool = False) -> LabelledCases:
    """Join features and outcomes by patient; a case whose outcome is missing for this target is left out.

    A case is known by its index lesion, which is the largest and the one that an outcome is about: rows of further lesions
    never enter a model, neither to fit it nor to score it.

    Args:
        table: Features.
        outcomes: As ``read_outcomes`` gives them.
        target: The question asked.
        allow_one_class: Whether cases of one class will do, as they do for scoring.

    Raises:
        InputError: If a patient of the table has no row in the outcomes, if no case or only one class is left, or if the
            features hold the outcome itself or infinite values.
    """
    if target.column not in outcomes.columns:
        msg = f"The outcomes have no column {target.column}, which the target {target.name} needs"
        raise InputError(msg)
    table = table.index_lesions()
    refuse_unknown(table.rows["patient_id"].astype("str"), outcomes, where="the feature table")
    values = outcomes.set_index("patient_id")[target.column]
    rows = table.rows.assign(patient_id=table.rows["patient_id"].astype("str")).sort_values(["patient_id", "case_id"])
    outcome = rows["patient_id"].map(values).to_numpy(dtype=np.float64)
    known = ~np.isnan(outcome)
    y = target.positive(outcome[known])
    if len(y) == 0:
        msg = f"None of the {len(rows)} cases has a value of {target.column}"
        raise InputError(msg)
    if not allow_one_class and y.min() == y.max():
        which = "positive" if y[0] else "negative"
        msg = f"Target {target.name} ({target.rule}) has one class: all {len(y)} cases with a value are {which}"
        raise InputError(msg)
    rows = rows[known]
    return LabelledCases(
        tuple(table.feature_names),
        feature_matrix(rows, table.feature_names),
        rows["patient_id"].to_numpy(dtype=np.str_),
        rows["centre"].to_numpy(dtype=np.str_),
        y,
    )


def feature_matrix(rows: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return columns of a feature table as floats, shape ``(n_cases, len(names))``.

    Raises:
        InputError: If one of them is an outcome, or holds infinity or a value beyond 1e100.
    """
    if leaked := [name for name in names if name.strip().lower() in OUTCOMES]:
        msg = f"The feature table holds the outcome {leaked[0]} among its features; remove that column"
        raise InputError(msg)
    values = rows[list(names)].to_numpy(dtype=np.float64)
    infinite = np.flatnonzero((np.abs(values) > MAX_MAGNITUDE).any(axis=0))
    if len(infinite):
        first = names[infinite[0]]
        msg = f"Features must be finite or missing; {len(infinite)} columns hold infinity or over 1e100, the first is {first}"
        raise InputError(msg)
    return values
