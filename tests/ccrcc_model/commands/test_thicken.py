from pathlib import Path

import pandas as pd
from command_line import ccrcc_here, mistake_here

from radiomics_cfg.table import FeatureTable


def test_thicker_slices_are_a_cohort_that_can_be_extracted(phantoms: Path, tmp_path: Path) -> None:
    card = phantoms / "away" / "card.yaml"
    ran = ccrcc_here("thicken", card, "--slice-mm", "8", "--out", tmp_path / "thick")
    assert ran.status == 0, ran.said
    assert "2 of 2 scans in slices of 8 mm" in ran.said
    ran = ccrcc_here("extract", tmp_path / "thick" / "card.yaml", "--preset", "quick", "--out", tmp_path / "thick.parquet")
    assert ran.status == 0, ran.said
    rows = FeatureTable.read(tmp_path / "thick.parquet").rows
    assert set(rows["cohort"]) == {"away-8mm"}
    assert sorted(rows["patient_id"]) == sorted(pd.read_csv(phantoms / "away" / "outcomes.csv")["patient_id"])
    assert "are not thinner than 2 mm" in mistake_here("thicken", card, "--slice-mm", "2", "--out", tmp_path / "no")
