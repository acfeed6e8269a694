"""Texture matrices of a discretised region, all in two passes over its voxels.

The matrices are PyRadiomics', entry for entry. Rows stand for the grey levels that occur.

References:
    Zwanenburg et al. 2016 (IBSI), arXiv:1612.07003; GLDM: Sun and Wee 1983, doi:10.1016/0734-189X(83)90032-4.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.compiled import compiled
from radiomics_cfg.engine.discretise import GreyLevels

Offset = tuple[int, int, int]

_PLACE_OF_BIT = np.zeros((1 << 12) + 1, np.uint8)
_PLACE_OF_BIT[1 << np.arange(13)] = np.arange(13)
"""Direction that a set bit stands for; there are at most 13."""

_GAP = 8
"""Voxels outside the region that are worked on in vain rather than begin a new stretch."""


@dataclass(frozen=True)
class Neighbourhood:
    """Which voxels are neighbours.

    Args:
        distances: Infinity norms of the offsets that GLCM, GLDM and NGTDM look at.
        flat_axis: Axis (0 is z) along which nothing is a neighbour: texture slice by slice. None in 3D.
    """

    distances: tuple[int, ...] = (1,)
    flat_axis: int | None = None

    def offsets(self, distances: tuple[int, ...] | None = None) -> tuple[Offset, ...]:
        """Return one of each pair of opposite offsets (z, y, x), in PyRadiomics' order."""
        wanted = self.distances if distances is None else distances
        reach = max(wanted)
        steps = range(reach, -reach - 1, -1)
        every = [(z, y, x) for z, y, x in product(steps, steps, steps) if max(abs(z), abs(y), abs(x)) in wanted]
        half = [offset for offset in every if offset > (0, 0, 0)]
        return tuple(offset for offset in half if self.flat_axis is None or offset[self.flat_axis] == 0)


@dataclass(frozen=True)
class Matrices:
    """Texture matrices of one region on one image.

    Args:
        levels: Grey level of each row, shape ``(n_levels,)``.
        highest: The highest grey level.
        offsets: Of the co-occurrence matrices, shape ``(n_offsets, 3)``, (z, y, x).
        directions: Of the run length matrices, shape ``(n_directions, 3)``.
        cooccurrence: Counts of neighbours, not symmetrical, shape ``(n_offsets, n_levels, n_levels)``.
        dependence: Voxels by grey level and number of dependent neighbours, shape ``(n_levels, n_neighbours + 1)``.
        difference: For each grey level its voxels, and the sum of their differences from the mean of their neighbours, shape
            ``(n_levels, 2)``.
        runs: Runs by length from 1, shape ``(n_directions, n_levels, longest)``.
        zones: Connected zones of one grey level: row and size of each, shape ``(n_zones, 2)``.
    """

    levels: npt.NDArray[np.int64]
    highest: int
    offsets: npt.NDArray[np.int64]
    directions: npt.NDArray[np.int64]
    cooccurrence: npt.NDArray[np.int32]
    dependence: npt.NDArray[np.int32]
    difference: npt.NDArray[np.float64]
    runs: npt.NDArray[np.int32]
    zones: npt.NDArray[np.int64]


class Layout:
    """Where the voxels of a region lie, and scratch memory that all images of the region share.

    Args:
        inside: The region on a box, shape (z, y, x).
        neighbourhood: Which voxels are neighbours.
    """

    def __init__(self, inside: npt.NDArray[np.bool_], neighbourhood: Neighbourhood) -> None:
        pad = max(1, *neighbourhood.distances)
        padded = np.pad(inside, pad)
        self.voxels = np.flatnonzero(padded.ravel()).astype(np.int32)
        """Place of each voxel in the padded box, ascending."""
        self.offsets = np.array(neighbourhood.offsets(), np.int64).reshape(-1, 3)
        self.directions = np.array(neighbourhood.offsets((1,)), np.int64).reshape(-1, 3)
        strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
        self._offset_steps, self._direction_steps = self.offsets @ strides, self.directions @ strides
        self._longest = max(inside.shape)
        self._spans = _spans(self.voxels)
        self._ranks, self._greys = np.zeros(padded.size, np.uint16), np.zeros(padded.size, np.int32)
        self._neighbours = _count_neighbours(padded.ravel(), self.voxels, self._offset_steps)
        self._equal, self._starts = np.zeros(padded.size, np.uint16), np.zeros(padded.size, np.uint16)
        self._parents, self._sizes = np.empty(padded.size, np.int32), np.empty(padded.size, np.int32)
        self._lone = np.array([_is_lone(self.voxels, padded.shape, direction) for direction in self.directions], bool)

    def matrices(self, grey: GreyLevels, *, tolerance: int = 0) -> Matrices:
        """Return the matrices of the region on one image.

        Args:
            grey: The discretised voxels, in the order of ``voxels``.
            tolerance: Difference of grey levels up to which a neighbour counts as dependent (``gldm_a``).
        """
        n = len(grey.levels) + 1  # rank 0 is outside
        _place(self.voxels, grey.ranks, grey.levels, self._ranks, self._greys)
        cooccurrence = np.zeros((len(self._offset_steps), n, n), np.int32)
        dependence = np.zeros((n, 2 * len(self._offset_steps) + 1), np.int32)
        difference = np.zeros((n, 2))
        around, steps = (self._ranks, self._greys, self._spans, self._neighbours), self._offset_steps
        _look_around(*around, steps, tolerance, cooccurrence, dependence, difference)
        _find_equal(self._ranks, self._spans, self._direction_steps, self._equal, self._starts)
        runs = np.zeros((len(self._direction_steps), n, self._longest + 1), np.int32)
        found = (self._ranks, self.voxels, self._direction_steps, _PLACE_OF_BIT, self._equal)
        _measure_runs(*found, self._starts, runs)
        # What is in no longer run is a run of one; nothing runs where no two voxels of the region share a line.
        runs[:, :, 1] = np.bincount(grey.ranks, minlength=n) - runs @ np.arange(self._longest + 1, dtype=np.int32)
        runs[self._lone] = 0
        zones = _join_zones(*found, self._parents, self._sizes)
        zones[:, 0] -= 1
        return Matrices(
            levels=grey.levels,
            highest=grey.highest,
            offsets=self.offsets,
            directions=self.directions,
            cooccurrence=cooccurrence[:, 1:, 1:],
            dependence=dependence[1:],
            difference=difference[1:],
            runs=runs[:, 1:, 1:],
            zones=zones,
        )


def _spans(voxels: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return where stretches of voxels begin, and how long they are; gaps up to ``_GAP`` are part of a stretch."""
    breaks = np.flatnonzero(np.diff(voxels) > _GAP)
    first = voxels[np.concatenate([[0], breaks + 1])].astype(np.int64)
    last = voxels[np.concatenate([breaks, [len(voxels) - 1]])]
    return np.stack([first, last - first + 1], axis=1)


def _is_lone(voxels: npt.NDArray[np.int32], shape: tuple[int, ...], direction: npt.NDArray[np.int64]) -> bool:
    """Tell whether along a direction no line holds two voxels of the region, however far apart."""
    ahead = voxels[:512] + int(direction @ np.array([shape[1] * shape[2], shape[2], 1]))
    if (voxels[np.searchsorted(voxels, ahead).clip(0, len(voxels) - 1)] == ahead).any():
        return False
    at = np.stack(np.unravel_index(voxels, shape), axis=1)
    axis = int(np.flatnonzero(direction)[0])
    along = at[:, [axis]] * direction[axis]
    lines = at - along * direction
    return len(np.unique(lines, axis=0)) == len(voxels)


@compiled
def _place(voxels, voxel_ranks, levels, ranks, greys):
    """Put ranks and grey levels where the voxels are."""
    for i in range(len(voxels)):
        ranks[voxels[i]] = voxel_ranks[i]
        greys[voxels[i]] = levels[voxel_ranks[i] - 1]


@compiled
def _count_neighbours(inside, voxels, steps):
    """Return how many neighbours in the region each voxel of it has."""
    counts = np.zeros(len(voxels), np.uint16)
    for i in range(len(voxels)):
        for a in range(len(steps)):
            counts[i] += np.uint16(inside[voxels[i] + steps[a]]) + np.uint16(inside[voxels[i] - steps[a]])
    return counts


@compiled
def _look_around(ranks, greys, spans, neighbours, steps, tolerance, cooccurrence, dependence, difference):
    """Count neighbours of each voxel for GLCM, GLDM and NGTDM, a stretch at a time; rank 0 is outside, and is dropped later.

    Args:
        ranks: Rank of each voxel of the padded box.
        greys: Grey level of each voxel, 0 outside.
        spans: Stretches of voxels that hold the region: the first of each, and their number.
        neighbours: How many neighbours each voxel of the region has.
        steps: From a voxel to its neighbours in one half of all directions.
        tolerance: Difference of dependent grey levels.
        cooccurrence: Filled, shape ``(n_steps, n_ranks, n_ranks)``.
        dependence: Filled, shape ``(n_ranks, 2 n_steps + 1)``.
        difference: Filled, shape ``(n_ranks, 2)``.
    """
    longest = spans[:, 1].max()
    dependent, total = np.empty(longest, np.int32), np.empty(longest, np.int32)
    voxel = 0
    for row in range(len(spans)):
        first, length = spans[row]
        dependent[:length] = 0
        total[:length] = 0
        here, here_grey = ranks[first : first + length], greys[first : first + length]
        for a in range(len(steps)):
            step = steps[a]
            ahead, behind = ranks[first + step : first + step + length], ranks[first - step : first - step + length]
            grey_ahead, grey_behind = greys[first + step : first + step + length], greys[first - step : first - step + length]
            for x in range(length):
                total[x] += grey_ahead[x] + grey_behind[x]
            if tolerance == 0:
                for x in range(length):
                    dependent[x] += np.int32(ahead[x] == here[x]) + np.int32(behind[x] == here[x])
            else:
                for x in range(length):
                    dependent[x] += (ahead[x] != 0) & (abs(grey_ahead[x] - here_grey[x]) <= tolerance)
                    dependent[x] += (behind[x] != 0) & (abs(grey_behind[x] - here_grey[x]) <= tolerance)
            table = cooccurrence[a]
            for x in range(length):
                table[here[x], ahead[x]] += 1
        for x in range(length):
            own = here[x]
            if own == 0:
                continue
            dependence[own, dependent[x]] += 1
            difference[own, 0] += 1
            if neighbours[voxel]:
                difference[own, 1] += abs(np.float64(here_grey[x]) - np.float64(total[x]) / np.float64(neighbours[voxel]))
            voxel += 1


@compiled
def _find_equal(ranks, spans, steps, equal, starts):
    """Mark in which directions the next voxel has the same rank, and where that begins a run.

    Args:
        ranks: Rank of each voxel of the padded box.
        spans: Stretches of voxels that hold the region: the first of each, and their number.
        steps: From a voxel to the next in each direction; at most 16.
        equal: Filled: bit ``a`` is set where the next voxel in direction ``a`` has the same rank.
        starts: Filled: of these bits those where the voxel before has another rank.
    """
    for row in range(len(spans)):
        first, length = spans[row]
        here, ahead_bits, start_bits = (
            ranks[first : first + length],
            equal[first : first + length],
            starts[first : first + length],
        )
        ahead_bits[:] = 0
        start_bits[:] = 0
        for a in range(len(steps)):
            ahead = ranks[first + steps[a] : first + steps[a] + length]
            behind = ranks[first - steps[a] : first - steps[a] + length]
            bit = np.uint16(1 << a)
            for x in range(length):
                same = bit if ahead[x] == here[x] else np.uint16(0)
                ahead_bits[x] |= same
                start_bits[x] |= same if behind[x] != here[x] else np.uint16(0)


@compiled
def _measure_runs(ranks, voxels, steps, place_of_bit, equal, starts, runs):
    """Count the runs of two voxels and more.

    Args:
        ranks: Rank of each voxel of the padded box.
        voxels: Of the region.
        steps: From a voxel to the next in each direction.
        place_of_bit: Direction of a single set bit.
        equal: As ``_find_equal`` fills it.
        starts: Likewise.
        runs: Filled, shape ``(n_directions, n_ranks, longest + 1)``.
    """
    for v in voxels:
        bits = np.int64(starts[v])
        while bits:
            bit = bits & -bits
            bits ^= bit
            a = place_of_bit[bit]
            length = 2
            at = v + steps[a]
            while np.int64(equal[at]) & bit:
                at += steps[a]
                length += 1
            runs[a, ranks[v], length] += 1


@compiled
def _root(parents, v):
    """Return the first voxel of the zone of ``v``, and shorten the way there."""
    while parents[v] != v:
        parents[v] = parents[parents[v]]
        v = np.int64(parents[v])
    return v


@compiled
def _join_zones(ranks, voxels, steps, place_of_bit, equal, parents, sizes):
    """Return the connected zones of one rank: rank and size of each; see ``_measure_runs`` for the arguments."""
    for v in voxels:
        parents[v] = v
        sizes[v] = 0
    for v in voxels:
        bits = np.int64(equal[v])
        if bits == 0:
            continue
        root = _root(parents, np.int64(v))
        while bits:
            bit = bits & -bits
            bits ^= bit
            at = np.int64(v + steps[place_of_bit[bit]])
            other = np.int64(parents[at])
            if other == root:
                continue
            if other == at:  # met for the first time
                parents[at] = root
                continue
            other = _root(parents, other)
            if other < root:
                parents[root] = other
                root = other
            else:
                parents[other] = root
    count = 0
    for v in voxels:
        parents[v] = parents[parents[v]]  # a parent comes before its children, so it is a root by now
        count += np.int64(parents[v] == v)
        sizes[parents[v]] += 1
    zones = np.empty((count, 2), np.int64)
    count = 0
    for v in voxels:
        if parents[v] == v:
            zones[count, 0], zones[count, 1] = ranks[v], sizes[v]
            count += 1
    return zones
