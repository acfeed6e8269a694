"""A user's own table of features, one row per patient under PyRadiomics' names, as the rows of a feature table.

What such a table cannot say (which images and masks it is of, and which preset measured it) its provenance names as foreign.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnunet_ext.documents.csv_table import read_csv
from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath
from radiomics_cfg.feature_name import VOLUMES, FeatureName

FOREIGN = "foreign"
"""Name of the scale of such features, and of what stands for their preset."""

NO_PRESET = "0" * 64
"""In place of a preset's hash: such tables mix with each other, and with no table of a known preset."""

FAMILIES = ("firstorder", "shape", "shape2D", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
"""PyRadiomics' classes."""


@dataclass(frozen=True)
class ForeignColumns:
    """Which columns of a user's table say what.

    Args:
        patient: Names the patient; each has one row.
        volume: The tumour's volume in mm³.
        centre: Names the hospital; None if all are of one.
    """

    patient: str
    volume: str
    centre: str | None = None


def foreign_rows(
    table: pd.DataFrame | AnyPath, columns: ForeignColumns, *, cohort: str, role: Role
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the rows of a feature table, and what is known of where they come from.

    Args:
        table: One row per patient; a frame, or a CSV or Parquet file.
        columns: Which columns say what.
        cohort: Name of the cohort.
        role: Whether models may be fitted on it.

    Raises:
        InputError: If the file cannot be read, a column is missing or there twice, a patient has several rows or no name, a
            feature is not numeric, or the volume is missing throughout or the same for all.
    """
    frame, where = (table, "The table") if isinstance(table, pd.DataFrame) else (_read(Path(table)), str(table))
    _check_columns(frame, columns, where)
    patients = _names(frame[columns.patient], columns.patient, where)
    if (twice := patients[patients.duplicated()]).size:
        msg = f"{where} has one row per patient; {len(twice)} rows repeat a patient of the column {columns.patient}"
        raise InputError(msg)
    chosen = _feature_columns(frame, columns)
    values = {new: _numbers(frame[old], old, where) for old, new in chosen.items()}
    _check_volume(values[chosen[columns.volume]], columns.volume, where)
    centre = _names(frame[columns.centre], columns.centre, where) if columns.centre else pd.Series(cohort, index=frame.index)
    keys = {"cohort": cohort, "case_id": patients, "patient_id": patients, "centre": centre, "lesion": 1, "side": "unknown"}
    rows = pd.concat([pd.DataFrame(keys, index=frame.index), pd.DataFrame(values, index=frame.index)], axis=1)
    left_out = len(frame.columns) - len(chosen) - len({columns.patient, columns.centre} - {None})
    about = {"preset": FOREIGN, "preset_sha256": NO_PRESET, FOREIGN: {"columns_left_out": left_out, "volume": columns.volume}}
    return rows.reset_index(drop=True), {**about, "cohorts": {cohort: str(role)}, "cases": {}}


def _read(path: Path) -> pd.DataFrame:
    """Read a file of the user; cells of a CSV stay text."""
    if path.suffix != ".parquet":
        return read_csv(path, "table of features", if_missing="give the path of a CSV or Parquet file")
    refuse_irregular(path, "table of features")
    try:
        return pd.read_parquet(path)
    except Exception as error:  # whatever pyarrow makes of bytes that are no Parquet, or of a file that is not there
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        msg = f"{path} is not a readable Parquet file: {reason}"
        raise InputError(msg) from error


def _check_columns(frame: pd.DataFrame, columns: ForeignColumns, where: str) -> None:
    if not frame.columns.is_unique:
        msg = f"{where} has each column once; {frame.columns[frame.columns.duplicated()][0]} is there several times"
        raise InputError(msg)
    for what, name in (("patient", columns.patient), ("volume", columns.volume), ("centre", columns.centre)):
        if name is not None and name not in frame.columns:
            shown = ", ".join(map(str, frame.columns[:8]))
            msg = f"{where} has no column {name!r}, which was named as {what}; it has {shown}"
            raise InputError(msg)
    if frame.empty:
        msg = f"{where} has no row"
        raise InputError(msg)


def _names(column: "pd.Series[Any]", name: str, where: str) -> "pd.Series[str]":
    """Return names as text; whole numbers that a missing cell has turned into floats are whole again."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    empty = column.isna() | (column.astype("str").str.strip() == "")
    if empty.any():
        msg = f"{where}: the column {name} is empty in {int(empty.sum())} of {len(column)} rows"
        raise InputError(msg)
    return column.astype("str").str.strip()


def _feature_columns(frame: pd.DataFrame, columns: ForeignColumns) -> dict[str, str]:
    """Return the columns that are features, each with its name in a feature table.

    Raises:
        InputError: If two columns are the tumour's volume.
    """
    keys = {columns.patient, columns.centre}
    chosen = {str(name): _named(str(name)) for name in frame.columns if name not in keys}
    chosen = {old: new for old, new in chosen.items() if new}
    if not FeatureName.of(chosen.get(columns.volume, "")).is_tumour_volume:
        chosen[columns.volume] = f"tumour__{FOREIGN}__{VOLUMES[0]}"
    if twice := _first_twice(chosen.values()):
        old = [name for name, new in chosen.items() if new == twice]
        msg = f"The columns {' and '.join(old)} are both {twice}; name one of them as volume and drop the other"
        raise InputError(msg)
    return chosen


def _named(name: str) -> str:
    """Return the name of a feature in a feature table, empty for a column that is no feature of PyRadiomics."""
    own = FeatureName.of(name)
    if own.family in FAMILIES:
        return name
    image, _, rest = name.partition("_")
    family, _, feature = rest.partition("_")
    known = bool(image and feature) and family in FAMILIES
    return f"tumour__{FOREIGN}__{name}" if known else ""


def _first_twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _numbers(column: "pd.Series[Any]", name: str, where: str) -> "pd.Series[float]":
    """Return numbers; empty cells and infinity are missing."""
    text = column.where(column.notna() & (column.astype("str").str.strip() != ""))
    found = pd.to_numeric(text, errors="coerce").astype(np.float64)
    if (wrong := text[text.notna() & found.isna()]).size and not wrong.astype("str").str.fullmatch(r"(?i)nan").all():
        msg = f"{where}: features are numbers; the column {name} holds {str(wrong.iloc[0])[:40]!r}"
        raise InputError(msg)
    return found.where(np.isfinite(found))


def _check_volume(volume: "pd.Series[float]", name: str, where: str) -> None:
    known = volume[volume > 0]
    if known.empty:
        msg = f"{where}: the column {name} has no value above 0; every model is compared with the tumour's volume in mm³"
        raise InputError(msg)
    if known.nunique() == 1 and len(volume) > 1:
        msg = f"{where}: the column {name} is {known.iloc[0]:g} in every row, so it is no volume of tumours"
        raise InputError(msg)
