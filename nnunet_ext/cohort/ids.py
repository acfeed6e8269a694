"""Ids of cases, patients and centres: two that only a machine can tell apart are a slip of the pen, not two."""

import re
import unicodedata
from collections.abc import Collection, Iterable

from nnunet_ext.documents.csv_table import likeness
from nnunet_ext.ground.errors import InputError

LONGEST_ID = 200
"""Letters of an id, which names files with a suffix: file systems hold 255."""

_SPREADSHEET = re.compile(r"0*(\d+)(\.0+)?", re.ASCII)
"""A number as one, whatever a spreadsheet took from it or added."""


def refuse_alike(names: Iterable[str], what: str, *, fold: bool) -> None:
    """Check that no two names look the same.

    Args:
        names: Ids of one kind, in any number.
        what: Where they stand, such as ``"cases.csv: case_id"``.
        fold: Whether upper and lower case look the same, as they do to some file systems.

    Raises:
        InputError: If two differ in blanks, in the form of Unicode, or in case where ``fold``; or if one holds a control
            character or is too long.
    """
    seen: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if len(name) > LONGEST_ID or any(unicodedata.category(letter) == "Cc" for letter in name):
            msg = f"{what}: an id is one line of at most {LONGEST_ID} letters; found {name[:40]!r}"
            raise InputError(msg)
        key = likeness(name, fold=fold)
        if key in seen:
            differ = "blanks, case or form of letters" if fold else "blanks or form of letters"
            msg = f"{what}: {seen[key]!r} and {name!r} differ in {differ} only; write one of them"
            raise InputError(msg)
        seen[key] = name


def near_misses(unknown: Collection[str], known: Collection[str]) -> str:
    """Return why ids do not match: the end of a sentence, empty where none of them nearly does."""
    numbers = {_as_number(name) for name in known} - {None}
    if (found := sum(_as_number(name) in numbers for name in unknown)) > 0:
        return f"; {found} are there but for leading zeros or '.0', which spreadsheets take or add: keep ids as text"
    alike = {likeness(name) for name in known}
    if (found := sum(likeness(name) in alike for name in unknown)) > 0:
        return f"; {found} are there but for blanks, case or form of letters"
    return ""


def _as_number(name: str) -> str | None:
    found = _SPREADSHEET.fullmatch(name)
    return found[1].lstrip("0") or "0" if found else None
