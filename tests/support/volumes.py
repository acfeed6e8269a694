"""Volumes in every format, whose bytes a test can then damage."""

import gzip
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.volume_file import read_volume

SPACING = (0.8, 0.7, 2.5)


def voxels(kind: str = "i2") -> npt.NDArray[np.generic]:
    """HU of noise, shape (z, y, x) = (6, 20, 24)."""
    return np.random.default_rng(0).integers(-1000, 300, (6, 20, 24)).astype(kind)


def image(array: npt.NDArray[np.generic] | None = None) -> sitk.Image:
    made = sitk.GetImageFromArray(voxels() if array is None else array)
    made.SetSpacing(SPACING)
    made.SetOrigin((-10.0, 20.0, 300.0))
    return made


def write(path: Path, array: npt.NDArray[np.generic] | None = None, *, packed: bool = False) -> Path:
    sitk.WriteImage(image(array), str(path), useCompression=packed)
    return path


def code_of(path: Path, what: str = "image") -> str | None:
    """Return the code with which a file is refused, or none."""
    try:
        read_volume(path, what)
    except CaseRefused as refused:
        return refused.code
    return None


def with_numbers(path: Path, form: str, at: int, *values: float) -> Path:
    """Overwrite numbers of a NIfTI header, compressed or not."""
    packed = path.read_bytes()[:2] == b"\x1f\x8b"
    content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    struct.pack_into(form, content, at, *values)
    path.write_bytes(gzip.compress(content) if packed else content)
    return path
