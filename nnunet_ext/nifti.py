"""What ITK's NIfTI reader hides: it turns NaN and infinity into 0, and reads a cut file as zeros, both without a word.

And its writer compresses at one level, whatever it is asked for, which takes half a minute for a scan of 500 slices.
"""

import errno
import gzip
import math
import os
import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.errors import CaseRefused
from nnunet_ext.files import atomic_path

_FLOAT_TYPES = {16: "f4", 64: "f8"}
"""NIfTI data type code to numpy type, for the types that can hold a value that is no number."""

_BLOCK = 1 << 22

FORMS_APART_VOXELS = 0.5
"""Sides of the smallest voxel by which qform and sform may place a volume differently: they are stored as single floats."""


def write_nifti(image: sitk.Image, path: Path) -> None:
    """Write a ``.nii.gz`` file atomically, compressed fast; the same image gives the same bytes.

    Raises:
        OSError: If it cannot be written; ITK says nothing of a disk that is full.
    """
    with atomic_path(path) as temporary:
        plain = temporary.with_suffix("")
        try:
            _write_plain(image, plain)
            with (
                plain.open("rb") as source,
                temporary.open("wb") as stored,
                gzip.GzipFile("", "wb", compresslevel=1, fileobj=stored, mtime=0) as packed,
            ):
                shutil.copyfileobj(source, packed, _BLOCK)
        finally:
            plain.unlink(missing_ok=True)


def _write_plain(image: sitk.Image, path: Path) -> None:
    """Write an uncompressed file, and see that all its voxels are there."""
    wanted = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    fault = None
    try:
        sitk.WriteImage(image, str(path))
    except RuntimeError as error:
        fault = error
    if wanted and (not path.exists() or path.stat().st_size < wanted):
        room = shutil.disk_usage(path.parent).free
        number = errno.ENOSPC if room < wanted else errno.EIO
        raise OSError(number, os.strerror(number)) from fault
    if fault is not None:
        raise fault


def check_payload(path: Path, what: str) -> None:
    """Refuse a NIfTI file whose voxels are not all there, or not all finite numbers.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.
        what: ``"image"`` or ``"mask"``, for the message.

    Raises:
        CaseRefused: ``unreadable``, ``nan`` or ``inf``.

    References:
        NIfTI-1 and NIfTI-2 header layouts, doi:10.1016/j.jneumeth.2016.03.001.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            _check_stream(cast("BinaryIO", stream), what)
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise CaseRefused("unreadable", f"the {what} {path.name} is damaged or cut short: {error}") from error


def is_whole(path: Path, voxels: npt.NDArray[np.generic]) -> bool:
    """Tell quickly whether what was read is, bit for bit, what a gzip file holds: by the checksum at its end.

    Where this cannot tell (another format, several members, scaled or swapped voxels) it says no, and ``check_payload`` looks.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.
        voxels: As a reader gave them, shape (z, y, x).
    """
    if path.suffix != ".gz":
        return False
    try:
        with path.open("rb") as stored:
            stored.seek(-8, os.SEEK_END)
            checksum, length = struct.unpack("<2I", stored.read(8))
        with gzip.open(path) as stream:
            header = stream.read(540)
            layout = _layout(header)
            before = b"" if layout is None else header[: layout[-1]] + stream.read(max(0, layout[-1] - len(header)))
    except (EOFError, zlib.error, OSError):
        return False
    found = zlib.crc32(np.ascontiguousarray(voxels).data, zlib.crc32(before))
    return bool((found, (len(before) + voxels.nbytes) % 2**32) == (checksum, length))


def check_forms(path: Path, what: str) -> None:
    """Refuse a NIfTI file whose two descriptions of the grid's place, qform and sform, contradict each other.

    Some software follows the one and some the other, so that a mask could belong to a mirrored or moved image.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.
        what: ``"image"`` or ``"mask"``, for the message.

    Raises:
        CaseRefused: ``qform-sform``, if a corner of the volume is more than half of the smallest voxel side apart;
            ``unreadable``.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            header = stream.read(540)
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise CaseRefused("unreadable", f"the {what} {path.name} is damaged or cut short: {error}") from error
    layout = _layout(header)
    if layout is None:
        return
    order, shape, *_ = layout
    old = header[:4] == struct.pack(order + "i", 348)
    numbers, codes, at = ("f", "2h", (76, 252, 256)) if old else ("d", "2i", (104, 344, 352))
    pixdim = struct.unpack_from(f"{order}4{numbers}", header, at[0])
    qform_code, sform_code = struct.unpack_from(order + codes, header, at[1])
    place = np.array(struct.unpack_from(f"{order}18{numbers}", header, at[2]))
    if qform_code <= 0 or sform_code <= 0:
        return
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in shape[:3]))])
    apart_mm = float(np.linalg.norm((_qform(pixdim, place[:6]) - place[6:].reshape(3, 4)) @ corners.T, axis=0).max())
    if not apart_mm <= FORMS_APART_VOXELS * min(pixdim[1:]):
        reason = f"qform and sform of the {what} place it up to {apart_mm:.3g} mm apart; correct its header"
        raise CaseRefused("qform-sform", reason)


def _qform(pixdim: Sequence[float], place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the affine of a quaternion and an offset, shape (3, 4), by the formula in the NIfTI-1 header."""
    b, c, d = place[:3]
    a = math.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    steps = np.array(pixdim[1:])
    steps[2] *= -1 if pixdim[0] < 0 else 1
    return np.hstack([turn * steps, place[3:, None]])


def _check_stream(stream: BinaryIO, what: str) -> None:
    header = stream.read(540)
    layout = _layout(header)
    if layout is None:
        raise CaseRefused("unreadable", f"the {what} is no NIfTI file: its header does not say 348 or 540")
    order, shape, type_code, bits, offset = layout
    expected = math.prod(shape) * bits // 8
    number = np.dtype(order + _FLOAT_TYPES[type_code]) if type_code in _FLOAT_TYPES else None
    found = nans = infinities = 0
    for block in _blocks(stream, header[offset:], skip=max(0, offset - len(header)), length=expected):
        found += len(block)
        if number is not None:
            values = np.frombuffer(block, number)
            nans += int(np.isnan(values).sum())
            infinities += int(np.isinf(values).sum())
    if found < expected:
        raise CaseRefused("unreadable", f"the {what} is cut short: {found} bytes of voxels, the header says {expected}")
    if nans:
        raise CaseRefused("nan", f"{nans} voxels of the {what} are not a number")
    if infinities:
        raise CaseRefused("inf", f"{infinities} voxels of the {what} are infinite")


def _layout(header: bytes) -> tuple[str, list[int], int, int, int] | None:
    """Return byte order, shape, data type code, bits a voxel and offset of the first voxel, or none."""
    for order in "<>":
        if header[:4] == struct.pack(order + "i", 348) and len(header) >= 348:
            dimensions = struct.unpack_from(order + "8h", header, 40)
            type_code, bits = struct.unpack_from(order + "2h", header, 70)
            (offset,) = struct.unpack_from(order + "f", header, 108)
        elif header[:4] == struct.pack(order + "i", 540) and len(header) >= 540:
            type_code, bits = struct.unpack_from(order + "2h", header, 12)
            dimensions = struct.unpack_from(order + "8q", header, 16)
            (offset,) = struct.unpack_from(order + "q", header, 168)
        else:
            continue
        return order, [max(int(n), 1) for n in dimensions[1 : dimensions[0] + 1]], type_code, bits, int(offset)
    return None


def _blocks(stream: BinaryIO, first: bytes, *, skip: int, length: int) -> Iterator[bytes]:
    """Yield ``length`` bytes of voxels in blocks of whole numbers, then read to the end so that a checksum is verified."""
    stream.read(skip)
    pending, left = first[:length], length
    while left:
        pending += stream.read(min(_BLOCK, left - len(pending)))
        whole = pending if len(pending) == left else pending[: len(pending) // 8 * 8]
        if not whole:
            return
        yield whole
        left -= len(whole)
        pending = pending[len(whole) :]
    while stream.read(_BLOCK):
        pass
