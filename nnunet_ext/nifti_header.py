"""The header of a NIfTI file: what it says of shape, type and place, in both versions and both ways to store it."""

import gzip
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_ext.errors import CaseRefused
from nnunet_ext.stated_geometry import (
    SHEAR_UNNOTICED,
    Matrix,
    check_same_spacing,
    check_shear,
    check_spacing,
    nearest_rotation,
    shear_note,
)

HEADER_BYTES = 540
"""Of NIfTI-2; NIfTI-1 has 348."""

FORMS_APART_VOXELS = 0.5
"""Sides of the smallest voxel by which qform and sform may place a volume differently: they are stored as single floats."""

_QUATERNION_ROUNDING = 2.5e-7
"""What rounding to single floats can add to b² + c² + d², whose largest is 1: two units in the last place of each."""

_HALF_TURN = 1e-7
"""A smaller 1 - b² - c² - d² is 0, by nifti_quatern_to_mat44 of NIfTI's reference code."""

_SMALLEST_OFFSET = 348
"""Of the voxels in a single file: the length of the header."""

_BYTES = {
    2: 1, 4: 2, 8: 4, 16: 4, 32: 8, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4,
    1024: 8, 1280: 8, 1536: 16, 1792: 16, 2048: 32, 2304: 4,
}  # fmt: skip
"""Data type code to bytes of a voxel."""

_FLOAT_TYPES = {16: "f4", 64: "f8"}
"""Data type code to numpy type, for the types that can hold a value that is no number."""

_UNITS = {1: "metres", 3: "micrometres"}


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """What a header says.

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
    """Return what the first bytes of a file say, or None if they are no header of NIfTI."""
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
    """Check that shape, type and offset of the voxels can be what the header says.

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a header puts its grid.

    Args:
        affine: A right-angled sform to read it with instead of its own, shape (3, 4); None if its own will do.
        notes: What is said of it.
    """

    affine: Matrix | None = None
    notes: tuple[str, ...] = ()


def check_place(header: NiftiHeader, what: str) -> Place:
    """Check what a header states of voxel size, orientation and place.

    Raises:
        CaseRefused: ``units``, ``no-spacing``, ``no-orientation``, ``qform-sform``, ``spacing-conflict``, ``sheared``.
    """
    if header.units not in (0, 2):
        units = _UNITS.get(header.units, f"units of code {header.units}")
        raise CaseRefused("units", f"the header of the {what} states {units}; write it again in millimetres")
    spacing = header.pixdim[1:]
    check_spacing(spacing, what)
    by_qform, by_sform = (code > 0 for code in header.codes)
    if not by_qform and not by_sform:
        reason = (
            f"the header of the {what} states no orientation (its qform and sform codes are 0), so none of its voxel sizes "
        )
        raise CaseRefused("no-orientation", reason + "is to be relied on; write it again with its affine")
    if by_qform:
        _check_quaternion(header, what)
    if by_qform and by_sform:
        check_forms(header, what)
    if not by_sform:
        return Place()
    axes = header.affine[:, :3]
    if not np.isfinite(header.affine).all():
        raise CaseRefused("no-orientation", f"the sform of the {what} holds values that are not finite; write it again")
    check_same_spacing(spacing, np.linalg.norm(axes, axis=0).tolist(), what, ("pixdim", "its sform"))
    shear = check_shear(axes, what)
    if shear <= SHEAR_UNNOTICED:
        return Place()
    right_angled = np.hstack([nearest_rotation(axes) * np.array(spacing), header.affine[:, 3:]])
    return Place(right_angled, (shear_note(shear, what),))


def _check_quaternion(header: NiftiHeader, what: str) -> None:
    length = sum(value * value for value in header.quaternion[:3])
    if not (math.isfinite(sum(header.quaternion)) and math.isfinite(header.pixdim[0]) and length <= 1 + 1e-3):
        reason = f"the qform of the {what} is no rotation (b² + c² + d² is {length:.4g}, at most 1 is possible)"
        raise CaseRefused("no-orientation", f"{reason}; write it again with its affine")


def check_forms(header: NiftiHeader, what: str) -> None:
    """Refuse a header whose two descriptions of the grid's place, qform and sform, contradict each other.

    Some software follows the one and some the other, so that a mask could belong to a mirrored or moved image.

    Raises:
        CaseRefused: ``qform-sform``, if a corner of the volume is more than half of the smallest voxel side apart by every
            rotation that b, c and d are the single floats of: near a half turn the angle hangs on their last digits.
    """
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in header.dimensions[:3]))])
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # of values that are no numbers: refused below
        apart_mm = min(np.linalg.norm((_qform(header, a) - header.affine) @ corners.T, axis=0).max() for a in _turns(header))
    if not apart_mm <= FORMS_APART_VOXELS * min(header.pixdim[1:]):
        reason = f"qform and sform of the {what} place it up to {apart_mm:.3g} mm apart; correct its header"
        raise CaseRefused("qform-sform", reason)


def _turns(header: NiftiHeader) -> tuple[float, float]:
    """Return values of the quaternion's a: by NIfTI's reference code; and the sform's, as far as b, c and d leave it open."""
    rest = 1 - sum(value * value for value in header.quaternion[:3])
    low, high = (math.sqrt(max(0.0, rest + sign * _QUATERNION_ROUNDING)) for sign in (-1, 1))
    axes = header.affine[:, :3] / np.array(header.pixdim[1:]) * [1, 1, -1 if header.pixdim[0] < 0 else 1]
    own = 0.5 * math.sqrt(max(0.0, 1 + float(np.trace(axes))))
    return math.sqrt(rest) if rest >= _HALF_TURN else 0.0, min(max(own, low), high)


def _qform(header: NiftiHeader, a: float) -> Matrix:
    """Return the affine of the quaternion and offset, shape (3, 4), by nifti_quatern_to_mat44 of NIfTI's reference code."""
    a, b, c, d = np.array([a, *header.quaternion[:3]]) / np.linalg.norm([a, *header.quaternion[:3]])
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    steps = np.array(header.pixdim[1:])
    steps[2] *= -1 if header.pixdim[0] < 0 else 1
    return np.hstack([turn * steps, np.array(header.quaternion[3:])[:, None]])


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
