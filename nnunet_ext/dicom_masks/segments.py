"""Segments of a DICOM SEG on the grid of a CT: every frame is placed by its own position and orientation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnunet_ext.dicom_masks.codes import read_codes
from nnunet_ext.dicom_masks.grid import TOLERANCE_VOXELS, Points, ScanGrid
from nnunet_ext.dicom_masks.placed import Mask, Placed, ours
from nnunet_ext.dicom_masks.regions import Region, region_of
from nnunet_ext.ground.errors import CaseRefused

MOST_PIXELS = 2**26
"""Of one frame, 8192 by 8192; the largest CT matrices are 2048 by 2048."""

SMALLEST_FRACTION = 0.5
"""Of the maximum, from which a voxel of a FRACTIONAL segment belongs to it."""

KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a SEG.

    Args:
        number: In the file, from 0.
        segment: Its segment; none in a LABELMAP, whose values name the segments.
        corners_mm: Centres of its first voxel, the last of the first row, the last of the first column, the last of all.
        instances: Slices on which it was drawn, as stated.
    """

    number: int
    segment: int | None
    corners_mm: Points
    instances: frozenset[str]


def read_segments(found: Any, structures: Mapping[str, str | None]) -> tuple[Region, ...]:
    """Return the segments of a SEG.

    Raises:
        CaseRefused: ``mask-unreadable`` if two have one number.
    """
    regions = []
    for item in found.SegmentSequence:
        number = int(item.SegmentNumber)
        if number == 0:  # the background of a LABELMAP
            continue
        places = [*item.get("AnatomicRegionSequence", []), *item.get("PrimaryAnatomicStructureSequence", [])]
        regions.append(
            region_of(
                number,
                str(item.get("SegmentLabel") or ""),
                structures,
                kind=read_codes(item.get("SegmentedPropertyTypeCodeSequence", [])),
                place=read_codes(places),
                description=str(item.get("SegmentDescription") or ""),
            )
        )
    if len({region.number for region in regions}) < len(regions):
        raise CaseRefused("mask-unreadable", "two segments of the SEG have one number")
    return tuple(regions)


def source_instances(found: Any) -> frozenset[str]:
    """Return the identifiers of the slices on which a SEG states that it was drawn."""
    groups = [*found.get("PerFrameFunctionalGroupsSequence", []), *found.get("SharedFunctionalGroupsSequence", [])]
    uids = {uid for group in groups for uid in _sources(group)}
    for series in found.get("ReferencedSeriesSequence", []):
        uids |= {str(one.ReferencedSOPInstanceUID) for one in series.get("ReferencedInstanceSequence", [])}
    return frozenset(uids)


def positions_mm(found: Any) -> Points:
    """Return the first corners of a SEG's frames as far as they are stated, shape (n, 3)."""
    groups = [*found.get("SharedFunctionalGroupsSequence", []), *found.get("PerFrameFunctionalGroupsSequence", [])]
    places = [
        group.PlanePositionSequence[0].get("ImagePositionPatient") for group in groups if group.get("PlanePositionSequence")
    ]
    return np.array([[float(part) for part in place] for place in places if place], float).reshape(-1, 3)


def place_segments(found: Any, grid: ScanGrid, instances: Sequence[str], regions: tuple[Region, ...]) -> Placed:
    """Place the segments that are one of our structures on a grid.

    Args:
        found: The SEG.
        grid: Of the CT.
        instances: Identifiers of the CT's slices, in the order of the grid.
        regions: Of the SEG.

    Raises:
        CaseRefused: ``too-large``, ``mask-unreadable``, ``mask-grid``, ``mask-reference`` or ``mask-outside``.
    """
    kind, structures = _kind(found), ours(regions)
    described = {region.number for region in regions}
    frames = [frame for frame in _frames(found, kind, described) if frame.segment is None or frame.segment in structures]
    placed = Placed(grid.shape, _said(found, kind), voxels=dict.fromkeys(structures, 0))
    index = slices_by_instance(instances)
    seen: set[tuple[object, ...]] = set()
    for frame, pixels in zip(frames, _pixels(found, [frame.number for frame in frames]), strict=True):
        start, steps = _on_grid(frame, grid, pixels.shape)
        _check_sources(frame, start, steps, index)
        if (key := (frame.segment, *start, *steps.ravel())) in seen:
            raise CaseRefused("mask-grid", "two frames of one segment lie at one place")
        seen.add(key)
        _check_values(found, kind, pixels, described)
        for number in structures if frame.segment is None else (frame.segment,):
            inside = _inside(found, kind, number, pixels)
            placed.voxels[number] += int(inside.sum())
            _draw(placed.volume(structures[number]), inside, start, steps)
    return placed


def slices_by_instance(instances: Sequence[str]) -> Mapping[str, set[int]]:
    """Return the numbers of the slices that each file holds: several, if the CT is one file of many frames."""
    index: dict[str, set[int]] = {}
    for z, uid in enumerate(instances):
        index.setdefault(uid, set()).add(z)
    return index


def _kind(found: Any) -> str:
    """Return the type of a SEG whose size is believable."""
    kind = str(found.get("SegmentationType") or "")
    if kind not in KINDS:
        raise CaseRefused("mask-unreadable", f"its type is {kind or 'not stated'}, not one of {', '.join(KINDS)}")
    tiled = "TILED" in str(found.get("DimensionOrganizationType") or "") or found.get("TotalPixelMatrixColumns")
    if tiled:
        raise CaseRefused("mask-grid", "its frames are tiles of a slide, not slices")
    rows, columns, frames = int(found.Rows), int(found.Columns), int(found.get("NumberOfFrames") or 1)
    if rows * columns > MOST_PIXELS:
        raise CaseRefused("too-large", f"a frame of the SEG claims {rows} x {columns} voxels, more than {MOST_PIXELS}")
    described = len(found.get("PerFrameFunctionalGroupsSequence", []))
    if described != frames:
        raise CaseRefused("mask-unreadable", f"the SEG claims {frames} frames and describes {described}")
    if int(found.get("SamplesPerPixel") or 1) != 1 or int(found.BitsAllocated) not in {1, 8, 16}:
        raise CaseRefused("mask-unreadable", "its voxels are no numbers of 1, 8 or 16 bits")
    if not found.file_meta.TransferSyntaxUID.is_encapsulated:
        needed = -(-rows * columns * frames * int(found.BitsAllocated) // 8)
        if len(found.PixelData) < needed:
            raise CaseRefused("mask-unreadable", f"the SEG holds {len(found.PixelData)} bytes of voxels, not {needed}")
    return kind


def _frames(found: Any, kind: str, described: set[int]) -> Iterator[Frame]:
    shared = (found.get("SharedFunctionalGroupsSequence") or [{}])[0]
    for number, group in enumerate(found.PerFrameFunctionalGroupsSequence):
        segment = None if kind == "LABELMAP" else int(_group(group, shared, "SegmentIdentification").ReferencedSegmentNumber)
        if segment is not None and segment not in described:
            raise CaseRefused("mask-unreadable", f"a frame belongs to segment {segment}, which is not described")
        yield Frame(number, segment, _corners(found, group, shared), frozenset({*_sources(group), *_sources(shared)}))


def _group(group: Any, shared: Any, name: str) -> Any:
    """Return a functional group of a frame, its own or the one that all frames share."""
    items = group.get(f"{name}Sequence") or shared.get(f"{name}Sequence")
    if not items:
        words = {"PlanePosition": "position", "PlaneOrientation": "orientation", "PixelMeasures": "pixel spacing"}
        code = "mask-grid" if name in words else "mask-unreadable"
        raise CaseRefused(code, f"a frame of the SEG states no {words.get(name, 'segment')}")
    return items[0]


def _corners(found: Any, group: Any, shared: Any) -> Points:
    position = _numbers(_group(group, shared, "PlanePosition").get("ImagePositionPatient"), 3, "position")
    cosines = _numbers(_group(group, shared, "PlaneOrientation").get("ImageOrientationPatient"), 6, "orientation").reshape(
        2, 3
    )
    spacing = _numbers(_group(group, shared, "PixelMeasures").get("PixelSpacing"), 2, "pixel spacing")
    lengths = np.linalg.norm(cosines, axis=1)
    if lengths.min() < 1e-3 or spacing.min() <= 0:
        raise CaseRefused("mask-grid", "a frame of the SEG has an orientation or a pixel spacing of zero")
    along_row, along_column = cosines / lengths[:, None]
    if abs(along_row @ along_column) > 1e-2:
        raise CaseRefused("mask-grid", "rows and columns of the SEG are not at right angles")
    across = along_row * spacing[1] * max(int(found.Columns) - 1, 1)  # PixelSpacing names the rows' distance first
    down = along_column * spacing[0] * max(int(found.Rows) - 1, 1)
    return np.stack([position, position + across, position + down, position + across + down])


def _numbers(value: Any, count: int, what: str) -> npt.NDArray[np.float64]:
    numbers = np.array([float(part) for part in value or ()])
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise CaseRefused("mask-grid", f"a frame of the SEG states no {what}")
    return numbers


def _sources(group: Any) -> Iterator[str]:
    for derivation in group.get("DerivationImageSequence", []):
        for source in derivation.get("SourceImageSequence", []):
            yield str(source.ReferencedSOPInstanceUID)


def _pixels(found: Any, numbers: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
    """Yield frames one by one, shape (rows, columns): a SEG of many segments would not fit into memory."""
    from pydicom.pixels.utils import iter_pixels  # noqa: PLC0415 - slow to import

    shape = int(found.Rows), int(found.Columns)
    if int(found.BitsAllocated) == 1 and not found.file_meta.TransferSyntaxUID.is_encapsulated:
        packed, size = np.frombuffer(found.PixelData, np.uint8), shape[0] * shape[1]
        for number in numbers:  # frames follow each other bit by bit, so most do not begin with a byte
            first, last = number * size, (number + 1) * size
            bits = np.unpackbits(packed[first // 8 : -(-last // 8)], bitorder="little")
            yield bits[first % 8 : first % 8 + size].reshape(shape)
    elif numbers:
        _check_decoder(found.file_meta.TransferSyntaxUID)
        yield from iter_pixels(found, indices=numbers, raw=True)


def _check_decoder(syntax: Any) -> None:
    from pydicom.pixels.decoders.base import get_decoder  # noqa: PLC0415 - slow to import

    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise CaseRefused("mask-unreadable", f"no decoder of its compression ({syntax.name}) is installed")


def _on_grid(frame: Frame, grid: ScanGrid, shape: tuple[int, ...]) -> tuple[tuple[int, ...], npt.NDArray[np.int64]]:
    """Return the index of a frame's first voxel, and the steps to the next column and the next row, along x, y, z.

    Raises:
        CaseRefused: ``mask-grid`` if its voxels are not those of the grid.
    """
    index = grid.index_of(frame.corners_mm)
    counts = np.array([max(shape[1] - 1, 1), max(shape[0] - 1, 1)])
    steps = np.rint((index[1:3] - index[0]) / counts[:, None]).astype(np.int64)
    start = np.rint(index[0]).astype(np.int64)
    across, down = steps * counts[:, None]
    there = start + np.stack([np.zeros(3, np.int64), across, down, across + down])
    apart = float(np.abs(index - there).max())
    unit = np.abs(steps).sum(axis=1).tolist() == [1, 1] and not np.any(np.abs(steps[0]) & np.abs(steps[1]))
    if apart > TOLERANCE_VOXELS or not unit:
        raise CaseRefused("mask-grid", _difference(index, counts))
    return tuple(start.tolist()), steps


def _difference(index: Points, counts: npt.NDArray[np.int64]) -> str:
    """Say how a frame differs from the grid, in voxels of the grid."""
    across, down = (index[1:3] - index[0]) / counts[:, None]
    sizes = " x ".join(f"{np.linalg.norm(step):.3g}" for step in (across, down))
    turned = max(
        float(np.degrees(np.arccos(np.clip(np.abs(step).max() / np.linalg.norm(step), 0, 1)))) for step in (across, down)
    )
    shift = float(np.abs(index[0] - np.rint(index[0])).max())
    return (
        f"the SEG lies on another grid: its pixels are {sizes} of the scan's voxels, turned by {turned:.1f} degrees, "
        f"its corner is {shift:.2f} voxel off the grid (at most {TOLERANCE_VOXELS}); resample it to the scan"
    )


def _check_sources(frame: Frame, start: Sequence[int], steps: npt.NDArray[np.int64], index: Mapping[str, set[int]]) -> None:
    """Refuse a frame that lies on a slice other than the one on which it was drawn, as stated."""
    named = {z for uid in frame.instances for z in index.get(uid, ())}
    if named and not steps[:, 2].any() and start[2] not in named:
        reason = (
            f"a frame lies on slice {start[2] + 1} by its position, and on slice {min(named) + 1} by the image it refers to"
        )
        raise CaseRefused("mask-reference", reason)


def _check_values(found: Any, kind: str, pixels: npt.NDArray[Any], described: set[int]) -> None:
    """Refuse voxels whose value means nothing in a SEG of this type."""
    most = int(pixels.max())
    if kind == "LABELMAP":
        strange = set(np.unique(pixels).tolist()) - {0, *described, found.get("PixelPaddingValue")}
        if strange:
            raise CaseRefused("mask-unreadable", f"voxels of the value {min(strange)}, which no segment describes")
    elif kind == "BINARY" and most > 1:
        raise CaseRefused("mask-unreadable", f"a BINARY segment holds the value {most}")
    elif kind == "FRACTIONAL" and not most <= int(found.get("MaximumFractionalValue") or 0):
        raise CaseRefused(
            "mask-unreadable", f"its largest fraction is {most}, its maximum {found.get('MaximumFractionalValue')}"
        )


def _inside(found: Any, kind: str, number: int, pixels: npt.NDArray[Any]) -> Mask:
    """Return the voxels of a segment in a frame, shape (rows, columns)."""
    if kind == "FRACTIONAL":
        return np.asarray(pixels >= SMALLEST_FRACTION * max(int(found.get("MaximumFractionalValue") or 0), 1))
    return np.asarray(pixels == (number if kind == "LABELMAP" else 1))


def _draw(volume: Mask, inside: Mask, start: Sequence[int], steps: npt.NDArray[np.int64]) -> None:
    rows, columns = np.nonzero(inside)
    x, y, z = np.array(start)[:, None] + steps[0][:, None] * columns + steps[1][:, None] * rows
    size = np.array(volume.shape[::-1])[:, None]
    lost = int(((np.stack([x, y, z]) < 0) | (np.stack([x, y, z]) >= size)).any(axis=0).sum())
    if lost:
        raise CaseRefused("mask-outside", f"{lost} voxels of a frame of the SEG lie outside of the scan")
    volume[z, y, x] = True


def _said(found: Any, kind: str) -> str:
    if kind != "FRACTIONAL":
        return kind
    return f"FRACTIONAL ({found.get('SegmentationFractionalType') or 'type not stated'}), from {SMALLEST_FRACTION} on"
