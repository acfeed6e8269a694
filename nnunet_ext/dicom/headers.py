"""The header of one DICOM file.

No element is trusted to be there or to be readable: what cannot be read is empty, and is refused by its name later.
"""

import math
import warnings
from collections.abc import Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread

from nnunet_ext.dicom.people import Person, patient_id

ACQUISITION = {
    "tube_voltage_kv": "KVP",
    "tube_current_ma": "XRayTubeCurrent",
    "rows": "Rows",
    "columns": "Columns",
    "slice_thickness_mm": "SliceThickness",
    "pitch": "SpiralPitchFactor",
    "kernel": "ConvolutionKernel",
}
"""Columns of an acquisition file, and the DICOM attributes behind them."""

TIMES = ("AcquisitionTime", "ContentTime")

PARTING = ("AcquisitionNumber", "TemporalPositionIdentifier", "TriggerTime", "KVP", "ConvolutionKernel", *TIMES)
"""Attributes that can distinguish slices of different acquisitions or reconstructions, the most reliable first."""

SUFFIXES = (".dcm", ".dicom", ".ima")
"""Suffixes of files meant to be DICOM, so that one without the marks of DICOM is damaged."""

DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory Storage: a DICOMDIR, which lists files and is no image."""

_MARK_AT, _MARK = 128, b"DICM"
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
"""First bytes of a file without a preamble: group 2 or 8, in either byte order."""

_ESSENTIAL = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "ImageType",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "FrameOfReferenceUID",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
)
"""A slice with one of these unreadable has a damaged header."""

_OTHER = ("PatientID", "PatientName", "PatientBirthDate", "SeriesDescription", "ProtocolName", "ModalityLUTSequence")


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is DICOM by content or name, and cannot be read.

    Args:
        path: Of the file.
    """

    path: Path


@dataclass(frozen=True, slots=True)
class Pixels:
    """Meaning of the stored values of a slice.

    Args:
        samples: Values per pixel; three are colours.
        photometric: Such as ``MONOCHROME2``; empty if not stated.
        frames: Images in the file.
        allocated: Bits that a value takes in the file; -1 if not stated, as are the next ones.
        bits: Bits stored, and the number of the highest.
        slope: HU per stored unit; NaN if not stated or no number.
        intercept: HU of the stored value 0; likewise.
        units: Rescale type: ``HU``, ``US`` (unspecified) or something that is not HU; empty if not stated.
        table: Whether a look-up table stands in for slope and intercept.
    """

    samples: int = 1
    photometric: str = ""
    frames: int = 1
    allocated: int = -1
    bits: tuple[int, int] = (-1, -1)
    slope: float = math.nan
    intercept: float = math.nan
    units: str = ""
    table: bool = False


@dataclass(frozen=True)
class Header:
    """What the header of one file states.

    Args:
        path: Of the file.
        person: The patient.
        study: Unique identifier; empty if not stated, as are the next ones.
        series: Likewise.
        instance: Likewise.
        storage: Unique identifier of the kind of object (SOP class).
        modality: Such as ``CT``, ``RTSTRUCT``, ``SEG``.
        image_type: Words in capitals, such as ``LOCALIZER``.
        description: Of the series; it may hold names, so only what is derived from it is passed on.
        protocol: Likewise.
        frame_of_reference: Unique identifier of the space of the positions.
        position_mm: Centre of the first voxel; none if not three finite numbers.
        orientation: Direction cosines of rows and columns, as stated; none if not six finite numbers.
        grid: Distance of rows and of columns in mm, rows, columns; as many as are stated.
        pixels: What its values mean.
        parting: Values of ``PARTING``, empty where not stated.
        damaged: Whether something that a slice needs cannot be read.
        acquisition: Cells of an acquisition file, empty where not available.
    """

    path: Path
    person: Person
    study: str
    series: str
    instance: str
    storage: str
    modality: str
    image_type: tuple[str, ...]
    description: str
    protocol: str
    frame_of_reference: str
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    grid: tuple[float, ...]
    pixels: Pixels
    parting: Mapping[str, str]
    damaged: bool
    acquisition: Mapping[str, str]

    @property
    def patient(self) -> str:
        """Patient ID in one spelling; empty if the file states none, or a placeholder."""
        return patient_id(self.person.id)


def is_dicom(path: Path) -> bool:
    """Return whether a file has the mark of DICOM, or is a DICOM file without a preamble."""
    return path.is_file() and isinstance(read_header(path), Header)


def read_header(path: Path) -> Header | Unread | None:
    """Read the header of a file; None if it is not DICOM, or a DICOMDIR."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_MARK_AT + len(_MARK))
    except OSError:
        return Unread(path)
    marked = start[_MARK_AT:] == _MARK
    if not marked and start[:2] not in _FIRST_GROUPS:
        meant = path.suffix.lower() in SUFFIXES or not (start or path.suffix)
        return Unread(path) if meant else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a value that breaks a rule of DICOM is judged here, not by pydicom
            tags = [*_ESSENTIAL, *_OTHER, *PARTING, *ACQUISITION.values()]
            found = dcmread(path, stop_before_pixels=True, specific_tags=tags, force=not marked)
            return _header(path, _Elements(found, str(found.file_meta.get("MediaStorageSOPInstanceUID", ""))), marked)
    except Exception:  # pydicom raises whatever a damaged file makes it meet, and one file is not to end an import
        return Unread(path) if marked or path.suffix.lower() in SUFFIXES else None


class _Elements:
    """The elements of a header, each as text or numbers; those that cannot be read are remembered."""

    def __init__(self, found: Any, instance: str) -> None:
        self._found = found
        self.instance = instance
        self.unreadable: set[str] = set()

    def parts(self, name: str) -> Sequence[object]:
        """Return the parts of an attribute, of which there may be one or none."""
        try:
            value = self._found.get(name)
        except Exception:  # as above: pydicom reads values when they are asked for
            self.unreadable.add(name)
            return ()
        if isinstance(value, list | tuple | MutableSequence):
            return value
        return () if value is None else (value,)

    def text(self, name: str) -> str:
        """Return an attribute as text, its parts joined as DICOM joins them."""
        return "\\".join(str(part) for part in self.parts(name) if part is not None).strip(" \0\t\r\n")

    def cell(self, name: str) -> str:
        """Return an attribute as text, the first of several."""
        return next((short_number(str(part).strip()) for part in self.parts(name) if part is not None), "")

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return an attribute's numbers, none if one of its parts is no finite number."""
        try:
            numbers = tuple(float(str(part)) for part in self.parts(name))
        except ValueError:
            return ()
        return numbers if all(map(math.isfinite, numbers)) else ()

    def number(self, name: str, usual: float) -> float:
        """Return the only number of an attribute; the usual one if it is not stated, NaN if it is not one number."""
        parts = [part for part in self.parts(name) if str(part) not in ("", "None")]
        if not parts and name not in self.unreadable:
            return usual
        found = self.numbers(name)
        return found[0] if len(found) == 1 else math.nan


def _header(path: Path, found: _Elements, marked: bool) -> Header | Unread | None:
    storage, instance = found.text("SOPClassUID"), found.text("SOPInstanceUID") or found.instance
    if storage == DIRECTORY:
        return None
    series = found.text("SeriesInstanceUID")
    if not (storage or instance or series):
        return Unread(path) if marked else None
    position, orientation, spacing = (found.numbers(name) for name in _ESSENTIAL[6:9])
    has_geometry = (len(position), len(orientation), len(spacing)) == (3, 6, 2)
    return Header(
        path=path,
        person=Person(*(found.text(name) for name in ("PatientID", "PatientName", "PatientBirthDate"))),
        study=found.text("StudyInstanceUID"),
        series=series,
        instance=instance,
        storage=storage,
        modality=found.text("Modality").upper(),
        image_type=tuple(str(word).strip().upper() for word in found.parts("ImageType")),
        description=found.text("SeriesDescription"),
        protocol=found.text("ProtocolName"),
        frame_of_reference=found.text("FrameOfReferenceUID"),
        position_mm=position if has_geometry else None,
        orientation=orientation if has_geometry else None,
        grid=(*spacing, *found.numbers("Rows"), *found.numbers("Columns")),
        pixels=_pixels(found),
        parting={name: found.text(name) for name in PARTING},
        acquisition={column: found.cell(name) for column, name in ACQUISITION.items()},
        damaged=not found.unreadable.isdisjoint(_ESSENTIAL),  # last: all has been looked at by now
    )


def _pixels(found: _Elements) -> Pixels:
    samples, frames = (found.number(name, 1) for name in ("SamplesPerPixel", "NumberOfFrames"))
    allocated, *bits = [found.number(name, -1) for name in ("BitsAllocated", "BitsStored", "HighBit")]
    return Pixels(
        samples=_whole(samples),
        photometric=found.text("PhotometricInterpretation").upper(),
        frames=_whole(frames),
        allocated=_whole(allocated),
        bits=(_whole(bits[0]), _whole(bits[1])),
        slope=found.number("RescaleSlope", math.nan),
        intercept=found.number("RescaleIntercept", math.nan),
        units=found.text("RescaleType").upper(),
        table=bool(found.parts("ModalityLUTSequence")),
    )


def _whole(number: float) -> int:
    return int(number) if math.isfinite(number) else -1


def short_number(text: str) -> str:
    """Return a number without the digits that only the storage of 1.6 as a single float gives it: 1.6000000238418579.

    Other text, and a number that no such storage explains, is returned as it is.
    """
    try:
        value = float(text)
    except ValueError:
        return text
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if not np.isfinite(single) or abs(value - float(single)) > 1e-12 * abs(value):  # DICOM cuts numbers after 16 characters
        return text
    short = np.format_float_positional(single, unique=True, trim="-")
    return short if len(short) < len(text) and "." in short else text
