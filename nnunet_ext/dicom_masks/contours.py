"""Contours of a DICOM RTSTRUCT on the grid of a CT: a voxel belongs to a region if its centre lies inside."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nnunet_ext.dicom_masks.codes import SILENT, read_codes, read_interpreted_type
from nnunet_ext.dicom_masks.grid import Points, ScanGrid
from nnunet_ext.dicom_masks.placed import Mask, Placed, ours
from nnunet_ext.dicom_masks.polygons import Polygon, combined, filled
from nnunet_ext.dicom_masks.regions import Region, region_of
from nnunet_ext.dicom_masks.segments import slices_by_instance
from nnunet_ext.ground.errors import CaseRefused

CLOSED = ("CLOSED_PLANAR", "INTERPOLATED_PLANAR")
"""Types of contours that enclose an area (PS3.3, C.8.8.6.3); an interpolated one is filled as if it were drawn."""

EXCLUSIVE = "CLOSEDPLANAR_XOR"
"""Contours of this type are combined by exclusive or, however they are nested."""

WITHOUT_AREA = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")

BETWEEN_SLICES = 0.5
"""Slices by which a contour's plane may miss its slice."""

SAME_PLANE = 0.01
"""Slices within which contours lie in one plane."""

MOST_CORNERS = 20000
"""Of one contour; drawn ones have some hundreds. It bounds the time of comparing two contours."""


def read_regions(found: Any, structures: Mapping[str, str | None]) -> tuple[Region, ...]:
    """Return the regions of interest of an RTSTRUCT.

    Raises:
        CaseRefused: ``mask-unreadable`` if two have one number, or contours belong to none.
    """
    seen = {int(one.ReferencedROINumber): one for one in found.get("RTROIObservationsSequence", [])}
    regions = []
    for item in found.get("StructureSetROISequence", []):
        number = int(item.ROINumber)
        observed = seen.get(number, {})
        kind = read_codes(observed.get("RTROIIdentificationCodeSequence", []))
        if kind is SILENT:
            kind = read_interpreted_type(str(observed.get("RTROIInterpretedType") or ""))
        words = str(item.get("ROIDescription") or observed.get("ROIObservationLabel") or "")
        regions.append(region_of(number, str(item.get("ROIName") or ""), structures, kind=kind, description=words))
    numbers = {region.number for region in regions}
    if len(numbers) < len(regions):
        raise CaseRefused("mask-unreadable", "two regions of the RTSTRUCT have one number")
    if any(int(drawn.ReferencedROINumber) not in numbers for drawn in found.get("ROIContourSequence", [])):
        raise CaseRefused("mask-unreadable", "contours of a region that the RTSTRUCT does not describe")
    return tuple(regions)


def frames_of_reference(found: Any, regions: Sequence[Region]) -> frozenset[str]:
    """Return the frames of reference that the regions of ours are drawn in, those of the file if no region states one."""
    ours = {region.number for region in regions if region.structure is not None}
    stated = {
        str(item.get("ReferencedFrameOfReferenceUID") or "")
        for item in found.get("StructureSetROISequence", [])
        if not ours or int(item.ROINumber) in ours
    }
    whole = {str(one.get("FrameOfReferenceUID") or "") for one in found.get("ReferencedFrameOfReferenceSequence", [])}
    for uids in (stated, whole, {str(found.get("FrameOfReferenceUID") or "")}):
        if uids - {""}:
            return frozenset(uids - {""})
    return frozenset()


def source_series(found: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Return the identifiers of the series and of the slices that an RTSTRUCT refers to."""
    series, instances = set(), set()
    for frame in found.get("ReferencedFrameOfReferenceSequence", []):
        for study in frame.get("RTReferencedStudySequence", []):
            for one in study.get("RTReferencedSeriesSequence", []):
                series.add(str(one.get("SeriesInstanceUID") or ""))
                instances |= {str(image.ReferencedSOPInstanceUID) for image in one.get("ContourImageSequence", [])}
    for drawn in found.get("ROIContourSequence", []):
        for contour in drawn.get("ContourSequence", []):
            instances |= {str(image.ReferencedSOPInstanceUID) for image in contour.get("ContourImageSequence", [])}
    return frozenset(series - {""}), frozenset(instances)


def positions_mm(found: Any, regions: tuple[Region, ...]) -> Points:
    """Return the first corner of each contour that encloses an area, shape (n, 3); of the regions of ours, if any."""
    structures = ours(regions)
    contours = [
        contour
        for drawn in found.get("ROIContourSequence", [])
        if not structures or int(drawn.ReferencedROINumber) in structures
        for contour in drawn.get("ContourSequence", [])
        if str(contour.get("ContourGeometricType")) not in WITHOUT_AREA and len(contour.get("ContourData") or ()) >= 9
    ]
    return np.array([contour.ContourData[:3] for contour in contours], float).reshape(-1, 3)


def place_contours(found: Any, grid: ScanGrid, instances: Sequence[str], regions: tuple[Region, ...]) -> Placed:
    """Rasterise the regions that are one of our structures.

    Args:
        found: The RTSTRUCT.
        grid: Of the CT.
        instances: Identifiers of the CT's slices, in the order of the grid.
        regions: Of the RTSTRUCT.

    Raises:
        CaseRefused: ``mask-unreadable``, ``mask-grid``, ``mask-reference`` or ``contour-outside``.
    """
    structures, index = ours(regions), slices_by_instance(instances)
    contours: dict[int, list[Any]] = {number: [] for number in structures}
    for drawn in found.get("ROIContourSequence", []):
        if (number := int(drawn.ReferencedROINumber)) in contours:
            contours[number] += drawn.get("ContourSequence", [])
    placed = Placed(grid.shape)
    for number, parts in contours.items():
        region, placed.notes[number] = _drawn(parts, grid, index)
        placed.voxels[number] = int(region.sum())
        placed.volume(structures[number])[region] = True
    return placed


def _drawn(contours: Sequence[Any], grid: ScanGrid, index: Mapping[str, set[int]]) -> tuple[Mask, list[str]]:
    """Return the voxels of one region, shape (z, y, x), and what is to be said of it."""
    planes: dict[int, list[tuple[float, Polygon, bool]]] = {}
    without = 0
    for contour in contours:
        kind = str(contour.get("ContourGeometricType") or "")
        corners = _corners(contour)
        if kind not in {*CLOSED, EXCLUSIVE, *WITHOUT_AREA}:
            raise CaseRefused("mask-unreadable", "a contour of a type that is not in the standard")
        if kind in WITHOUT_AREA or len(corners) < 3:
            without += 1
            continue
        z, height, polygon = _in_slice(corners, grid)
        _check_source(contour, z, index)
        planes.setdefault(z, []).append((height, polygon, kind == EXCLUSIVE))
    volume, said = _filled(planes, grid.shape)
    return volume, [f"{without} contours without an area (points or open lines)"] * bool(without) + said


def _corners(contour: Any) -> Points:
    """Return the corners of a contour in mm.

    Raises:
        CaseRefused: ``mask-unreadable`` if they are no points, or not as many as it says.
    """
    data = contour.get("ContourData")
    numbers = np.array([] if data is None else data, float)
    if numbers.size % 3 or not np.isfinite(numbers).all():
        raise CaseRefused("mask-unreadable", f"a contour of {numbers.size} numbers, which are no points in space")
    claimed = contour.get("NumberOfContourPoints")
    if numbers.size > 3 * MOST_CORNERS or (claimed is not None and int(claimed) != numbers.size // 3):
        raise CaseRefused("mask-unreadable", f"a contour that claims {claimed} corners and has {numbers.size // 3}")
    corners = numbers.reshape(-1, 3)
    return corners[:-1] if len(corners) > 1 and np.array_equal(corners[0], corners[-1]) else corners


def _in_slice(corners: Points, grid: ScanGrid) -> tuple[int, float, Polygon]:
    """Return a contour's slice, its height in slices, and its corners in voxels.

    Raises:
        CaseRefused: ``mask-grid`` if it is not parallel to the slices, ``contour-outside`` if it leaves the volume.
    """
    index = grid.index_of(corners)
    heights = index[:, 2]
    if np.ptp(heights) > 2 * BETWEEN_SLICES:
        raise CaseRefused("mask-grid", f"a contour crosses {np.ptp(heights):.1f} slices: it is not drawn in their plane")
    height = float(heights.mean())
    z = round(height)
    if np.abs(heights - z).max() > BETWEEN_SLICES or not 0 <= z < grid.size[2]:
        raise CaseRefused("contour-outside", "a contour lies on none of the slices of the series that it refers to")
    beyond = max(float(-1 - index[:, :2].min()), float((index[:, :2] - grid.size[:2]).max()))
    if beyond >= 0:  # nearer than that no centre of a voxel is lost
        raise CaseRefused("contour-outside", f"a contour reaches {beyond + 0.5:.1f} voxels beyond the edge of its slice")
    return z, height, index[:, :2]


def _check_source(contour: Any, z: int, index: Mapping[str, set[int]]) -> None:
    named = {
        at for image in contour.get("ContourImageSequence", []) for at in index.get(str(image.ReferencedSOPInstanceUID), ())
    }
    if named and z not in named:
        reason = f"a contour lies on slice {z + 1} by its corners, and on slice {min(named) + 1} by the image it refers to"
        raise CaseRefused("mask-reference", reason)


def _filled(
    planes: Mapping[int, Sequence[tuple[float, Polygon, bool]]], shape: tuple[int, int, int]
) -> tuple[Mask, list[str]]:
    """Fill the slices; of several planes in one slice the nearest to its centre counts."""
    volume, said = np.zeros(shape, bool), []
    holes, doubled = 0, 0
    for z, contours in planes.items():
        nearest = min(abs(height - z) for height, _, _ in contours)
        doubled += any(abs(height - z) > nearest + SAME_PLANE for height, _, _ in contours)
        for level in _levels(contours, z, nearest):
            plane, count = _combined(level, shape[1:])
            volume[z] |= plane
            holes += count
    if holes:
        said.append(f"{holes} contours inside others are holes")
    if doubled:
        said.append(f"{doubled} slices with contours in several planes, of which the nearest counts")
    if planes and (missing := max(planes) - min(planes) + 1 - len(planes)):
        said.append(f"no contour on {missing} slices between its first and its last")
    return volume, said


def _levels(contours: Sequence[tuple[float, Polygon, bool]], z: int, nearest: float) -> Iterator[list[tuple[Polygon, bool]]]:
    """Yield the contours of the nearest plane; of two planes if one lies as far below the slice as the other above."""
    level: dict[bool, list[tuple[Polygon, bool]]] = {}
    for height, polygon, xor in contours:
        if abs(height - z) <= nearest + SAME_PLANE:
            level.setdefault(nearest > SAME_PLANE and height > z, []).append((polygon, xor))
    yield from level.values()


def _combined(contours: Sequence[tuple[Polygon, bool]], shape: tuple[int, int]) -> tuple[Mask, int]:
    exclusive = {xor for _, xor in contours}
    if exclusive == {True}:
        plane = np.zeros(shape, bool)
        for polygon, _ in contours:
            plane ^= filled(polygon, shape)
        return plane, 0
    if exclusive == {True, False}:
        raise CaseRefused(
            "mask-unreadable", f"contours of one region that are {EXCLUSIVE} in part, where the standard wants all"
        )
    return combined([polygon for polygon, _ in contours], shape)
