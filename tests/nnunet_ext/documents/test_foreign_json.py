"""JSON of someone else: what ``json.loads`` would take for something is refused."""

from pathlib import Path

import pytest

from nnunet_ext.documents.foreign_json import parse_json, read_json_object
from nnunet_ext.documents.regular_file import LARGEST_BYTES
from nnunet_ext.ground.errors import InputError


def test_what_is_json_is_read() -> None:
    assert parse_json(b'{"a": [1, 2.5, null, "b"], "c": 1e308}') == {"a": [1, 2.5, None, "b"], "c": 1e308}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "gives the key 'a' twice"),
        ("[NaN]", "holds NaN"),
        ("[-Infinity]", "holds -Infinity"),
        ("[1e309]", "holds 1e309, which no float can hold"),
        ("[" * 100_000, "nested too deep"),
        ("", "is not JSON"),
        ('{"a": }', "is not JSON"),
        (b"\xff\xfe\xff", "is not UTF-8|is not JSON"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        parse_json(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1', "is damaged: it is not JSON"),
        (b'{"a": NaN}', "is damaged: it holds NaN"),
        (b'{"a": "\xff"}', "is damaged: it is not UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is damaged"),
        (b"[]", "holds a list where an object"),
        (b"null", "holds a null where an object"),
    ],
)
def test_a_file_that_holds_no_object_is_refused_in_one_short_line(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"^a\.json in .*{why}") as failure:
        read_json_object(file)
    assert len(str(failure.value).splitlines()) == 1
    assert len(str(failure.value)) < 400
    file.write_bytes('{"é": [1, 2.5, null, true]}'.encode())
    assert read_json_object(file) == {"é": [1, 2.5, None, True]}


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with (tmp_path / "huge.json").open("wb") as stream:
        stream.truncate(LARGEST_BYTES + 1)
    for name, why in (("absent", "No file at"), ("folder", "is a folder"), ("huge.json", "MB are read")):
        with pytest.raises(InputError, match=why):
            read_json_object(tmp_path / name)
