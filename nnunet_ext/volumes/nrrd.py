"""The header of an NRRD file, attached or detached: what it must state before its voxels are read.

The fields are those of https://teem.sourceforge.net/nrrd/format.html.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.payload import CheckedFile, Packing, Payload
from nnunet_ext.volumes.presence import check_data_file
from nnunet_ext.volumes.stated_geometry import Matrix, check_same_spacing, check_shear, check_spacing

MAGIC = b"NRRD000"

_LARGEST_HEADER = 1 << 20

_PACKINGS: Mapping[str, Packing] = {"raw": "raw", "gzip": "gzip", "gz": "gzip"}

_SPACES = {
    "left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las",
}  # fmt: skip
"""Spaces of a patient, which ITK turns into its own; it takes any other for its own as it is."""

_MILLIMETRES = {"mm", "millimeter", "millimeters", "millimetre", "millimetres", ""}

_BYTES = {
    "signed char": 1, "int8": 1, "int8_t": 1, "uchar": 1, "unsigned char": 1, "uint8": 1, "uint8_t": 1, "short": 2,
    "short int": 2, "signed short": 2, "signed short int": 2, "int16": 2, "int16_t": 2, "ushort": 2, "unsigned short": 2,
    "unsigned short int": 2, "uint16": 2, "uint16_t": 2, "int": 4, "signed int": 4, "int32": 4, "int32_t": 4, "uint": 4,
    "unsigned int": 4, "uint32": 4, "uint32_t": 4, "longlong": 8, "long long": 8, "long long int": 8, "signed long long": 8,
    "signed long long int": 8, "int64": 8, "int64_t": 8, "ulonglong": 8, "unsigned long long": 8,
    "unsigned long long int": 8, "uint64": 8, "uint64_t": 8, "float": 4, "double": 8,
}  # fmt: skip
"""Names of types to bytes of a voxel."""

_SPACE = "space"
_ALIASES = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip", "centers": "centerings"}


def open_nrrd(path: Path, what: str) -> CheckedFile:
    """Check the header of an NRRD file, and find its voxels.

    Args:
        path: Of the file that holds the header.
        what: ``"image"`` or ``"mask"``.

    Raises:
        CaseRefused: ``unreadable``, ``not-3d``, ``format``, ``units``, ``no-spacing``, ``no-orientation``,
            ``spacing-conflict``, ``sheared``.
    """
    fields, after = _read_fields(path, what)
    payload = _payload(path, fields, after, what)
    if fields["dimension"] in ("1", "2"):
        raise CaseRefused("not-3d", f"the {what} has {fields['dimension']} dimensions, not 3")
    return CheckedFile(path, payload, _check_place(fields, what), "NrrdImageIO")


def _damaged(what: str, found: str) -> CaseRefused:
    return CaseRefused("unreadable", f"the header of the {what} is damaged: {found}; export it again")


def _read_fields(path: Path, what: str) -> tuple[dict[str, str], int]:
    """Return the fields of a header by their names in lower case, and the first byte after it."""
    with path.open("rb") as stream:
        head = stream.read(_LARGEST_HEADER)
    end = re.search(rb"\r?\n\r?\n", head)
    lines = head[: end.start() if end else len(head)].decode("utf-8", "replace").splitlines()
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(": ")
        if line.startswith("#") or not colon or (":=" in line and line.index(":=") <= len(name)):
            continue
        name = _ALIASES.get(name.strip().lower(), name.strip().lower())
        if name in fields:
            raise _damaged(what, f"it states {name!r} twice")
        fields[name] = value.strip()
    if end is None and "data file" not in fields:
        raise CaseRefused("unreadable", f"the {what} is cut short: its header has no end")
    return fields, end.end() if end else len(head)


def _payload(path: Path, fields: Mapping[str, str], after: int, what: str) -> Payload:
    sizes, voxel_bytes = _sizes(fields, what), _BYTES.get(fields.get("type", "").lower())
    encoding = fields.get("encoding", "").lower()
    if voxel_bytes is None:
        raise _damaged(what, f"the type {fields.get('type')!r} is none of grey levels or labels")
    if encoding not in _PACKINGS:
        raise CaseRefused("format", f"the {what} is NRRD with the encoding {encoding!r}; write it with raw or gzip")
    length = math.prod(sizes) * voxel_bytes
    file, start = path, after
    if "data file" in fields:
        file, start = _data_file(path, fields["data file"], what), 0
    start = _after_lines(file, start, _whole(fields, "line skip", what), what)
    skip = _whole(fields, "byte skip", what)
    if skip < 0:  # the voxels are the last bytes of the file
        skip = max(0, file.stat().st_size - start - length) if encoding == "raw" else 0
    return Payload(file, start, _PACKINGS[encoding], skip, length, length // sizes[-1])


def _sizes(fields: Mapping[str, str], what: str) -> list[int]:
    try:
        sizes = [int(word) for word in fields["sizes"].split()]
        agree = len(sizes) == int(fields["dimension"]) and min(sizes) > 0
    except (KeyError, ValueError):
        agree = False
    if not agree:
        stated = f"dimension {fields.get('dimension')!r}, sizes {fields.get('sizes')!r}"
        raise _damaged(what, f"it states {stated}")
    return sizes


def _whole(fields: Mapping[str, str], name: str, what: str) -> int:
    try:
        return int(fields.get(name, "0"))
    except ValueError:
        raise _damaged(what, f"it states {name} {fields[name]!r}") from None


def _data_file(path: Path, stated: str, what: str) -> Path:
    if stated.split()[:1] == ["LIST"] or "%" in stated:
        raise CaseRefused("format", f"the {what} {path.name} is spread over several files; write it as one")
    file = path.parent / stated
    check_data_file(file, path, what)
    return file


def _after_lines(file: Path, start: int, lines: int, what: str) -> int:
    if lines < 0:
        raise _damaged(what, f"it states line skip {lines}")
    if lines == 0:
        return start
    with file.open("rb") as stream:
        stream.seek(start)
        for _ in range(lines):
            stream.readline()
        return stream.tell()


def _check_place(fields: Mapping[str, str], what: str) -> tuple[str, ...]:
    """Check what is stated of voxel size, orientation and place; return notes."""
    units = {unit.strip().lower() for unit in re.findall(r'"([^"]*)"', fields.get("space units", ""))}
    if others := sorted(units - _MILLIMETRES):
        raise CaseRefused("units", f"the header of the {what} states the units {', '.join(others)}; write it again in mm")
    axes = _axes(fields, what)
    spacings = _numbers(fields.get("spacings", ""))
    if axes is None:
        if not spacings:
            raise CaseRefused("no-spacing", f"the header of the {what} states no voxel size; write it again with it")
        check_spacing([size for size in spacings if size is not None], what)
        raise _no_orientation(what, "voxel sizes and no `space directions`")
    lengths = np.linalg.norm(axes, axis=0)
    check_spacing(lengths.tolist(), what)
    if spacings and len(spacings) == 3 and None not in spacings:
        second = [size or 0.0 for size in spacings]
        check_spacing(second, what)
        check_same_spacing(lengths.tolist(), second, what, ("`space directions`", "`spacings`"))
    check_shear(axes, what)
    if (space := fields.get(_SPACE, "").lower()) not in _SPACES:
        raise _no_orientation(what, f"the space {space!r}" if space else "no `space`")
    if "space origin" not in fields:
        return (f"the header of the {what} states no origin; (0, 0, 0) is taken",)
    origin = _vector(fields["space origin"])
    if origin is None or len(origin) != 3 or not np.isfinite(origin).all():
        raise _no_orientation(what, f"the origin {fields['space origin']}")
    return ()


def _no_orientation(what: str, found: str) -> CaseRefused:
    reason = f"the header of the {what} states {found}, so its place in the patient is not known"
    return CaseRefused("no-orientation", f"{reason}; write it again with `space`, `space directions` and `space origin`")


def _axes(fields: Mapping[str, str], what: str) -> Matrix | None:
    """Return the axes of space as columns, shape (3, 3), NaN for one that is not stated; None if none is."""
    stated = fields.get("space directions")
    if stated is None:
        return None
    vectors = [_vector(word) for word in re.findall(r"\([^)]*\)|none|nan|\S+", stated)]
    present = [vector for vector in vectors if vector is not None]
    if len(vectors) != int(fields["dimension"]) or any(len(vector) != 3 for vector in present):
        raise _no_orientation(what, f"the axes {stated}")
    if len(present) != 3:
        raise CaseRefused(
            "no-spacing",
            f"the header of the {what} states the axes {stated}: the voxel size is known along {len(present)} of 3",
        )
    return np.array(present).T


def _vector(word: str) -> list[float] | None:
    if not word.startswith("("):
        return None
    numbers = _numbers(word.strip("()").replace(",", " "))
    return [math.nan if number is None else number for number in numbers]


def _numbers(words: str) -> list[float | None]:
    """Return numbers, None for a word that is none; ``nan`` is a number that none of the checks takes."""
    found: list[float | None] = []
    for word in words.split():
        try:
            found.append(float(word))
        except ValueError:
            found.append(None)
    return found
