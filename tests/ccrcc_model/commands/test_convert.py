import json
from pathlib import Path

import pandas as pd
import pytest
from command_line import ccrcc_here, mistake_here


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nnU-Net's folder of raw data sets, named to the command as nnU-Net does."""
    for name in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{name}", str(tmp_path / name))
    return tmp_path / "raw"


def test_nnunets_variables_must_be_set(phantoms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    assert "nnUNet_raw is not set" in mistake_here("convert", phantoms / "away" / "card.yaml", "--dataset-id", "501")


def test_an_external_cohort_cannot_be_converted_for_training(phantoms: Path, raw: Path) -> None:
    assert "external" in mistake_here("convert", phantoms / "away" / "card.yaml", "--dataset-id", "501")
    assert not raw.exists()


def test_the_record_lies_in_the_data_set(away: Path, raw: Path) -> None:
    card, cases = away / "card.yaml", pd.read_csv(away / "cases.csv", dtype=str)
    card.write_text(card.read_text(encoding="utf-8").replace("external", "development"), encoding="utf-8")
    rows = [cases.iloc[[0]].assign(case_id=f"c{number}", patient_id=f"p{number}") for number in range(5)]
    pd.concat(rows).to_csv(away / "cases.csv", index=False)
    for _ in range(2):
        ran = ccrcc_here("convert", card, "--dataset-id", "501", "--seed", "4")
        assert ran.status == 0, ran.said
    (record,) = raw.glob("Dataset501_*/run.json")
    content = json.loads(record.read_text(encoding="utf-8"))
    assert (content["command"], content["settings"]["seed"], content["cases"]) == ("ccrcc convert", 4, 5)
