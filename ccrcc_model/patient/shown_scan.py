"""The part of a scan that a page shows: the surroundings of what the mask labels, upright, small enough for one file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from ccrcc_model.patient.grey_codes import deflate_image, encode_hu
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import MINIMUM_LESION_ML, Label, is_lesion
from nnunet_ext.scans.geometry import Scan
from nnunet_ext.scans.orientation import oriented
from radiomics_cfg.preset import RegionRules, load_preset
from radiomics_cfg.regions.grid import Grid, resample
from radiomics_cfg.regions.lesions import Anatomy, find_anatomy, numbered_pieces, voxel_ml
from radiomics_cfg.regions.regions_of_interest import find_regions, mask_name

MARGIN_MM = 25.0
"""Shown around the labels: as the zoomed overlays have it, and more than twice the reach of the outermost ring."""

MOST_BYTES = 9_500_000
"""Of the deflated image. As Base64, with the masks and the viewer, it makes a page of less than 15 MB."""

MOST_VOXELS = 32_000_000
"""With more, no CT was seen to deflate to ``MOST_BYTES``; it is averaged at once."""

THIN_MM = 1.6
"""Slices thinner than this are averaged by pairs before pixels are: abdomens are read in slices of 2 to 5 mm."""

OBLIQUE_DEGREES = 5.0
"""Turn of the scan's axes against the patient's from which the page says that its views are oblique."""

Voxel = tuple[int, int, int]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ShownLesion:
    """A lesion that a click leads to.

    Args:
        label: Of the mask.
        number: That of measurements and of SEG: tumours as in feature tables, then cysts.
        side: Of the patient.
        volume_ml: Its volume.
        at: Voxel (x, y, z) of the shown part, inside the lesion, on the axial slice where it is largest.
    """

    label: Literal["tumour", "cyst", "mass"]
    number: int
    side: str
    volume_ml: float
    at: Voxel


@dataclass(frozen=True, eq=False)
class ShownScan:
    """The shown part of a scan; axes x, y, z run to the patient's left, back and head.

    Args:
        image: ``deflate_image`` of the codes, on a grid of ``merged`` voxels.
        codes: Those codes, shape (z, y, x).
        merged: Voxels (x, y, z) of the mask that one voxel of the image was averaged over.
        labels: ``Label`` values, shape (z, y, x).
        spacing_mm: Of the mask's voxels, along x, y, z.
        first: Voxel (x, y, z) of the upright scan with which the part begins.
        oblique_degrees: Turn of the scan's axes against the patient's.
        lesions: Tumours, largest first, and then cysts.
        regions: Named as in feature tables, shape of ``labels``.
    """

    image: bytes
    codes: npt.NDArray[np.uint8]
    merged: Voxel
    labels: npt.NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    first: Voxel
    oblique_degrees: float
    lesions: tuple[ShownLesion, ...]
    regions: Mapping[str, Mask]

    @property
    def size(self) -> Voxel:
        """Number of voxels of the mask along x, y, z."""
        z, y, x = self.labels.shape
        return (x, y, z)

    def volume_ml(self, label: Label) -> float:
        """Return the volume that a label fills."""
        return float(np.count_nonzero(self.labels == label) * np.prod(self.spacing_mm)) / 1000

    @property
    def slice_of_interest(self) -> int:
        """The axial slice with most tumour, or else with most of any label, or else the middle one."""
        for present in (is_lesion(self.labels), self.labels > 0):
            area = present.sum(axis=(1, 2))
            if area.any():
                return int(area.argmax())
        return len(self.labels) // 2


def ring_rules() -> RegionRules:
    """Return the rings that a page draws where no preset says which: those of ``multiscale``, around every lesion."""
    rings = load_preset("multiscale").regions.rings
    return RegionRules(
        lesions="each", structures=("tumour",), rings=tuple(ring.model_copy(update={"sides": ("whole",)}) for ring in rings)
    )


def show(scan: Scan, rules: RegionRules | None = None) -> ShownScan:
    """Return the part of a scan that a page shows.

    Args:
        scan: Stored in any orientation; its mask may be empty, which shows the whole scan.
        rules: Regions that the page can light; the rings of ``ring_rules`` by default.
    """
    upright = oriented(scan)
    hu, labels = (sitk.GetArrayViewFromImage(image) for image in (upright.image, upright.mask))
    box = _box(labels, upright.image.GetSpacing()[::-1])
    shown: npt.NDArray[np.uint8] = np.ascontiguousarray(labels[box])
    anatomy = _anatomy(upright)
    regions = {} if anatomy is None else dict(_regions(upright, anatomy, rules or ring_rules(), box))
    image, codes, merged = _small_enough(hu[box], upright.image.GetSpacing()[2])
    tumours = tuple(_tumours(anatomy, box, upright.image))
    x, y, z = upright.image.GetSpacing()
    return ShownScan(
        image,
        codes,
        merged,
        shown,
        (x, y, z),
        (box[2].start, box[1].start, box[0].start),
        _turn_degrees(upright.image),
        (*tumours, *_cysts(shown, upright.image, n_tumours=len(tumours))),
        regions,
    )


def _box(labels: npt.NDArray[np.uint8], spacing_mm: tuple[float, ...]) -> tuple[slice, slice, slice]:
    """Return the box (z, y, x) of the labels and of a margin around them; all of the scan if there are no labels."""
    found = ndimage.find_objects((labels > 0).view(np.uint8))
    whole = [slice(0, n) for n in labels.shape]
    margin = [int(np.ceil(MARGIN_MM / mm)) for mm in spacing_mm]
    z, y, x = (
        slice(max(part.start - more, 0), min(part.stop + more, n))
        for part, more, n in zip(found[0] if found else whole, margin, labels.shape, strict=True)
    )
    return z, y, x


def _small_enough(hu: npt.NDArray[Any], slice_mm: float) -> tuple[bytes, npt.NDArray[np.uint8], Voxel]:
    """Return the image deflated, its codes, and how many voxels (x, y, z) were averaged so that it is small enough."""
    for x, y, z in _merges(slice_mm):
        if hu.size / (x * y * z) > MOST_VOXELS:
            continue
        codes = encode_hu(_averaged(hu, (z, y, x)))
        image = deflate_image(codes)
        if len(image) <= MOST_BYTES:
            return image, codes, (x, y, z)
    raise AssertionError  # _merges does not end


def _merges(slice_mm: float) -> Iterator[Voxel]:
    yield 1, 1, 1
    yield (1, 1, 2) if slice_mm < THIN_MM else (2, 2, 1)
    factor = 2
    while True:
        yield factor, factor, factor
        factor += 1


def _averaged(hu: npt.NDArray[Any], merged: Voxel) -> npt.NDArray[Any]:
    """Return means over blocks of voxels (z, y, x); the last blocks repeat the last voxels."""
    for axis, n in enumerate(merged):
        if n > 1:
            padded = np.pad(
                hu, [(0, -length % n if place == axis else 0) for place, length in enumerate(hu.shape)], mode="edge"
            )
            shape = [*padded.shape[:axis], padded.shape[axis] // n, n, *padded.shape[axis + 1 :]]
            hu = padded.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
    return hu


def _anatomy(upright: Scan) -> Anatomy | None:
    try:
        return find_anatomy(upright)
    except CaseRefused:
        return None  # without a tumour there is neither a lesion nor a ring


def _regions(upright: Scan, anatomy: Anatomy, rules: RegionRules, box: tuple[slice, ...]) -> Iterator[tuple[str, Mask]]:
    """Yield each region's name, and where it is for any of the lesions."""
    grid = Grid.of(upright.image, None)
    around = grid.box_of(anatomy.box, rules.reach_mm)
    inner = around.within(grid.size)
    hu = sitk.GetArrayFromImage(resample(upright.image, grid, inner))
    found = find_regions(rules, anatomy, hu, grid=grid, box=around)
    there = tuple(
        slice(low - part.start, high - part.start)
        for low, high, part in zip(inner.lower[::-1], inner.upper[::-1], box, strict=True)
    )  # the margin exceeds the reach of the rings, or the scan ends
    for name in rules.names:
        masks = [found[mask_name(name, lesion)].mask for lesion in anatomy.rows(rules.lesions)]
        region = np.zeros([part.stop - part.start for part in box], bool)
        region[there] = np.logical_or.reduce(masks)
        yield name, region


def _tumours(anatomy: Anatomy | None, box: tuple[slice, ...], image: sitk.Image) -> Iterator[ShownLesion]:
    if anatomy is None:
        return
    numbers = anatomy.numbers[box]
    name: Literal["tumour", "mass"] = "mass" if (anatomy.labels == Label.MASS).any() else "tumour"
    for lesion in anatomy.lesions:
        inside = numbers == lesion.number
        yield ShownLesion(name, lesion.number, lesion.side, float(inside.sum()) * voxel_ml(image), _middle(inside))


def _cysts(labels: npt.NDArray[np.uint8], image: sitk.Image, *, n_tumours: int) -> Iterator[ShownLesion]:
    structure = labels == Label.CYST
    if not structure.any():
        return
    pieces = numbered_pieces(structure, image)
    for piece in range(1, int(pieces.max()) + 1):
        inside = pieces == piece
        volume_ml = float(inside.sum()) * voxel_ml(image)
        if round(volume_ml, 6) >= MINIMUM_LESION_ML:
            yield ShownLesion("cyst", n_tumours + piece, "unknown", volume_ml, _middle(inside))


def _middle(inside: Mask) -> Voxel:
    """Return the voxel (x, y, z) of a lesion nearest to its centre on its largest axial slice."""
    z = int(inside.sum(axis=(1, 2)).argmax())
    rows, columns = np.nonzero(inside[z])
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return int(columns[nearest]), int(rows[nearest]), z


def _turn_degrees(upright: sitk.Image) -> float:
    """Return the angle by which the axes of an upright image are turned against the patient's."""
    trace = float(np.trace(np.array(upright.GetDirection()).reshape(3, 3)))
    return float(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))))
