"""What an object may state of the CT series that it was made from: a list of what is taken, never of what is left out."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy.typing as npt
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pydicom.valuerep import DSfloat, PersonName

from nnunet_ext.dicom.headers import Header
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.stack import axes
from nnunet_ext.dicom_masks.grid import ScanGrid
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.series_grid import grid_of, in_slice_order

_PERSON = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Stated by every object, empty if not known. Unless all are kept, only a pseudonym and a shifted date are written."""

_UNICODE = "ISO_IR 192"
"""Character set of objects. That of the source is read and not repeated: not every one that archives hold can be written."""


@dataclass(frozen=True, eq=False)
class Source:
    """A CT series, as objects made from it refer to it.

    Args:
        slices: A header each, in the order of the volume, with identifiers that may be written.
        grid: Of the volume.
        identity: How identifiers were replaced.
    """

    slices: tuple[Dataset, ...]
    grid: ScanGrid
    identity: Identity

    @classmethod
    def of(cls, series: Series, identity: Identity) -> Self:
        """Read what is needed of a series.

        Raises:
            CaseRefused: What ``Series.slices`` raises; ``source-identifier`` if identifiers are kept and one is not valid.
        """
        ordered = series.slices
        first = ordered[0]
        cosines = axes(first.orientation or ())[:2].ravel().tolist()
        common = _person(first, identity) | {
            "StudyInstanceUID": identity.uid(first.study),
            "SeriesInstanceUID": identity.uid(first.series),
            "FrameOfReferenceUID": _frame_of_reference(first, identity),
            "ImageOrientationPatient": _decimals(cosines),
            "SliceThickness": _decimals([_thickness_mm(first, series.step_mm)])[0],
        }
        slices = tuple(_slice(header, common, identity, number) for number, header in enumerate(ordered, start=1))
        return cls(slices, grid_of(series), identity)

    @property
    def first(self) -> Dataset:
        """Any slice: patient, study and series are those of all."""
        return self.slices[0]

    @property
    def series_uid(self) -> str:
        """Identifier of the series as objects state it."""
        return str(self.first.SeriesInstanceUID)

    def labels(self, mask: sitk.Image) -> npt.NDArray[Any]:
        """Return a mask in the order of the slices, shape (z, y, x), whatever the order and direction of its axes.

        Args:
            mask: A volume with the voxels of the series.

        Raises:
            CaseRefused: ``mask-grid`` if its voxels are not those of the series.
        """
        return in_slice_order(mask, self.grid)


def _frame_of_reference(first: Header, identity: Identity) -> str:
    """Return the frame of reference, or a new one where the source states none."""
    stated = first.frame_of_reference
    return identity.uid(stated) if stated else identity.new_uid("frame of reference", first.study, first.series)


def _slice(header: Header, common: Mapping[str, Any], identity: Identity, number: int) -> Dataset:
    made = Dataset()
    for name, value in common.items():
        setattr(made, name, value)
    made.Modality, made.SOPClassUID = "CT", header.storage or CTImageStorage
    made.SOPInstanceUID = identity.uid(header.instance)
    made.InstanceNumber, made.ImagePositionPatient = number, _decimals(header.position_mm or ())
    made.PixelSpacing, (made.Rows, made.Columns) = _decimals(header.grid[:2]), (int(count) for count in header.grid[2:])
    return made


def _thickness_mm(first: Header, step_mm: float) -> float:
    """Return the thickness of a slice, or the distance of slices where it is not stated."""
    try:
        stated = float(first.acquisition["slice_thickness_mm"])
    except ValueError:
        return step_mm
    return stated if stated > 0 else step_mm


def _decimals(values: Sequence[float]) -> list[DSfloat]:
    """Return numbers as DICOM writes them, in at most 16 characters."""
    return [DSfloat(value, auto_format=True) for value in values]


def _person(first: Header, identity: Identity) -> dict[str, Any]:
    found = _values(first, _PERSON)
    empty = {"SpecificCharacterSet": _UNICODE, **dict.fromkeys(_PERSON, "")}
    if identity.keep:
        return empty | found
    whose = first.patient or f"StudyInstanceUID {first.study}"
    pseudonym = identity.patient(whose)
    shifted = identity.date(str(found.get("StudyDate") or ""), whose)
    return empty | {"PatientName": f"{pseudonym}^", "PatientID": pseudonym, "StudyDate": shifted}


def _values(header: Header, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes of a file that are stated and that DICOM allows; what it does not, no object may repeat."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = dcmread(header.path, stop_before_pixels=True, specific_tags=list(names), force=True)
        for name in names:
            try:
                value = read.get(name)
                value = (
                    str(value) if isinstance(value, PersonName) else value
                )  # which else keeps the bytes of its character set
                with warnings.catch_warnings(action="error"):
                    setattr(Dataset(), name, value)
            except Exception:  # noqa: S112 - pydicom raises what it meets
                continue
            if value is not None:
                found[name] = value
    return found
