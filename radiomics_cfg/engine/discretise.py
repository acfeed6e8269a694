"""Grey levels of a region: PyRadiomics' bins, value for value.

Bins of fixed width begin at a multiple of the width (IBSI Q3RU begins at the region's minimum); bins of fixed count span the
region's range (IBSI K15C).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.engine.compiled import compiled

MAXIMUM_GREY_LEVELS = 1000
"""Levels that a region may hold. A co-occurrence matrix of 1000 takes 52 MB over 13 directions."""


@dataclass(frozen=True)
class Binning:
    """How a region is discretised: by the width of a bin, or by their number, which then goes first."""

    width: float = 25
    count: int | None = None


@dataclass(frozen=True)
class GreyLevels:
    """A discretised region.

    Args:
        ranks: For each voxel of the region the place of its grey level in ``levels``, from 1; shape ``(n_voxels,)``, uint16.
        levels: The grey levels that occur, ascending from 1; shape ``(n_levels,)``.
    """

    ranks: npt.NDArray[np.uint16]
    levels: npt.NDArray[np.int64]

    @property
    def highest(self) -> int:
        """The highest grey level, which PyRadiomics calls Ng."""
        return int(self.levels[-1])


def bin_edges(lowest: np.generic, highest: np.generic, binning: Binning) -> npt.NDArray[np.generic]:
    """Return the edges of the bins between a region's extremes, in the arithmetic of their type, as PyRadiomics does.

    Raises:
        CaseRefused: ``grey-levels`` if a number of bins is asked for that does not fit between the extremes.
    """
    if np.issubdtype(lowest.dtype, np.integer):
        lowest, highest = np.int64(lowest), np.int64(highest)  # whose ends no edge reaches
    if binning.count is not None:
        try:
            edges = np.histogram_bin_edges(np.array([lowest, highest]), binning.count)
        except ValueError as error:
            raise CaseRefused("grey-levels", f"{binning.count} bins do not fit between {lowest:g} and {highest:g}") from error
        edges[-1] += 1  # the maximum belongs to the last bin
        return edges
    first = lowest - (lowest % binning.width)  # type: ignore[operator]
    edges = np.arange(first, highest + 2 * binning.width, binning.width)  # type: ignore[operator]
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def discretise(values: npt.NDArray[np.generic], binning: Binning) -> GreyLevels:
    """Discretise the voxels of a region.

    Args:
        values: Shape ``(n_voxels,)``.
        binning: Which bins.

    Raises:
        CaseRefused: ``grey-levels`` if more levels occur than a matrix should have, so that one wild voxel cannot take the
            memory.
    """
    lowest, highest = values.min(), values.max()
    span = float(highest) - float(lowest)
    if binning.count is None and span / binning.width > np.iinfo(np.int32).max:
        raise CaseRefused(
            "grey-levels", f"values from {lowest:g} to {highest:g} in bins of {binning.width:g} are too many bins"
        )
    if binning.count is None and span / binning.width > 100 * MAXIMUM_GREY_LEVELS:
        # Too many edges to list: find the bins by division alone.
        bins = np.floor_divide(values.astype(np.float64), binning.width)
        bins = (bins - bins.min() + 1).astype(np.int64)
    else:
        edges = bin_edges(lowest, highest, binning).astype(np.float64)
        bins = _digitise(values.astype(np.float64), edges)
    levels = np.flatnonzero(np.bincount(bins)) if int(bins.max()) < 1 << 20 else np.unique(bins)
    if len(levels) > MAXIMUM_GREY_LEVELS:
        reason = f"{len(levels)} grey levels in one region; at most {MAXIMUM_GREY_LEVELS}. Choose wider bins"
        raise CaseRefused("grey-levels", reason)
    ranks = np.searchsorted(levels, bins) + 1 if len(levels) < int(levels[-1]) else bins
    return GreyLevels(ranks.astype(np.uint16), levels.astype(np.int64))


@compiled
def _digitise(values, edges):
    """Return the bin of each value, from 1, as ``np.digitize`` does for edges that are about evenly spaced."""
    first, step = edges[0], edges[1] - edges[0]
    last = len(edges) - 1
    found = np.empty(len(values), np.int64)
    for i in range(len(values)):
        value = values[i]
        at = np.int64((value - first) / step)
        at = min(max(at, 0), last)
        while at < last and value >= edges[at + 1]:
            at += 1
        while at > 0 and value < edges[at]:
            at -= 1
        found[i] = at + 1
    return found
