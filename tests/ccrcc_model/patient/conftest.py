"""A scan, and models of grade and Ki67 percentage that know patients like it; never to be written to."""

from pathlib import Path

import pytest
from predicted_patients import fit_like, write_preset, write_scan

from ccrcc_model.outcomes.target import GRADE, KI67_PERCENT
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.backends.backend import load_backend
from radiomics_cfg.runs.batch import DEFAULT_BACKEND


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the scan ``scan.nii.gz`` and its mask, ``small`` (a preset), and the models ``grade`` and ``percent``."""
    try:
        load_backend(DEFAULT_BACKEND)
    except InputError as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("known")
    scan, preset = write_scan(folder), write_preset(folder / "small")
    fit_like(scan, preset, GRADE, folder / "grade")
    fit_like(scan, preset, KI67_PERCENT, folder / "percent")
    return folder
