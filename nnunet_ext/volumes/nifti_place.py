"""Position of the grid in a NIfTI header: voxel sizes in mm, and two descriptions of its place that must agree."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.nifti_header import NiftiHeader
from nnunet_ext.volumes.stated_geometry import (
    SHEAR_UNNOTICED,
    Matrix,
    check_same_spacing,
    check_shear,
    check_spacing,
    nearest_rotation,
    shear_note,
)

FORMS_APART_VOXELS = 0.5
"""Sides of the smallest voxel by which qform and sform may place a volume differently: they are stored as single floats."""

_QUATERNION_ROUNDING = 2.5e-7
"""What rounding to single floats can add to b² + c² + d², whose largest is 1: two units in the last place of each."""

_HALF_TURN = 1e-7
"""A smaller 1 - b² - c² - d² is 0, by nifti_quatern_to_mat44 of NIfTI's reference code."""

_UNITS = {1: "metres", 3: "micrometres"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a header puts its grid.

    Args:
        affine: A right-angled sform to read it with instead of its own, shape (3, 4); None if its own will do.
        notes: What is said of it.
    """

    affine: Matrix | None = None
    notes: tuple[str, ...] = ()


def check_place(header: NiftiHeader, what: str) -> Place:
    """Check what a header states of voxel size, orientation and place.

    Raises:
        CaseRefused: ``units``, ``no-spacing``, ``no-orientation``, ``qform-sform``, ``spacing-conflict``, ``sheared``.
    """
    if header.units not in (0, 2):
        units = _UNITS.get(header.units, f"units of code {header.units}")
        raise CaseRefused("units", f"the header of the {what} states {units}; write it again in millimetres")
    spacing = header.pixdim[1:]
    check_spacing(spacing, what)
    by_qform, by_sform = (code > 0 for code in header.codes)
    if not by_qform and not by_sform:
        reason = (
            f"the header of the {what} states no orientation (its qform and sform codes are 0), so none of its voxel sizes "
        )
        raise CaseRefused("no-orientation", reason + "is to be relied on; write it again with its affine")
    if by_qform:
        _check_quaternion(header, what)
    if by_qform and by_sform:
        check_forms(header, what)
    if not by_sform:
        return Place()
    axes = header.affine[:, :3]
    if not np.isfinite(header.affine).all():
        raise CaseRefused("no-orientation", f"the sform of the {what} holds values that are not finite; write it again")
    check_same_spacing(spacing, np.linalg.norm(axes, axis=0).tolist(), what, ("pixdim", "its sform"))
    shear = check_shear(axes, what)
    if shear <= SHEAR_UNNOTICED:
        return Place()
    right_angled = np.hstack([nearest_rotation(axes) * np.array(spacing), header.affine[:, 3:]])
    return Place(right_angled, (shear_note(shear, what),))


def _check_quaternion(header: NiftiHeader, what: str) -> None:
    length = sum(value * value for value in header.quaternion[:3])
    if not (math.isfinite(sum(header.quaternion)) and math.isfinite(header.pixdim[0]) and length <= 1 + 1e-3):
        reason = f"the qform of the {what} is no rotation (b² + c² + d² is {length:.4g}, at most 1 is possible)"
        raise CaseRefused("no-orientation", f"{reason}; write it again with its affine")


def check_forms(header: NiftiHeader, what: str) -> None:
    """Refuse a header whose two descriptions of the grid's place, qform and sform, contradict each other.

    Some software follows the one and some the other, so that a mask could belong to a mirrored or moved image.

    Raises:
        CaseRefused: ``qform-sform``, if a corner of the volume is more than half of the smallest voxel side apart by every
            rotation that b, c and d are the single floats of: near a half turn the angle hangs on their last digits.
    """
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in header.dimensions[:3]))])
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # of values that are no numbers: refused below
        apart_mm = min(np.linalg.norm((_qform(header, a) - header.affine) @ corners.T, axis=0).max() for a in _turns(header))
    if not apart_mm <= FORMS_APART_VOXELS * min(header.pixdim[1:]):
        reason = f"qform and sform of the {what} place it up to {apart_mm:.3g} mm apart; correct its header"
        raise CaseRefused("qform-sform", reason)


def _turns(header: NiftiHeader) -> tuple[float, float]:
    """Return values of the quaternion's a: by NIfTI's reference code; and the sform's, as far as b, c and d leave it open."""
    rest = 1 - sum(value * value for value in header.quaternion[:3])
    low, high = (math.sqrt(max(0.0, rest + sign * _QUATERNION_ROUNDING)) for sign in (-1, 1))
    axes = header.affine[:, :3] / np.array(header.pixdim[1:]) * [1, 1, -1 if header.pixdim[0] < 0 else 1]
    own = 0.5 * math.sqrt(max(0.0, 1 + float(np.trace(axes))))
    return math.sqrt(rest) if rest >= _HALF_TURN else 0.0, min(max(own, low), high)


def _qform(header: NiftiHeader, a: float) -> Matrix:
    """Return the affine of the quaternion and offset, shape (3, 4), by nifti_quatern_to_mat44 of NIfTI's reference code."""
    a, b, c, d = np.array([a, *header.quaternion[:3]]) / np.linalg.norm([a, *header.quaternion[:3]])
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    steps = np.array(header.pixdim[1:])
    steps[2] *= -1 if header.pixdim[0] < 0 else 1
    return np.hstack([turn * steps, np.array(header.quaternion[3:])[:, None]])
