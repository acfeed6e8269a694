"""The header of a MetaImage, with its voxels or without: what it must say before they are read.

The fields are those of https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.payload import CheckedFile, Packing, Payload
from nnunet_ext.volumes.presence import check_data_file
from nnunet_ext.volumes.stated_geometry import check_spacing

BEGINS = re.compile(rb"\s*(ObjectType|NDims|Comment|ObjectSubType|ID|Name)[ \t]*=")
"""First bytes of a header."""

_LARGEST_HEADER = 1 << 20

_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4, "MET_LONG": 4,
    "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
"""Names of types to bytes of a voxel."""

COSINES_TOLERANCE = 1e-3
"""Largest difference of an axis' length from 1: what rounding to 3 digits leaves."""

_MATRIX, _OFFSET = ("TransformMatrix", "Rotation", "Orientation"), ("Offset", "Position", "Origin")
"""Names that one field goes by."""


def open_metaimage(path: Path, what: str) -> CheckedFile:
    """Check the header of a MetaImage, and find its voxels.

    Args:
        path: Of the file that holds the header.
        what: ``"image"`` or ``"mask"``.

    Raises:
        CaseRefused: ``unreadable``, ``format``, ``units``, ``no-spacing``, ``no-orientation``.
    """
    fields, after = _read_fields(path, what)
    payload = _payload(path, fields, after, what)
    return CheckedFile(path, payload, _check_place(fields, what), "MetaImageIO")


def _damaged(what: str, found: str) -> CaseRefused:
    return CaseRefused("unreadable", f"the header of the {what} is damaged: {found}; export it again")


def _read_fields(path: Path, what: str) -> tuple[dict[str, str], int]:
    """Return the fields of a header, and the first byte after it: ``ElementDataFile`` is the last."""
    with path.open("rb") as stream:
        head = stream.read(_LARGEST_HEADER)
    end = re.search(rb"(?m)^ElementDataFile[ \t]*=[^\n]*(\n|$)", head)
    if end is None:
        raise CaseRefused("unreadable", f"the {what} is cut short: its header names no ElementDataFile")
    fields: dict[str, str] = {}
    for line in head[: end.end()].decode("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        if not equals:
            continue
        if name.strip() in fields:
            raise _damaged(what, f"it states {name.strip()!r} twice")
        fields[name.strip()] = value.strip()
    return fields, end.end()


def _payload(path: Path, fields: Mapping[str, str], after: int, what: str) -> Payload:
    sizes, kind = _sizes(fields, what), fields.get("ElementType", "")
    if kind not in _BYTES:
        raise _damaged(what, f"the type {kind!r} is none of grey levels or labels")
    if _is_true(fields, "BinaryData", default=False) is False:
        raise CaseRefused("format", f"the {what} is a MetaImage in letters (BinaryData = False); write it in binary")
    length = math.prod(sizes) * _BYTES[kind] * _whole(fields, "ElementNumberOfChannels", 1, what)
    file, start = _data_file(path, fields["ElementDataFile"], what), after
    packing: Packing = "zlib" if _is_true(fields, "CompressedData", default=False) else "raw"
    if file != path:
        start = _whole(fields, "HeaderSize", 0, what)
        if start < 0:  # the voxels are the last bytes of the file
            start = max(0, file.stat().st_size - length)
    return Payload(file, start, packing, 0, length, length // sizes[-1])


def _sizes(fields: Mapping[str, str], what: str) -> list[int]:
    try:
        sizes = [int(word) for word in fields["DimSize"].split()]
        agree = len(sizes) == int(fields["NDims"]) and min(sizes) > 0
    except (KeyError, ValueError):
        agree = False
    if not agree:
        raise _damaged(what, f"it states NDims {fields.get('NDims')!r}, DimSize {fields.get('DimSize')!r}")
    return sizes


def _whole(fields: Mapping[str, str], name: str, default: int, what: str) -> int:
    try:
        return int(fields.get(name, default))
    except ValueError:
        raise _damaged(what, f"it states {name} {fields[name]!r}") from None


def _is_true(fields: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return a field that says yes or no; MetaIO looks at its first letter."""
    return fields[name][:1].lower() in ("t", "1", "y") if fields.get(name) else default


def _data_file(path: Path, stated: str, what: str) -> Path:
    if stated.upper() == "LOCAL":
        return path
    if stated.split()[:1] == ["LIST"] or "%" in stated:
        raise CaseRefused("format", f"the {what} {path.name} is spread over several files; write it as one")
    file = path.parent / stated
    check_data_file(file, path, what)
    return file


def _check_place(fields: Mapping[str, str], what: str) -> tuple[str, ...]:
    """Check what is stated of voxel size, orientation and place; return notes."""
    units = fields.get("DistanceUnits", "mm").lower()
    if units not in ("mm", "?", ""):
        raise CaseRefused("units", f"the header of the {what} states the units {units}; write it again in mm")
    n_axes = int(fields["NDims"])
    spacing = _numbers(fields.get("ElementSpacing") or fields.get("ElementSize", ""))
    if len(spacing) < n_axes:
        raise CaseRefused("no-spacing", f"the header of the {what} states no ElementSpacing; write it again with it")
    check_spacing(spacing, what)
    stated = next((fields[name] for name in _MATRIX if name in fields), None)
    matrix = _numbers(stated or "")
    if not _are_cosines(matrix, n_axes):
        found = "no TransformMatrix" if stated is None else f"the TransformMatrix {stated}"
        reason = f"the header of the {what} states {found}, so its place in the patient is not known"
        raise CaseRefused("no-orientation", f"{reason}; write it again with TransformMatrix and Offset")
    offset = next((fields[name] for name in _OFFSET if name in fields), None)
    if offset is None:
        return (f"the header of the {what} states no Offset; (0, 0, 0) is taken",)
    if len(_numbers(offset)) != n_axes or not np.isfinite(_numbers(offset)).all():
        raise CaseRefused("no-orientation", f"the header of the {what} states the Offset {offset}; write it again")
    return ()


def _are_cosines(matrix: list[float], n_axes: int) -> bool:
    """Whether numbers are the directions of axes: each of length 1, no two alike."""
    if len(matrix) != n_axes**2 or not np.isfinite(matrix).all():
        return False
    axes = np.reshape(matrix, (n_axes, n_axes))
    return bool(np.abs(np.linalg.norm(axes, axis=1) - 1).max() <= COSINES_TOLERANCE and np.linalg.det(axes))


def _numbers(words: str) -> list[float]:
    found = []
    for word in words.split():
        try:
            found.append(float(word))
        except ValueError:
            found.append(math.nan)
    return found
