"""Codes of our structures in DICOM objects: SNOMED CT, as in CID 7150, 7151, 7159 and 7166 of PS3.16."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.sr.coding import Code

KIDNEY = Code("64033007", "SCT", "Kidney")
NEOPLASM = Code("108369006", "SCT", "Neoplasm")
CYST = Code("367643001", "SCT", "Cyst")
MASS = Code("4147007", "SCT", "Mass")

ANATOMICAL = Code("123037004", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")


@dataclass(frozen=True, slots=True)
class StructureCodes:
    """What a structure is.

    Args:
        category: Of its type.
        type: Itself.
        site: Organ that it lies in; none for an organ.
    """

    category: Code
    type: Code
    site: Code | None = None


STRUCTURE_CODES: Mapping[str, StructureCodes] = {
    "kidney": StructureCodes(ANATOMICAL, KIDNEY),
    "tumour": StructureCodes(ABNORMAL, NEOPLASM, KIDNEY),
    "cyst": StructureCodes(ABNORMAL, CYST, KIDNEY),
    "mass": StructureCodes(ABNORMAL, MASS, KIDNEY),
}
"""By structure. ``nnunet_ext.dicom_masks.codes`` reads each of them as what it is written for."""
