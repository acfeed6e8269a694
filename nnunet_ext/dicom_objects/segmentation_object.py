"""The mask of a CT series as a DICOM SEG: each structure that it holds is a segment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from nnunet_ext.dicom_objects.coding import STRUCTURE_CODES
from nnunet_ext.dicom_objects.equipment import equipment
from nnunet_ext.dicom_objects.highdicom_extra import highdicom
from nnunet_ext.dicom_objects.object_file import holds_object, save_object
from nnunet_ext.dicom_objects.segment import ONE_EACH, Labels, Segment, held_segments
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.labels import ON_CT

SERIES_NUMBER = 901
"""Of a SEG. High, so that it comes after the scan's own series."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What drew a mask.

    Args:
        name: Such as that of the network.
        version: Such as the hash of its weights.
    """

    name: str
    version: str


@dataclass(frozen=True)
class WrittenSeg:
    """A SEG, as other objects refer to it.

    Args:
        header: Its identifiers and those of patient and study.
        numbers: Number of each segment, by its name.
        tracking: Identifier that follows each segment through other objects, by its name.
    """

    header: Dataset
    numbers: Mapping[str, int]
    tracking: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what a file states that ``write_seg`` wrote."""
        header = dcmread(path, stop_before_pixels=True)
        segments = [one for one in header.SegmentSequence if int(one.SegmentNumber)]  # 0 is the background of a label map
        numbers = {str(one.SegmentLabel): int(one.SegmentNumber) for one in segments}
        tracking = {str(one.SegmentLabel): str(one.TrackingUID) for one in segments}
        return cls(header, numbers, tracking)


def write_seg(
    path: Path,
    source: Source,
    mask: sitk.Image,
    *,
    algorithm: Algorithm | None,
    segments: Sequence[Segment] = ONE_EACH,
    labelmap: bool = False,
) -> WrittenSeg:
    """Write a mask as a SEG that refers to the slices it was drawn on.

    The same mask of the same source under the same key is the same object; where ``path`` holds it, nothing is written.

    Args:
        path: Of the file.
        source: The CT series.
        mask: Label map with the voxels of the series; its axes may be stored in any order and direction.
        algorithm: What drew it; none if a person did.
        segments: Meaning of its values. Those that it does not hold are left out.
        labelmap: Write one frame per slice, whose values name the segments, instead of one per slice and segment. It takes
            less space, and older viewers do not show it.

    Raises:
        InputError: If the extra ``dicom`` is not installed.
        CaseRefused: ``mask-grid`` if the voxels are not those of the series, ``unknown-label`` if no segment has a value of
            the mask, ``mask-empty`` if it holds none.
    """
    library = highdicom()
    labels = source.labels(mask)
    present = held_segments(labels, segments)
    labels = _numbered(labels, present)
    kind = "LABELMAP" if labelmap else "BINARY"
    series, instance = _uids(source, labels, kind, (*map(str, present), str(algorithm)))
    if holds_object(path, instance):
        return WrittenSeg.read(path)
    made = library.seg.Segmentation(
        source.slices,
        labels,
        kind,
        [_description(library, number, one, source, algorithm) for number, one in enumerate(present, start=1)],
        series,
        SERIES_NUMBER,
        instance,
        1,
        **equipment(),
        content_description="Masks of kidney, tumours and cysts",
        series_description="Masks of kidney, tumours and cysts (research)",
        transfer_syntax_uid=RLELossless if labelmap else ExplicitVRLittleEndian,
    )
    save_object(path, made, source.identity)
    return WrittenSeg.read(path)


def _numbered(labels: Labels, present: Sequence[Segment]) -> Labels:
    """Return labels that number the segments from 1 on, as a SEG does."""
    numbers = np.zeros(int(labels.max()) + 1, np.uint8)
    numbers[[one.value for one in present]] = np.arange(1, len(present) + 1)
    return numbers[labels]


def _uids(source: Source, labels: Labels, kind: str, words: Sequence[str]) -> tuple[str, str]:
    """Return the identifiers of the series and of the object, which its content and the source determine."""
    voxels = sha256(labels.tobytes()).hexdigest()
    of = (kind, source.series_uid, voxels, *words)
    return source.identity.new_uid("SEG series", *of), source.identity.new_uid("SEG", *of)


def _description(library: ModuleType, number: int, segment: Segment, source: Source, algorithm: Algorithm | None) -> Any:
    codes = STRUCTURE_CODES[segment.structure]
    drawn_by = None
    if algorithm is not None:
        family = Code("123110", "DCM", "Artificial Intelligence")
        drawn_by = library.AlgorithmIdentificationSequence(algorithm.name, family, algorithm.version)
    return library.seg.SegmentDescription(
        number,
        segment.name,
        codes.category,
        codes.type,
        "MANUAL" if algorithm is None else "AUTOMATIC",
        drawn_by,
        tracking_uid=source.identity.new_uid("segment", source.series_uid, segment.name),
        tracking_id=segment.name,
        anatomic_regions=None if codes.site is None else [codes.site],
        display_color=library.color.CIELabColor.from_string(ON_CT[segment.structure]),
    )
