"""Every magic number of a mask. Inside the pipeline masks always hold these values; cards translate foreign ones."""

from enum import IntEnum


class Label(IntEnum):
    """Value of a voxel in a canonical mask (KiTS order)."""

    BACKGROUND = 0
    KIDNEY = 1
    TUMOUR = 2
    CYST = 3


STRUCTURES: dict[str, Label] = {"kidney": Label.KIDNEY, "tumour": Label.TUMOUR, "cyst": Label.CYST}
"""Structures that a cohort card may name, in the order of nnU-Net's ``dataset.json``."""
