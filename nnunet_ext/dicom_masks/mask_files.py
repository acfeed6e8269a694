"""Mask files of an import: the content of each header, read once, without voxels."""

import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError

from nnunet_ext.dicom.headers import Header
from nnunet_ext.dicom_masks import contours, segments
from nnunet_ext.dicom_masks.grid import Points
from nnunet_ext.dicom_masks.regions import Region
from nnunet_ext.ground.errors import CaseRefused

MASKS = ("RTSTRUCT", "SEG")
"""Modalities that hold masks."""

_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    BytesLengthException,
    InvalidDicomError,
)
"""What pydicom and numpy raise over a damaged file."""


@dataclass(frozen=True, eq=False)
class MaskFile:
    """One RTSTRUCT or SEG.

    Args:
        header: Path, patient, study, series, instance, modality.
        file: Number of the file in its series, from 1.
        regions: Its regions; none if they cannot be read.
        frames: Frames of reference that they are drawn in.
        series: Identifiers of the series that it refers to.
        instances: Of the slices.
        positions_mm: Of its frames or contours, as far as stated, shape (n, 3).
        problem: Why it cannot be read.
    """

    header: Header
    file: int
    regions: tuple[Region, ...] = ()
    frames: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    positions_mm: Points | None = None
    problem: CaseRefused | None = None

    @property
    def structures(self) -> frozenset[str]:
        """Structures of ours that its regions are taken as."""
        return frozenset(region.structure for region in self.regions if region.structure is not None)


def describe(header: Header, file: int, structures: Mapping[str, str | None]) -> MaskFile:
    """Read what the header of a mask file states.

    Args:
        header: Of the file.
        file: Its number in its series.
        structures: The user's structures by normalised name.
    """
    known: dict[str, Any] = {"header": header, "file": file}
    try:
        with reading(header.modality):
            found = read_file(header.path, voxels=False)
            is_seg = header.modality == "SEG"
            known |= _references(found, is_seg)
            known["regions"] = (segments.read_segments if is_seg else contours.read_regions)(found, structures)
            if is_seg:
                known["frames"] = frozenset({str(found.get("FrameOfReferenceUID") or "")} - {""})
                known["positions_mm"] = segments.positions_mm(found)
            else:
                known["frames"] = contours.frames_of_reference(found, known["regions"])
                known["positions_mm"] = contours.positions_mm(found, known["regions"])
    except CaseRefused as refused:
        known["problem"] = refused
    return MaskFile(**known)


def _references(found: Any, is_seg: bool) -> dict[str, frozenset[str]]:
    if is_seg:
        series = frozenset(str(one.SeriesInstanceUID) for one in found.get("ReferencedSeriesSequence", []))
        return {"series": series, "instances": segments.source_instances(found)}
    series, instances = contours.source_series(found)
    return {"series": series, "instances": instances}


def read_file(path: Path, *, voxels: bool = True) -> Any:
    """Read a DICOM file, with or without its voxels."""
    return dcmread(path, stop_before_pixels=not voxels)


@contextmanager
def reading(modality: str) -> Iterator[None]:
    """Turn what a damaged file raises into ``mask-unreadable``; no value of the file is written, for it may name a patient."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # pydicom's, of values that are not as the standard wants them
            yield
    except CaseRefused:
        raise
    except _DAMAGE as error:
        what = f"{type(error).__name__}: {error}" if isinstance(error, AttributeError) else type(error).__name__
        raise CaseRefused("mask-unreadable", f"the {modality} file is damaged ({' '.join(what.split())})") from error
