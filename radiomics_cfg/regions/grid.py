"""Voxel grids of the scales, and a scan seen on them.

A scale's grid spans the whole scan and starts at the outer corner of its first voxel, as PyRadiomics' does; only the box that
is needed is ever computed. Values therefore do not depend on the box, which they do once a scan is cropped before resampling.
"""

from ctypes import c_double
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.engine import spline
from radiomics_cfg.engine.extent import Slices, extent
from radiomics_cfg.process.crew import ALONE, Crew

SPLINE_MARGIN = 24
"""Voxels of the scan around a box that its B-spline coefficients are computed from. The cubic spline's pole is sqrt(3) - 2, so
whatever lies further away weighs less than 2e-14 (Unser 1999, doi:10.1109/79.799930)."""

SLAB_VOXELS = 12_000_000
"""Most voxels of the scan, margins apart, that B-spline coefficients are held of: at 8 bytes each they are among the largest
arrays of an extraction. Two slabs compute the margins between them twice."""

SPLINE_VOXELS = 4
"""Fewest voxels along an axis that are resampled: as many as one value of a cubic spline looks at."""

HU_DECIMALS = 6
"""Resampled values are rounded to this. At the scan's own voxels a spline gives whole HU give or take the arithmetic's noise,
and the edges of 25 HU bins are whole HU: unrounded, the noise would choose the bin."""


@dataclass(frozen=True)
class Box:
    """Voxel indices along x, y, z from ``lower`` up to, not including, ``upper``. They may lie outside the grid."""

    lower: tuple[int, int, int]
    upper: tuple[int, int, int]

    @classmethod
    def around(cls, lower: npt.ArrayLike, upper: npt.ArrayLike) -> Self:
        """Return the box between two indices of shape ``(3,)``."""
        low: list[int] = np.asarray(lower, int).tolist()
        high: list[int] = np.asarray(upper, int).tolist()
        return cls((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along x, y, z."""
        low, high = self.lower, self.upper
        return (high[0] - low[0], high[1] - low[1], high[2] - low[2])

    def grown(self, margin: npt.NDArray[np.int_] | int) -> Self:
        """Return this box with ``margin`` voxels more on every side; one number, or one for each axis."""
        return self.around(np.array(self.lower) - margin, np.array(self.upper) + margin)

    def within(self, size: tuple[int, int, int]) -> Self:
        """Return the part of this box that lies on a grid of ``size``."""
        return self.around(np.clip(np.array(self.lower), 0, size), np.clip(np.array(self.upper), 0, size))

    def slices_in(self, outer: "Box") -> Slices:
        """Return where this box lies in an array (z, y, x) that spans ``outer``."""
        start = np.array(self.lower) - outer.lower
        return tuple(slice(a, a + n) for a, n in zip(start[::-1].tolist(), self.size[::-1], strict=True))  # type: ignore[return-value]


@dataclass(frozen=True)
class Grid:
    """Grid of one scale over a scan; all tuples along x, y, z.

    Args:
        spacing: Voxel size in mm.
        size: Number of voxels whose centre lies inside the scan.
        scan_spacing: Voxel size of the scan in mm.
        scan_size: Number of voxels of the scan.
    """

    spacing: tuple[float, float, float]
    size: tuple[int, int, int]
    scan_spacing: tuple[float, float, float]
    scan_size: tuple[int, int, int]

    @classmethod
    def of(cls, scan: sitk.Image, spacing_mm: tuple[float, float, float] | None) -> Self:
        """Return the grid of ``scan`` at ``spacing_mm``, or the scan's own where that is None or the same.

        Raises:
            CaseRefused: If the scan has too few voxels for a spline, or is thinner than half of the grid's (``too-thin``).
        """
        own, size = scan.GetSpacing(), scan.GetSize()
        if spacing_mm is None or np.allclose(own, spacing_mm):
            return cls(own, size, own, size)
        counts = np.ceil(np.round(np.array(size) * own / spacing_mm - 0.5, 9)).astype(int)
        if counts.min() < 1 or min(size) < SPLINE_VOXELS:
            axis = int(np.argmin(counts if counts.min() < 1 else size))
            reason = (
                f"the scan has {size[axis]} voxels over {size[axis] * own[axis]:g} mm along {'xyz'[axis]}; resampling to "
                f"{spacing_mm[axis]:g} mm takes at least {SPLINE_VOXELS}, over {spacing_mm[axis] / 2:g} mm"
            )
            raise CaseRefused("too-thin", reason)
        x, y, z = counts.tolist()
        return cls(spacing_mm, (x, y, z), own, size)

    @property
    def is_native(self) -> bool:
        """Whether this is the scan's own grid."""
        return self.spacing == self.scan_spacing

    def centres_mm(self, axis: int, box: Box) -> npt.NDArray[np.float64]:
        """Return where the voxel centres of ``box`` lie along ``axis`` (0 is x), in mm from the scan's outer corner."""
        index = np.arange(box.lower[axis], box.upper[axis], dtype=np.float64)
        return (index + 0.5) * self.spacing[axis]

    def box_of(self, part: Slices, margin_mm: float) -> Box:
        """Return the box that holds ``part`` of the scan (z, y, x), with a margin. It may leave the scan."""
        first, last = np.array([along.start for along in part[::-1]]), np.array([along.stop for along in part[::-1]])
        lower = (first * self.scan_spacing - margin_mm) / self.spacing
        upper = (last * self.scan_spacing + margin_mm) / self.spacing
        return Box.around(np.floor(lower.round(9)), np.ceil(upper.round(9)))


def bounds(voxels: npt.NDArray[np.bool_], *, offset: Slices = (slice(0), slice(0), slice(0))) -> Slices:
    """Return the box of the voxels that are set, of which there is at least one.

    Args:
        voxels: Shape (z, y, x).
        offset: Where they begin, if they are part of something larger.
    """
    _, first, last = extent(voxels.view(np.uint8), 1)
    begin = [along.start or 0 for along in offset]
    z, y, x = (slice(a + n, b + n + 1) for a, b, n in zip(first.tolist(), last.tolist(), begin, strict=True))
    return (z, y, x)


def resample(scan: sitk.Image, grid: Grid, box: Box, *, interpolator: str = "sitkBSpline", crew: Crew = ALONE) -> sitk.Image:
    """Return the scan's HU on a box of a scale's grid, as ``Float64``.

    Args:
        scan: The whole scan.
        grid: Grid of the scale over ``scan``.
        box: Lies on the grid.
        interpolator: SimpleITK's name.
        crew: Threads, which share the slabs of a spline.
    """
    if grid.is_native:
        return sitk.Cast(sitk.RegionOfInterest(scan, box.size, box.lower), sitk.sitkFloat64)
    ratio = np.array(grid.spacing) / grid.scan_spacing
    resampled = sitk.Image(box.size, sitk.sitkFloat64)
    resampled.SetOrigin(scan.TransformContinuousIndexToPhysicalPoint(((np.array(box.lower) + 0.5) * ratio - 0.5).tolist()))
    resampled.SetSpacing(grid.spacing)
    resampled.SetDirection(scan.GetDirection())
    values = _voxels_of(resampled)
    if interpolator == "sitkBSpline":
        _interpolate(scan, grid, box, values, crew=crew)
    elif interpolator == "sitkNearestNeighbor":
        values[...] = sitk.GetArrayViewFromImage(scan)[_holding(grid, box)]
    else:
        found = _interpolated_by_itk(scan, grid, box, getattr(sitk, interpolator))  # outlives the view of it
        values[...] = sitk.GetArrayViewFromImage(found)
    values.round(HU_DECIMALS, out=values)
    return resampled


def _interpolated_by_itk(scan: sitk.Image, grid: Grid, box: Box, interpolator: int) -> sitk.Image:
    """Return the scan's HU on a box of a grid by an interpolator of ITK that looks at neighbouring voxels only.

    ITK finds them by their place in the patient, whose rounding would follow from where the scan was stored to begin. So the
    scan is given a place of its own.
    """
    centres = [grid.centres_mm(axis, box) for axis in range(3)]
    own = np.array(grid.scan_spacing)
    first = np.array([np.floor(along[0] / mm - 0.5) for along, mm in zip(centres, own, strict=True)])
    last = np.array([np.ceil(along[-1] / mm - 0.5) for along, mm in zip(centres, own, strict=True)])
    needed = Box.around(first, last + 1).grown(1).within(grid.scan_size)
    part = sitk.RegionOfInterest(scan, needed.size, needed.lower)
    part.SetOrigin((0.0, 0.0, 0.0))
    part.SetDirection(np.eye(3).ravel().tolist())
    start = [float(along[0]) for along in centres] - (np.array(needed.lower) + 0.5) * own
    place = (start.tolist(), grid.spacing, part.GetDirection(), 0.0, sitk.sitkFloat64)
    return sitk.Resample(part, box.size, sitk.Transform(), interpolator, *place)


def _voxels_of(image: sitk.Image) -> npt.NDArray[np.float64]:
    """Return the voxels of a ``Float64`` image, shape (z, y, x), to be written to; the image has to outlive them.

    SimpleITK offers a copy, or a view that cannot be written to. The image of a scale is the largest array of an extraction; a
    copy would double it.
    """
    address = sitk.GetArrayViewFromImage(image).ctypes.data
    size = image.GetSize()
    values: npt.NDArray[np.float64] = np.ctypeslib.as_array((c_double * int(np.prod(size))).from_address(address))
    return values.reshape(size[::-1])


def _interpolate(scan: sitk.Image, grid: Grid, box: Box, values: npt.NDArray[np.float64], *, crew: Crew) -> None:
    """Interpolate the scan by a cubic B-spline into ``values``, from the part of it that the box needs, slab by slab."""
    voxels = sitk.GetArrayViewFromImage(scan)
    z, y, x = (grid.centres_mm(axis, box) / grid.scan_spacing[axis] - 0.5 for axis in (2, 1, 0))
    size = int(np.prod([along[-1] - along[0] + 1 for along in (z, y, x)]))
    slabs = np.array_split(np.arange(len(z)), min(-(-size // SLAB_VOXELS), len(z)))
    calls = (partial(_interpolate_slab, voxels, (z[planes], y, x), values[planes[0] : planes[-1] + 1]) for planes in slabs)
    for _ in crew.in_order(calls):
        pass


def _interpolate_slab(
    voxels: npt.NDArray[np.generic],
    at: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]],
    values: npt.NDArray[np.float64],
) -> None:
    first = [max(int(np.floor(along[0])) - SPLINE_MARGIN, 0) for along in at]
    last = [int(np.ceil(along[-1])) + SPLINE_MARGIN for along in at]
    coefficient = spline.coefficients(voxels[tuple(slice(a, b) for a, b in zip(first, last, strict=True))])
    spline.interpolate(coefficient, *at, offset=(first[0], first[1], first[2]), values=values)


def nearest(labels: npt.NDArray[np.uint8], grid: Grid, box: Box) -> npt.NDArray[np.uint8]:
    """Return the labels of the scan's voxels that hold the voxel centres of ``box``, background outside the scan.

    Args:
        labels: Mask on the scan's own grid, shape (z, y, x).
        grid: Grid of the scale.
        box: May leave the grid.

    Returns:
        Shape (z, y, x) of ``box``. Worked out from indices alone, so that a tie does not depend on the box.
    """
    inside = box.within(grid.size)
    found = np.zeros(box.size[::-1], np.uint8)
    found[inside.slices_in(box)] = labels[_holding(grid, inside)]
    return found


def _holding(grid: Grid, box: Box) -> tuple[npt.NDArray[np.int_], ...]:
    """Return the indices (z, y, x) of the scan's voxels that hold the voxel centres of a box, as ``np.ix_`` does."""
    at = [np.floor(np.round(grid.centres_mm(axis, box) / grid.scan_spacing[axis], 9)).astype(int) for axis in range(3)]
    return np.ix_(at[2], at[1], at[0])
