"""Position of the tumours in a predicted mask: number of components, in one kidney or both, and contact with the kidney.

Volume does not separate false positives from true tumours: in the 204 KiTS23 masks of clear cell carcinoma (case numbers below
300) the tumours measure 1 to 1447 ml, up to 5.4 times the parenchyma. The flags therefore use the position of tumours.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nnunet_ext.ground.labels import MINIMUM_LESION_ML, TOUCHING, is_lesion

LEAST_CONTACT = 0.15
"""Share of the tumours' surface in contact with a kidney that raises no flag. None of the 204 KiTS23 masks lies below;
their smallest is 0.17, their median 0.61."""

MOST_PIECES = 3
"""Pieces of tumour of at least ``MINIMUM_LESION_ML`` that raise no flag; 1 of the 204 KiTS23 masks has more."""

SECOND_ML = 20.0
"""Tumour in the kidney with less of it that raises no flag; 3 of the 204 KiTS23 masks have more."""


@dataclass(frozen=True)
class TumourShape:
    """The tumours of one mask, or its masses where tumours and cysts are not distinguished.

    Args:
        n_pieces: Connected components (26 neighbours) of at least ``MINIMUM_LESION_ML``.
        second_ml: Tumour in the kidney that holds less of it; 0 if one kidney holds all.
        contact: Share of the surface of tumours in a kidney that touches parenchyma or a cyst; None if there are no such
            tumours.
    """

    n_pieces: int
    second_ml: float
    contact: float | None

    @classmethod
    def of(
        cls,
        mask: npt.NDArray[np.uint8],
        bodies: npt.NDArray[np.integer],
        parenchyma: npt.NDArray[np.integer],
        *,
        spacing_mm: tuple[float, float, float],
    ) -> "TumourShape":
        """Measure a mask.

        Args:
            mask: ``Label`` values, shape zyx.
            bodies: Connected bodies of all labels, numbered from 1, same shape.
            parenchyma: Kidney voxels of each body, shape ``(n_bodies + 1,)``.
            spacing_mm: Voxel size, zyx.
        """
        voxel_ml = float(np.prod(spacing_mm)) / 1000
        lesion = is_lesion(mask)
        pieces, _ = ndimage.label(lesion, structure=TOUCHING)
        sizes = np.bincount(pieces.ravel())[1:] * voxel_ml
        tumours = lesion & (parenchyma[bodies] > 0)
        in_body = np.sort(np.bincount(bodies[tumours], minlength=2))[::-1] * voxel_ml
        contact = _contact(tumours, (mask > 0) & ~lesion, spacing_mm) if tumours.any() else None
        return cls(int(np.count_nonzero(sizes >= MINIMUM_LESION_ML)), round(float(in_body[1]), 3), contact)

    def flags(self) -> dict[str, bool]:
        """Return which flags are raised."""
        return {
            "tumour-contact": self.contact is not None and self.contact < LEAST_CONTACT,
            "tumour-pieces": self.n_pieces > MOST_PIECES,
            "both-kidneys": self.second_ml > SECOND_ML,
        }


def _contact(tumours: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Return the share of the tumours' faces, by area, that border on a voxel of ``others``."""
    tumours, others = np.pad(tumours, 1), np.pad(others, 1)
    surface = touching = 0.0
    for axis, across_mm in enumerate(spacing_mm):
        area = float(np.prod(spacing_mm)) / across_mm
        first, last = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        faces = tumours[first] != tumours[last]
        surface += area * np.count_nonzero(faces)
        touching += area * np.count_nonzero(faces & (others[first] | others[last]))
    return round(float(touching / surface), 3)
