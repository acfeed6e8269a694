"""The grid of a CT volume, on which masks are placed: it converts points in the patient to indices, slice by slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

Points = npt.NDArray[np.float64]
"""Shape (n, 3), along x, y, z: mm in the patient, or an index of voxels."""

TOLERANCE_VOXELS = 0.1
"""By which a voxel of a mask may miss its place on the grid, as at the gate (``mask-origin``)."""


@dataclass(frozen=True)
class ScanGrid:
    """The position of the voxels of a CT volume. Slice distances may differ by the proportion that ``Series.slices`` allows.

    Args:
        size: Voxels along x, y, z.
        corners_mm: Centre of each slice's first voxel, shape (n_slices, 3).
        axes_mm: Steps along x and y as columns, and the unit normal of the slices, shape (3, 3).
    """

    size: tuple[int, int, int]
    corners_mm: Points
    axes_mm: npt.NDArray[np.float64]

    @classmethod
    def of(cls, image: sitk.Image, positions_mm: Sequence[Sequence[float] | None] = ()) -> Self:
        """Return the grid of a volume.

        Args:
            image: The volume.
            positions_mm: Of its slices, from their headers, in the order of the volume. Where they are missing or are those of
                another grid, the volume's own grid stands for them.
        """
        size = tuple(image.GetSize())
        directions = np.array(image.GetDirection()).reshape(3, 3)
        axes = directions * np.array([*image.GetSpacing()[:2], 1.0])
        steps = np.arange(size[2])[:, None] * directions[:, 2] * image.GetSpacing()[2]
        corners = np.array(image.GetOrigin()) + steps
        if len(positions_mm) == size[2] and all(one is not None and len(one) == 3 for one in positions_mm):
            stated = np.array(positions_mm, float)
            if np.abs(stated - corners).max() <= np.max(image.GetSpacing()):
                corners = stated
        return cls(size, corners, axes)

    @classmethod
    def of_slices(cls, positions_mm: Sequence[Sequence[float]], orientation: Sequence[float], grid: Sequence[float]) -> Self:
        """Return the grid that the headers of slices state.

        Args:
            positions_mm: Of each, in order.
            orientation: Cosines of rows and columns.
            grid: Distance of rows and of columns, number of rows and of columns.
        """
        cosines = np.array(orientation, float).reshape(2, 3)
        axes = np.column_stack([cosines[0] * grid[1], cosines[1] * grid[0], np.cross(*cosines)])
        return cls((int(grid[3]), int(grid[2]), len(positions_mm)), np.array(positions_mm, float), axes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Along z, y, x."""
        return self.size[::-1]

    @property
    def step_mm(self) -> float:
        """Mean distance of slices."""
        heights = self._heights
        return float((heights[-1] - heights[0]) / max(len(heights) - 1, 1)) or 1.0

    @property
    def _heights(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.corners_mm @ self.axes_mm[:, 2])

    def index_of(self, points_mm: Points) -> Points:
        """Return the index of points, fractions of voxels included; outside of the volume it is extrapolated."""
        heights, numbers = self._heights, np.arange(len(self.corners_mm), dtype=float)
        height = points_mm @ self.axes_mm[:, 2]
        z = np.interp(height, heights, numbers)
        first, last = height < heights[0], height > heights[-1]
        z[first] = (height[first] - heights[0]) / self.step_mm
        z[last] = numbers[-1] + (height[last] - heights[-1]) / self.step_mm
        corner = np.stack([np.interp(z, numbers, self.corners_mm[:, axis]) for axis in range(3)], axis=1)
        corner += np.outer(height - corner @ self.axes_mm[:, 2], self.axes_mm[:, 2])
        in_plane = (points_mm - corner) @ np.linalg.inv(self.axes_mm).T
        return np.column_stack([in_plane[:, :2], z])
