"""What a validator of DICOM objects says of a file."""

import shutil
import subprocess
from pathlib import Path

import pytest


def faults(path: Path) -> list[str]:
    """Return the errors that dciodvfy of dicom3tools finds; skip the test where it is not installed."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    said = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, encoding="utf-8", check=False).stderr
    assert len(said.splitlines()) > 1, "it names at least the kind of object"
    return [line for line in said.splitlines() if line.startswith("Error")]
