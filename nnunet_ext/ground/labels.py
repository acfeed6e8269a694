"""Every magic number of a mask. Inside the pipeline masks always hold these values; cards translate foreign ones."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt


class Label(IntEnum):
    """Value of a voxel in a canonical mask (KiTS order)."""

    BACKGROUND = 0
    KIDNEY = 1
    TUMOUR = 2
    CYST = 3
    MASS = 4
    """A renal mass: tumour and cyst that are not distinguished. A mask holds masses, or tumours and cysts, never both."""


PARTED: dict[str, Label] = {"kidney": Label.KIDNEY, "tumour": Label.TUMOUR, "cyst": Label.CYST}
"""Structures of a mask that distinguishes tumours from cysts, as cards have them unless they say otherwise."""

STRUCTURES: dict[str, Label] = {**PARTED, "mass": Label.MASS}
"""Structures that a cohort card may name, in the order of nnU-Net's ``dataset.json``."""

ON_CT = {"kidney": "#3fd6bb", "tumour": "#ff74c4", "cyst": "#ffd84d", "mass": "#ff9f5a"}
"""Colours of the structures, lightened for a dark background."""

MINIMUM_LESION_ML = 0.1
"""A smaller piece of the tumour label is a crumb of the contour, no lesion. Pieces that touch at corners are one piece; in
KiTS23 those next to a larger piece hold either at most 0.09 or at least 0.39 ml. A ball of 0.1 ml is 6 mm wide."""

TOUCHING = np.ones((3, 3, 3), bool)
"""Voxels that share a corner touch (26 neighbours): the structure that connected pieces of a mask are found by."""


def is_lesion(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where a mask labels a lesion: a tumour or, where tumours and cysts are not distinguished, a mass."""
    return np.asarray((labels == Label.TUMOUR) | (labels == Label.MASS))


def lesion_name(structures: Iterable[str]) -> str:
    """Return what the lesions of a mask are: ``mass`` if its structures name masses, else ``tumour``.

    >>> lesion_name({"kidney": 1, "mass": 2}), lesion_name({"kidney": 1, "tumour": 2})
    ('mass', 'tumour')
    """
    return "mass" if "mass" in structures else "tumour"


def canonical_labels(structures: Iterable[str]) -> dict[str, int]:
    """Return the ``Label`` values of a canonical mask whose lesions are those of ``structures``.

    >>> canonical_labels(["kidney", "mass"])
    {'kidney': 1, 'mass': 4}
    """
    if lesion_name(structures) == "mass":
        return {"kidney": int(Label.KIDNEY), "mass": int(Label.MASS)}
    return {name: int(value) for name, value in PARTED.items()}
