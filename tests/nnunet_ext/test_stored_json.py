from pathlib import Path

import pytest

from nnunet_ext.errors import InputError
from nnunet_ext.stored_json import LARGEST_MIB, read_json_object


def test_an_object_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"é": [1, 2.5, null, true]}', encoding="utf-8")
    assert read_json_object(file) == {"é": [1, 2.5, None, True]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged"),
        (b'{"a": 1', "is damaged"),
        (b"[]", "holds a list"),
        (b"null", "holds a null"),
        (b'{"a": NaN}', "NaN is not a number that JSON knows"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": 1e999}', "1e999 is not a number"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b'{"a": "\xff"}', "is not text in UTF-8"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is damaged"),
    ],
)
def test_what_is_no_object_is_refused_in_one_short_line(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"^a\.json in .*{why}") as failure:
        read_json_object(file)
    assert "\n" not in str(failure.value)
    assert len(str(failure.value)) < 400


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate((LARGEST_MIB << 20) + 1)
    for name, why in (("absent", "is missing"), ("folder", "no regular file"), ("huge.json", "at most 64 are read")):
        with pytest.raises(InputError, match=why):
            read_json_object(tmp_path / name)
