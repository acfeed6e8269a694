"""One reader of volumes for the whole pipeline: what a file holds, by its content, or why it is not taken.

Formats are few, so that each is read with everything its header must state and everything ITK would hide: NIfTI (1 and 2, one
file or a pair), NRRD and MetaImage (attached or detached). DICOM is left to the reader of series.
"""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.files import sha256
from nnunet_ext.volumes.metaimage import BEGINS, open_metaimage
from nnunet_ext.volumes.nifti import NiftiFile, open_nifti, partner
from nnunet_ext.volumes.nifti_header import HEADER_BYTES, is_analyze, parse
from nnunet_ext.volumes.nrrd import MAGIC, open_nrrd
from nnunet_ext.volumes.payload import CheckedFile, check_size, check_voxels
from nnunet_ext.volumes.presence import check_file, is_there, short_name
from nnunet_ext.volumes.stated_geometry import SHEAR_UNNOTICED, check_shear, nearest_rotation, shear_note

MAX_VOXELS = 2**31
"""Four times a whole-body scan at 0.6 mm; a header that claims more is damaged."""

FORMATS = "NIfTI (.nii, .nii.gz, .hdr with .img), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd)"

_NAMES = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz", ".hdr.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Endings that promise one of the formats: what does not hold it is damaged, not foreign."""

_PREAMBLE = 128
"""Bytes before ``DICM`` in a DICOM file."""

_VolumeFile = NiftiFile | CheckedFile


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as it was read.

    Args:
        image: Three dimensions, voxel type as stored or as its header scales it.
        notes: What was taken in a way that its reader should know, a line each.
    """

    image: sitk.Image
    notes: tuple[str, ...] = ()


def read_volume(path: Path, what: str, *, channels: bool = False) -> Volume:
    """Read a volume from a file.

    Args:
        path: The file. Its format is found in its content.
        what: ``"image"`` or ``"mask"``, for codes and messages.
        channels: Take several values per voxel.

    Raises:
        CaseRefused: With one of the codes ``image-missing``, ``mask-missing``, ``io-error``, ``unreadable``, ``format``,
            ``units``, ``no-spacing``, ``no-orientation``, ``spacing-conflict``, ``qform-sform``, ``sheared``, ``not-3d``,
            ``not-scalar``, ``too-large``, ``nan``, ``inf``.
    """
    check_file(path, what)
    try:
        opened = _open(path, what)
    except OSError as error:
        raise CaseRefused("io-error", f"the {what} {short_name(path)} could not be read: {error.strerror or error}") from error
    if opened is None:
        return Volume(_execute(path, "", what, channels=channels))
    check_size(opened.payload, what)
    try:
        with _itk_path(opened) as source:
            image = _execute(source, opened.reader, what, channels=channels)
    except CaseRefused as refused:
        if refused.code == "unreadable":  # our message is more informative than that of ITK, where both find it
            check_voxels(opened.payload, np.empty(0, np.uint8), what)
        raise
    check_voxels(opened.payload, sitk.GetArrayViewFromImage(image), what)
    if not isinstance(opened, NiftiFile):
        check_finite(image, what)
    return _right_angled(Volume(image, opened.notes), what)


@contextmanager
def _itk_path(opened: _VolumeFile) -> Iterator[Path]:
    """Yield a path under which ITK reads a file, as long as it is read."""
    if not isinstance(opened, NiftiFile) or opened.is_usual:
        yield opened.path
        return
    with tempfile.TemporaryDirectory(prefix="ccrcc-volume-") as folder:
        yield opened.for_itk(Path(folder))


def volume_files(path: Path) -> tuple[Path, ...]:
    """Return the files that a volume is made of: one, or a header and its voxels. Of one that cannot be read, its own path."""
    try:
        opened = _open(path, "image")
    except (OSError, CaseRefused):
        return (path,)
    return (path,) if opened is None else tuple(dict.fromkeys((path, opened.path, opened.payload.file)))


def volume_sha256(path: Path, what: str) -> str:
    """Return the SHA-256 of all that an image or a mask is made of, as hexadecimal.

    Args:
        path: Of a volume, or of a folder with one series.
        what: ``"image"`` or ``"mask"``.

    Raises:
        CaseRefused: ``image-missing``, ``mask-missing``, ``unreadable`` or ``io-error``.
    """
    check_file(path, what, folders=True)
    try:
        return sha256(path) if path.is_dir() else sha256(*volume_files(path))
    except OSError as error:
        raise CaseRefused("io-error", f"a file could not be read: {error.strerror or type(error).__name__}") from error


def stamp(path: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of every file of a volume or series: enough to notice that one was replaced.

    It is empty for a path that leads nowhere.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else volume_files(path) if path.is_file() else ()
        stats = [(file.name, file.stat()) for file in files if is_there(file)]
    except (OSError, ValueError):
        return []
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _open(path: Path, what: str) -> _VolumeFile | None:
    """Return a file with its header checked; None for DICOM.

    Raises:
        CaseRefused: ``format``, or ``unreadable`` if its name promises more than it holds; what its header lacks.
    """
    with path.open("rb") as stream:
        start = stream.read(HEADER_BYTES)
    if start[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return None
    if start.startswith(MAGIC):
        return open_nrrd(path, what)
    if BEGINS.match(start):
        return open_metaimage(path, what)
    if header := parse(_unpacked(path, start, what)):
        return open_nifti(path, header, what)
    if path.name.lower().endswith((".img", ".img.gz")) and (other := partner(path)):
        with other.open("rb") as stream:
            start = _unpacked(other, stream.read(HEADER_BYTES), what)
        if header := parse(start):
            return open_nifti(other, header, what)
    raise _foreign(path, start, what)


def _unpacked(path: Path, start: bytes, what: str) -> bytes:
    if not start.startswith(b"\x1f\x8b"):
        return start
    try:
        with gzip.open(path) as stream:
            return stream.read(HEADER_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CaseRefused("unreadable", f"the {what} {short_name(path)} is damaged or cut short: {error}") from error


def _foreign(path: Path, start: bytes, what: str) -> CaseRefused:
    """Return why a file is not taken; ``start`` is of the header, where that is a file of its own."""
    name = short_name(path)
    if path.name.lower().endswith((".hdr", ".img")) and is_analyze(start):
        reason = f"the {what} {name} is Analyze 7.5, whose header states no orientation; write it as NIfTI with its affine"
        return CaseRefused("format", reason)
    if not start or path.name.lower().endswith(_NAMES):
        reason = f"the {what} {name} is {'no volume: its header is damaged or cut short' if start else 'empty'}"
        return CaseRefused("unreadable", f"{reason}; copy or export it again")
    return CaseRefused("format", f"the {what} {name} is none of the formats that are read; write it as {FORMATS}")


def _execute(path: Path, reader_name: str, what: str, *, channels: bool) -> sitk.Image:
    """Read a file by ITK, once its size and kind are known; axes of one voxel after the third are dropped.

    Raises:
        CaseRefused: ``unreadable``, ``not-3d``, ``not-scalar``, ``too-large``.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(reader_name)
    try:
        reader.ReadImageInformation()
        _check_kind(reader, what, channels=channels)
        size = reader.GetSize()
        if len(size) > 3:
            reader.SetExtractSize([*size[:3], *[0] * (len(size) - 3)])
        image = reader.Execute()
    except RuntimeError as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise CaseRefused("unreadable", f"the {what} {short_name(path)} cannot be read: {line}") from error
    is_list_of_one = image.GetNumberOfComponentsPerPixel() == 1 and "vector" in image.GetPixelIDTypeAsString()
    return sitk.VectorIndexSelectionCast(image, 0) if is_list_of_one else image


def _check_kind(reader: sitk.ImageFileReader, what: str, *, channels: bool) -> None:
    size = reader.GetSize()
    if len(size) < 3 or any(n != 1 for n in size[3:]):
        raise CaseRefused("not-3d", f"the {what} has {len(size)} dimensions, not 3")
    n_values = reader.GetNumberOfComponents()
    is_complex = reader.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)
    if is_complex or (n_values != 1 and not channels):
        raise CaseRefused("not-scalar", f"the {what} has {n_values} values per voxel, not 1")
    voxels = int(np.prod([int(n) for n in size], dtype=object))
    if voxels > MAX_VOXELS:
        raise CaseRefused(
            "too-large", f"the header of the {what} claims {voxels:.2g} voxels; at most {MAX_VOXELS:.2g} are read"
        )


def check_finite(image: sitk.Image, what: str) -> None:
    """Check that every voxel is a number.

    Raises:
        CaseRefused: ``nan`` or ``inf``.
    """
    values = sitk.GetArrayViewFromImage(image)
    if not np.issubdtype(values.dtype, np.floating) or np.isfinite(values).all():
        return
    if n_nan := int(np.isnan(values).sum()):
        raise CaseRefused("nan", f"{n_nan} voxels of the {what} are not a number")
    raise CaseRefused("inf", f"{int(np.isinf(values).sum())} voxels of the {what} are infinite")


def _right_angled(volume: Volume, what: str) -> Volume:
    """Return a volume on axes at right angles, with a note if they were turned by more than rounding.

    Raises:
        CaseRefused: ``sheared``.
    """
    axes = np.array(volume.image.GetDirection()).reshape(3, 3)
    shear = check_shear(axes, what)
    if shear <= SHEAR_UNNOTICED:
        return volume
    volume.image.SetDirection(nearest_rotation(axes).ravel().tolist())
    return replace(volume, notes=(*volume.notes, shear_note(shear, what)))
