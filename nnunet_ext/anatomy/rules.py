"""What a predicted mask may look like: at most two kidneys, and tumours near them."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from nnunet_ext.ground.labels import TOUCHING, Label, is_lesion

RULES_VERSION = 2
"""Incremented whenever the rules change, so that masks of older rules are not mistaken for new ones."""

MAX_KIDNEYS = 2
"""A third organ is a false positive; a transplant in the pelvis of a patient with both kidneys is not provided for."""

MIN_KIDNEY_ML = 50.0
"""Parenchyma above which a body is certainly a kidney. In KiTS23 the smallest kidney has 84 ml."""

MIN_FAR_TUMOUR_MM3 = 500.0
"""Where two kidneys are not certain, a tumour far from them stays if it is larger than a ball of 1 cm, the smallest tumour
that the project models: it may be what is left of a kidney."""

NEAR_MM = 10.0
"""A tumour within this distance of a kidney stays, whatever its size."""


def plausible_anatomy(mask: npt.NDArray[np.uint8], *, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.uint8]:
    """Return ``mask`` without voxels that cannot be a kidney or its tumour; masses are treated as tumours are.

    Bodies are the connected regions (26 neighbours) of all labels together, so that a tumour may cut a kidney in two. The
    two bodies with the most kidney are the kidneys and stay as they are. Of the others the kidney and cyst voxels go, and so
    do tumours that are farther than ``NEAR_MM`` from a kidney; but where there are no two kidneys of ``MIN_KIDNEY_ML``, only
    those smaller than ``MIN_FAR_TUMOUR_MM3``.

    Args:
        mask: ``Label`` values, shape zyx.
        spacing_mm: Voxel size, zyx.
    """
    box = labelled_box(mask)
    if box is None:
        return mask
    cropped = mask[box]
    bodies, n_bodies = ndimage.label(cropped > 0, structure=TOUCHING)
    kidney_voxels = np.bincount(bodies[cropped == Label.KIDNEY], minlength=n_bodies + 1)
    ranked = np.argsort(-kidney_voxels, kind="stable")
    kidneys = [int(body) for body in ranked[:MAX_KIDNEYS] if kidney_voxels[body] > 0]
    elsewhere = (bodies > 0) & ~np.isin(bodies, kidneys)
    if not elsewhere.any():
        return mask
    kept = cropped.copy()
    kept[elsewhere & ~is_lesion(cropped)] = Label.BACKGROUND
    least = MIN_KIDNEY_ML * 1000 / float(np.prod(spacing_mm))
    are_certain = len(kidneys) == MAX_KIDNEYS and all(kidney_voxels[one] >= least for one in kidneys)
    most = np.inf if are_certain else MIN_FAR_TUMOUR_MM3
    tumours = elsewhere & is_lesion(cropped)
    kept[_far_islands(tumours, np.isin(bodies, kidneys), spacing_mm, smaller_than=most)] = Label.BACKGROUND
    cleaned = mask.copy()
    cleaned[box] = kept
    return cleaned


def labelled_box(mask: npt.NDArray[np.uint8]) -> tuple[slice, ...] | None:
    """Return the box of everything labelled, None if nothing is."""
    boxes = ndimage.find_objects((mask > 0).astype(np.uint8))
    return boxes[0] if boxes else None


def _far_islands(
    tumours: npt.NDArray[np.bool_],
    kidneys: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    smaller_than: float,
) -> npt.NDArray[np.bool_]:
    """Return those components of ``tumours`` that are smaller than so many mm³ and far from ``kidneys``."""
    islands, n_islands = ndimage.label(tumours, structure=TOUCHING)
    volumes = np.bincount(islands.ravel(), minlength=n_islands + 1) * float(np.prod(spacing_mm))
    goes = volumes < smaller_than
    goes[0] = False
    if goes.any() and kidneys.any():
        tree = cKDTree(_surface(kidneys) * np.array(spacing_mm))
        voxels = _surface(tumours)
        distances, _ = tree.query(voxels * np.array(spacing_mm), distance_upper_bound=np.nextafter(NEAR_MM, np.inf))
        goes[islands[tuple(voxels[np.isfinite(distances)].T)]] = False
    return np.asarray(goes[islands])


def _surface(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.int_]:
    """Return the voxels of a region that a voxel outside shares a face with, shape ``(n, 3)``."""
    return np.argwhere(region & ~ndimage.binary_erosion(region))
