from pathlib import Path

import pytest

from nnunet_ext.documents.yaml_file import DEEPEST, LARGEST_BYTES, read_yaml
from nnunet_ext.ground.errors import InputError


def read(folder: Path, content: str | bytes, *, as_typed: bool = False) -> object:
    (folder / "f.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(folder / "f.yaml", "card", if_missing="write one", as_typed=as_typed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("role: a\nname: x\nrole: b\n", "the key 'role' is there twice.*line 3"),
        ("a: {b: 1, 'b': 2}\n", "the key 'b' is there twice"),
        ("a: [{b: 1, b: 1}]\n", "the key 'b' is there twice"),
        ("? [a, b]\n: 1\n", "a key that is no single word"),
        ("a: " + "[" * 3000 + "]" * 3000, f"nested deeper than {DEEPEST}"),
        ("a: " * 3000, "not readable YAML"),
        ("{a: " * 3000, f"nested deeper than {DEEPEST}"),
        ("- " * 3000 + "a", f"nested deeper than {DEEPEST}"),
        ("a: &a [x, *a]\n", "holds itself"),
        ("a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)), "more than 100000"),
        ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("a: !!int x\n", "'x' could be several numbers"),
        ("a: !!bool x\n", "not readable YAML"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("a: \x07\n", "not readable YAML"),
        (b"a: \xe9\n", "not UTF-8"),
        ("a: [\n", "not readable YAML"),
        (b"# " + b"x" * LARGEST_BYTES, "at most 1 MB"),
    ],
)
@pytest.mark.parametrize("as_typed", [False, True])
def test_what_yaml_would_guess_is_refused(tmp_path: Path, content: str | bytes, message: str, as_typed: bool) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path, content, as_typed=as_typed)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize("number", ["010", "1_000", "1:30", "0x1F", "2024-01-01", "1_0.5"])
def test_a_number_that_could_be_another_is_refused_or_kept_as_typed(tmp_path: Path, number: str) -> None:
    with pytest.raises(InputError, match=number):
        read(tmp_path, f"a: {number}\n")
    assert read(tmp_path, f"a: {number}\n", as_typed=True) == {"a": number}


def test_plain_numbers_are_numbers(tmp_path: Path) -> None:
    content = "a: [0, 10, -3, 2.5, 1.0e+3, .5, true, null, no]\n"
    assert read(tmp_path, content) == {"a": [0, 10, -3, 2.5, 1000.0, 0.5, True, None, False]}


def test_words_are_as_they_are_typed_and_nothing_is_nothing(tmp_path: Path) -> None:
    content = 'a: 007\nb: no\nc: 1.10\nd: "null"\ne: null\nf:\ng: ~\n'
    read_back = {"a": "007", "b": "no", "c": "1.10", "d": "null", "e": None, "f": None, "g": None}
    assert read(tmp_path, content, as_typed=True) == read_back


def test_the_deepest_nesting_and_an_alias_are_read(tmp_path: Path) -> None:
    deep = "[" * (DEEPEST - 2) + "]" * (DEEPEST - 2)
    assert read(tmp_path, f"a: {deep}\n")
    assert read(tmp_path, "a: &x {c: 1}\nb: *x\nd: {<<: *x, c: 2}\n") == {"a": {"c": 1}, "b": {"c": 1}, "d": {"c": 2}}
    assert read(tmp_path, "") is None
