import json
from pathlib import Path

import pandas as pd
from command_line import ccrcc_here


def test_masks_that_are_compared_with_themselves_agree(phantoms: Path, tmp_path: Path) -> None:
    card = phantoms / "away" / "card.yaml"
    ran = ccrcc_here("overlap", card, "--predicted", card, "--out", tmp_path / "overlap.csv")
    assert ran.status == 0, ran.said
    table = pd.read_csv(tmp_path / "overlap.csv").dropna(subset=["dice"])
    assert (table["dice"] == 1).all()
    assert (table["hd95_mm"] == 0).all()
    assert {"kidney", "tumour", "kidney_and_masses", "masses"} <= set(table["structure"])
    lesions = pd.read_csv(tmp_path / "overlap.lesions.csv")
    assert lesions["detected"].tolist() == lesions["lesions"].tolist() == lesions["predicted_lesions"].tolist()
    assert all((tmp_path / f"overlap_figure_s1.{suffix}").is_file() for suffix in ("png", "svg", "csv"))
    record = json.loads((tmp_path / "overlap.run.json").read_text(encoding="utf-8"))
    assert record["command"] == "ccrcc overlap"
    assert record["settings"] == {
        "card": str(card),
        "predicted": str(card),
        "out": str(tmp_path / "overlap.csv"),
        "data_root": None,
    }
