"""``ccrcc extract`` and ``ccrcc compact``: the same bytes whatever was killed, restarted or split."""

# Also of: ccrcc_model.commands.compact, ccrcc_model.commands.measured, ccrcc_model.commands.shards.

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml
from balls import write_ball
from command_line import ccrcc_here, mistake_here
from typer.testing import CliRunner, Result

from ccrcc_model.cli import app
from nnunet_ext.cohort.cards import save_cohort
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.backends.backend import load_backend
from radiomics_cfg.runs.batch import DEFAULT_BACKEND, Batch
from radiomics_cfg.table import FeatureTable

N_CASES = 12


def ball(folder: Path, number: int) -> Case:
    case = Case(f"case{number:02}", f"p{number}", "north", folder / f"{number}.nii.gz", folder / f"{number}_mask.nii.gz")
    return write_ball(case, seed=number, side=32, tumour_mm=15, kidney_mm=30)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of small scans, and a preset that measures one in a tenth of a second."""
    try:
        load_backend(DEFAULT_BACKEND)
    except InputError as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("study")
    cases = tuple(ball(folder, number) for number in range(N_CASES))
    save_cohort(Cohort("balls", Role.EXTERNAL, cases), folder)
    (folder / "small").mkdir()
    (folder / "small" / "regions.yaml").write_text(yaml.safe_dump({"structures": ["tumour", "kidney"]}), encoding="utf-8")
    parameters = {
        "setting": {"resampledPixelSpacing": [3, 3, 3], "binWidth": 25},
        "imageType": {"Original": {}, "LoG": {"sigma": [6.0]}},
        "featureClass": {"shape": ["MeshVolume"], "firstorder": ["Mean"], "glcm": ["Contrast"]},
    }
    (folder / "small" / "3mm.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def table_of_one_process(study: Path) -> bytes:
    assert ccrcc("extract", study, "--out", study / "one" / "t.parquet").exit_code == 0
    return (study / "one" / "t.parquet").read_bytes()


def words(command: str, study: Path, *options: str | Path) -> list[str]:
    return [command, str(study / "card.yaml"), "--preset", str(study / "small"), *map(str, options)]


def ccrcc(command: str, study: Path, *options: str | Path) -> Result:
    result = CliRunner().invoke(app, words(command, study, *options))
    if isinstance(result.exception, InputError):
        raise result.exception
    return result


def kept(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.glob("[!.]*.npz")}


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the workers of a process as Linux lists them")
def test_a_run_killed_in_its_middle_and_started_again_ends_with_the_same_bytes(
    study: Path, table_of_one_process: bytes, tmp_path: Path
) -> None:
    out, cases = tmp_path / "t.parquet", tmp_path / "t.cases"
    options = words("extract", study, "--out", out, "--jobs", "2")
    program = Path(sys.executable).with_name("ccrcc")
    with subprocess.Popen([str(program), *options], stderr=subprocess.PIPE, encoding="utf-8") as run:
        while len(kept(cases)) < 3 and run.poll() is None:
            time.sleep(0.005)
        workers = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text(encoding="utf-8").split()
        run.kill()
        _, errors = run.communicate()
    assert run.returncode == -signal.SIGKILL
    assert len(workers) >= 2
    deadline = time.monotonic() + 120
    while any(is_running(int(worker)) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(int(worker)) for worker in workers)
    assert "Traceback" not in errors
    before = kept(cases)
    assert 3 <= len(before) < N_CASES
    assert not out.exists()
    again = ccrcc("extract", study, "--out", out, "--jobs", "2")
    assert again.exit_code == 0, again.output
    assert out.read_bytes() == table_of_one_process
    assert before.items() <= kept(cases).items()
    assert len(kept(cases)) == N_CASES


def test_shards_are_compacted_to_the_same_bytes(study: Path, table_of_one_process: bytes, tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    first = ccrcc("extract", study, "--out", out, "--shard", "0/2")
    assert first.exit_code == 0
    assert "Shard 0/2: 6 of 6 cases kept in" in first.output
    assert [path.name for path in tmp_path.iterdir()] == ["t.cases"]
    command = first.output.splitlines()[-1].partition("when all shards are done: ccrcc ")[2]
    assert command.split() == words("compact", study, "--out", out)
    with pytest.raises(InputError, match=r"6 of 12 cases of cohort balls have no result in .*, the first is case01"):
        ccrcc("compact", study, "--out", out)
    assert [path.name for path in tmp_path.iterdir()] == ["t.cases"]
    ccrcc("extract", study, "--out", out, "--shard", "1/2")
    assert ccrcc("compact", study, "--out", out).exit_code == 0
    assert out.read_bytes() == table_of_one_process


def test_a_partial_table_has_its_own_status(study: Path, tmp_path: Path) -> None:
    ccrcc("extract", study, "--out", tmp_path / "t.parquet", "--shard", "1/4")
    result = ccrcc("compact", study, "--out", tmp_path / "t.csv", "--partial")
    assert result.exit_code == 3
    assert result.output.splitlines()[-1] == f"3 rows x 10 features of 3 cases: {tmp_path / 't.csv'}"
    assert pd.read_csv(tmp_path / "t.csv")["case_id"].tolist() == ["case01", "case05", "case09"]
    assert set(pd.read_csv(tmp_path / "t.quarantine.csv")["code"]) == {"not-extracted"}
    provenance = json.loads((tmp_path / "t.provenance.json").read_text(encoding="utf-8"))
    assert list(provenance["cases"]) == ["case01", "case05", "case09"]


@pytest.mark.usefixtures("table_of_one_process")
def test_the_record_says_what_was_set_and_the_table_does_not(study: Path) -> None:
    record = json.loads((study / "one" / "t.run.json").read_text(encoding="utf-8"))
    assert record["command"] == "ccrcc extract"
    assert record["settings"]["card"] == str(study / "card.yaml")
    assert record["settings"]["jobs"] == 1
    assert record["result"] == {"rows": 12, "features": 10, "cases": 12, "refused": 0}
    assert record["extraction"]["versions"]["numpy"] == np.__version__
    provenance = FeatureTable.read(study / "one" / "t.parquet").provenance
    assert record["extraction"] == {key: value for key, value in provenance.items() if key != "cases"}
    assert str(study) not in json.dumps(provenance)


@pytest.mark.usefixtures("table_of_one_process")
def test_a_dry_run_counts_and_writes_nothing(study: Path, tmp_path: Path) -> None:
    fresh = ccrcc("extract", study, "--out", tmp_path / "t.parquet", "--shard", "0/3", "--dry-run")
    assert fresh.exit_code == 0
    assert "balls, shard 0/3: 0 cases are done, 0 of them refused; 4 are to do; would write about" in fresh.output
    assert list(tmp_path.iterdir()) == []
    done = ccrcc("extract", study, "--out", tmp_path / "t.csv", "--cases", study / "one" / "t.cases", "--dry-run")
    assert "balls: 12 cases are done, 0 of them refused; 0 are to do; would write about 0.0 MB" in done.output
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_says_how_to_go_on(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Batch, "measure", interrupt)
    ran = ccrcc_here(*words("extract", study, "--out", tmp_path / "t.parquet"))
    assert ran.status == 130
    assert "what is done is kept, so the same command goes on from there" in ran.said
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_parquet_or_csv(study: Path) -> None:
    with pytest.raises(InputError, match=r"is a \.parquet or a \.csv file; asked for t\.xlsx"):
        ccrcc("extract", study, "--out", "t.xlsx")


def test_a_shard_that_is_none_is_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 2/2"):
        ccrcc("extract", study, "--out", tmp_path / "t.parquet", "--shard", "2/2")


def test_a_preset_that_is_not_there_is_refused(study: Path, tmp_path: Path) -> None:
    assert "No preset" in mistake_here("extract", study / "card.yaml", "--preset", "huge", "--out", tmp_path / "t.parquet")


def test_a_mask_of_another_shape_is_refused_and_the_rest_goes_on(away: Path) -> None:
    mask = sorted((away / "masks").iterdir())[0]
    sitk.WriteImage(sitk.ReadImage(str(mask))[:-1], str(mask))
    ran = ccrcc_here("extract", away / "card.yaml", "--preset", "quick", "--out", away / "table.parquet")
    assert ran.status == 3, ran.said
    assert len(FeatureTable.read(away / "table.parquet").rows) == 1
    assert pd.read_csv(away / "table.quarantine.csv")["code"].tolist() == ["mask-shape"]
