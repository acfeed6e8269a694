"""What an answer may hold, and that its page documents every key."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from ccrcc_model.patient.answer import ANSWER, Answer
from nnunet_ext.ground.errors import InputError

ROOT = Path(__file__).parents[3]
HASH = "0" * 64

CONTENT: dict[str, Any] = {
    "format": "ccrcc-answer",
    "version": 1,
    "patient": "p1",
    "created": "2026-11-30T12:00:00Z",
    "request_sha256": HASH,
    "source": {
        "kind": "nifti",
        "sha256": HASH,
        "image_sha256": HASH,
        "shape_xyz": [4, 5, 6],
        "spacing_mm": [1, 1, 2],
        "phase": None,
    },
    "mask": {"origin": "given", "sha256": HASH, "source_sha256": HASH, "labels": {"kidney": 1}},
    "network": None,
    "preset": {"preset": "quick", "preset_sha256": "ab", "mode": "canonical"},
    "flags": [{"code": "tumour-absent", "severity": "refusal", "text": "no tumour"}],
    "lesions": [],
    "kidneys": [],
    "predictions": [],
    "software": {"python": "3.11"},
}


def written(folder: Path, **changes: Any) -> Path:
    (folder / ANSWER).write_text(json.dumps({**CONTENT, **changes}), encoding="utf-8")
    return folder


def test_an_answer_is_read_as_it_was_written(tmp_path: Path) -> None:
    answer = Answer.read(written(tmp_path))
    assert json.loads(answer.write(tmp_path / "again").read_text(encoding="utf-8")) == CONTENT
    assert Answer.read(tmp_path / "again") == answer


def test_a_key_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    assert Answer.read(written(tmp_path, more=1)).patient == "p1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "other"}, "'other'"),
        ({"source": None}, "source"),
        ({"flags": [{"code": "a", "severity": "loud", "text": ""}]}, "flags.0.severity"),
        ({"mask": {**CONTENT["mask"], "sha256": "xyz"}}, "mask.sha256"),
    ],
)
def test_another_content_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match="predict the scan again") as refused:
        Answer.read(written(tmp_path, **changes))
    assert said in str(refused.value)


def test_an_answer_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=ANSWER):
        Answer.read(tmp_path)


def keys(part: type[BaseModel]) -> set[str]:
    found = set(part.model_fields)
    for field in part.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= keys(kind)
    return found


def test_the_page_of_the_answer_names_every_key() -> None:
    page = (ROOT / "docs" / "reference" / "answer.md").read_text(encoding="utf-8")
    assert [key for key in sorted(keys(Answer)) if f"`{key}`" not in page] == []
