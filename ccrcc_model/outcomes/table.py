"""The outcomes file: what is known of each patient, read as it is written."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnunet_ext.cohort.ids import near_misses, refuse_alike
from nnunet_ext.documents.csv_table import cleaned, line_of, read_csv
from nnunet_ext.documents.xlsx_table import SUFFIXES, read_xlsx
from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath

MISSING = ("", "-", ".", "?", "na", "n/a", "nan", "none", "null")
"""Cells of an outcomes file that mark a value as not known, in any case of letters."""

ALLOWED = {"isup_grade": "1, 2, 3 or 4", "ki67_percent": "a number from 0 to 100"}
"""Values that the outcome columns may hold, apart from missing cells."""

OUTCOMES = tuple(ALLOWED)
"""Columns of an outcomes file that hold outcomes, never covariates or features."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T.*)?", re.ASCII)


def read_outcomes(path: AnyPath) -> pd.DataFrame:
    """Read an outcomes file: one row per patient, cells may be missing.

    Args:
        path: CSV or XLSX with ``patient_id`` and any of ``isup_grade``, ``ki67_percent`` and clinical covariates.

    Returns:
        ``patient_id`` as text, the outcome columns as floats with NaN where missing, covariates as text. Blanks around cells
        and zero-width characters in them are left out.

    Raises:
        InputError: If the file cannot be read, repeats a patient, or holds a value that is not allowed.

    Example:
        >>> import ccrcc_model as cc
        >>> cc.read_outcomes("dev.csv").dtypes["isup_grade"]
        dtype('float64')
    """
    path = Path(path)
    missing = "it is a CSV or XLSX file with one row per patient"
    if path.suffix.lower() in SUFFIXES:
        frame = read_xlsx(path, "outcomes file", if_missing=missing)
        _refuse_dates(frame, path)
    else:
        frame = cleaned(read_csv(path, "outcomes file", if_missing=missing))
    if "patient_id" not in frame.columns:
        msg = f"{path} needs the column patient_id; it has {', '.join(map(str, frame.columns[:8]))}"
        raise InputError(msg)
    _check_patients(frame["patient_id"], path)
    for column in ALLOWED:
        if near := [name for name in frame.columns if name != column and name.casefold() == column]:
            msg = f"{path} has the column {near[0]}; it is called {column}"
            raise InputError(msg)
        if column in frame.columns:
            frame[column] = _outcome(frame, column, path)
    return frame


def check_outcomes(cohort: Cohort) -> None:
    """Check that a cohort's outcomes can be read and hold every patient of its case list. No outcomes are no fault.

    Raises:
        InputError: As ``read_outcomes``, or if patients of the case list have no row.
    """
    if cohort.outcomes is not None:
        patients = pd.Series([case.patient_id for case in cohort.cases], dtype="str")
        refuse_unknown(patients, read_outcomes(cohort.outcomes), where=f"cohort {cohort.name}")


def outcomes_of(cohort: Cohort) -> pd.DataFrame:
    """Return the outcomes of a cohort that needs them.

    Raises:
        InputError: As ``read_outcomes``, or if the cohort's card names no outcomes.
    """
    if cohort.outcomes is None:
        msg = f"Cohort {cohort.name} has no outcomes; its card's key `outcomes` names them"
        raise InputError(msg)
    return read_outcomes(cohort.outcomes)


def refuse_unknown(patients: pd.Series, outcomes: pd.DataFrame, *, where: str) -> None:
    """Check that every patient has a row in the outcomes.

    Raises:
        InputError: If not; the message states whether only spreadsheets' ways of writing numbers, or blanks, separate them.
    """
    known = set(outcomes["patient_id"])
    unknown = sorted({str(name) for name in patients} - known)
    if unknown:
        why = near_misses(unknown, known) or "; add them, cells may be empty"
        msg = f"{len(unknown)} patients of {where} have no row in the outcomes: {some(unknown)}{why}"
        raise InputError(msg)


def some(names: Sequence[str] | npt.NDArray[np.str_]) -> str:
    """Return the first three of names."""
    return ", ".join(map(str, names[:3])) + (", ..." if len(names) > 3 else "")


def _check_patients(patients: pd.Series, path: Path) -> None:
    if nameless := int((patients == "").sum()):
        msg = f"{path}: {nameless} rows have no patient_id"
        raise InputError(msg)
    repeated = patients[patients.duplicated()].unique()
    if len(repeated):
        msg = f"{path} must hold one row per patient; {len(repeated)} patients have several: {some(repeated)}"
        raise InputError(msg)
    refuse_alike(patients, f"{path}: patient_id", fold=False)


def _refuse_dates(frame: pd.DataFrame, path: Path) -> None:
    """A spreadsheet turns the id 3-4 into the fourth of March."""
    for column in ("patient_id", *ALLOWED):
        if column in frame.columns:
            dates = frame[column].str.fullmatch(_DATE)
            if dates.any():
                msg = f"{path}, row {line_of(frame, dates)}: {column} holds a date, which a spreadsheet made; write text"
                raise InputError(msg)


def _outcome(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column of outcomes as floats."""
    text = frame[column]
    missing = text.str.lower().isin(MISSING)
    bare = text.str.removesuffix("%").str.strip() if column == "ki67_percent" else text
    is_number = bare.str.fullmatch(_NUMBER)
    values = pd.to_numeric(bare.where(is_number & ~missing), errors="coerce").astype("float64")
    allowed = values.isin([1, 2, 3, 4]) if column == "isup_grade" else values.between(0, 100)
    wrong = ~missing & ~allowed
    if wrong.any():
        first = text[wrong].iloc[0]
        comma = "; write a decimal point, not a comma" if re.fullmatch(r"\d+,\d+", first) else ""
        msg = (
            f"{path}: {column} must be {ALLOWED[column]}, or empty; {int(wrong.sum())} rows are not, "
            f"the first is row {line_of(frame, wrong)} with {first[:60]!r}{comma}"
        )
        raise InputError(msg)
    if column == "ki67_percent":
        _refuse_fractions(values, stated=bool(text.str.endswith("%").any()), path=path)
    return values


def _refuse_fractions(values: pd.Series, *, stated: bool, path: Path) -> None:
    """Ki67 of at most 1% in every patient is rarer than a share of nuclei that was not multiplied by 100."""
    known = values.dropna()
    if len(known) and not stated and 0 < known.max() <= 1:
        msg = (
            f"{path}: no ki67_percent exceeds 1 (the largest is {known.max():g}), so they may be fractions or yes and no; "
            "give percent, with a % sign if they are that small"
        )
        raise InputError(msg)
