"""The tests of every module are found by its name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

UNTESTED_ALONE = {"__init__", "cli"}
"""Names of modules that every test of their package goes through."""


def _modules(package: str) -> list[Path]:
    found = [path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py"))]
    rooms_of_their_own = {"faults", "plugin"}  # a corpus that is itself a test, and what nnU-Net searches
    return [path for path in found if path.stem not in UNTESTED_ALONE and not rooms_of_their_own & set(path.parts)]


def _named_in_tests(package: str) -> set[str]:
    """Return the modules that test files name in a comment `Also of: ...` at their top."""
    heads = (
        re.findall(r"^# Also of: ((?:.*\n# )*.*)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in _files(package)
    )
    return {name for head in heads for line in head for name in re.findall(r"[a-z_0-9]+(?:\.[a-z_0-9]+)+", line)}


def _files(package: str) -> list[Path]:
    return sorted((ROOT / "tests" / package).rglob("test_*.py"))


@pytest.mark.parametrize("package", ["nnunet_ext", "radiomics_cfg", "ccrcc_model"])
def test_a_module_has_a_test_file_of_its_name_or_stands_at_the_top_of_one(package: str) -> None:
    named = _named_in_tests(package)
    own = [(ROOT / "tests" / path.parent / f"test_{path.name}").exists() for path in _modules(package)]
    names = [path.with_suffix("").as_posix().replace("/", ".") for path in _modules(package)]
    assert [name for name, has_own in zip(names, own, strict=True) if not has_own and name not in named] == []
    assert named <= set(names), "a module that is not there"
