import json
from pathlib import Path

import pandas as pd
from command_line import ccrcc_here, mistake_here


def test_a_sound_cohort_passes(phantoms: Path) -> None:
    ran = ccrcc_here("check", phantoms / "away" / "card.yaml")
    assert ran.status == 0
    assert ran.said.splitlines()[-1] == "away: 2 of 2 cases pass"


def test_the_bad_case_is_quarantined_and_the_rest_goes_on(away: Path) -> None:
    image = sorted((away / "images").iterdir())[0]
    image.write_bytes(image.read_bytes()[:500])
    ran = ccrcc_here("check", away / "card.yaml", "--out", away / "refused.csv")
    assert ran.status == 3
    assert "1 of 2 cases pass" in ran.said
    refused = pd.read_csv(away / "refused.csv")
    assert refused[["stage", "code"]].to_numpy().tolist() == [["check", "unreadable"]]
    record = json.loads((away / "refused.run.json").read_text(encoding="utf-8"))
    assert (record["command"], record["passed"], record["refused"]) == ("ccrcc check", 1, 1)


def test_every_patient_needs_an_outcome(away: Path) -> None:
    outcomes = pd.read_csv(away / "outcomes.csv").iloc[:1]
    outcomes.to_csv(away / "outcomes.csv", index=False)
    assert "1 patients of cohort away have no row" in mistake_here("check", away / "card.yaml")


def test_a_card_that_is_missing_or_misspelt_is_refused_in_one_line(away: Path, tmp_path: Path) -> None:
    card = away / "card.yaml"
    assert "No cohort card at" in mistake_here("check", tmp_path / "none.yaml")
    card.write_text(card.read_text(encoding="utf-8") + "colour: red\n", encoding="utf-8")
    assert "unknown key 'colour'" in mistake_here("check", card)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["away"]
