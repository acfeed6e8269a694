"""Where a label lies in a volume."""

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.compiled import compiled

Slices = tuple[slice, slice, slice]
"""A box of a volume, along z, y, x."""


def extent(labels: npt.NDArray[np.generic], label: int) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find a label.

    Args:
        labels: Shape (z, y, x), integers.
        label: Value to look for.

    Returns:
        How many voxels have the label, and its first and its last voxel along z, y, x.
    """
    found = _find(np.ascontiguousarray(labels).ravel(), np.array(labels.shape), label)
    return int(found[0]), found[1:4], found[4:7]


@compiled
def _find(flat, shape, label):
    """Return how many voxels have a label, then its first z, y, x and its last."""
    found = np.zeros(7, np.int64)
    for axis in range(3):
        found[1 + axis], found[4 + axis] = shape[axis], -1
    nx = shape[2]
    for row in range(shape[0] * shape[1]):
        line = flat[row * nx : row * nx + nx]
        is_there = np.uint8(0)
        for x in range(nx):
            is_there |= np.uint8(line[x] == label)
        if not is_there:
            continue
        count, first, last = 0, nx, 0
        for x in range(nx):
            if line[x] == label:
                count, first, last = count + 1, min(first, x), x
        z, y = row // shape[1], row % shape[1]
        found[0] += count
        found[1], found[4] = min(found[1], z), max(found[4], z)
        found[2], found[5] = min(found[2], y), max(found[5], y)
        found[3], found[6] = min(found[3], first), max(found[6], last)
    return found
