import json
from pathlib import Path

from command_line import ccrcc_here


def test_the_record_holds_every_option(tmp_path: Path) -> None:
    for _ in range(2):
        ran = ccrcc_here("phantom", "--out", tmp_path / "study", "--patients", "1", "--seed", "3")
        assert ran.status == 0, ran.said
    assert len(ran.said.split("Cohort cards: ")[1].split(", ")) == 3
    record = json.loads((tmp_path / "study" / "run.json").read_text(encoding="utf-8"))
    assert record["command"] == "ccrcc phantom"
    assert record["settings"] == {"out": str(tmp_path / "study"), "seed": 3, "patients": 1, "grid": "demo", "jobs": 1}
    assert record["versions"]["ccrcc-radiomics"]
