"""Requirements on the grid that a header states, whatever the format: voxel sizes in mm, and axes at right angles."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.errors import CaseRefused

STATED_SPACING_TOLERANCE = 1e-3
"""Largest relative difference between two statements of one voxel size: what single floats and rounding to 3 digits leave."""

SHEAR_TOLERANCE = 1e-3
"""Largest cosine between two axes of a grid that is taken as right-angled: 0.06 degrees, 0.3 mm across a body."""

SHEAR_UNNOTICED = 5e-5
"""Largest cosine that the rounding of single floats explains, and that ITK takes itself; it refuses 1e-4 in NIfTI."""

Matrix = npt.NDArray[np.float64]


def check_spacing(spacing_mm: Sequence[float], what: str) -> None:
    """Check that voxel sizes along x, y and z are sizes.

    Raises:
        CaseRefused: ``no-spacing`` if one is zero, negative, infinite or not a number.
    """
    if not all(0 < size < np.inf for size in spacing_mm):
        found = " x ".join(f"{size:g}" for size in spacing_mm)
        raise CaseRefused(
            "no-spacing",
            f"the header of the {what} states voxels of {found} mm (xyz); write it again with its true size",
        )


def check_same_spacing(first_mm: Sequence[float], second_mm: Sequence[float], what: str, where: tuple[str, str]) -> None:
    """Check that a header which states the voxel size twice states one.

    Args:
        first_mm: Along x, y, z; positive.
        second_mm: Along x, y, z.
        what: ``"image"`` or ``"mask"``.
        where: What the header calls the two.

    Raises:
        CaseRefused: ``spacing-conflict``.
    """
    off = np.abs(np.array(second_mm) / np.array(first_mm) - 1).max()
    if not off <= STATED_SPACING_TOLERANCE:
        one, other = (" x ".join(f"{size:.6g}" for size in sizes) for sizes in (first_mm, second_mm))
        reason = f"the header of the {what} states voxels of {one} mm (xyz) in {where[0]}, and of {other} mm in {where[1]}"
        raise CaseRefused("spacing-conflict", f"{reason}; find out which is right and write it again")


def check_shear(axes: Matrix, what: str) -> float:
    """Return the largest cosine between two axes of a grid.

    Args:
        axes: One axis per column, of any length above 0; shape (3, 3).
        what: ``"image"`` or ``"mask"``.

    Raises:
        CaseRefused: ``sheared`` if it is above ``SHEAR_TOLERANCE``.
    """
    unit = axes / np.linalg.norm(axes, axis=0)
    shear = float(np.abs(unit.T @ unit - np.eye(3))[~np.eye(3, dtype=bool)].max())
    if not shear <= SHEAR_TOLERANCE:
        degrees = float(np.degrees(np.arcsin(min(shear, 1.0))))
        reason = f"axes of the {what} are {degrees:.3g} degrees off a right angle; at most 0.057 are taken as rounding"
        raise CaseRefused("sheared", f"{reason}: resample it to a right-angled grid, or correct its header")
    return shear


def nearest_rotation(axes: Matrix) -> Matrix:
    """Return the orthonormal matrix, mirrored or not, nearest to the directions of ``axes``; shape (3, 3).

    References:
        Higham 1986, doi:10.1137/0907079 (the unitary factor of the polar decomposition).
    """
    left, _, right = np.linalg.svd(axes / np.linalg.norm(axes, axis=0))
    rotation: Matrix = left @ right
    return rotation


def shear_note(shear: float, what: str) -> str:
    """Return the remark on a grid that was taken as right-angled."""
    return f"axes of the {what} are off a right angle by {shear:.2g}; read as the nearest right-angled grid"
