"""What the codes of a region say of its type and its organ: SNOMED CT, the old SNOMED RT, or the meaning of another code."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nnunet_ext.dicom_masks.structure_names import Reading, read_name

STRUCTURE_CODES: Mapping[str, str] = {
    "64033007": "kidney",  # kidney
    "T-71000": "kidney",
    "9846003": "kidney",  # right kidney
    "T-71010": "kidney",
    "18639004": "kidney",  # left kidney
    "T-71020": "kidney",
    "108369006": "tumour",  # neoplasm
    "M-8FFFF": "tumour",
    "86049000": "tumour",  # malignant neoplasm, primary
    "372087000": "tumour",
    "M-80003": "tumour",
    "702391001": "tumour",  # renal cell carcinoma
    "228791009": "tumour",  # gross tumour volume
    "4147007": "lesion",  # mass
    "M-03000": "lesion",
    "52988006": "lesion",  # lesion
    "M-01100": "lesion",
    "68453008": "tumour",  # carcinoma, no subtype
    "1187425009": "tumour",  # carcinoma
    "367643001": "cyst",  # cyst
    "M-3340A": "cyst",
}
"""Of CIDs 7159 and 7166 of DICOM PS3.16, and SNOMED CT. Every other code is read by its meaning."""

GENERIC = re.compile(
    r"(anatomical structure|morphologically \w+ structure|spatial and relational concept|tissue|organ|(body )?structure|"
    r"region( of interest)?|(upper )?abdomen( and pelvis)?|abdominal cavity|retroperitoneum|trunk|(whole )?body|unknown|"
    r"segment(ation|ed)?|urinary (system|tract)|)( structure)?",
    re.IGNORECASE,
)
"""Meanings that hold a kidney as well as anything else."""

ORGAN_CODES: Mapping[str, str] = {
    "10200004": "liver",
    "T-62000": "liver",
    "39607008": "lung",
    "T-28000": "lung",
    "78961009": "spleen",
    "T-C3000": "spleen",
    "15776009": "pancreas",
    "T-65000": "pancreas",
    "23451007": "adrenal gland",
    "T-B3000": "adrenal gland",
    "89837001": "bladder",
    "T-74000": "bladder",
    "28231008": "gallbladder",
    "T-63000": "gallbladder",
    "69695003": "stomach",
    "T-57000": "stomach",
    "14799000": "metastasis",
    "M-80006": "metastasis",
}
"""Codes of other structures drawn in an abdomen, whatever their meaning states."""

INTERPRETED: Mapping[str, str] = {
    "GTV": "tumour",
    "PTV": "",
    "CTV": "",
    "EXTERNAL": "",
    "BOLUS": "",
    "SUPPORT": "",
    "FIXATION": "",
}
"""RT ROI Interpreted Types that say what a region is (PS3.3, C.8.8.8.1); none of ours for an empty one."""

SILENT = Reading(None, "silent", "no code says what it is")


def read_codes(items: Iterable[Any]) -> Reading:
    """Read a code sequence, whose items agree or are uninformative."""
    readings = [reading for item in items if (reading := _read_code(item)).certainty != "silent"]
    if not readings:
        return SILENT
    others = [reading for reading in readings if reading.certainty == "other"]
    if others:
        return others[0]
    if len({reading.structure for reading in readings}) > 1:
        return Reading(None, "other", "its codes contradict each other")
    return readings[0]


def read_interpreted_type(word: str) -> Reading:
    """Read an RT ROI Interpreted Type."""
    if word.upper() not in INTERPRETED:
        return SILENT
    structure = INTERPRETED[word.upper()]
    return Reading(structure, "sure", "typed GTV") if structure else Reading(None, "other", f"typed {word.upper()}")


def _read_code(item: Any) -> Reading:
    value = str(item.get("CodeValue") or item.get("LongCodeValue") or "").strip()
    meaning = re.sub(r"\s*\([^)]*\)\s*$", "", str(item.get("CodeMeaning") or "")).strip()
    said = read_name(meaning)
    found = STRUCTURE_CODES.get(value)
    if value in ORGAN_CODES:
        return Reading(None, "other", ORGAN_CODES[value])
    if found is None:
        return SILENT if GENERIC.fullmatch(meaning) else _by_meaning(said)
    structure = "tumour" if found == "lesion" else found
    if said.certainty in {"sure", "other"} and said.structure != structure and not _endorenal(value, meaning):
        return Reading(None, "other", "code and meaning contradict each other")
    return Reading(structure, "sure", "", lesion=found == "lesion")


def _by_meaning(said: Reading) -> Reading:
    return said if said.certainty in {"sure", "other"} else Reading(None, "other", "a code that is not known")


def _endorenal(value: str, meaning: str) -> bool:
    """Notice the kidney's other name in PS3.16."""
    return value == "64033007" and "renal" in meaning.casefold()
