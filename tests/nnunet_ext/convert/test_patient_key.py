"""The key of patients: whole, its owner's alone, and never read wrongly."""

from pathlib import Path

import pytest

from nnunet_ext.convert.patient_key import numbered
from nnunet_ext.ground.errors import InputError


def test_the_key_is_its_owners_alone_also_where_an_older_one_was_not(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    assert numbered(["a", "b"], key) == {"a": "p0001", "b": "p0002"}
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    assert numbered(["b", "c"], key)["c"] == "p0003"
    assert key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key.csv"]


def test_blanks_in_a_key_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "key.csv").write_text('original,patient_id\n" A  7 ",p0004\n,p0001\n', encoding="utf-8")
    assert numbered(["A 7", "b"], tmp_path / "key.csv") == {"A 7": "p0004", "": "p0001", "b": "p0002"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("original,patient_id\na,p0001\na,p0002\n", "lists a patient twice"),
        ("original,patient_id\na,p0001\nb,p0001\n", "lists a number twice"),
        ("name,patient_id\na,p0001\n", "is not a key: it has the columns name"),
        ("", "is empty"),
    ],
)
def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "key.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        numbered(["a"], tmp_path / "key.csv")
    assert (tmp_path / "key.csv").read_text(encoding="utf-8") == text
