"""What a mask shows: each lesion, largest first, and which side of the patient every labelled voxel is on.

Sides are the patient's own. ITK keeps images in LPS coordinates, whose x grows towards the patient's left, so a side follows
from the image's direction cosines, whatever the order of its axes. What lies exactly between is decided by where it lies in
the patient too: coordinates are compared without the rounding that another origin leaves in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import MINIMUM_LESION_ML, TOUCHING, Label, is_lesion
from nnunet_ext.scans.geometry import Scan
from nnunet_ext.scans.orientation import Orientation
from radiomics_cfg.engine.extent import Slices
from radiomics_cfg.preset import LesionRule
from radiomics_cfg.regions.grid import bounds

Laterality = Literal["left", "right", "both"]
LEFT, RIGHT = 1, 2
"""Values of ``Anatomy.sides``."""

MINIMUM_KIDNEY_ML = 5.0
"""Parenchyma that makes a kidney. In KiTS23 the smallest kidney has 84 ml and no crumb more than 0.4 ml."""

KIDNEYS_APART_MM = 50.0
"""Distance from left to right at which two centres of parenchyma are two kidneys'. In KiTS23 kidneys lie at least 104 mm apart
and the halves of a horseshoe kidney 69 mm; the halves of a single kidney, wherever it is cut, at most 28 mm."""

BODY_HU = -300
"""Above this is the body; below, the air around it and in the lungs."""

_MM_DECIMALS = 6
"""Differences of coordinates are rounded to this, so that no rounding error decides on which side a middle lies."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One tumour, or all tumours of a case together; or masses, of a mask that does not distinguish tumours from cysts.

    Args:
        number: 1 for the index lesion, which is the largest, 2 for the next one; 0 for all tumours together.
        side: Of the patient.
    """

    number: int
    side: Laterality


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Lesions and sides of one mask, on its own grid.

    Args:
        labels: ``Label`` values, shape (z, y, x).
        sides: ``LEFT`` or ``RIGHT`` where there is a label, else 0; same shape, ``uint8``.
        numbers: Number of the lesion at each voxel, 0 where there is none; same shape.
        lesions: Largest first.
        kidney_ml: Volume of the parenchyma on each side.
        box: Where there are labels at all.
        mask: Keeps the memory of ``labels``, which are a view of it.
    """

    labels: npt.NDArray[np.uint8]
    sides: npt.NDArray[np.uint8]
    numbers: npt.NDArray[np.uint16]
    lesions: tuple[Lesion, ...]
    kidney_ml: Mapping[Laterality, float]
    box: Slices
    mask: sitk.Image

    def rows(self, rule: LesionRule) -> tuple[Lesion, ...]:
        """Return what has a row of its own in a feature table."""
        if rule == "each":
            return self.lesions
        if rule == "index":
            return self.lesions[:1]
        sides = {lesion.side for lesion in self.lesions}
        return (Lesion(0, "both" if len(sides) > 1 else self.lesions[0].side),)

    def side_boxes(self) -> tuple[Slices, ...]:
        """Return the box of the labels of each side, left first; a side without labels is left out."""
        there = (np.asarray(self.sides[self.box] == side) for side in (LEFT, RIGHT))
        return tuple(bounds(voxels, offset=self.box) for voxels in there if voxels.any())

    def voxels(self, lesion: Lesion) -> npt.NDArray[np.bool_]:
        """Return where a lesion is, shape (z, y, x) of ``box``. All tumours together include the crumbs."""
        if lesion.number == 0:
            return is_lesion(self.labels[self.box])
        return np.asarray(self.numbers[self.box] == lesion.number)


def find_anatomy(scan: Scan) -> Anatomy:
    """Find the lesions and the sides of a mask.

    A lesion is a connected piece of the tumour label, or of that of masses, of at least ``MINIMUM_LESION_ML``, or the largest
    piece if all are smaller. Of two of one volume, the one further to the patient's right comes first, along the axis of the
    scan that runs nearest to left-right; then the one further to the front, then to the feet.

    Everything labelled that touches is one organ, on the side where the centre of its parenchyma is. Left and right are parted
    in the middle between two kidneys, or at the body's midline where there are no two; a horseshoe kidney, and two kidneys
    that a tumour bridges, are cut there. A lesion is on the side of most of its voxels. The side of a single kidney is a guess
    if the scan does not show the whole width of the body.

    Raises:
        CaseRefused: ``tumour-absent``, if the mask labels no tumour voxel.
    """
    labels: npt.NDArray[np.uint8] = sitk.GetArrayViewFromImage(scan.mask)
    box = bounds(labels > 0) if labels.any() else (slice(0), slice(0), slice(0))
    tumour = is_lesion(labels[box])
    if not tumour.any():
        raise CaseRefused("tumour-absent", "the mask labels no tumour voxel, so there is nothing to measure")
    sides, numbers = np.zeros(labels.shape, np.uint8), np.zeros(labels.shape, np.uint16)
    sides[box] = find_sides(scan, box)
    around = bounds(tumour)
    part = bounds(tumour, offset=box)
    numbers[part] = numbered_pieces(tumour[around], scan.image)
    in_lesion = numbers[part] > 0
    number, is_left = numbers[part][in_lesion], sides[part][in_lesion] == LEFT
    share = np.bincount(number, weights=is_left)[1:] / np.bincount(number)[1:]
    lesions = tuple(Lesion(place, "left" if part > 0.5 else "right") for place, part in enumerate(share, start=1))
    kidney = np.bincount(sides[box][labels[box] == Label.KIDNEY], minlength=3) * voxel_ml(scan.image)
    kidney_ml: dict[Laterality, float] = {"left": kidney[LEFT], "right": kidney[RIGHT], "both": kidney[LEFT] + kidney[RIGHT]}
    return Anatomy(labels, sides, numbers, lesions, kidney_ml, box, scan.mask)


def voxel_ml(image: sitk.Image) -> float:
    """Return the volume of one voxel in ml."""
    return float(np.prod(image.GetSpacing())) / 1000


def body_midline_mm(scan: Scan) -> float:
    """Return the x coordinate that parts the body in halves, in the slices that are labelled.

    As many of the body's voxels lie to its left as to its right. Where the image's axes are oblique, this holds at the centre
    of the labelled box.
    """
    return float(scan.image.GetOrigin()[0]) + _midline_mm(scan)


def _midline_mm(scan: Scan) -> float:
    """Return ``body_midline_mm`` from the centre of the scan's first voxel."""
    labels, hu = (sitk.GetArrayViewFromImage(image) for image in (scan.mask, scan.image))
    axes = Orientation.of(scan.image).axes
    across, along = 2 - axes[0], 2 - axes[2]  # axes of the array
    box = bounds(labels > 0)
    slab = tuple(box[axis] if axis == along else slice(None) for axis in range(3))
    counts = (hu[slab] > BODY_HU).sum(axis=tuple(axis for axis in range(3) if axis != across), dtype=np.int64)
    half = counts.sum() / 2
    first, last = np.searchsorted(counts.cumsum(), half), np.searchsorted(counts.cumsum(), half, side="right")
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    middle[across] = float(first + min(last, len(counts) - 1)) / 2
    return float(_leftward_mm(scan.image) @ middle[::-1])


def _leftward_mm(image: sitk.Image) -> npt.NDArray[np.float64]:
    """Return how far one voxel along each axis (x, y, z) leads to the patient's left, shape ``(3,)``.

    Axes that run along those of space do so exactly: the single floats of a header leave 1e-8 in a cosine.
    """
    cosines = np.array(image.GetDirection()).reshape(3, 3)[0]
    whole = cosines.round()
    return np.asarray(np.where(np.abs(cosines - whole) < 1e-6, whole, cosines) * image.GetSpacing())


def numbered_pieces(structure: npt.NDArray[np.bool_], image: sitk.Image) -> npt.NDArray[np.uint16]:
    """Return the number of the lesion at each voxel of a box that holds the whole structure: see ``find_anatomy``.

    Args:
        structure: The tumours, or the cysts, of at least one voxel; shape (z, y, x) of the box.
        image: On whose grid it lies.
    """
    pieces, count = ndimage.label(structure, structure=TOUCHING)
    at = np.nonzero(pieces)
    piece = pieces[at]
    voxels = np.bincount(piece, minlength=count + 1)
    sums = [np.bincount(piece, weights=index) for index in at[::-1]]  # whole numbers, along x, y, z
    stored = Orientation.of(image)

    def precedence(one: int) -> tuple[float, ...]:
        towards = zip(stored.axes, stored.flipped, strict=True)
        return (-voxels[one], *(-sums[axis][one] if flipped else sums[axis][one] for axis, flipped in towards))

    ordered = sorted(range(1, count + 1), key=precedence)
    lesions = [one for one in ordered if round(voxels[one] * voxel_ml(image), 6) >= MINIMUM_LESION_ML] or ordered[:1]
    number_of = np.zeros(count + 1, np.uint16)
    number_of[lesions] = np.arange(1, len(lesions) + 1)
    return number_of[pieces]


def find_sides(scan: Scan, box: Slices) -> npt.NDArray[np.uint8]:
    """Return the side, ``LEFT`` or ``RIGHT``, of each labelled voxel of a box that holds them all: see ``find_anatomy``."""
    labels: npt.NDArray[np.uint8] = sitk.GetArrayViewFromImage(scan.mask)[box]
    organs, _ = ndimage.label(labels > 0, structure=TOUCHING)
    at = np.nonzero(organs)
    organ, is_kidney = organs[at], labels[at] == Label.KIDNEY
    step = _leftward_mm(scan.image)[::-1]
    left_mm = np.asarray(sum((index + part.start) * mm for index, part, mm in zip(at, box, step, strict=True)))
    kidney_ml = np.bincount(organ, weights=is_kidney) * voxel_ml(scan.image)
    # The centre of an organ is that of its parenchyma; only what has none is judged by all of it.
    weight = is_kidney | (kidney_ml == 0)[organ]
    centres = np.bincount(organ, weights=left_mm * weight) / np.maximum(np.bincount(organ, weights=weight), 1)
    kidneys = np.flatnonzero(kidney_ml >= MINIMUM_KIDNEY_ML)
    parting_mm = _between_two_kidneys(centres[kidneys])
    is_single = parting_mm is None
    if parting_mm is None:
        parting_mm = _midline_mm(scan)
    is_left = _is_left_of(parting_mm, centres)[organ]
    for one in kidneys if is_single else ():
        own = organ == one
        if _is_two_kidneys(left_mm[own & is_kidney], parting_mm, voxel_ml(scan.image)):
            is_left[own] = _is_left_of(parting_mm, left_mm[own])
    sides = np.zeros(labels.shape, np.uint8)
    sides[at] = np.where(is_left, LEFT, RIGHT)
    return sides


def _is_left_of(parting_mm: float, left_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which positions lie to the patient's left of a coordinate; a position exactly on it does not."""
    return np.asarray((left_mm - parting_mm).round(_MM_DECIMALS) > 0)


def _between_two_kidneys(centres_mm: npt.NDArray[np.float64]) -> float | None:
    """Return the middle of the widest gap between kidneys' centres, None where it is too narrow for two kidneys."""
    ordered = np.sort(centres_mm)
    gaps = np.diff(ordered).round(_MM_DECIMALS)
    if len(gaps) == 0 or gaps.max() < KIDNEYS_APART_MM:
        return None
    widest = int(gaps.argmax())
    return float(ordered[widest : widest + 2].mean())


def _is_two_kidneys(left_mm: npt.NDArray[np.float64], parting_mm: float, one_ml: float) -> bool:
    """Return whether parenchyma at these x coordinates forms two kidneys when it is divided."""
    is_left = _is_left_of(parting_mm, left_mm)
    if min(np.count_nonzero(is_left), np.count_nonzero(~is_left)) * one_ml < MINIMUM_KIDNEY_ML:
        return False
    apart_mm = float(left_mm[is_left].mean() - left_mm[~is_left].mean())
    return round(apart_mm, _MM_DECIMALS) >= KIDNEYS_APART_MM
