"""What this software is made of: its licences by name, and a bill of materials for a release."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "licences.md"
STRONG_COPYLEFT = re.compile(r"(?<!L)GPL")
"""Licences that a user who passes this software on would have to take over."""


def direct() -> set[str]:
    """Names of the packages that this project asks for itself, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in asked}


def rows() -> dict[str, str]:
    """Package and licence of each row of the page."""
    return dict(re.findall(r"^\| ([\w.-]+) +\| (.+?) +\|$", PAGE.read_text(encoding="utf-8").lower(), re.MULTILINE))


def test_every_package_that_is_asked_for_has_its_licence_on_the_page() -> None:
    assert direct() <= set(rows())


def test_no_package_that_is_asked_for_is_under_a_strong_copyleft() -> None:
    assert [name for name, licence in rows().items() if STRONG_COPYLEFT.search(licence.upper())] == []


@pytest.mark.slow
def test_a_bill_of_materials_names_every_package_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    program = Path(sys.executable).with_name("cyclonedx-py")
    subprocess.run([str(program), "environment", "--output-reproducible", "-o", str(file)], check=True, capture_output=True)
    components = {component["name"].lower() for component in json.loads(file.read_text(encoding="utf-8"))["components"]}
    assert direct() <= components
