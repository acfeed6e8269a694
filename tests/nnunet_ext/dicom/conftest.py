"""A small CT series on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ccrcc_model.faults.dicom_files import write_ct
from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.series import Series

WriteSeries = Callable[..., Series]


@pytest.fixture
def written(tmp_path: Path) -> WriteSeries:
    """Write ``small_scan`` as ``write_ct`` does, and return the only series of the folder."""

    def write(**changes: object) -> Series:
        write_ct(tmp_path / "scan", **changes)  # type: ignore[arg-type]
        (series,) = find_series(tmp_path / "scan").series
        return series

    return write
