import json
from pathlib import Path
from typing import Any

import pytest

from ccrcc_model.patient.reviews import match_reviews, read_reviews
from nnunet_ext.ground.errors import InputError

MASK, OTHER = "b" * 64, "c" * 64


def review(**changes: Any) -> dict[str, Any]:
    structures = {"kidney": {"verdict": "accept", "comment": ""}, "tumour": {"verdict": "accept", "comment": "=1+1"}}
    own = {"case": "one", "mask_sha256": MASK, "reader": "R", "created": "2026-11-30T10:00:00.000Z", "structures": structures}
    return own | changes


def write(path: Path, *reviews: Any, **changes: Any) -> Path:
    path.write_text(json.dumps({"format": "ccrcc-review", "version": 1, "reviews": list(reviews)} | changes), encoding="utf-8")
    return path


CORRECT = {"tumour": {"verdict": "correct", "comment": "too wide"}}


def test_a_mask_is_accepted_if_every_reader_accepts_every_structure(tmp_path: Path) -> None:
    write(tmp_path / "a.json", review(), review(case="two", structures=CORRECT))
    reviewed = match_reviews(read_reviews(tmp_path), {"one": MASK, "two": MASK, "three": MASK})
    assert reviewed.quality == {"one": "accepted", "two": "needs-correction"}
    assert reviewed.refusals == ()
    assert list(reviewed.rows["structure"]) == ["kidney", "tumour", "tumour"]


def test_one_reader_who_disagrees_is_enough(tmp_path: Path) -> None:
    write(tmp_path / "a.json", review(), review(reader="S", structures=CORRECT))
    assert match_reviews(read_reviews(tmp_path), {"one": MASK}).quality == {"one": "needs-correction"}


def test_of_one_reader_the_last_review_counts(tmp_path: Path) -> None:
    later = review(created="2026-12-01T10:00:00Z")
    write(tmp_path / "a.json", later, review(structures=CORRECT))
    reviewed = match_reviews(read_reviews(tmp_path), {"one": MASK})
    assert reviewed.quality == {"one": "accepted"}
    assert len(reviewed.rows) == 2


@pytest.mark.parametrize(
    ("masks", "words"), [({"one": OTHER}, "another mask than the case has now"), ({"two": MASK}, "lists no such case")]
)
def test_a_review_of_another_mask_or_case_is_refused(tmp_path: Path, masks: dict[str, str], words: str) -> None:
    reviewed = match_reviews(read_reviews(write(tmp_path / "a.json", review())), masks)
    assert reviewed.quality == {}
    (refusal,) = reviewed.refusals
    assert (refusal.case_id, refusal.code) == ("one", "review-mask")
    assert words in refusal.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mask_sha256": "b" * 63}, "mask_sha256"),
        ({"structures": {}}, "structures"),
        ({"structures": {"spleen": {"verdict": "accept"}}}, "structures.spleen"),
        ({"structures": {"kidney": {"verdict": "fine"}}}, "verdict"),
        ({"structures": {"kidney": {"verdict": "accept", "comment": "x" * 2001}}}, "comment"),
        ({"created": "yesterday"}, "created"),
        ({"more": 1}, "more"),
    ],
)
def test_a_review_that_is_not_whole_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        read_reviews(write(tmp_path / "a.json", review(**changes)))
    assert "\n" not in str(error.value)


def test_other_files_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No review in"):
        read_reviews(tmp_path)
    write(tmp_path / "a.json", format="something")
    with pytest.raises(InputError, match="is no review: its format is 'something'"):
        read_reviews(tmp_path)
    write(tmp_path / "a.json", version=2)
    with pytest.raises(InputError, match="version"):
        read_reviews(tmp_path)
