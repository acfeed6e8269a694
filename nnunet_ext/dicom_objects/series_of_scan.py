"""Which DICOM series a scan was made from, found by its voxels: a cohort keeps no identifier that would say so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import SimpleITK as sitk

from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.voxels import read_volume
from nnunet_ext.dicom_masks.grid import ScanGrid
from nnunet_ext.dicom_objects.series_grid import grid_of, in_slice_order
from nnunet_ext.ground.errors import CaseRefused

MOST_APART_HU = 0.5
"""By which a voxel may differ: what rounding to whole HU leaves."""


class StudySeries:
    """The volumes in a tree of DICOM files.

    Args:
        series: All series; those that are no volume are passed over.
    """

    def __init__(self, series: Sequence[Series]) -> None:
        self._volumes: list[tuple[Series, ScanGrid]] = []
        for one in (part for whole in series for part in whole.volumes()):
            try:
                self._volumes.append((one, grid_of(one)))
            except CaseRefused:
                continue

    @classmethod
    def below(cls, folder: Path) -> Self:
        """Return the volumes in a folder and its subfolders."""
        return cls(find_series(folder).series)

    def of(self, scan: sitk.Image) -> Series:
        """Return the series with the voxels of a scan.

        Args:
            scan: In HU; its axes may be stored in any order and direction.

        Raises:
            CaseRefused: ``source-missing`` or ``source-several``.
        """
        same = [series for series, grid in self._volumes if _is_of(scan, series, grid)]
        if not same:
            reason = f"none of {len(self._volumes)} DICOM volumes has the voxels of the scan"
            raise CaseRefused("source-missing", reason)
        if len(same) > 1:
            raise CaseRefused("source-several", f"{len(same)} DICOM series have the voxels of the scan")
        return same[0]


def _is_of(scan: sitk.Image, series: Series, grid: ScanGrid) -> bool:
    try:
        ordered = in_slice_order(scan, grid)
        stored = sitk.GetArrayFromImage(read_volume(series))
    except CaseRefused:
        return False
    planes = zip(ordered, stored, strict=True)  # one by one, for a scan is large
    return all(bool((np.abs(one.astype(np.float32) - other) <= MOST_APART_HU).all()) for one, other in planes)
