"""The user's own names of structures: ``--structures FILE`` of ``ccrcc import dicom``."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nnunet_ext.dicom_masks.structure_names import normalised
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import STRUCTURES

CHOICES = (*STRUCTURES, "none")


def read_structures(path: Path) -> Mapping[str, str | None]:
    """Read the structure of each name from YAML (``name: structure``) or CSV (columns ``name``, ``structure``).

    Returns:
        The structure by normalised name, None for a region to ignore.

    Raises:
        InputError: If the file is missing or unreadable, names an unknown structure, or gives two structures for one name.
    """
    if not path.is_file():
        msg = f"No structures file at {path}"
        raise InputError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = list(_csv_pairs(text) if path.suffix.casefold() == ".csv" else _yaml_pairs(text))
    except (UnicodeDecodeError, csv.Error, yaml.YAMLError, RecursionError) as error:
        msg = f"{path} is neither YAML nor CSV: {' '.join(str(error).split())[:200]}"
        raise InputError(msg) from error
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from error
    return _table(path, pairs)


def _csv_pairs(text: str) -> Iterator[tuple[str, str]]:
    rows = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(rows, [])]
    if header != ["name", "structure"]:
        msg = f"its columns are {', '.join(header) or 'none'}, not name, structure"
        raise InputError(msg)
    for number, row in enumerate(rows, start=2):
        if len(row) not in {0, 2}:
            msg = f"line {number} has {len(row)} cells, not 2"
            raise InputError(msg)
        if row:
            yield row[0], row[1]


def _yaml_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a mapping as they are written, so that a key that is there twice shows."""
    node: Any = yaml.compose(text, yaml.SafeLoader)
    scalars = isinstance(node, yaml.MappingNode) and all(
        isinstance(part, yaml.ScalarNode) for pair in node.value for part in pair
    )
    if not scalars:
        msg = "it is no mapping of names to structures"
        raise InputError(msg)
    yield from ((name.value, structure.value) for name, structure in node.value)


def _table(path: Path, pairs: list[tuple[str, str]]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for name, word in pairs:
        structure, plain = word.strip().casefold(), normalised(name)
        structure = "tumour" if structure == "tumor" else structure
        if structure not in CHOICES or not plain:
            msg = f"{path} says {word!r} of {name!r}; structures are {', '.join(CHOICES)}"
            raise InputError(msg)
        meant = None if structure == "none" else structure
        if found.setdefault(plain, meant) != meant:
            msg = f"{path} says two things of {name!r}"
            raise InputError(msg)
    if not found:
        msg = f"{path} names no region"
        raise InputError(msg)
    return found
