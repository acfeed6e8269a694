"""``kill -9`` at random moments: the same command then ends with the same bytes as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.faults.identities import cohort
from ccrcc_model.faults.network import write_network
from ccrcc_model.faults.scans import as_image, small_scan, write_card
from nnunet_ext.ground.case import Role

KILLS = 20
"""For each command, at moments drawn from its start to its usual end."""

PROGRAM = Path(sys.executable).with_name("ccrcc")

pytestmark = pytest.mark.slow

PRESET = {
    "3mm.yaml": "setting:\n  {resampledPixelSpacing: [3, 3, 3], interpolator: sitkBSpline, binWidth: 25, padDistance: 20}\n"
    "imageType: {Original: {}, Wavelet: {wavelet: coif1}}\nfeatureClass: {shape: , firstorder: , glcm: }\n",
    "regions.yaml": "lesions: index\nstructures: [tumour, kidney]\nminimum_voxels: 30\n",
}

N_SCANS = 10


@dataclass(frozen=True)
class Stage:
    """A command.

    Args:
        prepare: Writes its input into a folder.
        words: The command, given the folder of its input and that of its output.
    """

    prepare: Callable[[Path], object]
    words: Callable[[Path, Path], Sequence[object]]


def write_scans(folder: Path) -> None:
    """Ten scans that differ by their noise, a card and a small preset."""
    hu, mask = small_scan()
    for number in range(N_SCANS):
        noise = np.random.default_rng(number).integers(-20, 21, hu.shape)
        sitk.WriteImage(as_image((hu + noise).astype(np.int16)), str(folder / f"s{number}.nii.gz"))
        sitk.WriteImage(as_image(mask), str(folder / f"m{number}.nii.gz"))
    write_card(folder, "".join(f"c{n},p{n},north,s{n}.nii.gz,m{n}.nii.gz\n" for n in range(N_SCANS)))
    (folder / "preset").mkdir()
    for name, text in PRESET.items():
        (folder / "preset" / name).write_text(text, encoding="utf-8")


def write_scans_and_network(folder: Path) -> None:
    """Ten scans, and a network with random weights."""
    write_scans(folder)
    write_network(folder / "network", (16, 48, 48))


def write_studies(folder: Path) -> None:
    """DICOM studies of six patients."""
    for number in range(6):
        identity = {
            "PatientID": f"{number}",
            "StudyInstanceUID": f"1.2.{number + 1}",
            "FrameOfReferenceUID": f"1.3.{number + 1}",
        }
        write_ct(folder / "studies" / f"{number}", **identity)


def write_tables(folder: Path) -> None:
    """A development cohort with its grades."""
    table, outcomes = cohort("development", Role.DEVELOPMENT, seed=1)
    table.write(folder / "table.parquet")
    outcomes.to_csv(folder / "outcomes.csv", index=False)


def write_locked_model(folder: Path) -> None:
    """A model, and an external cohort to score."""
    write_tables(folder)
    run(["fit", folder / "table.parquet", *FIT, "--outcomes", folder / "outcomes.csv", "--out", folder / "model"])
    external, outcomes = cohort("external", Role.EXTERNAL, seed=2)
    external.write(folder / "external.parquet")
    outcomes.to_csv(folder / "external.csv", index=False)
    listed = external.rows[["case_id", "patient_id", "centre"]].assign(image="none.nii.gz")
    listed.to_csv(folder / "cases.csv", index=False)
    (folder / "card.yaml").write_text(
        "name: external\nrole: external\ncases: cases.csv\noutcomes: external.csv\n", encoding="utf-8"
    )


FIT = ("--target", "grade", "--trials", 3, "--folds", 3, "--repeats", 1)

STAGES = {
    "phantom": Stage(lambda _: None, lambda _, out: ["phantom", "--out", out, "--patients", 2, "--jobs", 1]),
    "import-dicom": Stage(
        write_studies, lambda given, out: ["import", "dicom", given / "studies", "--out", out, "--centre", "north"]
    ),
    "thicken": Stage(write_scans, lambda given, out: ["thicken", given / "card.yaml", "--slice-mm", 10, "--out", out]),
    "extract": Stage(
        write_scans,
        lambda given, out: ["extract", given / "card.yaml", "--preset", given / "preset", "--out", out / "table.parquet"],
    ),
    "stability": Stage(
        write_scans,
        lambda given, out: [
            "stability",
            given / "card.yaml",
            "--preset",
            given / "preset",
            "--out",
            out / "stability.parquet",
        ],
    ),
    "segment": Stage(
        write_scans_and_network,
        lambda given, out: ["segment", given / "card.yaml", "--model", given / "network", "--out", out],
    ),
    "fit": Stage(
        write_tables,
        lambda given, out: [
            "fit",
            given / "table.parquet",
            *FIT,
            "--outcomes",
            given / "outcomes.csv",
            "--out",
            out / "model",
        ],
    ),
    "benchmark": Stage(
        write_locked_model,
        lambda given, out: [
            *("benchmark", given / "model", "--cohort", given / "card.yaml", "--table", given / "external.parquet"),
            *("--out", out, "--replicates", 2000),
        ],
    ),
}


def start(words: Sequence[object]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(PROGRAM), *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )


def run(words: Sequence[object]) -> float:
    """Run a command to its end; return its seconds."""
    began = time.monotonic()
    process = start(words)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-2000:]
    return time.monotonic() - began


def contents(out: Path) -> dict[str, bytes]:
    """Every file of a result; not what a killed run left under a temporary name, nor records of runs, which hold paths."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    kept = (path for path in files if not any(part.startswith(".") for part in path.relative_to(out).parts))
    return {str(path.relative_to(out)): path.read_bytes() for path in kept if not path.name.endswith("run.json")}


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> Stage:
    return STAGES[request.param]


def test_a_killed_command_goes_on_and_ends_with_the_same_bytes(stage: Stage, tmp_path: Path) -> None:
    given, out = tmp_path / "given", tmp_path / "out"
    given.mkdir()
    stage.prepare(given)
    words = stage.words(given, out)
    seconds = run(words)
    whole = contents(out)
    assert whole
    out.rename(tmp_path / "whole")
    moments = np.random.default_rng(0).uniform(0.1, 1.0, KILLS) * seconds
    killed = 0
    for moment in moments:
        process = start(words)
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            killed += 1
        else:
            assert process.returncode == 0  # it was done before
    assert killed >= KILLS // 4
    run(words)
    again = contents(out)
    assert set(again) == set(whole)
    assert [name for name in whole if whole[name] != again[name]] == []
