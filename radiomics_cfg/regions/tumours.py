"""The tumours of a mask with the space around each, as what perturbs a mask needs them.

A tumour may grow into kidney and background, but never into a cyst, another tumour or what lies outside the scan. What it
gives up becomes kidney or background, whichever is nearer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import TOUCHING, Label, is_lesion
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.regions.grid import bounds
from radiomics_cfg.regions.regions_of_interest import distance_mm

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

MARGIN_MM = 10.0
"""How far from a tumour its mask can reach, and how deep the mask can withdraw. A ball of 10 cm radius shrinks by 10 % in
radius, 10 mm, when it loses 27 % of its volume."""

SUPERVOXEL_MM3 = 500.0
"""Volume of a supervoxel, that of MIRP, the software of Zwanenburg et al. 2019, doi:10.1038/s41598-018-36938-4."""

SUPERVOXELS_IN_TUMOUR = 50
"""Fewest supervoxels to a tumour, at the cost of their size. With supervoxels of 500 mm³ the randomised mask of a tumour of
8 ml on slices of 5 mm has a Dice of 0.80 with its original, with these 0.87; two readers of KiTS19 have 0.92 on average
(Heller et al. 2021, doi:10.1016/j.media.2020.101821)."""

SUPERVOXEL_VOXELS = 20
"""Fewest voxels to a supervoxel, as in MIRP."""

WINDOW_HU = (-190.0, 300.0)
"""HU that supervoxels distinguish: fat to an enhanced kidney, which peritumoral rings keep too."""

_COMPACTNESS = 0.05
"""Weight of a supervoxel's shape against its HU, where the window is 1; MIRP's."""


@dataclass(frozen=True, eq=False)
class Tumour:
    """One connected tumour and the space around it, on the scan's grid; arrays (z, y, x) of a box that may leave the scan.

    Args:
        number: Of the tumour in its mask.
        start: First voxel of the box in the scan, along z, y, x.
        inside: Where the tumour is.
        allowed: Where it may be.
        instead: Label that a voxel of the tumour takes when the tumour gives it up.
        image_hu: The image; beyond the scan its edge is repeated.
        spacing_mm: Voxel size along z, y, x.
        direction: Direction cosines of the scan, shape (3, 3), of x, y, z.
    """

    number: int
    start: npt.NDArray[np.int_]
    inside: Mask
    allowed: Mask
    instead: npt.NDArray[np.uint8]
    image_hu: npt.NDArray[np.float32]
    spacing_mm: npt.NDArray[np.float64]
    direction: npt.NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.inside))

    @cached_property
    def signed_distance_mm(self) -> Values:
        """Distance from the tumour's surface to each voxel centre, below 0 inside, cut at ``MARGIN_MM``.

        The surface lies between voxels, and a thick slice is as far away as its nearest face: see ``regions.distance_mm``.
        """
        spacing = tuple(self.spacing_mm.tolist())
        centres = tuple((np.arange(n) + 0.5) * step for n, step in zip(self.inside.shape, spacing, strict=True))
        outside, depth = (distance_mm(there, spacing, centres, reach_mm=MARGIN_MM) for there in (self.inside, ~self.inside))
        distance = np.minimum(np.maximum(outside, depth), MARGIN_MM) - min(spacing) / 2
        signed: Values = np.where(self.inside, -distance, distance)
        return signed.round(6)

    @cached_property
    def density(self) -> Values:
        """How much of the space close by is tumour: larger in a notch of the contour than on a spike."""
        width = 2 * self.spacing_mm.min() / self.spacing_mm
        blurred = ndimage.gaussian_filter(self.inside.astype(np.float64), width, truncate=3)
        return np.asarray(blurred, np.float64).round(6)

    @cached_property
    def supervoxels(self) -> npt.NDArray[np.int64]:
        """Number of the supervoxel that each voxel belongs to."""
        low, high = WINDOW_HU
        scaled = (np.clip(self.image_hu, low, high) - low) / (high - low)
        smooth = ndimage.gaussian_filter(scaled, self.spacing_mm.min() / self.spacing_mm)
        grouping = sitk.SLICImageFilter()
        grouping.SetSuperGridSize(_supervoxel_size(self.count, self.spacing_mm)[::-1])
        grouping.SetSpatialProximityWeight(_COMPACTNESS)
        grouping.EnforceConnectivityOff()  # it joins stray voxels to what comes before them, which moves masks along x
        grouping.SetNumberOfThreads(1)  # more could sum in another order
        return np.asarray(sitk.GetArrayFromImage(grouping.Execute(sitk.GetImageFromArray(smooth))), np.int64)


@dataclass(frozen=True)
class Tumours:
    """All tumours of a scan, whose surroundings are looked at once for all perturbations.

    Args:
        scan: Whose mask is perturbed.
        pieces: The tumours: connected pieces of the tumour label, however small.
    """

    scan: Scan
    pieces: tuple[Tumour, ...]

    @classmethod
    def of(cls, scan: Scan) -> Self:
        """Find the tumours of a scan.

        Raises:
            CaseRefused: ``tumour-absent``, if the mask labels no tumour voxel.
        """
        labels: npt.NDArray[np.uint8] = sitk.GetArrayFromImage(scan.mask)
        if not is_lesion(labels).any():
            raise CaseRefused("tumour-absent", "the mask labels no tumour voxel, so there is nothing to perturb")
        return cls(scan, tuple(_find_tumours(labels, scan.image)))

    def with_masks(self, masks: Sequence[Mask]) -> Scan:
        """Return the scan with another mask for each tumour, of the shape of its box and within what is allowed there.

        What a tumour gives up becomes kidney or background.
        """
        labels: npt.NDArray[np.uint8] = sitk.GetArrayFromImage(self.scan.mask)
        own = Label.MASS if (labels == Label.MASS).any() else Label.TUMOUR
        for tumour, mask in zip(self.pieces, masks, strict=True):
            given_up = tumour.inside & ~mask
            labels[_indices(tumour, given_up)] = tumour.instead[given_up]
        for tumour, mask in zip(self.pieces, masks, strict=True):
            labels[_indices(tumour, mask)] = own
        image = sitk.GetImageFromArray(labels)
        image.CopyInformation(self.scan.image)
        return Scan(self.scan.image, image)


def _indices(tumour: Tumour, mask: Mask) -> tuple[npt.NDArray[np.int_], ...]:
    """Return where the voxels of a mask, which lie in the scan, are in the scan."""
    return tuple(index + first for index, first in zip(np.nonzero(mask), tumour.start, strict=True))


def _find_tumours(labels: npt.NDArray[np.uint8], image: sitk.Image) -> Iterator[Tumour]:
    """Yield each connected piece of the tumour label."""
    spacing = np.array(image.GetSpacing())[::-1]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    hu = sitk.GetArrayViewFromImage(image)
    box = bounds(is_lesion(labels))
    pieces, _ = ndimage.label(is_lesion(labels[box]), structure=TOUCHING)
    margin = np.ceil(MARGIN_MM / spacing).astype(int)
    for number, where in enumerate(ndimage.find_objects(pieces), start=1):
        start = np.array([whole.start + part.start for whole, part in zip(box, where, strict=True)]) - margin
        inside = np.pad(pieces[where] == number, [(n, n) for n in margin.tolist()])
        axes = [np.arange(first, first + n) for first, n in zip(start.tolist(), inside.shape, strict=True)]
        seen = np.ix_(*(np.clip(axis, 0, n - 1) for axis, n in zip(axes, labels.shape, strict=True)))
        z, y, x = ((axis >= 0) & (axis < n) for axis, n in zip(axes, labels.shape, strict=True))
        around, in_scan = labels[seen], z[:, None, None] & y[:, None] & x
        yield Tumour(
            number=number,
            start=start,
            inside=inside,
            allowed=in_scan & (around != Label.CYST) & _apart_from_others(inside, around, spacing),
            instead=_label_beside(around, in_scan, spacing),
            image_hu=hu[seen].astype(np.float32),
            spacing_mm=spacing,
            direction=direction,
        )


def _apart_from_others(inside: Mask, around: npt.NDArray[np.uint8], spacing_mm: npt.NDArray[np.float64]) -> Mask:
    """Return where a tumour can grow so that it does not touch another that grows towards it.

    Two neighbours, a voxel's diagonal apart, cannot each be nearer to another tumour by more than that diagonal.
    """
    others = is_lesion(around) & ~inside
    if not others.any():
        return np.ones_like(inside)
    own, other = (ndimage.distance_transform_edt(~there, sampling=spacing_mm) for there in (inside, others))
    apart: Mask = inside | (other - own > np.linalg.norm(spacing_mm))
    return apart


def _label_beside(around: npt.NDArray[np.uint8], in_scan: Mask, spacing_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Return for each voxel the label of the nearest one that is kidney or background; background where there is none."""
    candidate = in_scan & ((around == Label.KIDNEY) | (around == Label.BACKGROUND))
    if not candidate.any():
        return np.zeros_like(around)
    nearest = ndimage.distance_transform_edt(~candidate, sampling=spacing_mm, return_distances=False, return_indices=True)
    beside: npt.NDArray[np.uint8] = around[tuple(nearest)]
    return beside


def _supervoxel_size(count: int, spacing_mm: npt.NDArray[np.float64]) -> list[int]:
    """Return the voxels along z, y, x of a supervoxel, as close to a cube as thick slices allow."""
    voxel_mm3 = float(np.prod(spacing_mm))
    volume_mm3 = max(min(SUPERVOXEL_MM3, count * voxel_mm3 / SUPERVOXELS_IN_TUMOUR), SUPERVOXEL_VOXELS * voxel_mm3)
    thickest = int(spacing_mm.argmax())
    depth = max(round(volume_mm3 ** (1 / 3) / spacing_mm[thickest]), 1)
    side_mm = (volume_mm3 / (depth * spacing_mm[thickest])) ** 0.5
    return [depth if axis == thickest else max(round(side_mm / step), 1) for axis, step in enumerate(spacing_mm.tolist())]
