"""The cases of a feature table with their outcomes: what everything that is fitted or scored takes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.outcomes.table import OUTCOMES, refuse_unknown
from ccrcc_model.outcomes.target import Target
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

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
        whole: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        of_rows: dict[str, Any] = {name: value[rows] for name, value in whole.items() if isinstance(value, np.ndarray)}
        return replace(self, **of_rows)

    def only(self, names: Sequence[str]) -> Self:
        """Return these cases with the features of these names alone."""
        return replace(self, names=tuple(names), features=self.columns(names))

    def columns(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the features of these names, shape ``(n_cases, len(names))``."""
        return self.features[:, [self._column_of[name] for name in names]]

    @cached_property
    def _column_of(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names)}

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
        """Mean of ``values``, shape ``(n_cases, ...)``, over the cases of each of ``patients``."""
        _, place, counts = np.unique(self.patient_id, return_inverse=True, return_counts=True)
        sums = [np.bincount(place, weights=column) for column in values.reshape(len(values), -1).T]
        return np.asarray(np.transpose(sums).reshape(-1, *values.shape[1:]) / counts.reshape(-1, *[1] * (values.ndim - 1)))


@dataclass(frozen=True, eq=False)
class LabelledCases(Cases):
    """Cases with their features and outcomes.

    Args:
        y: Shape ``(n_cases,)``, the same for all cases of a patient: 1 for positive and 0 for negative patients, or grades, or
            percentages.
        split_at: Folds are stratified by an outcome at or above it.
    """

    y: npt.NDArray[Any]
    split_at: float = 1.0

    @property
    def stratum(self) -> npt.NDArray[np.int_]:
        """1 where the outcome is at or above ``split_at``, else 0, shape ``(n_cases,)``; a yes or no is its own stratum."""
        return (self.y >= self.split_at).astype(np.int_)

    @property
    def patient_y(self) -> npt.NDArray[Any]:
        """Outcome of each of ``patients``, shape ``(n_patients,)``."""
        _, first = np.unique(self.patient_id, return_index=True)
        return self.y[first]

    @property
    def patient_stratum(self) -> npt.NDArray[np.int_]:
        """Stratum of each of ``patients``, shape ``(n_patients,)``."""
        return (self.patient_y >= self.split_at).astype(np.int_)


def label(table: FeatureTable, outcomes: pd.DataFrame, target: Target, *, allow_one_class: bool = False) -> LabelledCases:
    """Join features and outcomes by patient; a case whose outcome is missing for this target is left out.

    A case is known by its index lesion, which is the largest and the one that an outcome is about: rows of further lesions
    never enter a model, neither to fit it nor to score it.

    Args:
        table: Features.
        outcomes: As ``read_outcomes`` gives them.
        target: The question asked.
        allow_one_class: Whether cases that are all alike will do, as they do for scoring.

    Raises:
        InputError: If a patient of the table has no row in the outcomes, if no case is left or all are alike, or if the
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
    y = target.positive(outcome[known]) if target.kind == "binary" else outcome[known]
    if len(y) == 0:
        msg = f"None of the {len(rows)} cases has a value of {target.column}"
        raise InputError(msg)
    if not allow_one_class and y.min() == y.max():
        raise InputError(_all_alike(y, target))
    rows = rows[known]
    cases = LabelledCases(
        tuple(table.feature_names),
        feature_matrix(rows, table.feature_names),
        rows["patient_id"].to_numpy(dtype=np.str_),
        rows["centre"].to_numpy(dtype=np.str_),
        y,
    )
    if target.kind == "binary":
        return cases
    return replace(cases, split_at=_middle(cases.patient_y) if target.cut is None else target.cut)


def _all_alike(y: npt.NDArray[Any], target: Target) -> str:
    if target.kind == "binary":
        which = "positive" if y[0] else "negative"
        return f"Target {target.name} ({target.rule}) has one class: all {len(y)} cases with a value are {which}"
    of_all = f"all {len(y)} cases with a value have {target.column} {y[0]:g}"
    return f"Target {target.name} needs patients who differ; {of_all}"


def _middle(outcome: npt.NDArray[np.float64]) -> float:
    """Return the value from which up the share of patients is closest to one half."""
    values = np.unique(outcome)
    if len(values) == 1:
        return float(values[0])
    share = np.mean(outcome[:, None] >= values[1:], axis=0)
    return float(values[1:][np.abs(share - 0.5).argmin()])


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
