"""Regions of interest: structures of the mask, and peritumoral shells in mm with their kidney side and their fat side.

No width of the peritumoral ring is agreed on in clear-cell renal cell carcinoma, so shells are disjoint and the preset says
which there are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnunet_ext.labels import STRUCTURES, Label
from radiomics_cfg.grid import Box, Grid, bounds, nearest
from radiomics_cfg.preset import RegionRules, Shell, Side

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """Where features are computed, on one scale.

    Args:
        mask: Shape (z, y, x) of the box that was asked for, inside the scan.
        kept_fraction: Of a shell: volume kept on this side over the volume of the whole shell, including what lies outside
            the scan, in a tumour's cyst, in air or in bone. None for a structure, of which nothing is dropped.
    """

    mask: Mask
    kept_fraction: float | None = None

    def shortfall(self, minimum_voxels: int) -> str | None:
        """Return why no features can be had from this region, or None if they can."""
        count = int(np.count_nonzero(self.mask))
        if count < minimum_voxels:
            return f"{count} voxels; at least {minimum_voxels} are needed"
        for name, part in zip("zyx", bounds(self.mask), strict=True):
            if part.stop - part.start < 2:
                return f"one voxel thick along {name}; at least 2 are needed"
        return None


def find_regions(
    rules: RegionRules, labels: npt.NDArray[np.uint8], image_hu: npt.NDArray[np.float64], *, grid: Grid, box: Box
) -> dict[str, Region]:
    """Find the regions of one case on one scale.

    Args:
        rules: Which regions there are.
        labels: ``Label`` values on the scan's own grid, shape (z, y, x), with at least one tumour voxel.
        image_hu: HU on the part of ``box`` inside the scan, shape (z, y, x).
        grid: Grid of the scale over the scan.
        box: Holds every label and the outermost shell; may leave the scan.

    Returns:
        Regions in the order of ``rules.names``; their masks have the shape of ``image_hu``.
    """
    there = nearest(labels, grid, box)
    inside = box.within(grid.size).slices_in(box)
    regions: dict[str, Region] = {name: Region(there[inside] == STRUCTURES[name]) for name in rules.structures}
    if rules.shells:
        distance = _tumour_distance_mm(labels, grid, box, reach_mm=rules.reach_mm)
        sides = _sides(rules, there[inside], image_hu)
        for shell in rules.shells:
            whole = _shell(shell, distance, there)
            volume = max(int(np.count_nonzero(whole)), 1)
            for side in shell.sides:
                mask = whole[inside] & sides[side]
                regions[shell.region_name(side)] = Region(mask, int(np.count_nonzero(mask)) / volume)
    return regions


def _shell(shell: Shell, distance: npt.NDArray[np.float64], labels: npt.NDArray[np.uint8]) -> Mask:
    within: Mask = (distance <= shell.outer_mm) & (labels != Label.TUMOUR)
    return within & (distance > shell.inner_mm) if shell.inner_mm > 0 else within


def _sides(rules: RegionRules, labels: npt.NDArray[np.uint8], image_hu: npt.NDArray[np.float64]) -> dict[Side, Mask]:
    """Return, for each side, the voxels that a shell keeps."""
    kidney = labels == Label.KIDNEY
    air, bone = rules.tissue_hu
    tissue = (labels != Label.CYST) & (image_hu >= air) & (kidney | (image_hu <= bone))
    fat = (image_hu >= rules.fat_hu[0]) & (image_hu <= rules.fat_hu[1])
    return {"whole": tissue, "kidney": tissue & kidney, "fat": tissue & fat & ~kidney}


def _tumour_distance_mm(labels: npt.NDArray[np.uint8], grid: Grid, box: Box, *, reach_mm: float) -> npt.NDArray[np.float64]:
    """Distance from the tumours to each voxel centre of ``box``, shape (z, y, x); inf beyond ``reach_mm``."""
    tumour = labels == Label.TUMOUR
    near = grid.box_of(tumour, reach_mm)
    there = bounds(tumour)
    spacing = grid.scan_spacing[::-1]
    centres = tuple(grid.centres_mm(2 - axis, near) - there[axis].start * spacing[axis] for axis in range(3))
    distance = np.full(box.size[::-1], np.inf)
    distance[near.slices_in(box)] = distance_mm(tumour[there], spacing, centres, reach_mm=reach_mm)
    return distance


def distance_mm(
    structure: Mask, spacing_mm: tuple[float, ...], centres_mm: tuple[npt.NDArray[np.float64], ...], *, reach_mm: float
) -> npt.NDArray[np.float64]:
    """Euclidean distance from a structure to points on another grid.

    A voxel stands for the centres of the cubes it can be cut into: one of a thick slice for a column of them. Between voxels
    of equal sides this is the usual distance transform; on slices of 5 mm a shell keeps its volume within 10 %, where a
    transform between the slices' centres loses up to a third of it. The squared distance is a sum over axes, so the minimum is
    taken one axis after another (as in Felzenszwalb and Huttenlocher 2012, doi:10.4086/toc.2012.v008a019, with the window that
    ``reach_mm`` allows in place of the envelope of parabolas).

    Args:
        structure: Shape (z, y, x).
        spacing_mm: Voxel size along z, y, x.
        centres_mm: Coordinates of the points along z, y, x, from the outer corner of the first voxel.
        reach_mm: Distances beyond this are not told apart.

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
    first = np.moveaxis(squared, axis, 0)
    found = np.full((cost.shape[0], *first.shape[1:]), np.inf)
    for point, costs in enumerate(cost):
        near = np.flatnonzero(costs <= limit + 1e-6)
        for i in near:
            np.minimum(found[point], first[i] + costs[i], out=found[point])
    return np.moveaxis(found, 0, axis)
