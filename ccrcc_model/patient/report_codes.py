"""Codes of a structured report: measurements, units, words and predictions; our own where no standard has one."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.sr.coding import Code

SCHEME = "99CCRCC"
"""Designator of our own codes; PS3.16, 8.2 keeps those that begin with 99 for private use."""

LONGEST_MEANING = 64
"""Characters of a code meaning (LO, PS3.5 6.2)."""

NOT_ASSESSABLE = Code("NOT-ASSESSABLE", SCHEME, "Not assessable")
ABSTAINED = Code("ABSTAINED", SCHEME, "No prediction: the model abstains")
PREDICTION = Code("PREDICTION", SCHEME, "Prediction")
RESEARCH = Code("RESEARCH-OUTPUT", SCHEME, "Research output, not for clinical use")

_UNITS: Mapping[str, tuple[str, str]] = {
    "ml": ("mL", "milliliter"),
    "mm": ("mm", "millimeter"),
    "cm": ("cm", "centimeter"),
    "mm3": ("mm3", "cubic millimeter"),
    "HU": ("[hnsf'U]", "Hounsfield unit"),
    "%": ("%", "percent"),
    "1": ("1", "no units"),
    "points": ("{points}", "points"),
}
"""UCUM code and meaning by our unit."""


@dataclass(frozen=True, slots=True)
class NameCodes:
    """What a measurement is, and by which statistic it was derived of many voxels, if it was."""

    name: Code
    derivation: Code | None = None


_NAMES: Mapping[str, NameCodes] = {
    "volume_ml": NameCodes(Code("118565006", "SCT", "Volume")),
    "maximum_diameter_mm": NameCodes(Code("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh")),
    "axial_diameter_mm": NameCodes(Code("103339001", "SCT", "Long axis")),
    "length_mm": NameCodes(Code("410668003", "SCT", "Length")),
    "mean_hu": NameCodes(Code("112031", "DCM", "Attenuation Coefficient"), Code("373098007", "SCT", "Mean")),
}
"""Of CIDs 7469, 7470 and 7472 of PS3.16; every other measurement has a code of our own."""


def name_codes(name: str) -> NameCodes:
    """Return the codes of a measurement by its name, such as ``volume_ml``."""
    return _NAMES.get(name) or NameCodes(own_code(_without_unit(name)))


def points_code(name: str) -> Code:
    """Return the code of the points that a score gives to a measurement."""
    return own_code(f"{_without_unit(name)} points")


def _without_unit(name: str) -> str:
    return re.sub(r"_(ml|mm|hu)$", "", name).replace("_", " ")


def unit_code(unit: str) -> Code:
    """Return the UCUM code of a unit; one without a code is an annotation, which UCUM writes in braces."""
    value, meaning = _UNITS.get(unit) or (f"{{{unit}}}", unit)
    return Code(value, "UCUM", meaning)


def own_code(text: str) -> Code:
    """Return a code of our own for a word or a few; its value is a hash, because a code value has 16 characters only."""
    value = hashlib.sha256(text.encode()).hexdigest()[:16].upper()
    return Code(value, SCHEME, text if len(text) <= LONGEST_MEANING else f"{text[: LONGEST_MEANING - 1]}…")
