"""The header of a NIfTI file: what it says of shape, type and place, in both versions and both ways to store it."""

import gzip
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.stated_geometry import Matrix

HEADER_BYTES = 540
"""Of NIfTI-2; NIfTI-1 has 348."""

_SMALLEST_OFFSET = 348
"""Of the voxels in a single file: the length of the header."""

_BYTES = {
    2: 1, 4: 2, 8: 4, 16: 4, 32: 8, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4,
    1024: 8, 1280: 8, 1536: 16, 1792: 16, 2048: 32, 2304: 4,
}  # fmt: skip
"""Data type code to bytes of a voxel."""

_FLOAT_TYPES = {16: "f4", 64: "f8"}
"""Data type code to numpy type, for the types that can hold a value that is no number."""


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """Content of a header.

    Args:
        stored: Its bytes.
        order: ``<`` or ``>``, as ``struct`` names byte orders.
        version: 1 or 2.
        pair: Whether the voxels lie in another file (``.img``).
        dimensions: Number of voxels along each axis, x first; at least 1.
        type_code: Of the voxels' type.
        offset: Of the first voxel, in bytes.
        scaling: Slope and intercept.
        units: Code of the units of space.
        pixdim: qfac, and voxel sizes along x, y, z.
        codes: Of qform and sform; 0 if it states none.
        quaternion: b, c, d, and the place of the first voxel.
        affine: sform, shape (3, 4).
    """

    stored: bytes
    order: str
    version: int
    pair: bool
    dimensions: tuple[int, ...]
    type_code: int
    offset: float
    scaling: tuple[float, float]
    units: int
    pixdim: tuple[float, ...]
    codes: tuple[int, int]
    quaternion: tuple[float, ...]
    affine: Matrix

    @property
    def length(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.dimensions) * _BYTES[self.type_code]

    @property
    def float_type(self) -> np.dtype[Any] | None:
        """Type of the voxels, if they could hold a value that is no number."""
        kind = _FLOAT_TYPES.get(self.type_code)
        return None if kind is None else np.dtype(self.order + kind)

    @property
    def is_volume(self) -> bool:
        """Whether there are more axes than three, and those have one voxel."""
        return len(self.dimensions) > 3 and math.prod(self.dimensions[3:]) == 1


def read_header(path: Path) -> NiftiHeader | None:
    """Return the header of a file, compressed or not; None if it has none of NIfTI's.

    Raises:
        EOFError, OSError, zlib.error: If it cannot be read.
    """
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as opened:
        return parse(opened.read(HEADER_BYTES))


def parse(stored: bytes) -> NiftiHeader | None:
    """Return the header in the first bytes of a file, or None if they are no header of NIfTI."""
    for order in "<>":
        if len(stored) >= 348 and stored[:4] == struct.pack(order + "i", 348) and stored[344:348] in (b"n+1\0", b"ni1\0"):
            return _first_version(stored, order)
        if len(stored) >= 540 and stored[:4] == struct.pack(order + "i", 540) and stored[4:7] in (b"n+2", b"ni2"):
            return _second_version(stored, order)
    return None


def _first_version(stored: bytes, order: str) -> NiftiHeader:
    def numbers(form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + form, stored, at)

    place = numbers("18f", 256)
    return NiftiHeader(
        stored=stored[:348],
        order=order,
        version=1,
        pair=stored[344:347] == b"ni1",
        dimensions=_dimensions(numbers("8h", 40)),
        type_code=numbers("h", 70)[0],
        offset=numbers("f", 108)[0],
        scaling=numbers("2f", 112),
        units=stored[123] & 7,
        pixdim=numbers("4f", 76),
        codes=numbers("2h", 252),
        quaternion=place[:6],
        affine=np.array(place[6:]).reshape(3, 4),
    )


def _second_version(stored: bytes, order: str) -> NiftiHeader:
    def numbers(form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + form, stored, at)

    place = numbers("18d", 352)
    return NiftiHeader(
        stored=stored[:540],
        order=order,
        version=2,
        pair=stored[4:7] == b"ni2",
        dimensions=_dimensions(numbers("8q", 16)),
        type_code=numbers("h", 12)[0],
        offset=numbers("q", 168)[0],
        scaling=numbers("2d", 176),
        units=numbers("i", 500)[0] & 7,
        pixdim=numbers("4d", 104),
        codes=numbers("2i", 344),
        quaternion=place[:6],
        affine=np.array(place[6:]).reshape(3, 4),
    )


def _dimensions(stated: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of the axes; those of the first three are left as they are, for ``check_layout``."""
    return tuple(n if axis < 3 else max(n, 1) for axis, n in enumerate(stated[1 : 1 + stated[0]])) if 0 < stated[0] < 8 else ()


def check_layout(header: NiftiHeader, what: str) -> None:
    """Check that shape, type and offset of the voxels can be what the header states.

    Raises:
        CaseRefused: ``unreadable``.
    """
    damage = None
    if not header.dimensions or min(header.dimensions) < 1:
        damage = f"an image of {' x '.join(map(str, header.dimensions)) or 'no'} voxels"
    elif header.type_code not in _BYTES:
        damage = f"the data type {header.type_code}, which NIfTI does not know"
    elif not math.isfinite(header.offset) or header.offset < (0 if header.pair else _SMALLEST_OFFSET):
        damage = f"voxels from byte {header.offset:g} on"
    elif math.inf in map(abs, header.scaling):
        damage = f"voxels scaled by {header.scaling[0]:g} and moved by {header.scaling[1]:g}"
    if damage is not None:
        raise CaseRefused("unreadable", f"the header of the {what} is damaged: it states {damage}; export it again")


def as_pair(header: NiftiHeader, affine: Matrix | None, what: str) -> bytes:
    """Return the same header as NIfTI-1's of a volume whose voxels lie in another file, which ITK reads.

    Args:
        header: Of either version.
        affine: For the sform, instead of its own.
        what: ``"image"`` or ``"mask"``.

    Raises:
        CaseRefused: ``format`` if NIfTI-1 cannot hold the shape.
    """
    shape = header.dimensions[:3] if header.is_volume else header.dimensions
    if max(shape) > np.iinfo(np.int16).max:
        reason = f"the {what} is NIfTI-2 with {max(shape)} voxels along an axis, and at most 32767 are read"
        raise CaseRefused("format", f"{reason}; write it as NRRD")
    made = bytearray(header.stored) if header.version == 1 else bytearray(348)
    order = header.order

    def put(form: str, at: int, *values: float) -> None:
        struct.pack_into(order + form, made, at, *values)

    put("i", 0, 348)
    put("8h", 40, len(shape), *shape, *[1] * (7 - len(shape)))
    put("2h", 70, header.type_code, 8 * _BYTES[header.type_code])
    put("4f", 76, *header.pixdim)
    put("3f", 108, float(header.offset), *header.scaling)
    made[123] = header.units
    put("2h", 252, *header.codes)
    put("6f", 256, *header.quaternion)
    put("12f", 280, *(header.affine if affine is None else affine).ravel().tolist())
    made[344:348] = b"ni1\0"
    return bytes(made) + bytes(4)


def is_analyze(stored: bytes) -> bool:
    """Whether bytes are a header of Analyze 7.5, which NIfTI-1 grew from and which states no orientation."""
    return len(stored) >= 348 and 348 in struct.unpack("<i", stored[:4]) + struct.unpack(">i", stored[:4])
