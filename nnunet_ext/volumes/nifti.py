"""NIfTI files: what ITK needs to read one whatever its name, where its voxels lie, and a writer.

ITK's writer compresses at one level, whatever it is asked for, which takes half a minute for a scan of 500 slices.
"""

import errno
import gzip
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.files import atomic_path
from nnunet_ext.volumes.nifti_header import NiftiHeader, as_pair, check_layout, read_header
from nnunet_ext.volumes.nifti_place import check_place
from nnunet_ext.volumes.payload import Payload, matches
from nnunet_ext.volumes.presence import check_data_file
from nnunet_ext.volumes.stated_geometry import Matrix

_BLOCK = 1 << 22

_PARTNER = {".hdr": ".img", ".img": ".hdr"}


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


@dataclass(frozen=True, slots=True)
class NiftiFile:
    """A NIfTI file whose header was checked.

    Args:
        path: Of the file, or of a pair's header.
        header: The header of the file.
        payload: Where the voxels are.
        affine: A right-angled sform to read it with; None if its own will do.
        notes: What is said of it.
        what: ``"image"`` or ``"mask"``.
    """

    path: Path
    header: NiftiHeader
    payload: Payload
    affine: Matrix | None
    notes: tuple[str, ...]
    what: str
    reader: ClassVar[str] = "NiftiImageIO"

    @property
    def is_usual(self) -> bool:
        """Whether ITK reads the file as it is.

        It goes by the letters of a name, refuses axes off a right angle, and does not know NIfTI-2.
        """
        usual_name = self.path.name.endswith(".nii.gz" if self.payload.packing == "gzip" else ".nii")
        plain = self.header.version == 1 and not self.header.pair and not self.header.is_volume
        return usual_name and plain and self.affine is None

    def for_itk(self, folder: Path) -> Path:
        """Write a header that ITK reads into ``folder``, next to a link to the voxels; return its path."""
        made = folder / "volume.hdr"
        made.write_bytes(as_pair(self.header, self.affine, self.what))
        made.with_suffix(".img.gz" if self.payload.packing == "gzip" else ".img").symlink_to(self.payload.file.resolve())
        return made


def open_nifti(path: Path, header: NiftiHeader, what: str) -> NiftiFile:
    """Check the header of a NIfTI file, and find its voxels.

    Args:
        path: Of the file that holds the header.
        header: Its own.
        what: ``"image"`` or ``"mask"``.

    Raises:
        CaseRefused: ``unreadable``, ``not-3d``, and the codes of ``nnunet_ext.volumes.nifti_place.check_place``.
    """
    check_layout(header, what)
    if len(header.dimensions) < 3:
        raise CaseRefused("not-3d", f"the {what} has {len(header.dimensions)} dimensions, not 3")
    place = check_place(header, what)
    return NiftiFile(path, header, _payload(path, header, what), place.affine, place.notes, what)


def partner(path: Path) -> Path | None:
    """Return the other file of a pair, ``.hdr`` and ``.img``, by the name of the one; None if it is not there."""
    packed = path.suffix.lower() == ".gz"
    stem = path.with_suffix("") if packed else path
    other = _PARTNER.get(stem.suffix.lower())
    if other is None:
        return None
    spelt = other.upper() if stem.suffix.isupper() else other
    names = [stem.with_suffix(spelt), stem.with_suffix(f"{spelt}.gz"), stem.with_suffix(f"{spelt}.GZ")]
    return next((name for name in names if name.is_file()), None)


def _payload(path: Path, header: NiftiHeader, what: str) -> Payload:
    file = partner(path) if header.pair else path
    if file is None:
        raise CaseRefused("unreadable", f"the {what} {path.name} is the header of a pair, and its .img is not there")
    check_data_file(file, path, what)
    with file.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    slice_bytes = header.length // int(np.prod(header.dimensions[2:], dtype=object))
    packing, skip = "gzip" if packed else "raw", int(header.offset)
    return Payload(file, 0, packing, skip, header.length, slice_bytes, header.float_type)  # type: ignore[arg-type]


def is_whole(path: Path, voxels: npt.NDArray[np.generic]) -> bool:
    """Whether what was read is, bit for bit, what a gzip file holds: by the checksum at its end.

    Args:
        path: A NIfTI file.
        voxels: As a reader gave them, shape (z, y, x).
    """
    header = read_header(path)
    return header is not None and matches(_payload(path, header, "image"), voxels)
