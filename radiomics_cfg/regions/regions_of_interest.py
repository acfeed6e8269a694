"""Regions of interest: structures of the mask, and peritumoral rings, in mm, with their kidney side and their fat side.

No width of the peritumoral ring is agreed on in clear-cell renal cell carcinoma, so rings are disjoint and the preset says
which there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.labels import STRUCTURES, Label, is_lesion
from radiomics_cfg.engine.compiled import compiled
from radiomics_cfg.preset import RegionRules, Ring, Side
from radiomics_cfg.regions.grid import Box, Grid, bounds, nearest
from radiomics_cfg.regions.lesions import LEFT, MINIMUM_KIDNEY_ML, RIGHT, Anatomy, Laterality, Lesion

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]

NOT_DISTINGUISHED = "the mask does not distinguish cysts from tumours"
"""Why there is no region of cysts."""

_OPPOSITE: dict[Laterality, Laterality | None] = {"left": "right", "right": "left", "both": None}


@dataclass(frozen=True)
class Region:
    """Where features are computed, on one scale.

    Args:
        mask: Shape (z, y, x) of the box that was asked for, inside the scan.
        kept_fraction: Of a ring: volume kept on this side over the volume of the whole ring, including what lies outside
            the scan, in another tumour, in a cyst, in air or in bone. None for a structure, of which nothing is dropped.
        absent: Why the case has no such region, if it has none.
    """

    mask: Mask
    kept_fraction: float | None = None
    absent: str | None = None

    def shortfall(self, minimum_voxels: int) -> str | None:
        """Return why no features can be had from this region, or None if they can."""
        if self.absent is not None:
            return self.absent
        count = int(np.count_nonzero(self.mask))
        if count < minimum_voxels:
            return f"{count} voxels; at least {minimum_voxels} are needed"
        for name, part in zip("zyx", bounds(self.mask), strict=True):
            if part.stop - part.start < 2:
                return f"one voxel thick along {name}; at least 2 are needed"
        return None


def mask_name(region: str, lesion: Lesion) -> str:
    """Return the name of the mask that is a region of a lesion, such as ``1/tumour``; lesions share the kidneys' masks."""
    if region == "kidney_ipsilateral":
        return f"{lesion.side}/kidney"
    if region == "kidney_contralateral":
        return f"{_OPPOSITE[lesion.side] or 'neither'}/kidney"
    return region if region in ("kidney", "cyst") else f"{lesion.number}/{region}"


def find_regions(
    rules: RegionRules,
    anatomy: Anatomy,
    image_hu: npt.NDArray[np.float64],
    *,
    grid: Grid,
    box: Box,
) -> dict[str, Region]:
    """Find the regions of all lesions of one case on one scale.

    Args:
        rules: Which regions and which lesions there are.
        anatomy: Of the case's mask, on the scan's own grid.
        image_hu: HU on the part of ``box`` inside the scan, shape (z, y, x).
        grid: Grid of the scale over the scan.
        box: Holds every label and the outermost ring; may leave the scan.

    Returns:
        For every region of ``rules`` and every lesion the region called ``mask_name``, each once; masks have the shape of
        ``image_hu``.
    """
    inside = box.within(grid.size)
    labels = nearest(anatomy.labels, grid, inside)
    kept = _kept_on_sides(rules, labels, image_hu)
    regions = dict(_kidneys_and_cysts(rules, anatomy, labels, nearest(anatomy.sides, grid, inside)))
    for lesion in anatomy.rows(rules.lesions):
        around = _Surroundings.of(anatomy, lesion, grid, reach_mm=rules.reach_mm)
        for name in ("tumour", "mass"):
            if name in rules.structures:
                regions[mask_name(name, lesion)] = Region(around.seen(around.lesion, grid, inside))
        for ring in rules.rings:
            whole = around.peritumoral_ring(ring)
            seen, volume = around.seen(whole, grid, inside), max(int(np.count_nonzero(whole)), 1)
            for side in ring.sides:
                mask = seen & kept[side]
                name = mask_name(ring.region_name(side), lesion)
                regions[name] = Region(mask, int(np.count_nonzero(mask)) / volume)
    return regions


def _kidneys_and_cysts(
    rules: RegionRules, anatomy: Anatomy, labels: npt.NDArray[np.uint8], sides: npt.NDArray[np.uint8]
) -> Iterator[tuple[str, Region]]:
    """Yield the structures that no lesion has for itself; ``labels`` and ``sides`` are on the scale's grid."""
    for name in ("kidney", "cyst"):
        if name in rules.structures:
            absent = NOT_DISTINGUISHED if name == "cyst" and (labels == Label.MASS).any() else None
            yield name, Region(labels == STRUCTURES[name], absent=absent)
    kidney = labels == Label.KIDNEY
    for lesion in anatomy.rows(rules.lesions):
        own, other = lesion.side, _OPPOSITE[lesion.side]
        for name, side in (("kidney_ipsilateral", own), ("kidney_contralateral", other)):
            if name in rules.structures:
                yield mask_name(name, lesion), _kidney_of(side, anatomy, kidney, sides)


def _kidney_of(side: Laterality | None, anatomy: Anatomy, kidney: Mask, sides: npt.NDArray[np.uint8]) -> Region:
    """Return the parenchyma on one side, on both, or on none."""
    if side is None:
        return Region(np.zeros_like(kidney), absent="both kidneys hold a tumour, so neither is the other one")
    volume = anatomy.kidney_ml[side]
    if volume < MINIMUM_KIDNEY_ML:
        which = "kidney" if side == "both" else f"{side} kidney"
        reason = f"no {which}: {volume:.2f} ml of parenchyma there; a kidney has at least {MINIMUM_KIDNEY_ML:g} ml"
        return Region(np.zeros_like(kidney), absent=reason)
    if side == "both":
        return Region(kidney)
    return Region(kidney & (sides == (LEFT if side == "left" else RIGHT)))


def _kept_on_sides(rules: RegionRules, labels: npt.NDArray[np.uint8], image_hu: npt.NDArray[np.float64]) -> dict[Side, Mask]:
    """Return, for each side of a ring, the voxels that a ring keeps there."""
    kidney = labels == Label.KIDNEY
    air, bone = rules.tissue_hu
    tissue = ~is_lesion(labels) & (labels != Label.CYST) & (image_hu >= air) & (kidney | (image_hu <= bone))
    fat = (image_hu >= rules.fat_hu[0]) & (image_hu <= rules.fat_hu[1])
    return {"whole": tissue, "kidney": tissue & kidney, "fat": tissue & fat & ~kidney}


@dataclass(frozen=True)
class _Surroundings:
    """A lesion and the space around it on the grid of one scale.

    Args:
        box: Holds the lesion and the outermost ring; may leave the scan.
        lesion: Shape (z, y, x) of ``box``.
        distance_mm: From the lesion to each voxel centre, inf beyond the outermost ring; same shape.
    """

    box: Box
    lesion: Mask
    distance_mm: npt.NDArray[np.float64]

    @classmethod
    def of(cls, anatomy: Anatomy, lesion: Lesion, grid: Grid, *, reach_mm: float) -> Self:
        """Return the surroundings of a lesion."""
        found = anatomy.voxels(lesion)
        voxels = np.zeros(anatomy.labels.shape, bool)
        voxels[anatomy.box] = found
        there = bounds(found, offset=anatomy.box)
        box = grid.box_of(there, reach_mm)
        spacing = grid.scan_spacing[::-1]
        centres = tuple(grid.centres_mm(2 - axis, box) - there[axis].start * spacing[axis] for axis in range(3))
        distance = distance_mm(voxels[there], spacing, centres, reach_mm=reach_mm)
        return cls(box, nearest(voxels.view(np.uint8), grid, box) > 0, distance)

    def peritumoral_ring(self, ring: Ring) -> Mask:
        """Return the whole of a ring, with all that will be dropped from it."""
        within: Mask = (self.distance_mm <= ring.outer_mm) & ~self.lesion
        return within & (self.distance_mm > ring.inner_mm) if ring.inner_mm > 0 else within

    def seen(self, mask: Mask, grid: Grid, inside: Box) -> Mask:
        """Return the part of a mask on ``box`` that lies in the scan, on the box ``inside``."""
        part = self.box.within(grid.size)
        found = np.zeros(inside.size[::-1], bool)
        found[part.slices_in(inside)] = mask[part.slices_in(self.box)]
        return found


def distance_mm(
    structure: Mask, spacing_mm: tuple[float, ...], centres_mm: tuple[npt.NDArray[np.float64], ...], *, reach_mm: float
) -> npt.NDArray[np.float64]:
    """Euclidean distance from a structure to points on another grid.

    A voxel stands for the centres of the cubes it can be cut into: one of a thick slice for a column of them. Between voxels
    of equal sides this is the usual distance transform; on slices of 5 mm a ring keeps its volume within 10 %, where a
    transform between the slices' centres loses up to a third of it. The squared distance is a sum over axes, so the minimum is
    taken one axis after another (as in Felzenszwalb and Huttenlocher 2012, doi:10.4086/toc.2012.v008a019, with the window that
    ``reach_mm`` allows in place of the envelope of parabolas).

    Args:
        structure: Shape (z, y, x).
        spacing_mm: Voxel size along z, y, x.
        centres_mm: Coordinates of the points along z, y, x, from the outer corner of the first voxel.
        reach_mm: Distances beyond this are not distinguished.

    Returns:
        Shape of the points, (z, y, x): mm, inf beyond ``reach_mm``.
    """
    squared = np.where(structure, 0.0, np.inf)
    for axis in range(3):
        middle = (np.arange(structure.shape[axis]) + 0.5) * spacing_mm[axis]
        column = (spacing_mm[axis] - min(spacing_mm)) / 2
        cost = np.maximum(np.abs(middle - centres_mm[axis][:, None]) - column, 0.0) ** 2
        squared = _least_sum(squared, cost, axis=axis, limit=reach_mm**2)
    distance = np.sqrt(squared).round(6)
    distance[distance > reach_mm] = np.inf
    return distance


def _least_sum(
    squared: npt.NDArray[np.float64], cost: npt.NDArray[np.float64], *, axis: int, limit: float
) -> npt.NDArray[np.float64]:
    """Return the minimum over i of ``squared[i] + cost[point, i]`` along ``axis``, where ``cost`` is within ``limit``."""
    before, after = int(np.prod(squared.shape[:axis])), int(np.prod(squared.shape[axis + 1 :]))
    found = np.full((*squared.shape[:axis], len(cost), *squared.shape[axis + 1 :]), np.inf)
    near = cost <= limit + 1e-6
    _least_sums(np.ascontiguousarray(squared).reshape(before, -1, after), cost, near, found.reshape(before, len(cost), after))
    return found


@compiled
def _least_sums(squared: Distances, cost: Distances, near: Mask, found: Distances) -> None:
    """Fill ``found``, shape (before, points, after), from ``squared``, shape (before, n, after)."""
    for b in range(len(squared)):
        for point in range(len(cost)):
            for i in range(squared.shape[1]):
                if near[point, i]:
                    for c in range(squared.shape[2]):
                        found[b, point, c] = min(found[b, point, c], squared[b, i, c] + cost[point, i])
