"""The convex outline of an organ, and the surface of a region, in mm from the centre of a box's first voxel.

Points are zyx. The outline is the hull of voxel centres, not of their faces: faces would leave a thin shell all around an
organ, and thick slices a thick one. Of a convex organ the centres miss nothing: it is its own outline.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError

from radiomics_cfg.engine.compiled import compiled
from radiomics_cfg.regions.regions_of_interest import distance_mm

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

_ROUNDING_MM = 1e-6
"""A centre that the hull goes through is inside."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A convex body.

    Args:
        corners_mm: Shape ``(n_corners, 3)``.
        normals: Outward unit normals of its planes, shape ``(n_planes, 3)``.
        offsets_mm: A point ``p`` is inside where ``normals @ p + offsets_mm <= 0``.
    """

    corners_mm: Points
    normals: Points
    offsets_mm: Points

    @classmethod
    def of(cls, organ: Mask, spacing_mm: Points) -> Self | None:
        """Return the hull of a mask's voxel centres; None if they lie in one plane.

        Args:
            organ: Shape (z, y, x).
            spacing_mm: Voxel size along z, y, x.
        """
        ends = organ & ~(np.roll(organ, 1, axis=2) & np.roll(organ, -1, axis=2))
        ends[:, :, [0, -1]] = organ[:, :, [0, -1]]
        points = np.argwhere(ends) * spacing_mm
        try:
            hull = ConvexHull(points)
        except (QhullError, ValueError):
            return None
        planes = np.unique(hull.equations.round(9), axis=0)  # one facet may come in several triangles
        return cls(points[hull.vertices], planes[:, :3], planes[:, 3])

    def voxels(self, shape: tuple[int, ...], spacing_mm: Points) -> Mask:
        """Return the voxels of a box whose centre is inside.

        Every line along x meets a convex body in one interval, so its two ends decide.
        """
        z, y, x = (np.arange(n) * mm for n, mm in zip(shape, spacing_mm, strict=True))
        found = np.zeros(shape, bool)
        for index, height in enumerate(z):
            _fill_plane(self.normals, self.normals[:, 0] * height + self.offsets_mm, y, x, found[index])
        return found


@compiled
def _fill_plane(normals: Points, beyond: Points, y: Points, x: Points, found: Mask) -> None:
    """Mark the places of a plane, shape (y, x), that lie inside; ``beyond`` is how far its first place is outside."""
    for row in range(len(y)):
        first, last = -np.inf, np.inf
        for plane in range(len(normals)):
            outside, along = beyond[plane] + y[row] * normals[plane, 1] - _ROUNDING_MM, normals[plane, 2]
            if along > 0:
                last = min(last, -outside / along)
            elif along < 0:
                first = max(first, -outside / along)
            elif outside > 0:
                first, last = np.inf, -np.inf
        for column in range(len(x)):
            found[row, column] = first <= x[column] <= last


def distance_from_mm(region: Mask, spacing_mm: Points, *, reach_mm: float, beyond: bool) -> Points:
    """Return the distance of every voxel centre of a box from a region; inf beyond ``reach_mm``.

    Args:
        region: Shape (z, y, x).
        spacing_mm: Voxel size along z, y, x.
        reach_mm: Distances beyond this are not distinguished.
        beyond: Whether what lies outside the box belongs to the region.
    """
    z, y, x = spacing_mm.tolist()
    centres = [(np.arange(n) + 1.5) * mm for n, mm in zip(region.shape, (z, y, x), strict=True)]
    padded = np.pad(region, 1, constant_values=beyond)
    return distance_mm(padded, (z, y, x), (centres[0], centres[1], centres[2]), reach_mm=reach_mm)


def surface_mm(region: Mask, spacing_mm: Points) -> Points:
    """Return the middles of all faces between a region and the outside, shape ``(n_faces, 3)``."""
    padded = np.pad(region, 1)
    found = []
    for axis in range(3):
        faces = np.argwhere(np.diff(padded, axis=axis)) - 1.0
        faces[:, axis] += 0.5
        found.append(faces)
    return np.concatenate(found) * spacing_mm
