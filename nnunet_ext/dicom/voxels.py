"""The voxels of a DICOM series, each slice by its own slope and intercept."""

import math
import warnings

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom import dcmread

from nnunet_ext.dicom.headers import Header
from nnunet_ext.dicom.series import Series
from nnunet_ext.ground.errors import CaseRefused


def read_volume(series: Series) -> sitk.Image:
    """Read the volume of a series in HU.

    Each slice is read on its own, because ITK forces the voxel type of a series' first slice on all. The volume has the
    smallest type that holds what ITK makes of each: a float where slope or intercept are no whole numbers.

    Args:
        series: One that is a volume.

    Raises:
        CaseRefused: What ``Series.slices`` raises, and ``unreadable`` if pixel data are damaged or cut short.
    """
    slices = series.slices
    volume: npt.NDArray[np.generic] | None = None
    for number, header in enumerate(slices):
        try:
            plane = _read_slice(header)
        except CaseRefused as refused:
            where = f"cannot read the voxels of slice {number + 1} of {len(slices)}"
            raise CaseRefused(refused.code, f"{where}: {refused.reason}") from refused
        if volume is None:
            volume = np.zeros((len(slices), *plane.shape), plane.dtype)
        volume = volume.astype(np.result_type(volume, plane), copy=False)
        volume[number] = plane
    image = sitk.GetImageFromArray(volume)
    spacing = slices[0].grid[:2]  # of rows, which is along y, and of columns
    image.SetSpacing((spacing[1], spacing[0], series.step_mm))
    image.SetOrigin(slices[0].position_mm)
    image.SetDirection(series.directions.T.ravel().tolist())
    return image


def _read_slice(header: Header) -> npt.NDArray[np.generic]:
    """Return the HU of a slice, shape (rows, columns)."""
    _check_length(header)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    try:
        reader.SetFileName(str(header.path))
        plane = sitk.GetArrayFromImage(reader.Execute())
    except (RuntimeError, UnicodeError, TypeError) as error:  # the last two for a file name that is no text
        raise CaseRefused("unreadable", "its pixel data are damaged, cut short or compressed in an unknown way") from error
    rows, columns = (int(n) for n in header.grid[2:])
    if plane.size != rows * columns:
        raise CaseRefused("unreadable", f"its pixel data have the shape {plane.shape}, its header says {rows} x {columns}")
    return np.asarray(plane.reshape(rows, columns))


def _check_length(header: Header) -> None:
    """Refuse pixel data that are shorter than rows and columns ask for, which ITK fills up with what lies in memory."""
    if _ends_with_pixels(header):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dcmread(header.path, specific_tags=["PixelData"], force=True)
            syntax = found.file_meta.get("TransferSyntaxUID")
            length = len(found.PixelData)
    except Exception as error:  # as in headers: pydicom raises what it meets
        raise CaseRefused("unreadable", "it has no pixel data, or damaged ones") from error
    expected = _n_bytes(header)
    if (syntax is None or not syntax.is_encapsulated) and length < expected:
        raise CaseRefused("unreadable", f"its pixel data are cut short, {length} of {expected} bytes")


def _n_bytes(header: Header) -> int:
    """Return how many bytes the pixel data of a slice take when they are not compressed."""
    return math.ceil(header.grid[2] * header.grid[3] * header.pixels.allocated / 8)


def _ends_with_pixels(header: Header) -> bool:
    """Return whether a file ends with pixel data of full length, as most do, which is seen without parsing it."""
    expected = _n_bytes(header)
    length = expected.to_bytes(4, "little")
    try:
        with header.path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - expected - 12))
            start = stream.read(12)
    except OSError:
        return False
    explicit = [b"\xe0\x7f\x10\x00" + kind + b"\0\0" + length for kind in (b"OW", b"OB")]
    return size > expected + 12 and (start in explicit or start[4:] == b"\xe0\x7f\x10\x00" + length)
