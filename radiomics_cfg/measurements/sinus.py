"""The renal sinus as the hollow of a kidney: what its outline holds that is not labelled."""

import numpy as np
from scipy import ndimage

from radiomics_cfg.measurements.outline import Mask, Points, distance_from_mm
from radiomics_cfg.regions.grid import bounds

OPENING_MM = 2.0
"""Radius of the ball that a part of the hollow has to hold. It drops the shell that lobes of the surface leave."""

MINIMUM_ML = 0.5
"""Volume that makes a sinus: a ball of 1 cm diameter."""

MINIMUM_DEPTH_MM = 5.0
"""How far below the outline a sinus reaches; the hollows of fetal lobes are flatter."""


LIP_MM = 3.0
"""Depth below the outline down to which the sinus is its opening."""


def find_sinus(within: Mask, labelled: Mask, spacing_mm: Points) -> Mask | None:
    """Return the sinus of one kidney, None if the mask shows none.

    Args:
        within: Voxels inside the kidney's outline, shape (z, y, x).
        labelled: Voxels of any structure, same shape.
        spacing_mm: Voxel size along z, y, x.
    """
    hollow = within & ~labelled
    if not hollow.any():
        return None
    box = bounds(hollow)
    pieces, count = ndimage.label(_opened(hollow[box], spacing_mm))
    if not count:
        return None
    voxels = np.bincount(pieces.ravel())[1:]
    found = np.zeros_like(hollow)
    found[box] = pieces == 1 + int(voxels.argmax())
    is_deep = (_depth_mm(within, spacing_mm, reach_mm=MINIMUM_DEPTH_MM)[found] >= MINIMUM_DEPTH_MM).any()
    volume_ml = voxels.max() * float(np.prod(spacing_mm)) / 1000
    return found if is_deep and volume_ml >= MINIMUM_ML else None


def opening_of(sinus: Mask, within: Mask, spacing_mm: Points) -> Mask:
    """Return the part of a sinus at its opening; empty for one that parenchyma encloses."""
    return np.asarray(sinus & (_depth_mm(within, spacing_mm, reach_mm=LIP_MM) <= LIP_MM))


def _depth_mm(within: Mask, spacing_mm: Points, *, reach_mm: float) -> Points:
    """Return how far below the outline each voxel is, inf beyond ``reach_mm``."""
    return distance_from_mm(~within, spacing_mm, reach_mm=reach_mm, beyond=True)


def _opened(hollow: Mask, spacing_mm: Points) -> Mask:
    """Return the part of a hollow that balls of ``OPENING_MM`` inside it cover."""
    core = np.isinf(distance_from_mm(~hollow, spacing_mm, reach_mm=OPENING_MM, beyond=True))
    if not core.any():
        return np.zeros_like(hollow)
    return np.asarray(hollow & np.isfinite(distance_from_mm(core, spacing_mm, reach_mm=OPENING_MM, beyond=False)))
