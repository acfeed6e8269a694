# Also of: ccrcc_model.commands.imports, ccrcc_model.commands.output_kinds, ccrcc_model.commands.record,
# ccrcc_model.commands.segment.

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from command_line import ccrcc_here as ccrcc

from ccrcc_model.commands.output_kinds import (
    BENCHMARK,
    COUNTS,
    EXTRACTED,
    IMPORTED,
    JOINED,
    OVERLAP,
    PHANTOM,
    POOL,
    REFUSALS,
    SEGMENTED,
    SPREAD,
    STABILITY,
    THICKENED,
)
from ccrcc_model.commands.outputs import FileKind, FolderKind, refuse_quarantine
from ccrcc_model.faults.scans import write_card, write_scan
from ccrcc_model.models.model import Model
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.record import write_record
from radiomics_cfg.contour_stability import COLUMNS, PerturbedValues, Stability
from radiomics_cfg.runs.compaction import write_table
from radiomics_cfg.table import FeatureTable

Planted = Callable[..., tuple[FeatureTable, pd.DataFrame]]

FILES = {
    "check": (("check", "card.yaml"), "q.csv"),
    "overlap": (("overlap", "card.yaml", "--predicted", "card.yaml"), "o.csv"),
    "extract": (("extract", "card.yaml", "--preset", "quick"), "f.parquet"),
    "compact": (("compact", "card.yaml", "--preset", "quick"), "f.parquet"),
    "stability": (("stability", "card.yaml", "--preset", "quick"), "s.parquet"),
    "deep": (("deep", "card.yaml", "--table", "t.parquet", "--model", "m"), "d.parquet"),
    "spread": (("spread", "m", "--cohort", "card.yaml", "--cases", "c"), "p.csv"),
    "counts": (("counts", "--sensitivity", "0.80", "--specificity", "0.90", "--n", "100"), "c.csv"),
}
FOLDERS = {
    "demo": ("demo",),
    "phantom": ("phantom", "--patients", "1"),
    "thicken": ("thicken", "card.yaml", "--slice-mm", "10"),
    "import kits": ("import", "kits", "source"),
    "import table": ("import", "table", "cases.csv"),
    "import dicom": ("import", "dicom", "source", "--centre", "north"),
    "segment": ("segment", "card.yaml", "--model", "m"),
    "fit": ("fit", "t.parquet", "--outcomes", "o.csv", "--target", "grade"),
    "benchmark": ("benchmark", "m", "--cohort", "card.yaml", "--table", "t.parquet"),
    "pool": ("pool", "a.json"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a cohort of one case, in which commands run."""
    write_scan(tmp_path)
    write_card(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused_at_once(here: Path, *words: str) -> str:
    before = files_of(here)
    ran = ccrcc(*words)
    assert ran.status == 2, ran.said
    assert files_of(here) == before
    lines = ran.said.strip().splitlines()
    assert len(lines) == 1, ran.said
    return lines[0]


@pytest.mark.parametrize("command", FILES)
def test_no_command_writes_a_file_where_none_can_be(command: str, here: Path) -> None:
    words, name = FILES[command]
    suffix = Path(name).suffix
    (here / f"folder{suffix}").mkdir()
    (here / f"link{suffix}").symlink_to("nowhere")
    for out in (f"cases.csv/{name}", f"folder{suffix}", f"link{suffix}", f"{'n' * 255}{suffix}", f"/dev/null/{name}", ""):
        assert "--out" in refused_at_once(here, *words, "--out", out)


@pytest.mark.parametrize("command", FOLDERS)
def test_no_command_writes_a_folder_where_none_can_be(command: str, here: Path) -> None:
    (here / "link").symlink_to("nowhere")
    for out in ("cases.csv", "cases.csv/below", "link", "n" * 256, "/dev/null/below", ""):
        assert "--out" in refused_at_once(here, *FOLDERS[command], "--out", out)


@pytest.mark.parametrize("command", [*FILES, *FOLDERS])
def test_no_command_begins_on_a_full_disk(command: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        total, used, free = 10**9, 10**9, 1000

    monkeypatch.setattr("nnunet_ext.ground.outputs.shutil.disk_usage", lambda _: Full)
    words, name = FILES[command] if command in FILES else (FOLDERS[command], "new")
    assert "0 MB free" in refused_at_once(here, *words, "--out", name)


def test_other_places_that_take_no_result_are_named_by_their_option(here: Path) -> None:
    words = (*FOLDERS["benchmark"], "--out", "b", "--share", "cases.csv/x")
    assert "--share" in refused_at_once(here, *words)
    assert "--studies" in refused_at_once(here, *FOLDERS["fit"], "--out", "m", "--studies", "cases.csv/x")
    assert "none of Optuna's" in refused_at_once(here, *FOLDERS["fit"], "--out", "m", "--studies", "cases.csv")
    assert "--cases" in refused_at_once(here, *FILES["extract"][0], "--out", "f.parquet", "--cases", "cases.csv")
    assert "--key" in refused_at_once(here, *FOLDERS["import dicom"], "--out", "d", "--key", "cases.csv/k.csv")
    (here / "run.json").write_text("{}", encoding="utf-8")
    assert "is not a run record" in refused_at_once(here, "report", ".")


def stability_table() -> Stability:
    frame = pd.DataFrame([["tumour__1mm__original_glcm_F1", 0.9, 0.8, 0.95, 12, 10, ""]], columns=COLUMNS)
    return Stability(frame, {"form": "ICC(A,1)"})


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_feature_table_is_not_replaced_by_the_stability_of_its_features(
    suffix: str, planted: Planted, tmp_path: Path
) -> None:
    table, _ = planted(4)
    path = tmp_path / f"external.{suffix}"
    write_table(table, path)
    EXTRACTED.claim(path)
    for other in (STABILITY, JOINED, SPREAD):
        with pytest.raises(InputError, match="is there already, and is no"):
            other.claim(path)
    path.unlink()
    stability_table().write(path)
    STABILITY.claim(path)
    with pytest.raises(InputError, match="and is no feature table of `ccrcc extract`"):
        EXTRACTED.claim(path)


def test_a_record_beside_says_whose_result_it_is(tmp_path: Path) -> None:
    write_record(tmp_path / "external.run.json", "extract", {})
    EXTRACTED.claim(tmp_path / "external.csv")
    with pytest.raises(InputError, match="belongs to the result of `ccrcc extract`, which `ccrcc spread` would write over"):
        SPREAD.claim(tmp_path / "external.csv")
    (tmp_path / "mine.run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="belongs to something else"):
        EXTRACTED.claim(tmp_path / "mine.csv")


def test_values_under_perturbed_masks_are_known_too(tmp_path: Path) -> None:
    (tmp_path / "s.values.parquet").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"s\.values\.parquet is there already"):
        STABILITY.claim(tmp_path / "s.parquet")
    PerturbedValues(("a",), pd.Series(["p"]).to_numpy("U1"), pd.DataFrame([[1.0]]).to_numpy()[None]).write(
        tmp_path / "s.values.parquet"
    )
    STABILITY.claim(tmp_path / "s.parquet")


@pytest.mark.parametrize(
    "kind", [EXTRACTED, JOINED, STABILITY, SPREAD, OVERLAP, COUNTS, REFUSALS], ids=lambda kind: kind.commands[0]
)
def test_a_file_of_the_users_own_is_kept_and_an_empty_one_is_not(kind: FileKind, tmp_path: Path) -> None:
    path = tmp_path / f"mine{kind.suffixes[0]}"
    path.write_text("patient_id,isup_grade\np,3\n", encoding="utf-8")
    with pytest.raises(InputError, match="is there already"):
        kind.claim(path)
    path.write_text("", encoding="utf-8")
    kind.claim(path)
    with pytest.raises(InputError, match=r"asked for mine\.xlsx"):
        kind.claim(tmp_path / "mine.xlsx")


def test_refused_cases_of_another_command_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    write_quarantine(path, [Refusal("a", "segment", "nan", "1 voxel")])
    refuse_quarantine(path, ["segment"])
    with pytest.raises(InputError, match="lists cases refused at the stage segment"):
        refuse_quarantine(path, ["check"])
    write_quarantine(path, [])
    refuse_quarantine(path, ["check"])


def test_an_input_is_never_written_over_even_by_way_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("", encoding="utf-8")
    (tmp_path / "cases.csv").symlink_to(tmp_path / "list.csv")
    os.link(tmp_path / "list.csv", tmp_path / "q.csv")
    for path in ("list.csv", "cases.csv", "q.csv"):
        with pytest.raises(InputError, match="is an input of this command"):
            REFUSALS.claim(tmp_path / path, inputs=[tmp_path / "list.csv"])
    with pytest.raises(InputError, match="is an input of this command"):
        IMPORTED["table"].claim(tmp_path, inputs=[tmp_path / "list.csv"])


@pytest.mark.parametrize(
    "kind", [THICKENED, PHANTOM, SEGMENTED, BENCHMARK, POOL, *IMPORTED.values()], ids=lambda kind: kind.commands[0]
)
def test_a_folder_of_somebody_elses_is_not_written_into(kind: FolderKind, tmp_path: Path) -> None:
    kind.claim(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    kind.claim(tmp_path)  # a file of another name is not lost
    name = next(name for name in kind.files if name not in kind.marks)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=f"holds {name}, which is not known to be of `ccrcc {kind.commands[0]}`"):
        kind.claim(tmp_path)
    for mark in kind.marks:  # of a version that left no record
        (tmp_path / mark).write_text("{}", encoding="utf-8")
        kind.claim(tmp_path)
    kind.mark(tmp_path)
    kind.claim(tmp_path)
    write_record(tmp_path / "run.json", "ccrcc demo --seed 88", {})
    with pytest.raises(InputError, match="belongs to the result of `ccrcc demo`"):
        kind.claim(tmp_path)


def test_nothing_is_written_into_a_locked_model_or_a_series(model_folder: Path, here: Path) -> None:
    model = Path(shutil.copytree(model_folder, here / "model"))
    for words in (
        (*FOLDERS["benchmark"], "--out", "model"),
        (*FOLDERS["benchmark"], "--out", "b", "--share", "model"),
        (*FILES["check"][0], "--out", "model/q.csv"),
        (*FILES["extract"][0], "--out", "f.csv", "--cases", "model"),
    ):
        assert "model holds a locked model, which any further file would spoil" in refused_at_once(here, *words)
    assert Model.load(model).id
    (here / "series").mkdir()
    assert "part of the series" in refused_at_once(here, "segment", "series", "--model", "m", "--out", "series")


def test_what_a_killed_run_left_in_a_result_is_removed_a_day_later(tmp_path: Path) -> None:
    left = tmp_path / "development" / "images" / ".writing-ab.nii.gz"
    left.parent.mkdir(parents=True)
    (tmp_path / "truth.json").write_text("{}", encoding="utf-8")
    left.write_text("half", encoding="utf-8")
    PHANTOM.claim(tmp_path)
    assert left.exists()
    os.utime(left, (0, 0))
    PHANTOM.claim(tmp_path)
    assert not left.exists()


def test_a_list_of_cases_is_imported_again_but_not_over_itself(here: Path) -> None:
    assert "is an input" in refused_at_once(here, *FOLDERS["import table"], "--out", ".")
    (here / "outcomes.csv").write_text("patient_id,isup_grade\np,3\n", encoding="utf-8")
    (here / "cases.csv").rename(here / "list.csv")
    assert "holds" in refused_at_once(here, "import", "table", "list.csv", "--out", ".")
    for _ in range(2):
        assert ccrcc("import", "table", "list.csv", "--out", "cohort").status == 0
    assert json.loads((here / "cohort" / "run.json").read_text(encoding="utf-8"))["command"] == "ccrcc import table"
    write_record(here / "cohort" / "run.json", "ccrcc pool", {})
    assert "belongs to the result of `ccrcc pool`" in refused_at_once(here, "import", "table", "list.csv", "--out", "cohort")


def test_options_that_would_be_ignored_or_contradict_each_other_are_refused(here: Path) -> None:
    assert "--data-root is for" in refused_at_once(
        here, "segment", "a.nii.gz", "--model", "m", "--out", "o", "--data-root", "."
    )
    assert "--subtype all" in refused_at_once(
        here, *FOLDERS["import kits"], "--out", "o", "--subtype", "all", "--subtype", "x"
    )
    assert "--ki67-cut is of the target ki67" in refused_at_once(here, *FOLDERS["fit"], "--out", "o", "--ki67-cut", "20")
    assert "leave out --jobs 2" in refused_at_once(
        here, *FILES["extract"][0], "--out", "o.csv", "--jobs", "2", "--scheduler", "tcp://there:1"
    )
    assert "A shard is i/N" in refused_at_once(here, *FILES["extract"][0], "--out", "o.csv", "--shard", "2/2")
    assert "--max-n" in refused_at_once(here, *FILES["counts"][0], "--max-n", "50")
    assert "inside (0, 1]" in refused_at_once(here, *FOLDERS["fit"], "--out", "o", "--sensitivity", "nan")
    assert "such as 0.3" in refused_at_once(here, *FOLDERS["benchmark"], "--out", "o", "--prevalence", "0")
    assert "positive number of mm" in refused_at_once(here, "thicken", "card.yaml", "--out", "o", "--slice-mm", "nan")
