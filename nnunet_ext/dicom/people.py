"""The patient of a DICOM file, and entries in place of a patient ID that are none."""

import re
import unicodedata
from dataclasses import dataclass

_PLACEHOLDERS = re.compile(
    r"0+|x+|-+|_+|\?+|n/?a|nil|null|none|no ?(patient)? ?id|unknown|unbekannt|inconnu|anon[a-z]*|de-?identified|"
    r"pseudonym[a-z]*|removed|deleted|redacted|dummy|test|default|patient|patient ?id|empty",
    re.IGNORECASE,
)
"""Patient IDs that an anonymiser or a console writes for everybody. ``ANON7`` is none: it has a number."""


@dataclass(frozen=True, slots=True)
class Person:
    """The patient of a file; never leaves the import except in its key.

    Args:
        id: Patient ID, without the blanks around it.
        name: Likewise.
        birth_date: Likewise.
    """

    id: str = ""
    name: str = ""
    birth_date: str = ""


def patient_id(text: str) -> str:
    """Return a patient ID in one spelling of its letters and blanks; empty if it is none.

    Blanks around it mean nothing in DICOM; blanks within count as one. Capitals may distinguish patients, so they stay.
    """
    plain = " ".join(unicodedata.normalize("NFC", text).replace("\0", " ").split())
    return "" if _PLACEHOLDERS.fullmatch(plain) else plain
