"""Which tumours a prediction detects, and which of its tumours are false positives."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nnunet_ext.ground.labels import MINIMUM_LESION_ML, TOUCHING

HIT_SHARE = 0.1
"""Share of a lesion's volume that the other mask has to cover: else it is missed, or a false positive."""


@dataclass(frozen=True)
class Detections:
    """Lesions of one scan.

    Args:
        lesions: In the reference mask.
        detected: Of these, those covered by the prediction by at least ``HIT_SHARE``.
        predicted_lesions: In the predicted mask.
        false_positives: Of these, those covered by the reference by less.
    """

    lesions: int
    detected: int
    predicted_lesions: int
    false_positives: int


def detect(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_], *, voxel_ml: float) -> Detections:
    """Count lesions: connected components (26 neighbours) of at least ``MINIMUM_LESION_ML``.

    Args:
        truth: Tumours of the reference, shape (z, y, x).
        found: Tumours of the prediction, same shape.
        voxel_ml: Volume of a voxel.
    """
    covered, made = _covered(truth, found, voxel_ml), _covered(found, truth, voxel_ml)
    return Detections(len(covered), sum(covered), len(made), len(made) - sum(made))


def _covered(mask: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], voxel_ml: float) -> list[bool]:
    """Return for each lesion of a mask whether another mask covers enough of it."""
    pieces, count = ndimage.label(mask, structure=TOUCHING)
    voxels = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    shared = np.bincount(pieces[other], minlength=count + 1)[1:]
    is_lesion = (voxels * voxel_ml).round(6) >= MINIMUM_LESION_ML
    return [bool(hit) for hit in (shared >= HIT_SHARE * voxels)[is_lesion]]
