"""The slices of a series under the identifiers that objects made from it state, so that a viewer can show both together.

Only what ``Source`` states and what the voxels need is written; nothing else of the original files is.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom_objects.object_file import holds_object, save_object
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.errors import CaseRefused

_VOXELS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
)
"""What turns the bytes of a slice into HU."""

_SHOWN = (
    "ImageType",
    "KVP",
    "ConvolutionKernel",
    "PatientPosition",
    "RescaleType",
    "PixelPaddingValue",
    "WindowCenter",
    "WindowWidth",
)
"""What a viewer shows, or shows by; none of it names anybody."""

_EMPTY = ("Manufacturer", "KVP", "AcquisitionNumber", "SeriesNumber", "PositionReferenceIndicator", "PatientPosition")
"""Stated by every CT image, though it may be unknown (type 2 of PS3.3)."""


def write_series(folder: Path, series: Series, source: Source) -> None:
    """Write the slices of a series, ``0001.dcm`` upwards in the order of the volume; those that are there are left.

    Args:
        folder: Of the files.
        series: The original.
        source: What was made of it by ``Source.of``.

    Raises:
        CaseRefused: ``unreadable`` if the voxels of a slice cannot be read.
    """
    for number, (header, stated) in enumerate(zip(series.slices, source.slices, strict=True), start=1):
        path = folder / f"{number:04d}.dcm"
        if not holds_object(path, str(stated.SOPInstanceUID)):
            save_object(path, _slice(header.path, stated), source.identity)


def _slice(original: Path, stated: Dataset) -> FileDataset:
    names = [*_VOXELS, *_SHOWN, "PixelData"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = dcmread(original, specific_tags=names, force=True)
            syntax = UID(read.file_meta.get("TransferSyntaxUID", ExplicitVRLittleEndian))
            values = {name: read[name].value for name in names if name in read}
    except Exception as error:  # pydicom raises whatever a damaged file makes it meet
        raise CaseRefused("unreadable", "the voxels of a slice cannot be read") from error
    if missing := [name for name in (*_VOXELS, "PixelData") if name not in values]:
        raise CaseRefused("unreadable", f"a slice states no {missing[0]}")
    made = _file(stated, syntax if syntax.is_encapsulated else ExplicitVRLittleEndian)
    made.BodyPartExamined = "ABDOMEN"
    for name, value in (dict.fromkeys(_EMPTY) | values).items():
        if name != "PixelData":
            setattr(made, name, value)
    made.add_new("PixelData", "OW" if not syntax.is_encapsulated else "OB", _bytes(values, syntax))
    made["PixelData"].is_undefined_length = syntax.is_encapsulated
    return made


def _file(stated: Dataset, syntax: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = stated.SOPClassUID, stated.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    return FileDataset("", Dataset(stated), file_meta=meta, preamble=b"\0" * 128)


def _bytes(values: dict[str, Any], syntax: UID) -> bytes:
    """Return pixel data, the bytes of each value in the order of a little-endian file."""
    stored = bytes(values["PixelData"])
    if syntax == ExplicitVRBigEndian and int(values["BitsAllocated"]) == 16:
        return np.frombuffer(stored, ">u2").astype("<u2").tobytes()
    return stored
