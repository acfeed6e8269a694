"""The structure that each value of a mask file represents, as stated by a card or a command."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nnunet_ext.ground.case import Labels, label_values
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import STRUCTURES

LARGEST_LABEL = 255
"""Largest value in a mask file: that of ``uint8``."""

_OTHER_NAMES = {"tumor": "tumour"}

_VALUE = re.compile(r"[1-9][0-9]{0,2}")


def structure_name(name: object) -> str:
    """Return our name of a structure, in upper or lower case; ``tumor`` is ``tumour``.

    Raises:
        InputError: If it is unknown.
    """
    ours = str(name).strip().casefold()
    ours = _OTHER_NAMES.get(ours, ours)
    if ours not in STRUCTURES:
        msg = f"unknown structure {str(name)!r}; known ones are {', '.join(STRUCTURES)}"
        raise InputError(msg)
    return ours


def check_labels(labels: Mapping[Any, Any]) -> dict[str, int | tuple[int, ...]]:
    """Return the values of structures in mask files, by our names.

    Args:
        labels: An integer for each structure, or a list of integers for one that was drawn in parts.

    Raises:
        InputError: If a structure is unknown or named twice, masses are named beside tumours or cysts, or a value is not an
            integer from 1 to 255, or is given twice.
    """
    found: dict[str, int | tuple[int, ...]] = {}
    for name, stated in labels.items():
        ours = structure_name(name)
        if ours in found:
            msg = f"the structure {ours} is named twice, also as {str(name)!r}"
            raise InputError(msg)
        found[ours] = _values(stated, ours)
    _check_apart(found)
    if "mass" in found and (parted := [name for name in ("tumour", "cyst") if name in found]):
        msg = f"a mass is a tumour or a cyst that are not distinguished; it was named beside {' and '.join(parted)}"
        raise InputError(msg)
    return found


def parse_labels(texts: Iterable[str]) -> dict[str, int | tuple[int, ...]]:
    """Return the values stated by texts such as ``kidney=1,tumour=2``.

    A structure has several values where it is named repeatedly, or with several: ``kidney=2,3``.

    Raises:
        InputError: If one of them has another form, or as ``check_labels``.

    >>> parse_labels(["kidney=2,3,mass=4"])
    {'kidney': (2, 3), 'mass': 4}
    """
    stated: dict[str, list[str]] = {}
    for text in texts:
        known: str | None = None
        for part in text.split(","):
            name, sign, value = part.rpartition("=")
            known = name if sign else known
            if not _VALUE.fullmatch(value.strip()) or known is None:
                msg = f"A label is a structure and its value, such as tumour=2, or kidney=2,3; found {text!r}"
                raise InputError(msg)
            stated.setdefault(structure_name(known), []).append(value.strip())
    return check_labels(stated)


def _values(stated: object, name: str) -> int | tuple[int, ...]:
    if isinstance(stated, list | tuple):
        values = tuple(sorted(_value(one, name) for one in stated))
        if not values:
            msg = f"the structure {name} has no value; leave it out"
            raise InputError(msg)
        return values if len(values) > 1 else values[0]
    return _value(stated, name)


def _value(stated: object, name: str) -> int:
    text = str(stated) if isinstance(stated, int | str) and not isinstance(stated, bool) else ""
    if not _VALUE.fullmatch(text) or int(text) > LARGEST_LABEL:
        msg = f"values of structures in mask files are 1 to {LARGEST_LABEL}; {name} has {stated!r}"
        raise InputError(msg)
    return int(text)


def _check_apart(labels: Labels) -> None:
    meaning: dict[int, str] = {}
    for name, value in labels.items():
        for one in label_values(value):
            if meaning.get(one) == name:
                msg = f"the value {one} is given twice for {name}; state it once"
                raise InputError(msg)
            if one in meaning:
                msg = f"two structures share a value: {one} is {meaning[one]} and {name}"
                raise InputError(msg)
            meaning[one] = name
