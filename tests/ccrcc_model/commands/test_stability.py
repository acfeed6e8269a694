import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from balls import write_ball

from ccrcc_model.commands import stability as module
from ccrcc_model.commands.console import QUARANTINED
from ccrcc_model.commands.extract import INTERRUPTED
from ccrcc_model.commands.stability import StabilityOrder, run_stability
from nnunet_ext.cohort.cards import save_cohort
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.cases import perturbed
from radiomics_cfg.contour_stability import Stability


def ball(folder: Path, number: int) -> Case:
    case = Case(f"case{number:02}", f"p{number}", "north", folder / f"{number}.nii.gz", folder / f"{number}_mask.nii.gz")
    return write_ball(case, seed=number, side=28, tumour_mm=10 + number, kidney_mm=27)


@pytest.fixture
def order(tmp_path: Path) -> StabilityOrder:
    """A cohort of two small scans, and a preset that measures two features of one region."""
    cases = [ball(tmp_path, number) for number in range(2)]
    card = save_cohort(Cohort("balls", Role.DEVELOPMENT, tuple(cases)), tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "regions.yaml").write_text(yaml.safe_dump({"structures": ["tumour"]}), encoding="utf-8")
    parameters = {"imageType": {"Original": {}}, "featureClass": {"shape": ["MeshVolume"], "firstorder": ["Mean"]}}
    (tmp_path / "small" / "native.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    return StabilityOrder(card, tmp_path / "out" / "stability.parquet", str(tmp_path / "small"), backend="numba", seed=3)


def test_the_command_writes_the_table_and_its_record(order: StabilityOrder, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stability(order) == 0
    line = f"0 of 2 features stable over 10 masks of 2 cases (ICC(A,1), from 0.75 up): {order.out}"
    assert capsys.readouterr().out.strip() == line
    table = Stability.read(order.out).table
    assert table["feature"].tolist() == [
        f"tumour__native__original_{name}" for name in ("shape_MeshVolume", "firstorder_Mean")
    ]
    assert table["reason"].tolist() == ["2 cases have a value under every mask; at least 10 are needed"] * 2
    record = json.loads((order.out.parent / "stability.run.json").read_text(encoding="utf-8"))
    assert record["settings"]["seed"] == "3"
    assert record["stability"]["masks"][-1] == "contour 11"
    assert record["result"] == {"features": 2, "stable": 0, "cases": 2, "refused": 0}
    assert len(list((order.out.parent / "stability.cases").iterdir())) == 2


def test_a_refused_case_has_its_own_status(order: StabilityOrder, capsys: pytest.CaptureFixture[str]) -> None:
    (order.card.parent / "0.nii.gz").unlink()
    assert run_stability(order) == QUARANTINED
    assert "10 masks of 1 cases" in capsys.readouterr().out
    refused = pd.read_csv(order.out.parent / "stability.quarantine.csv")
    assert refused[["case_id", "stage", "code"]].to_numpy().tolist() == [["case00", "stability", "image-missing"]]


def test_an_interrupted_run_says_how_to_go_on(
    order: StabilityOrder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "stability", interrupt)
    assert run_stability(order) == INTERRUPTED
    assert "the same command goes on from there" in capsys.readouterr().err
    assert not order.out.exists()


def test_a_stability_table_is_parquet_or_csv(order: StabilityOrder) -> None:
    with pytest.raises(InputError, match=r"a \.parquet or a \.csv file; asked for stability\.xlsx"):
        StabilityOrder(order.card, order.out.with_suffix(".xlsx"), order.preset)


def test_shards_keep_what_the_whole_command_then_uses(
    order: StabilityOrder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in ("0/2", "1/2"):
        assert run_stability(order, shard=shard) == 0
        line = f"Shard {shard}: 1 of 1 cases kept in {order.folder}; when all shards are done, the same command"
        assert line in capsys.readouterr().out
    assert not order.out.exists()

    def measured_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(perturbed, "measure_masks", measured_again)
    assert run_stability(order) == 0
    assert order.out.exists()


def test_jobs_beside_a_cluster_are_refused(order: StabilityOrder) -> None:
    with pytest.raises(InputError, match="leave --jobs 2 out beside --scheduler"):
        run_stability(order, jobs=2, scheduler="tcp://here:1")
