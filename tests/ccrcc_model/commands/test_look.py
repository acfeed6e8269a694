import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from command_line import ccrcc_here, mistake_here

from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.volumes.volume_file import volume_sha256


def review_of(card: Path, folder: Path, *, verdict: str) -> Path:
    """Write what a reader would export of the first case."""
    case = load_cohort(card).cases[0]
    own = {"case": case.id, "mask_sha256": volume_sha256(case.mask, "mask"), "reader": "R", "created": "2026-11-30T10:00:00Z"}
    content = {"reviews": [{**own, "structures": {"kidney": {"verdict": verdict, "comment": ""}}}]}
    folder.mkdir(exist_ok=True)
    path = folder / f"{case.id}.review.json"
    path.write_text(json.dumps({"format": "ccrcc-review", "version": 1, **content}), encoding="utf-8")
    return path


def test_a_look_ends_with_the_index_and_goes_on_where_it_stopped(away: Path, tmp_path: Path) -> None:
    out = tmp_path / "look"
    ran = ccrcc_here("look", away / "card.yaml", "--out", out)
    assert ran.status == 0, ran.said
    assert f"2 of 2 masks, 1 with a flag: {out / 'index.html'}" in ran.said
    made = {path: path.stat().st_mtime_ns for path in (out / "pages").iterdir()}
    assert ccrcc_here("look", away / "card.yaml", "--out", out).status == 0
    assert {path: path.stat().st_mtime_ns for path in made} == made
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (record["command"], record["cases"], record["refused"]) == ("ccrcc look", 2, 0)


def test_reviews_come_back_as_a_column_of_a_case_list_that_can_be_loaded(away: Path, tmp_path: Path) -> None:
    card, out = away / "card.yaml", tmp_path / "look"
    review_of(card, tmp_path / "reviews", verdict="correct")
    ran = ccrcc_here("look", card, "--out", out, "--reviews", tmp_path / "reviews")
    assert ran.status == 0, ran.said
    assert str(out / "card.yaml") in ran.said
    assert [case.quality for case in load_cohort(out / "card.yaml").cases] == ["needs-correction", ""]
    assert list(pd.read_csv(out / "reviews.csv")["structure"]) == ["kidney"]


def test_a_review_of_another_mask_is_refused_with_status_3(away: Path, tmp_path: Path) -> None:
    card, out = away / "card.yaml", tmp_path / "look"
    review = review_of(card, tmp_path / "reviews", verdict="accept")
    first, second = load_cohort(card).cases
    shutil.copyfile(second.mask, first.mask)
    ran = ccrcc_here("look", card, "--out", out, "--reviews", review)
    assert ran.status == 3, ran.said
    assert "review-mask" in (out / "quarantine.csv").read_text(encoding="utf-8")
    assert [case.quality for case in load_cohort(out / "card.yaml").cases] == ["", ""]


def test_users_mistakes_end_in_one_line(away: Path, tmp_path: Path) -> None:
    card = away / "card.yaml"
    assert "No review in" in mistake_here("look", card, "--out", tmp_path / "a", "--reviews", tmp_path / "none")
    assert not (tmp_path / "a").exists()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "index.html").write_text("mine", encoding="utf-8")
    assert "index.html, which is not known to be of `ccrcc look`" in mistake_here("look", card, "--out", tmp_path / "b")


@pytest.mark.parametrize("quality", ["good", "Accepted"])
def test_a_case_list_with_another_quality_is_refused(away: Path, tmp_path: Path, quality: str) -> None:
    cases = pd.read_csv(away / "cases.csv", dtype=str)
    cases.assign(quality=["", quality]).to_csv(away / "cases.csv", index=False)
    assert f"line 3: the column quality holds accepted or needs-correction, or nothing; found '{quality}'" in mistake_here(
        "look", away / "card.yaml", "--out", tmp_path / "look"
    )
