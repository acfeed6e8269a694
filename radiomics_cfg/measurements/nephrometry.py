"""Components of the R.E.N.A.L. nephrometry score that masks can give, as continuous values and points.

References:
    Kutikov and Uzzo 2009, doi:10.1016/j.juro.2009.05.035. Continuous components: Abdallah et al. 2023,
    doi:10.1016/j.urology.2023.07.017.
"""

import numpy as np
from scipy.spatial import cKDTree

from radiomics_cfg.measurements.kidney import Kidney
from radiomics_cfg.measurements.measurement import Assessed
from radiomics_cfg.measurements.outline import Mask, Points, surface_mm

LEAST_SHARE = 0.01
"""Share of a lesion's volume that counts: less beyond a plane is what a contour leaves uncertain."""

ON_ONE_FACE = 2 / 3
"""Share of a lesion's volume on one face of the kidney that makes it anterior or posterior."""

OF_KIDNEY = (
    "exophytic_share",
    "sinus_distance_mm",
    "polar_position",
    "between_polar_lines_share",
    "above_middle_share",
    "anterior_share",
    "face",
)
"""Measurements that relate a lesion to its kidney."""

NO_KIDNEY = "there is no kidney on this side"
NO_SINUS = "the mask shows no renal sinus"
NO_AXIS = "no axis of the kidney is near head-feet"
NO_OPENING = "the renal sinus does not open to the surface"
NOT_CORONAL = "the hilum faces to the front or the back, or lies in the middle"


def radius_points(maximum_diameter_mm: float) -> int:
    """Return the points of R."""
    return 1 if maximum_diameter_mm <= 40 else 2 if maximum_diameter_mm < 70 else 3


def exophytic_share(lesion: Mask, kidney: Kidney) -> Assessed:
    """E: share of the volume outside the kidney's outline."""
    share = 1 - np.count_nonzero(lesion & kidney.within) / np.count_nonzero(lesion)
    return Assessed(share, exophytic_points(share))


def exophytic_points(share: float) -> int:
    """Return the points of E."""
    return 1 if share >= 0.5 else 2 if share >= LEAST_SHARE else 3


def nearness(lesion: Mask, kidney: Kidney) -> Assessed:
    """N: distance between the surfaces of lesion and sinus."""
    if kidney.sinus is None:
        return Assessed.not_assessable(NO_SINUS)
    tree = cKDTree(surface_mm(kidney.sinus, kidney.spacing_mm))
    distance = float(np.min(tree.query(surface_mm(lesion, kidney.spacing_mm))[0]))
    return Assessed(distance, nearness_points(distance))


def nearness_points(distance_mm: float) -> int:
    """Return the points of N."""
    return 3 if distance_mm <= 4 else 2 if distance_mm < 7 else 1


def depth_and_place(lesion: Mask, kidney: Kidney | None) -> dict[str, Assessed]:
    """Return E, N, A and L by the names of their measurements.

    Args:
        lesion: On the kidney's box, of at least one voxel.
        kidney: On the lesion's side, if there is one.
    """
    if kidney is None:
        return dict.fromkeys(OF_KIDNEY, Assessed.not_assessable(NO_KIDNEY))
    points = np.argwhere(lesion) * kidney.spacing_mm - kidney.centre_mm
    return {
        "exophytic_share": exophytic_share(lesion, kidney),
        "sinus_distance_mm": nearness(lesion, kidney),
        **_along(points, kidney),
        **_face(points, kidney),
    }


def _along(points: Points, kidney: Kidney) -> dict[str, Assessed]:
    """Return where a lesion's voxels lie along the long axis."""
    if kidney.long_axis is None or kidney.poles_mm is None:
        names = ("polar_position", "between_polar_lines_share", "above_middle_share")
        return dict.fromkeys(names, Assessed.not_assessable(NO_AXIS))
    heights = points @ kidney.long_axis
    low, high = kidney.poles_mm
    middle = (low + high) / 2
    above = float((heights > middle).mean())
    crosses_middle = LEAST_SHARE <= above <= 1 - LEAST_SHARE
    return {
        "polar_position": Assessed((float(heights.mean()) - middle) / ((high - low) / 2)),
        "above_middle_share": Assessed(above),
        "between_polar_lines_share": _between_lines(heights, kidney, crosses_middle=crosses_middle),
    }


def _between_lines(heights: Points, kidney: Kidney, *, crosses_middle: bool) -> Assessed:
    """Return the share between the polar lines, with the points of L."""
    if kidney.polar_lines_mm is None:
        reason = NO_SINUS if kidney.sinus is None else NO_OPENING
        return Assessed(None, 3 if crosses_middle else None, reason)
    lower, upper = kidney.polar_lines_mm
    share = float(((heights > lower) & (heights < upper)).mean())
    return Assessed(share, location_points(share, crosses_middle=crosses_middle))


def location_points(between_lines_share: float, *, crosses_middle: bool) -> int:
    """Return the points of L."""
    if crosses_middle or between_lines_share > 0.5:
        return 3
    return 2 if between_lines_share >= LEAST_SHARE else 1


def _face(points: Points, kidney: Kidney) -> dict[str, Assessed]:
    """Return which face of the kidney a lesion's voxels are on."""
    if kidney.forwards is None:
        reason = NO_SINUS if kidney.sinus is None else NO_AXIS if kidney.long_axis is None else NOT_CORONAL
        return dict.fromkeys(("anterior_share", "face"), Assessed.not_assessable(reason))
    share = float((points @ kidney.forwards > 0).mean())
    word = "anterior" if share >= ON_ONE_FACE else "posterior" if share <= 1 - ON_ONE_FACE else "x"
    return {"anterior_share": Assessed(share), "face": Assessed(word)}


def score(*, radius: Assessed, exophytic: Assessed, nearness: Assessed, location: Assessed) -> Assessed:
    """Return R + E + N + L."""
    parts = {"R": radius, "E": exophytic, "N": nearness, "L": location}
    lacking = [name for name, part in parts.items() if part.points is None]
    if lacking:
        return Assessed.not_assessable(f"not assessable: {', '.join(lacking)}")
    return Assessed(float(sum(part.points or 0 for part in parts.values())))
