"""The grid of a CT series, and a volume in the order of its slices, however its axes are stored."""

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.stack import axes
from nnunet_ext.dicom_masks.grid import TOLERANCE_VOXELS, ScanGrid
from nnunet_ext.ground.errors import CaseRefused


def grid_of(series: Series) -> ScanGrid:
    """Return the grid that the slices of a series state.

    Raises:
        CaseRefused: What ``Series.slices`` raises.
    """
    first = series.slices[0]
    cosines = axes(first.orientation or ())[:2].ravel().tolist()
    return ScanGrid.of_slices([header.position_mm or () for header in series.slices], cosines, first.grid)


def in_slice_order(volume: sitk.Image, grid: ScanGrid) -> npt.NDArray[Any]:
    """Return the voxels of a volume in the order of the slices, shape (z, y, x), whatever the order and direction of its axes.

    Args:
        volume: With the voxels of the grid.
        grid: Of the series.

    Raises:
        CaseRefused: ``mask-grid`` if its voxels are not those of the series.
    """
    axes_of, towards = _placed(volume, grid)
    stored = sitk.GetArrayViewFromImage(volume).transpose(2, 1, 0)  # along x, y, z
    turned = stored.transpose(axes_of)[tuple(slice(None, None, step) for step in towards)]
    return np.array(turned.transpose(2, 1, 0))  # a copy: what a view shows goes with its image


def _placed(volume: sitk.Image, grid: ScanGrid) -> tuple[list[int], list[int]]:
    """Return for each axis of a grid which axis of a volume runs along it, and whether forwards (1) or backwards (-1).

    Raises:
        CaseRefused: ``mask-grid``.
    """
    size = np.array(volume.GetSize())
    ends = np.vstack([np.zeros((1, 3), int), np.diag(size - 1), size - 1])
    index = grid.index_of(np.array([volume.TransformIndexToPhysicalPoint(end.tolist()) for end in ends]))
    steps = np.rint((index[1:4] - index[0]) / np.maximum(size - 1, 1)[:, None]).astype(int)
    first = np.where(steps.sum(axis=0) < 0, np.array(grid.size) - 1, 0)
    along, apart = np.abs(steps), float(np.abs(index - (first + ends @ steps)).max())
    is_order = (along.sum(axis=0) == 1).all() and (along.sum(axis=1) == 1).all()
    axes_of = along.argmax(axis=0).tolist()
    if not is_order or tuple(size[axes_of]) != grid.size or apart > TOLERANCE_VOXELS:
        raise CaseRefused("mask-grid", _difference(volume, grid, apart, is_order=bool(is_order)))
    return axes_of, [int(steps[axis, to]) for to, axis in enumerate(axes_of)]


def _difference(volume: sitk.Image, grid: ScanGrid, apart: float, *, is_order: bool) -> str:
    sizes = " and ".join(" x ".join(map(str, one)) for one in (volume.GetSize(), grid.size))
    if not is_order or sorted(volume.GetSize()) != sorted(grid.size):
        return f"mask and series have other voxels: {sizes} (xyz); name the series that the mask was drawn on"
    return (
        f"the mask lies up to {apart:.2f} voxels off the series, at most {TOLERANCE_VOXELS} are allowed; "
        "name the series that the mask was drawn on"
    )
