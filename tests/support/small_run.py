"""A small run through the command line: two scans measured, a model of planted features locked, and benchmarked."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

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


def run(folder: Path, planted, *, jobs: int, surroundings: Mapping[str, str]) -> None:
    """Write the study into an empty folder, and run the commands there with these environment variables."""
    write_study(folder, planted)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **surroundings}
    command = [sys.executable, "-c", COMMANDS, str(jobs)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr


def _preset(folder: Path) -> None:
    folder.mkdir()
    (folder / "regions.yaml").write_text("lesions: index\nstructures: [tumour]\n", encoding="utf-8")
    features = "featureClass: {shape: [MeshVolume], firstorder: [Mean, Skewness], glcm: []}\n"
    (folder / "4mm.yaml").write_text(
        f"setting: {{resampledPixelSpacing: [4, 4, 4], binWidth: 25}}\nimageType: {{Original: {{}}}}\n{features}",
        encoding="utf-8",
    )


def write_study(folder: Path, planted) -> None:
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
