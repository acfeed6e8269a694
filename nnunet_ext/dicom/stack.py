"""The geometry of a stack of slices: one grid, or the reason why not."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.errors import CaseRefused

Floats = npt.NDArray[np.float64]

AXIAL_COSINE = 0.9
"""Of the angle between the slices' normal and the body's long axis, above which a series is axial."""

COSINE_LENGTH = 0.02
"""By which a direction cosine's length may differ from 1: two digits leave 0.01, one digit 0.02 for a turn of ten degrees."""

COSINE_ANGLE = 0.01
"""Largest scalar product of the directions of rows and columns, 0.6 degrees: two digits leave that much."""

TURN = 1e-3
"""Largest difference between the direction cosines of two slices of one series."""

TILT_DEGREES = 0.5
"""Angle between the slices' normal and the line through their corners from which the gantry was tilted."""

STEP_SHARE = 0.1
"""Share by which the distances of neighbouring slices may differ; a missing slice doubles one."""

DRIFT_STEPS = 0.25
"""Steps by which a slice may miss its place among even ones: contours, which may miss theirs by half a step, still find it."""

SHIFT_PIXELS, SHIFT_MM = 0.1, 0.1
"""By the larger of which a slice may lie beside the line of the others: what a mask may be shifted by, and one decimal."""

SAME_PLACE_MM = 0.01


def axes(orientation: Sequence[float]) -> Floats:
    """Return the unit vectors along rows, along columns and across slices, shape (3, 3), one per row.

    Cosines with few digits are neither of unit length nor at right angles; the nearest ones that are stand in for them.

    Args:
        orientation: Direction cosines of rows and columns, as stated.

    Raises:
        CaseRefused: ``no-geometry`` if one is of another length, ``not-orthogonal`` if their angle is none of 90 degrees.
    """
    stated = np.reshape(np.array(orientation, float), (2, 3))
    lengths = np.linalg.norm(stated, axis=1)
    if np.abs(lengths - 1).max() > COSINE_LENGTH:
        reason = f"direction cosines of lengths {lengths[0]:.3g} and {lengths[1]:.3g}; they have the length 1"
        raise CaseRefused("no-geometry", reason)
    unit = stated / lengths[:, None]
    product = abs(float(unit[0] @ unit[1]))
    if product > COSINE_ANGLE:
        angle = float(np.degrees(np.arccos(product)))
        raise CaseRefused("not-orthogonal", f"rows and columns at an angle of {angle:.1f} degrees; only 90 are accepted")
    left, _, right = np.linalg.svd(unit, full_matrices=False)
    square = left @ right  # the nearest orthonormal pair
    return np.vstack([square, np.cross(square[0], square[1])])


def check_axial(directions: Floats) -> None:
    """Refuse slices that are not axial: ``not-axial``."""
    if abs(directions[2, 2]) < AXIAL_COSINE:
        raise CaseRefused("not-axial", "the slices are not axial")


def slice_order(positions_mm: Floats, directions: Floats, pixel_mm: float) -> npt.NDArray[np.intp]:
    """Return the order of slices along their normal.

    Args:
        positions_mm: Centres of first voxels, shape (n, 3), in any order.
        directions: Of ``axes``.
        pixel_mm: Smaller side of a pixel.

    Raises:
        CaseRefused: ``slice-duplicate``, ``slice-gap``, ``slice-shift``, ``gantry-tilt``.
    """
    along = positions_mm @ directions[2]
    order = np.argsort(along, kind="stable")
    _check_steps(along[order])
    _check_line(positions_mm[order] @ directions.T, pixel_mm)
    return order


def _check_steps(along_mm: Floats) -> None:
    steps = np.diff(along_mm)
    if (steps < SAME_PLACE_MM).any():
        count = int((steps < SAME_PLACE_MM).sum())
        raise CaseRefused("slice-duplicate", f"{count} slices lie where another one does: two acquisitions in one series")
    usual = float(np.median(steps))
    # Steps are compared as DICOM writes them, in decimal digits: 5.5 is a tenth more than 5.
    if np.abs(steps - usual).max() > STEP_SHARE * usual * (1 + 1e-9):
        reason = f"slices {steps.min():.2f} to {steps.max():.2f} mm apart, {usual:.2f} mm in the median: some are missing"
        raise CaseRefused("slice-gap", reason)
    even = np.linspace(along_mm[0], along_mm[-1], len(along_mm))
    drift = float(np.abs(along_mm - even).max()) / usual
    if drift > DRIFT_STEPS:
        reason = f"uneven slice distances, which put a slice up to {drift:.2f} steps from its place among even ones"
        raise CaseRefused("slice-gap", reason)


def _check_line(places_mm: Floats, pixel_mm: float) -> None:
    """Refuse slices whose corners, shape (n, 3) along rows, columns and normal, are on no line, or on an oblique one.

    The slope is the median between slices half the stack apart (Theil-Sen), which a few slices that lie elsewhere do not move
    and the rounding of positions hardly does.
    """
    along = places_mm[:, 2] - places_mm[0, 2]
    half = max(1, len(along) // 2)
    slope = np.median((places_mm[half:, :2] - places_mm[:-half, :2]) / (along[half:] - along[:-half])[:, None], axis=0)
    beside = places_mm[:, :2] - along[:, None] * slope
    shift = float(np.linalg.norm(beside - np.median(beside, axis=0), axis=1).max())
    if shift > max(SHIFT_PIXELS * pixel_mm, SHIFT_MM):
        reason = f"a slice is displaced by {shift:.2f} mm from the line of the others: several fields of view"
        raise CaseRefused("slice-shift", reason)
    tilt = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    if tilt > TILT_DEGREES:
        raise CaseRefused("gantry-tilt", f"the gantry was tilted by {tilt:.1f} degrees, so the volume is sheared")
