"""Distance between two surfaces, in mm."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from surface_distance import compute_robust_hausdorff, compute_surface_dice_at_tolerance, compute_surface_distances

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SurfaceAgreement:
    """Agreement of two surfaces.

    Args:
        dice: Share of both surfaces that lies within a tolerance of the other; missing if both masks are empty, 0 if one is.
        hd95_mm: 95th percentile of the distances from one surface to the other, the larger of the two directions; missing if a
            mask is empty.
    """

    dice: float
    hd95_mm: float


def surface_agreement(
    truth: Mask, found: Mask, *, spacing_mm: tuple[float, float, float], tolerance_mm: float
) -> SurfaceAgreement:
    """Compare the surfaces of two masks.

    Surface elements are weighted by their area, so that thick slices are not overrepresented.

    Args:
        truth: Shape (z, y, x).
        found: The same.
        spacing_mm: Voxel size along z, y, x.
        tolerance_mm: Distance up to which surfaces agree.

    References:
        Nikolov et al. 2021, doi:10.2196/26151.
    """
    if not truth.any() or not found.any():
        return SurfaceAgreement(0.0 if truth.any() or found.any() else float("nan"), float("nan"))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # it calls SciPy by a name that SciPy 2 drops
        distances = compute_surface_distances(truth, found, spacing_mm)
    agreed = compute_surface_dice_at_tolerance(distances, tolerance_mm)
    return SurfaceAgreement(float(agreed), float(compute_robust_hausdorff(distances, 95)))
