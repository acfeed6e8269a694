"""Ids of cases, patients and centres: two that look the same to a reader are treated as a typing error."""

import re
import unicodedata
from collections.abc import Collection, Iterable

from nnunet_ext.documents.csv_table import likeness
from nnunet_ext.ground.errors import InputError

LONGEST_ID = 200
"""Maximum length of an id, which is used in file names with a suffix: file systems allow 255 characters."""

_SPREADSHEET = re.compile(r"0*(\d+)(\.0+)?", re.ASCII)
"""A number, with or without the zeros that a spreadsheet removes or adds."""


def refuse_alike(names: Iterable[str], what: str, *, fold: bool) -> None:
    """Check that no two names look the same.

    Args:
        names: Any number of ids of one kind.
        what: Where they occur, such as ``"cases.csv: case_id"``.
        fold: Whether upper and lower case are equal, as in some file systems.

    Raises:
        InputError: If two differ only in blanks, in the form of Unicode, or in case if ``fold``; or if one holds a control
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
            msg = f"{what}: {seen[key]!r} and {name!r} differ in {differ} only; use one of them"
            raise InputError(msg)
        seen[key] = name


def near_misses(unknown: Collection[str], known: Collection[str]) -> str:
    """Return why ids do not match, as the end of a sentence; empty if no pair nearly matches."""
    numbers = {_as_number(name) for name in known} - {None}
    if (found := sum(_as_number(name) in numbers for name in unknown)) > 0:
        return f"; {found} match except for leading zeros or '.0', which spreadsheets remove or add: keep ids as text"
    alike = {likeness(name) for name in known}
    if (found := sum(likeness(name) in alike for name in unknown)) > 0:
        return f"; {found} match except for blanks, case or form of letters"
    return ""


def _as_number(name: str) -> str | None:
    found = _SPREADSHEET.fullmatch(name)
    return found[1].lstrip("0") or "0" if found else None
