"""The voxels of a volume as bytes in a file: whether all of them are there, as they were written, and finite.

ITK reads a file that was cut short as zeros (NIfTI), does not look at the checksum (gzip in NRRD), goes on with a volume of
nothing where zlib's stream is damaged (MetaImage), and turns NaN and infinity into 0 (NIfTI): all without a word.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.errors import CaseRefused

Packing = Literal["raw", "gzip", "zlib"]

_BLOCK = 1 << 22

_LARGEST_RATIO = 1032
"""Of packed bytes to plain ones, for deflate: https://www.zlib.net/zlib_tech.html."""

_ALIGNED = 8
"""Bytes of the largest number."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Where the voxels of a volume lie.

    Args:
        file: File that holds them.
        start: First byte of the stream in the file.
        packing: How the stream is packed.
        skip: Bytes of the unpacked stream before the first voxel.
        length: Bytes of all voxels, as the header has it.
        slice_bytes: Bytes of one slice.
        number: Type of the voxels, if they could hold a value that is no number and ITK would hide it.
    """

    file: Path
    start: int
    packing: Packing
    skip: int
    length: int
    slice_bytes: int
    number: np.dtype[Any] | None = None


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A volume whose header was checked, before its voxels are read.

    Args:
        path: Of the header.
        payload: Where the voxels are.
        notes: What is said of it.
        reader: Name of ITK's reader of the format.
    """

    path: Path
    payload: Payload
    notes: tuple[str, ...]
    reader: str


def check_size(payload: Payload, what: str) -> None:
    """Check that the file could hold what its header states, before memory is taken for it.

    Raises:
        CaseRefused: ``unreadable``.
    """
    there = payload.file.stat().st_size - payload.start
    if payload.packing == "raw":
        _check_length(there - payload.skip, payload, what)
    elif there * _LARGEST_RATIO < payload.skip + payload.length:
        reason = f"the {what} is cut short: {max(there, 0)} packed bytes cannot hold the {payload.length} that its header says"
        raise CaseRefused("unreadable", reason)


def check_voxels(payload: Payload, voxels: npt.NDArray[np.generic], what: str) -> None:
    """Check that voxels are what the file holds, by its checksum; read the whole file where the checksum does not decide.

    Args:
        payload: Checked by ``check_size``.
        voxels: As a reader gave them, shape (z, y, x).
        what: ``"image"`` or ``"mask"``.

    Raises:
        CaseRefused: ``unreadable``, ``nan`` or ``inf``.
    """
    if (payload.packing == "raw" and payload.number is None) or matches(payload, voxels):
        return
    try:
        _look_through(payload, what)
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise CaseRefused("unreadable", f"the {what} {payload.file.name} is damaged or cut short: {error}") from error


def matches(payload: Payload, voxels: npt.NDArray[np.generic]) -> bool:
    """Whether voxels are, bit for bit, what a packed file holds: by the checksum at its end.

    Where this cannot be decided (nothing is packed, several members, scaled or swapped voxels) it is False.
    """
    if payload.packing == "raw":
        return False
    plain = np.ascontiguousarray(voxels).data
    try:
        with payload.file.open("rb") as stored:
            stored.seek(-8, os.SEEK_END)
            end = stored.read(8)
        if payload.packing == "zlib":
            return payload.skip == 0 and struct.unpack(">I", end[4:]) == (zlib.adler32(plain),)
        before = b"".join(_first_bytes(payload))
    except (EOFError, zlib.error, OSError):
        return False
    found = zlib.crc32(plain, zlib.crc32(before)), (len(before) + voxels.nbytes) % 2**32
    return len(before) == payload.skip and found == struct.unpack("<2I", end)


def _first_bytes(payload: Payload) -> Iterator[bytes]:
    left = payload.skip
    blocks = _unpacked(payload)
    while left > 0 and (block := next(blocks, b"")):
        yield block[:left]
        left -= len(block)


def _look_through(payload: Payload, what: str) -> None:
    """Read a stream to its end, so that its checksum is verified, and count voxels that are no numbers."""
    found, pending, nans, infinities = -payload.skip, b"", 0, 0
    for block in _unpacked(payload):
        fresh = block[max(0, -found) :]
        found += len(block)
        if payload.number is None:
            continue
        pending += fresh
        whole = pending[: len(pending) // _ALIGNED * _ALIGNED]
        pending = pending[len(whole) :]
        values = np.frombuffer(whole, payload.number)
        nans += int(np.isnan(values).sum())
        infinities += int(np.isinf(values).sum())
    if payload.number is not None:
        rest = np.frombuffer(pending[: len(pending) // payload.number.itemsize * payload.number.itemsize], payload.number)
        nans, infinities = nans + int(np.isnan(rest).sum()), infinities + int(np.isinf(rest).sum())
    _check_length(found, payload, what)
    if nans:
        raise CaseRefused("nan", f"{nans} voxels of the {what} are not a number")
    if infinities:
        raise CaseRefused("inf", f"{infinities} voxels of the {what} are infinite")


def _check_length(found: int, payload: Payload, what: str) -> None:
    if found < payload.length:
        reason = f"the {what} is cut short: {max(found, 0)} bytes of voxels, the header says {payload.length}"
        raise CaseRefused("unreadable", reason)
    if found >= payload.length + payload.slice_bytes:  # less may be padding
        reason = f"the {what} holds {found} bytes of voxels, the header says {payload.length}: one of them is wrong"
        raise CaseRefused("unreadable", f"{reason}; export it again")


def _unpacked(payload: Payload) -> Iterator[bytes]:
    with payload.file.open("rb") as stored:
        stored.seek(payload.start)
        if payload.packing == "zlib":
            yield from _inflated(stored)
            return
        with gzip.GzipFile(fileobj=stored) if payload.packing == "gzip" else stored as plain:
            while block := plain.read(_BLOCK):
                yield block


def _inflated(stored: BinaryIO) -> Iterator[bytes]:
    stream, packed = zlib.decompressobj(), b""
    while not stream.eof:
        packed = packed or stored.read(_BLOCK)
        if not packed:
            msg = "the compressed stream ends too early"
            raise EOFError(msg)
        yield stream.decompress(packed, _BLOCK)
        packed = stream.unconsumed_tail
