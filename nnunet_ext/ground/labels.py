"""Every magic number of a mask. Inside the pipeline masks always hold these values; cards translate foreign ones."""

from enum import IntEnum

import numpy as np


class Label(IntEnum):
    """Value of a voxel in a canonical mask (KiTS order)."""

    BACKGROUND = 0
    KIDNEY = 1
    TUMOUR = 2
    CYST = 3


STRUCTURES: dict[str, Label] = {"kidney": Label.KIDNEY, "tumour": Label.TUMOUR, "cyst": Label.CYST}
"""Structures that a cohort card may name, in the order of nnU-Net's ``dataset.json``."""

ON_CT = {"kidney": "#3fd6bb", "tumour": "#ff74c4", "cyst": "#ffd84d"}
"""Colours of the structures, lightened for a dark background."""

MINIMUM_LESION_ML = 0.1
"""A smaller piece of the tumour label is a crumb of the contour, no lesion. Pieces that touch at corners are one piece; in
KiTS23 those next to a larger piece hold either at most 0.09 or at least 0.39 ml. A ball of 0.1 ml is 6 mm wide."""

TOUCHING = np.ones((3, 3, 3), bool)
"""Voxels that share a corner touch (26 neighbours): the structure that connected pieces of a mask are found by."""
