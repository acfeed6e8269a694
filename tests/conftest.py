"""Fixtures that several packages' tests share."""

import os
from pathlib import Path

import pytest
from offline import stay_here

from ccrcc_model.faults.network import write_network

stay_here()  # no test, and nothing that a test calls in this process, asks the world


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real masks, CTs and reference values; not part of the repository."""
    folder = Path(os.environ.get("CCRCC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data folder is not here; CCRCC_REAL_DATA names it")
    return folder


@pytest.fixture(scope="session")
def untrained_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as nnU-Net leaves it: a U-Net of stages of 4, 6 and 8 channels at 4 mm, with random weights."""
    pytest.importorskip("torch")
    pytest.importorskip("nnunetv2")
    return write_network(tmp_path_factory.mktemp("untrained"))
