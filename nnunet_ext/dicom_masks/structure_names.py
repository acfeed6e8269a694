"""Interpretation of the name of a region by whole words: a kidney, a tumour, a cyst, or something else.

A kidney is one that a noun names. A tumour or a cyst may stand without its organ ("GTV" in a cohort of kidneys is a tumour),
but not with another one. Margins (PTV), expressions ("Kidneys minus GTV"), parts and neighbours ("Renal vein") are ignored,
and so is a name with a word that no list of ``vocabulary`` holds.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from nnunet_ext.dicom_masks.vocabulary import (
    CYST,
    CYSTIC,
    EXPRESSION,
    KIDNEY,
    KNOWN,
    LESION,
    MARGIN,
    NEUTRAL,
    ORGANS,
    PARENCHYMA,
    PARTS,
    POLES,
    RENAL,
    TUMOUR,
    UNFIT,
    VERSIONS,
)

Certainty = Literal["sure", "doubtful", "other", "silent"]
"""``sure`` of a structure; ``doubtful`` for an unknown word; ``other`` than ours; ``silent`` if no word is informative."""

ABBREVIATIONS = "gtv|ctv|ptv|itv|prv|ccrcc|rcc"
"""Written together with what follows them, as in GTVp and GTV1."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Interpretation of a name.

    Args:
        structure: ``kidney``, ``tumour``, ``cyst``, or none.
        certainty: Of it.
        why: In words, for the list of regions; holds no word that is not known.
        lesion: Whether a tumour is only called a lesion or a mass, which a cyst may be as well.
    """

    structure: str | None
    certainty: Certainty
    why: str
    lesion: bool = False


def read_name(name: str) -> Reading:
    """Read the name of a region, in any case of letters and any form of Unicode."""
    plain = normalised(name)
    words = tokens(name)
    structures = [word for word in words if word in KIDNEY | RENAL | TUMOUR | LESION | CYST]
    told = (
        _nodal(words)
        or _one_of(words, MARGIN, "a margin, or made of another region")
        or _one_of(words, UNFIT, "a region that is not meant")
        or _one_of(words, ORGANS, "names another organ")
        or (_expression(plain, words) if structures else None)
        or _one_of(words, PARTS, "a part or a neighbour")
    )
    if told is not None:
        return Reading(None, "other", told)
    structure, why = _structure(words)
    if structure is None:
        return Reading(None, "other" if structures or set(words) & CYSTIC else "silent", why)
    unknown = sum(word not in KNOWN and not word.isdigit() for word in words)
    lesion = structure == "tumour" and not set(words) & TUMOUR
    if unknown:
        return Reading(structure, "doubtful", f"{unknown} of its words not known", lesion)
    return Reading(structure, "sure", why, lesion)


def structure_of(name: str) -> str | None:
    """Return the structure that a region's name stands for, if any.

    >>> [structure_of(name) for name in ("Kidney_L", "GTV-1", "Liver lesion")]
    ['kidney', 'tumour', None]
    """
    reading = read_name(name)
    return reading.structure if reading.certainty == "sure" else None


def structure_name_of(name: str) -> str | None:
    """Return the structure that a name surely states, a mass where it may be a cyst as well as a tumour.

    >>> [structure_name_of(name) for name in ("Tumor", "renal mass", "kidney_cyst_left", "spleen")]
    ['tumour', 'mass', 'cyst', None]
    """
    reading = read_name(name)
    if reading.certainty != "sure":
        return None
    return "mass" if reading.lesion else reading.structure


def version_of(name: str) -> tuple[str, ...]:
    """Return the words of a name that distinguish drawings of one structure, with the number or letter that follows them.

    >>> version_of("GTV_Reader1")
    ('reader', '1')
    """
    words = tokens(name)
    follows = [after for word, after in pairwise(words) if word in VERSIONS and (after.isdigit() or len(after) == 1)]
    return tuple([word for word in words if word in VERSIONS] + follows)


def normalised(name: str) -> str:
    """Return a name in lower case and one form of Unicode, its blanks and underscores single blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().replace("_", " ").split())


def tokens(name: str) -> list[str]:
    """Return the words and numbers of a name, split at signs, at digits and inside CamelCase, without accents.

    >>> tokens("LKidney_2")
    ['l', 'kidney', '2']
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).replace("ß", "ss"))
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", text)
    text = re.sub(rf"(?i)(?<![^\W\d_])({ABBREVIATIONS})(?=[^\W\d_])", r"\1 ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return re.findall(r"[^\W\d_]+|\d+", text.casefold())


def masked(name: str) -> str:
    """Return a name with every word that may be a person's replaced by an ellipsis.

    >>> masked("Kidney Doe^John 2")
    'Kidney … … 2'
    """
    parts = re.findall(r"[^\W\d_]+|\d+|[-+/&−]", unicodedata.normalize("NFKC", name))[:12]
    few_numbers = sum(part.isdigit() for part in parts) < 3  # three may be a date
    shown = " ".join(part if _may_be_written(part, few_numbers) else "…" for part in parts)
    return shown.lstrip("-+/&− ")  # a spreadsheet would take a sign for a formula


def _may_be_written(part: str, few_numbers: bool) -> bool:
    if part.isdigit():
        return few_numbers and len(part) < 4
    return not part[0].isalpha() or (len(part) < 20 and all(word in KNOWN for word in tokens(part)))


def _one_of(words: Sequence[str], listed: frozenset[str], why: str) -> str | None:
    return next((f"{why} ({word})" for word in words if word in listed), None)


def _nodal(words: Sequence[str]) -> str | None:
    """Notice GTVn and GTVm, the volumes of nodes and of metastases."""
    return (
        "nodes or metastases (GTVn, GTVm)" if any(a == "gtv" and b in {"n", "m", "nd"} for a, b in pairwise(words)) else None
    )


def _expression(plain: str, words: Sequence[str]) -> str | None:
    """Notice what is made of several regions: words such as minus, signs, and a hyphen from a kidney to a lesion."""
    why = "an expression of several regions"
    sides = re.sub(r"\b(l|li|left)\s*[/+&]\s*(r|re|right)\b|\b(r|re|right)\s*[/+&]\s*(l|li|left)\b", "", plain)
    if re.search(r"[+&/\\~∪∩−!|]|\bw/?o\b", sides):
        return why
    hyphen = re.search(r"(.*[^\W\d_])\s*[-–—]\s*([^\W\d_].*)", plain)
    if hyphen and set(tokens(hyphen[1])[-1:]) & KIDNEY and set(tokens(hyphen[2])[:1]) & (TUMOUR | LESION | CYST):
        return f"{why}: its hyphen may be a minus"
    return _one_of(words, EXPRESSION, why)


def _structure(words: Sequence[str]) -> tuple[str | None, str]:
    found = set(words)
    tumour, lesion, cyst, cystic = (bool(found & listed) for listed in (TUMOUR, LESION, CYST, CYSTIC))
    renal = bool(found & (KIDNEY | RENAL)) or any(word.startswith("nieren") for word in found)
    if cyst and (tumour or lesion):
        return None, "names both a cyst and a tumour"
    if cystic and not tumour:
        return None, "cystic, so a cyst or a tumour" if lesion else "cystic, of which nothing is said"
    if tumour or lesion or cyst:
        return "cyst" if cyst else "tumour", "" if renal else "named without its organ, so of the kidney"
    return _kidney(found)


def _kidney(found: set[str]) -> tuple[str | None, str]:
    if found & KIDNEY or (found & RENAL and found & PARENCHYMA):
        return (None, "a part of a kidney") if found & POLES else ("kidney", "")
    if found & RENAL:
        return None, "renal, of which nothing is said"
    silent = all(word.isdigit() for word in found - NEUTRAL)
    return None, "its name says nothing" if silent else "no word of it names a structure"
