"""The same input gives the same bytes: whatever the hash seed, locale, time zone and number of processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ccrcc_model.faults.scans import write_card, write_scan

COMMANDS = """
import os, sys
from ccrcc_model.cli import main
jobs = sys.argv[1]
for words in (
    f"extract cohort/card.yaml --preset preset --out table.parquet --jobs {jobs}",
    f"extract cohort/card.yaml --preset preset --cases table.cases --out table.csv --jobs {jobs}",
    "fit home.parquet --outcomes home.csv --target grade --trials 1 --folds 3 --repeats 1 --clinical age "
    f"--studies studies.log --out model --jobs {jobs}",
    "benchmark model --cohort north.yaml --table north.parquet --out benchmark --replicates 100 --share share",
):
    sys.argv = ["ccrcc", *words.split()]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise
"""

ONE = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
OTHER = {"PYTHONHASHSEED": "12345", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"}

MAY_DIFFER = {"studies.log"}
"""Optuna's journal: names of its processes and times of its trials."""


def _preset(folder: Path) -> None:
    folder.mkdir()
    (folder / "regions.yaml").write_text("lesions: index\nstructures: [tumour]\n", encoding="utf-8")
    features = "featureClass: {shape: [MeshVolume], firstorder: [Mean, Skewness], glcm: []}\n"
    (folder / "4mm.yaml").write_text(
        f"setting: {{resampledPixelSpacing: [4, 4, 4], binWidth: 25}}\nimageType: {{Original: {{}}}}\n{features}",
        encoding="utf-8",
    )


def _study(folder: Path, planted) -> None:
    """Write a cohort of two scans, a development table with covariates, and an external one."""
    (folder / "cohort").mkdir(parents=True)
    for name in ("a", "b"):
        write_scan(folder / "cohort", name)
    rows = "".join(f"{name},{name},north,{name}.nii.gz,{name}_mask.nii.gz\n" for name in ("a", "b"))
    write_card(folder / "cohort", rows)
    _preset(folder / "preset")
    table, outcomes = planted(40, features=24)
    table.write(folder / "home.parquet")
    outcomes.assign(age=range(30, 70)).to_csv(folder / "home.csv", index=False)
    table, outcomes = planted(30, features=24, seed=5, role="external", cohort="north")
    table.write(folder / "north.parquet")
    outcomes.to_csv(folder / "outcomes.csv", index=False)
    cases = table.rows[["case_id", "patient_id", "centre"]].assign(image="x.nii.gz")
    cases.to_csv(folder / "cases.csv", index=False)
    (folder / "north.yaml").write_text(
        "name: north\nrole: external\ncases: cases.csv\noutcomes: outcomes.csv\n", encoding="utf-8"
    )


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
        _study(folder, planted)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **surroundings}
        command = [sys.executable, "-c", COMMANDS, str(jobs)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
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
