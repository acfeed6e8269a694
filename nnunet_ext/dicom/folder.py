"""A folder, or a file, that a user names as one scan."""

from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk

from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.headers import Header, read_header
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.voxels import read_volume
from nnunet_ext.ground.errors import CaseRefused

FEWEST_SLICES = 2
"""Of a folder that a user names: what it holds was chosen by a person, and may be a short part of a scan. One slice has no
distance to another, so it is no volume."""


def read_folder(folder: Path) -> sitk.Image:
    """Read the only CT series in a folder as a volume in HU; subfolders are ignored.

    The rules are those of ``ccrcc import dicom`` except for the number of slices.

    Raises:
        CaseRefused: What ``only_series`` and ``read_volume`` raise.
    """
    return read_volume(only_series(folder))


def only_series(folder: Path) -> Series:
    """Return the only CT series in a folder.

    Raises:
        CaseRefused: ``no-series``, ``several-series`` or ``unreadable``.
    """
    found = find_series(folder, below=False, by_study=False)
    if not found.series and not found.unread:
        raise CaseRefused("no-series", f"the folder {folder.name} holds no DICOM series")
    images = [one for one in found.series if one.first.modality not in _NO_IMAGES] or list(found.series)
    if len(images) > 1:
        raise CaseRefused(
            "several-series", f"the folder {folder.name} holds {len(images)} DICOM series; name the folder of one"
        )
    if found.unread:
        reason = f"cannot read {len(found.unread)} of the DICOM files in the folder {folder.name}"
        raise CaseRefused("unreadable", f"{reason}, so slices may be missing")
    return replace(images[0], fewest=FEWEST_SLICES)


_NO_IMAGES = ("RTSTRUCT", "SEG", "SR", "PR", "KO", "RTPLAN", "RTDOSE", "REG", "DOC")
"""Modalities of objects that may be in the same folder as the slices of a scan."""


def refuse_file(path: Path, what: str) -> None:
    """Refuse a single DICOM file where a volume is needed; do nothing with other files.

    Args:
        path: Of a file.
        what: ``"image"`` or ``"mask"``, for the message.

    Raises:
        CaseRefused: ``dicom-mask`` for any mask; for an image why it is no volume: ``multi-frame``, ``not-ct``,
            ``derived``, ``few-slices`` and so on.
    """
    header = read_header(path)
    if not isinstance(header, Header):
        return
    if what == "mask":
        reason = f"the mask {path.name} is a DICOM file ({header.modality or 'no modality'}); `ccrcc import dicom` reads those"
        raise CaseRefused("dicom-mask", reason)
    try:
        _ = Series((header,), fewest=FEWEST_SLICES).slices
    except CaseRefused as refused:
        raise CaseRefused(refused.code, f"the image {path.name} is one DICOM file: {refused.reason}") from refused
