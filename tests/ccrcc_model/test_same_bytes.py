"""The same input gives the same bytes: whatever the hash seed, locale, time zone and number of processes."""

import json
from pathlib import Path

import pandas as pd
import pytest
import small_run

ONE = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
OTHER = {"PYTHONHASHSEED": "12345", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"}

MAY_DIFFER = {"studies.log"}
"""Optuna's journal: names of its processes and times of its trials."""


def _contents(folder: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if Path(name).name not in MAY_DIFFER}


def _without_jobs(content: bytes) -> dict[str, object]:
    record = json.loads(content)
    del record["settings"]["jobs"]
    return record


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, planted) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """All files that the commands write, in two surroundings."""
    found = []
    for number, (surroundings, jobs) in enumerate(((ONE, 1), (OTHER, 2))):
        folder = tmp_path_factory.mktemp(f"run{number}")
        small_run.run(folder, planted, jobs=jobs, surroundings=surroundings)
        found.append(_contents(folder))
    return found[0], found[1]


def test_every_file_is_the_same_to_the_byte(both: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    one, other = both
    assert one.keys() == other.keys()
    assert {"table.parquet", "table.csv", "model/manifest.json", "benchmark/benchmark.json"} <= one.keys()
    different = [name for name in one if one[name] != other[name]]
    assert sorted(different) == ["table.run.json"], "which keeps the number of jobs"
    assert _without_jobs(one["table.run.json"]) == _without_jobs(other["table.run.json"])


def test_no_file_keeps_where_or_when_it_was_made(both: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    year = str(pd.Timestamp.now().year).encode()
    for name, content in both[0].items():
        made = name.startswith(("table", "model/", "benchmark/", "share/")) and name.endswith((".json", ".csv", ".txt"))
        assert not made or (b"/run0" not in content and year + b"-" not in content), name
