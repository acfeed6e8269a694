import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from balls import write_ball
from command_line import ccrcc_here as ccrcc

from ccrcc_model.commands.console import QUARANTINED
from nnunet_ext.cohort.cards import save_cohort
from nnunet_ext.ground.case import Case, Cohort, Role
from radiomics_cfg.cases import perturbed
from radiomics_cfg.contour_stability import Stability


def ball(folder: Path, number: int) -> Case:
    case = Case(f"case{number:02}", f"p{number}", "north", folder / f"{number}.nii.gz", folder / f"{number}_mask.nii.gz")
    return write_ball(case, seed=number, side=28, tumour_mm=10 + number, kidney_mm=27)


@pytest.fixture
def words(tmp_path: Path) -> tuple[str | Path, ...]:
    """The command for a cohort of two small scans, with a preset that measures two features of one region."""
    cases = [ball(tmp_path, number) for number in range(2)]
    card = save_cohort(Cohort("balls", Role.DEVELOPMENT, tuple(cases)), tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "regions.yaml").write_text(yaml.safe_dump({"structures": ["tumour"]}), encoding="utf-8")
    parameters = {"imageType": {"Original": {}}, "featureClass": {"shape": ["MeshVolume"], "firstorder": ["Mean"]}}
    (tmp_path / "small" / "native.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    return ("stability", card, "--preset", tmp_path / "small", "--backend", "numba", "--seed", 3, "--out")


def test_the_command_writes_the_table_and_its_record(words: tuple[str | Path, ...], tmp_path: Path) -> None:
    out = tmp_path / "out" / "stability.parquet"
    ran = ccrcc(*words, out)
    assert ran.status == 0
    line = f"0 of 2 features stable over 10 masks of 2 cases (ICC(A,1), from 0.75 up): {out}"
    assert ran.said.splitlines()[-1] == line
    table = Stability.read(out).table
    assert table["feature"].tolist() == [
        f"tumour__native__original_{name}" for name in ("shape_MeshVolume", "firstorder_Mean")
    ]
    assert table["reason"].tolist() == ["2 cases have a value under every mask; at least 10 are needed"] * 2
    record = json.loads((out.parent / "stability.run.json").read_text(encoding="utf-8"))
    assert record["settings"]["seed"] == 3
    assert record["stability"]["masks"][-1] == "contour 11"
    assert record["result"] == {"features": 2, "stable": 0, "cases": 2, "refused": 0}
    assert len(list((out.parent / "stability.cases").iterdir())) == 2


def test_a_refused_case_has_its_own_status(words: tuple[str | Path, ...], tmp_path: Path) -> None:
    (tmp_path / "0.nii.gz").unlink()
    ran = ccrcc(*words, tmp_path / "stability.parquet")
    assert ran.status == QUARANTINED
    assert "10 masks of 1 cases" in ran.said
    refused = pd.read_csv(tmp_path / "stability.quarantine.csv")
    assert refused[["case_id", "stage", "code"]].to_numpy().tolist() == [["case00", "stability", "image-missing"]]


def test_an_interrupted_run_says_how_to_go_on(
    words: tuple[str | Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("radiomics_cfg.contour_stability.stability", interrupt)
    ran = ccrcc(*words, tmp_path / "stability.parquet")
    assert ran.status == 130
    assert "the same command goes on from there" in ran.said
    assert not (tmp_path / "stability.parquet").exists()


def test_a_stability_table_is_parquet_or_csv(words: tuple[str | Path, ...], tmp_path: Path) -> None:
    ran = ccrcc(*words, tmp_path / "stability.xlsx")
    assert ran.status == 2
    assert "a .parquet or a .csv file; asked for stability.xlsx" in ran.said


def test_shards_keep_what_the_whole_command_then_uses(
    words: tuple[str | Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "stability.parquet"
    for shard in ("0/2", "1/2"):
        ran = ccrcc(*words, out, "--shard", shard)
        assert ran.status == 0
        assert f"Shard {shard}: 1 of 1 cases kept in {tmp_path / 'stability.cases'}" in ran.said
        assert "when all shards are done, the same command" in ran.said
    assert not out.exists()

    def measured_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(perturbed, "measure_masks", measured_again)
    assert ccrcc(*words, out).status == 0
    assert out.exists()


def test_jobs_beside_a_cluster_are_refused(words: tuple[str | Path, ...], tmp_path: Path) -> None:
    ran = ccrcc(*words, tmp_path / "stability.parquet", "--jobs", 2, "--scheduler", "tcp://here:1")
    assert ran.status == 2
    assert "leave out --jobs 2 if --scheduler is given" in ran.said
