"""The diameters of a lesion."""

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from radiomics_cfg.engine.shape import Shape
from radiomics_cfg.measurements.outline import Mask, Points, surface_mm

_ROWS = 512
"""Points whose distances from all others are held at a time."""


def diameters_mm(lesion: Mask, spacing_mm: Points) -> tuple[float, float, float]:
    """Return three diameters at right angles: the largest of all, the largest across it, and the extent across both.

    Args:
        lesion: Shape (z, y, x), of at least one voxel.
        spacing_mm: Voxel size along z, y, x.
    """
    surface = surface_mm(lesion, spacing_mm)
    corners = surface[ConvexHull(surface).vertices]
    first_mm, first = _widest(corners)
    across = corners - np.outer(corners @ first, first)
    second_mm, second = _widest(across)
    third = across @ np.cross(first, second)
    return first_mm, second_mm, float(np.ptp(third))


def axial_diameter_mm(lesion: Mask, spacing_mm: Points) -> float:
    """Return the largest diameter within a slice across z."""
    z, y, x = spacing_mm.tolist()
    return Shape.of(lesion, (z, y, x)).diameters_mm[0]


def _widest(points: Points) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the largest distance of two points, and the direction from one to the other."""
    best, ends = -1.0, (0, 0)
    for start in range(0, len(points), _ROWS):
        distances = cdist(points[start : start + _ROWS], points)
        one, other = np.unravel_index(int(distances.argmax()), distances.shape)
        if distances[one, other] > best:
            best, ends = float(distances[one, other]), (start + int(one), int(other))
    line = points[ends[1]] - points[ends[0]]
    return best, line / best
