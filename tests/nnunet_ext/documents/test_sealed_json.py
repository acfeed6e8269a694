from pathlib import Path

import pytest

from nnunet_ext.documents.sealed_json import read_sealed, write_sealed

CONTENT = {"b": [1, 2.5, None], "a": {"name": "Niere ä"}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_sealed(tmp_path / "x.json", CONTENT)
    assert read_sealed(tmp_path / "x.json") == CONTENT


@pytest.mark.parametrize(("old", "new"), [("2.5", "2.6"), ('"a"', '"c"'), ("}", ""), ("seal", "seel")])
def test_a_changed_file_is_not_used(tmp_path: Path, old: str, new: str) -> None:
    write_sealed(tmp_path / "x.json", CONTENT)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "x.json").write_text(text.replace(old, new, 1), encoding="utf-8")
    assert read_sealed(tmp_path / "x.json") is None


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_sealed(tmp_path / "x.json") is None
