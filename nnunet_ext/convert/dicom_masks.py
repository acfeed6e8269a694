"""Masks from DICOM: contours of an RTSTRUCT, or segments of a SEG, on the grid of their CT."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from matplotlib.path import Path as Polygon

from nnunet_ext.errors import CaseRefused
from nnunet_ext.labels import STRUCTURES

PATTERNS = {
    "tumour": r"tumou?r|mass|lesion|gtv|rcc|cancer",
    "cyst": r"cyst",
    "kidney": r"kidney|renal|niere|\brein\b",
}
"""Names of regions of interest, in any case of letters; the first that fits decides, so a kidney tumour is a tumour."""

_ORDER = ("kidney", "cyst", "tumour")
"""Where regions overlap, the last one stays."""

BETWEEN_SLICES = 0.5
"""Slices by which a contour's plane may miss its slice."""


def read_mask(path: Path, modality: str, image: sitk.Image, instances: Sequence[str]) -> sitk.Image:
    """Read the mask of an RTSTRUCT or a SEG file: ``read_rtstruct``, ``read_seg``.

    Raises:
        CaseRefused: What they raise, and ``mask-unreadable`` if the file is damaged.
    """
    try:
        return read_rtstruct(path, image) if modality == "RTSTRUCT" else read_seg(path, image, instances)
    except CaseRefused:
        raise
    except (AttributeError, EOFError, KeyError, IndexError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = f"the {modality} file is damaged: {' '.join(str(error).split())}"
        raise CaseRefused("mask-unreadable", reason) from error


def read_rtstruct(path: Path, image: sitk.Image, patterns: Mapping[str, str] = PATTERNS) -> sitk.Image:
    """Rasterise the contours of an RTSTRUCT file: a voxel belongs to what its centre lies in; contours in contours are holes.

    Args:
        path: RTSTRUCT file.
        image: The CT that it refers to.
        patterns: Regular expressions of the names of each structure's regions.

    Returns:
        ``UInt8`` volume of ``Label`` values on the grid of ``image``.

    Raises:
        CaseRefused: ``no-structure`` if no region has a name that fits, ``contour-outside`` if one misses the slices.
    """
    from pydicom import dcmread  # noqa: PLC0415 - an optional extra

    found = dcmread(path)
    names = {int(roi.ROINumber): str(roi.ROIName) for roi in found.get("StructureSetROISequence", [])}
    regions: dict[str, list[npt.NDArray[np.bool_]]] = {}
    for roi in found.get("ROIContourSequence", []):
        structure = structure_of(names.get(int(roi.ReferencedROINumber), ""), patterns)
        if structure is not None:
            regions.setdefault(structure, []).append(_rasterise(_contours(roi), image))
    return _joined(regions, list(names.values()), image)


def read_seg(path: Path, image: sitk.Image, instances: Sequence[str], patterns: Mapping[str, str] = PATTERNS) -> sitk.Image:
    """Read the segments of a DICOM SEG file; see ``read_rtstruct``.

    Args:
        path: SEG file.
        image: The CT that it refers to.
        instances: Identifiers of the CT's slices, in the order of ``image``.
        patterns: As for ``read_rtstruct``.
    """
    import highdicom  # noqa: PLC0415 - an optional extra

    seg = highdicom.seg.segread(path)
    numbers = {int(number): str(seg.get_segment_description(number).segment_label) for number in seg.segment_numbers}
    regions: dict[str, list[npt.NDArray[np.bool_]]] = {}
    for number, name in numbers.items():
        structure = structure_of(name, patterns)
        if structure is not None:
            stack = seg.get_pixels_by_source_instance(
                instances, segment_numbers=[number], ignore_spatial_locations=True, assert_missing_frames_are_empty=True
            )
            regions.setdefault(structure, []).append(np.asarray(stack[..., 0]) > 0)
    return _joined(regions, list(numbers.values()), image)


def structure_of(name: str, patterns: Mapping[str, str] = PATTERNS) -> str | None:
    """Return the structure that a region's name stands for, if any."""
    words = name.lower().replace("_", " ")
    return next((structure for structure, pattern in patterns.items() if re.search(pattern, words)), None)


def _joined(regions: Mapping[str, list[npt.NDArray[np.bool_]]], names: Sequence[str], image: sitk.Image) -> sitk.Image:
    if not regions:
        reason = f"none of its {len(names)} regions is named like a kidney, a tumour or a cyst"
        raise CaseRefused("no-structure", reason)
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    for structure in _ORDER:
        for region in regions.get(structure, []):
            labels[region] = STRUCTURES[structure]
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(image)
    return mask


def _contours(roi: Any) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the corners of each closed contour in mm, shape (n, 3)."""
    for contour in roi.get("ContourSequence", []):
        if contour.ContourGeometricType == "CLOSED_PLANAR" and len(contour.ContourData) >= 9:
            yield np.array(contour.ContourData, float).reshape(-1, 3)


def _rasterise(contours: Iterator[npt.NDArray[np.float64]], image: sitk.Image) -> npt.NDArray[np.bool_]:
    region = np.zeros(image.GetSize()[::-1], bool)
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    for corners in contours:
        index = (corners - image.GetOrigin()) @ np.linalg.inv(axes).T  # along x, y, z
        slice_number = round(float(index[:, 2].mean()))
        if np.abs(index[:, 2] - slice_number).max() > BETWEEN_SLICES or not 0 <= slice_number < len(region):
            raise CaseRefused("contour-outside", "a contour lies on none of the slices of the series that it refers to")
        low = np.maximum(np.floor(index[:, :2].min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(index[:, :2].max(axis=0)).astype(int), np.array(image.GetSize()[:2]) - 1)
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        inside = Polygon(index[:, :2]).contains_points(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
        region[slice_number, low[1] : high[1] + 1, low[0] : high[0] + 1] ^= inside
    return region
