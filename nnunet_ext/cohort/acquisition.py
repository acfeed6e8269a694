"""How the scans of a cohort were acquired, in the form of the study's Table S1."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import SimpleITK as sitk

from nnunet_ext.cohort.ids import near_misses
from nnunet_ext.documents.csv_table import cleaned, line_of, read_csv
from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.scans.orientation import Orientation

PARAMETERS = {
    "tube_voltage_kv": "Tube voltage (kV)",
    "tube_current_ma": "Tube current (mA)",
    "rows": "Matrix rows",
    "columns": "Matrix columns",
    "slice_thickness_mm": "Slice thickness (mm)",
    "pitch": "Pitch",
    "kernel": "Reconstruction kernel",
}
"""Columns of an acquisition file in addition to ``case_id``, and their labels. An empty cell means not available."""

_NUMBERS = tuple(name for name in PARAMETERS if name != "kernel")

NOT_AVAILABLE = "N/A"


def read_acquisition(path: Path) -> pd.DataFrame:
    """Read an acquisition file, one row per case, every cell as text and empty where not available.

    Other columns are ignored.

    Raises:
        InputError: If it cannot be read, a column is missing, a case is listed twice, or a number is none or not
            above 0.
    """
    frame = cleaned(read_csv(path, "acquisition file", if_missing="the card's key `acquisition` names it"))
    expected = ["case_id", *PARAMETERS]
    for column in expected:
        if column not in frame.columns:
            msg = f"{path} lacks the column {column}; an acquisition file has {', '.join(expected)}"
            raise InputError(msg)
    for column in _NUMBERS:
        _check_numbers(frame, column, path)
    if frame["case_id"].duplicated().any():
        msg = f"{path}: case {frame['case_id'][frame['case_id'].duplicated()].iloc[0]} is listed twice"
        raise InputError(msg)
    return frame[expected]


def available(cells: Mapping[str, str]) -> dict[str, str]:
    """Return cells of a row as ``read_acquisition`` accepts them: 0 and anything that is not a number become empty."""
    return {name: text if name not in _NUMBERS or _is_above_zero(text) else "" for name, text in cells.items()}


def check_acquisition(cohort: Cohort) -> int:
    """Check that a cohort's acquisition file can be read and belongs to its cases. It may be missing.

    Returns:
        Number of cases in the file that are not in the case list.

    Raises:
        InputError: As ``read_acquisition``, or if the file holds no case of the case list.
    """
    if cohort.acquisition is None:
        return 0
    listed, cases = set(read_acquisition(cohort.acquisition)["case_id"]), {case.id for case in cohort.cases}
    if listed and not listed & cases:
        why = near_misses(listed, cases) or "; it has a row per case_id"
        msg = f"{cohort.acquisition} contains none of the {len(cases)} cases of cohort {cohort.name}{why}"
        raise InputError(msg)
    return len(listed - cases)


def _check_numbers(frame: pd.DataFrame, column: str, path: Path) -> None:
    stated = (frame[column] != "") & (frame[column].str.upper() != NOT_AVAILABLE)
    wrong = stated & ~frame[column].map(_is_above_zero)
    if wrong.any():
        found = frame[column][wrong].iloc[0]
        comma = "; write a decimal point, not a comma" if re.fullmatch(r"\d+,\d+", found) else ""
        msg = f"{path}, line {line_of(frame, wrong)}: {column} must be a number above 0, or empty; found {found[:60]!r}{comma}"
        raise InputError(msg)


def _is_above_zero(text: str) -> bool:
    return re.fullmatch(r"\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) is not None and 0 < float(text) < math.inf


def stated_acquisition(cohort: Cohort) -> dict[str, dict[str, str]]:
    """Return what case list and acquisition file state about each scan, by case: ``phase`` and any of ``PARAMETERS``.

    Every value is the text as stated; values that are not stated are absent.

    Raises:
        InputError: As ``read_acquisition``.
    """
    stated = {case.id: {"phase": case.phase} if case.phase else {} for case in cohort.cases}
    if cohort.acquisition is not None:
        for row in read_acquisition(cohort.acquisition).to_dict("records"):
            if row["case_id"] in stated:
                stated[row["case_id"]] |= {name: text for name in PARAMETERS if (text := row[name].strip())}
    return stated


def slice_spacing_mm(image: sitk.Image) -> float:
    """Return the distance between the slices of a 3-D volume: its voxels' size along the axis closest to head-feet."""
    return float(image.GetSpacing()[Orientation.of(image).axes[2]])


def acquisition_table(cohorts: Sequence[Cohort]) -> pd.DataFrame:
    """Summarise the acquisition of each centre of each cohort.

    Args:
        cohorts: Those without an acquisition file, and cases that their file lacks, count as not available.

    Returns:
        One row per centre: ``cohort``, ``centre``, ``cases``, then text: ``tube_voltage_kv``, ``tube_current_ma``, ``matrix``,
        ``slice_thickness_mm``, ``pitch``, ``kernel``;
        several values of a parameter are joined by " or ", as the supplement prints them.
    """
    rows = []
    for cohort in cohorts:
        cases = pd.DataFrame({"case_id": [case.id for case in cohort.cases], "centre": [case.centre for case in cohort.cases]})
        known = read_acquisition(cohort.acquisition) if cohort.acquisition else pd.DataFrame(columns=["case_id", *PARAMETERS])
        merged = cases.merge(known, on="case_id", how="left").fillna("")
        for centre, scans in merged.groupby("centre", sort=True):
            pairs = zip(scans["rows"], scans["columns"], strict=True)
            matrix = [f"{row} × {column}" if row and column else "" for row, column in pairs]
            rows.append(
                {
                    "cohort": cohort.name,
                    "centre": centre,
                    "cases": len(scans),
                    "tube_voltage_kv": _alternatives(scans["tube_voltage_kv"]),
                    "tube_current_ma": _alternatives(scans["tube_current_ma"]),
                    "matrix": _alternatives(matrix),
                    "slice_thickness_mm": _alternatives(scans["slice_thickness_mm"]),
                    "pitch": _alternatives(scans["pitch"]),
                    "kernel": _alternatives(scans["kernel"]),
                }
            )
    return pd.DataFrame(rows)


def _alternatives(values: Sequence[str] | pd.Series) -> str:
    """Join the distinct values, numbers in ascending order; a parameter that no scan states is not available."""
    distinct = {_plain(str(value).strip()) for value in values if str(value).strip()}

    def by_number(text: str) -> tuple[float, str]:
        try:
            return float(text), text
        except ValueError:
            return float("inf"), text

    return " or ".join(sorted(distinct, key=by_number)) or NOT_AVAILABLE


def _plain(text: str) -> str:
    """Write a number without trailing zeros: 120.0 equals the 120 of another scan."""
    try:
        return f"{float(text):.10g}"
    except ValueError:
        return text
