"""Fixtures that several packages' tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real masks, CTs and reference values; not part of the repository."""
    folder = Path(os.environ.get("CCRCC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data folder is not here; CCRCC_REAL_DATA names it")
    return folder
