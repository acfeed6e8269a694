"""What a user has does not move: a small run gives the values that it gave before, to the last digits.

A value that must change is changed here and named in CHANGELOG, with the reason.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small_run

KEPT = Path(__file__).parents[1] / "reference" / "golden"

RELATIVE = 1e-9
"""Difference of a float on another processor; on the same one there is none."""

RENEWED = {"sha256", "id", "files", "versions", "request", "about"}
"""What follows from the bytes of other files and from what is installed, and prose."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, planted) -> Path:
    """The folder of the run."""
    folder = tmp_path_factory.mktemp("golden")
    small_run.run(folder, planted, jobs=2, surroundings={})
    return folder


def _lasting(value: Any) -> Any:
    """Drop what is renewed with every version; round nothing."""
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key.rpartition("_")[2] not in RENEWED}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


def _same(one: Any, other: Any, where: str = "") -> list[str]:
    """Name every place where two values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return [f"{where}: keys {sorted(one.keys() ^ other.keys())}"]
        return [line for key in one for line in _same(one[key], other[key], f"{where}/{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [line for place, pair in enumerate(zip(one, other, strict=True)) for line in _same(*pair, f"{where}/{place}")]
    if isinstance(one, float) and isinstance(other, float):
        return [] if one == pytest.approx(other, rel=RELATIVE, nan_ok=True) else [f"{where}: {one} and {other}"]
    return [] if one == other else [f"{where}: {one!r} and {other!r}"]


@pytest.mark.parametrize(
    ("made", "kept"), [("model/manifest.json", "manifest.json"), ("share/north.grade.json", "result.json")]
)
def test_a_file_of_values_says_what_it_said(folder: Path, made: str, kept: str) -> None:
    now, before = (json.loads(path.read_text(encoding="utf-8")) for path in (folder / made, KEPT / kept))
    assert _same(_lasting(now), before) == []


@pytest.mark.parametrize(("made", "kept"), [("table.csv", "table.csv"), ("benchmark/table_s2.csv", "table_s2.csv")])
def test_a_table_has_the_columns_and_values_that_it_had(folder: Path, made: str, kept: str) -> None:
    now, before = (pd.read_csv(path) for path in (folder / made, KEPT / kept))
    pd.testing.assert_frame_equal(now, before, rtol=RELATIVE, atol=0.0)
