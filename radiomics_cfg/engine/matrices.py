"""Texture matrices of a discretised region, all in three passes over its voxels.

The matrices are PyRadiomics', entry for entry. Rows stand for the grey levels that occur.

References:
    Zwanenburg et al. 2016 (IBSI), arXiv:1612.07003; GLDM: Sun and Wee 1983, doi:10.1016/0734-189X(83)90032-4.
"""

import threading
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from nnunet_ext.errors import CaseRefused
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
        if max(inside.shape) >= np.iinfo(np.int16).max:  # the type of a run's length
            raise CaseRefused("too-large", f"the region is {max(inside.shape)} voxels long; texture is measured up to 32766")
        self.offsets = np.array(neighbourhood.offsets(), np.int64).reshape(-1, 3)
        self.directions = np.array(neighbourhood.offsets((1,)), np.int64).reshape(-1, 3)
        self._lone = np.array([_is_lone(inside, direction) for direction in self.directions], bool)
        padded = np.pad(_without_wide_gaps(inside, pad), pad)
        self.voxels = np.flatnonzero(padded.ravel()).astype(np.int32)
        """Place of each voxel in the padded box, ascending."""
        strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
        self._offset_steps, self._direction_steps = self.offsets @ strides, self.directions @ strides
        self._longest = max(inside.shape)
        self._spans = _spans(self.voxels)
        self._ranks, self._greys = np.zeros(padded.size, np.uint16), np.zeros(padded.size, np.int32)
        self._neighbours = _count_neighbours(padded.ravel(), self.voxels, self._offset_steps)
        self._enough = _enough_neighbours(self.directions)

    def matrices(self, grey: GreyLevels, *, tolerance: int = 0) -> Matrices:
        """Return the matrices of the region on one image.

        Args:
            grey: The discretised voxels, in the order of ``voxels``.
            tolerance: Difference of grey levels up to which a neighbour counts as dependent (``gldm_a``).
        """
        n = len(grey.levels) + 1  # rank 0 is outside
        highest = np.iinfo(np.int32).max // (2 * len(self.offsets) or 1)  # sums over neighbours are of this type
        if grey.highest > highest:
            raise CaseRefused("grey-levels", f"grey levels up to {grey.highest}; at most {highest}. Choose wider bins")
        _place(self.voxels, grey.ranks, grey.levels, self._ranks, self._greys)
        cooccurrence = np.zeros((len(self._offset_steps), n * n), np.int32)
        dependence = np.zeros(n * (2 * len(self._offset_steps) + 1), np.int32)
        difference = np.zeros(n)
        around, steps = (self._ranks, self._greys, self._spans, self._neighbours), self._offset_steps
        _look_around(*around, steps, tolerance, cooccurrence, dependence, difference)
        reached = np.zeros((len(self._direction_steps), (self._longest + 2) * n), np.int32)
        behind = _scratch("behind", len(self._ranks), np.int16)
        _follow_runs(self._ranks, self._spans, self._direction_steps, behind, self._run_lengths(), n, reached)
        reached = reached.reshape(-1, self._longest + 2, n)[:, 1:]
        runs = (reached[:, :-1] - reached[:, 1:]).transpose(0, 2, 1)  # those that reach a length, less those that go on
        runs[self._lone] = 0  # nothing runs where no two voxels of the region share a line
        parents, sizes = (_scratch(name, len(self._ranks), np.int32) for name in ("parents", "sizes"))
        steps = self._direction_steps
        zones = _join_zones(self._ranks, self.voxels, steps, _PLACE_OF_BIT, behind, self._enough, parents, sizes)
        zones[:, 0] -= 1
        voxels = np.bincount(grey.ranks, minlength=n)
        return Matrices(
            levels=grey.levels,
            highest=grey.highest,
            offsets=self.offsets,
            directions=self.directions,
            cooccurrence=cooccurrence.reshape(-1, n, n)[:, 1:, 1:],
            dependence=dependence.reshape(n, -1)[1:],
            difference=np.stack([voxels, difference], axis=1)[1:],
            runs=runs[:, 1:],
            zones=zones,
        )

    def _run_lengths(self) -> npt.NDArray[np.int16]:
        """Return memory for the lengths of runs on some planes, shape (directions, voxels)."""
        farthest = int(self._direction_steps.max(initial=0))
        kept = min(len(self._ranks), _PLANES * farthest + int(self._spans[:, 1].max()))
        count = len(self.directions)
        return _scratch("lengths", count * kept, np.int16).reshape(count, kept)


_PLANES = 16
"""So many planes of the box does ``_follow_runs`` keep the lengths of; fewer take less memory, and more copying."""

_OF_THREAD = threading.local()


def _scratch(name: str, size: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Return memory that all regions of one thread share, as a region's last image left it."""
    kept: npt.NDArray[Any] | None = getattr(_OF_THREAD, name, None)
    if kept is None or len(kept) < size:
        kept = np.empty(size, dtype)
        setattr(_OF_THREAD, name, kept)
    return kept[:size]


def _spans(voxels: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return where stretches of voxels begin, and how long they are; gaps up to ``_GAP`` are part of a stretch."""
    breaks = np.flatnonzero(np.diff(voxels) > _GAP)
    first = voxels[np.concatenate([[0], breaks + 1])].astype(np.int64)
    last = voxels[np.concatenate([breaks, [len(voxels) - 1]])]
    return np.stack([first, last - first + 1], axis=1)


def _without_wide_gaps(inside: npt.NDArray[np.bool_], widest: int) -> npt.NDArray[np.bool_]:
    """Drop empty planes, but for so many between two parts of the region that no voxel gains a neighbour.

    Two kidneys then take the memory of two kidneys, not that of all that lies between them.
    """
    for axis in range(3):
        filled = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        kept = np.unique((filled[:, None] + np.arange(widest + 1)).clip(max=inside.shape[axis] - 1))
        if len(kept) < inside.shape[axis]:
            inside = np.take(inside, kept, axis)
    return inside


def _enough_neighbours(directions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """Return for each set of equal voxels behind a voxel those that join it to the zones of all of them.

    Where two of them are neighbours of each other they are in one zone already.

    Args:
        directions: Unit offsets, shape ``(n_directions, 3)``, of one half of all directions.

    Returns:
        Shape ``(2**n_directions,)``; bit ``a`` stands for the voxel behind in direction ``a``.
    """
    known = {tuple(offset) for offset in np.concatenate([directions, -directions]).tolist()}
    near = [sum(1 << b for b, other in enumerate(directions) if tuple((other - own).tolist()) in known) for own in directions]
    left = np.arange(1 << len(directions))
    enough = np.zeros(len(left), np.uint16)
    for a in sorted(range(len(near)), key=lambda a: -near[a].bit_count()):
        bit = left & (1 << a)
        enough |= bit.astype(np.uint16)
        left = np.where(bit, left & ~(near[a] | 1 << a), left)
    return enough


def _is_lone(inside: npt.NDArray[np.bool_], direction: npt.NDArray[np.int64]) -> bool:
    """Tell whether along a direction no line holds two voxels of the region, however far apart."""
    here = tuple(slice(max(-d, 0), min(n - d, n)) for d, n in zip(direction.tolist(), inside.shape, strict=True))
    there = tuple(slice(max(d, 0), min(n + d, n)) for d, n in zip(direction.tolist(), inside.shape, strict=True))
    if (inside[here] & inside[there]).any():
        return False
    at = np.argwhere(inside)
    axis = int(np.flatnonzero(direction)[0])
    along = at[:, [axis]] * direction[axis]
    lines = at - along * direction
    return len(np.unique(lines, axis=0)) == len(at)


@compiled
def _place(voxels, voxel_ranks, levels, ranks, greys):
    """Put ranks and grey levels where the voxels are."""
    for i in range(len(voxels)):
        ranks[voxels[i]] = voxel_ranks[i]
        greys[voxels[i]] = levels[voxel_ranks[i] - 1]


@compiled
def _count_neighbours(inside, voxels, steps):
    """Return how many neighbours in the region each voxel of it has, and 0 for the others."""
    counts = np.zeros(len(inside), np.uint16)
    for v in voxels:
        for a in range(len(steps)):
            counts[v] += np.uint16(inside[v + steps[a]]) + np.uint16(inside[v - steps[a]])
    return counts


@compiled
def _look_around(ranks, greys, spans, neighbours, steps, tolerance, cooccurrence, dependence, difference):
    """Count neighbours of each voxel for GLCM, GLDM and NGTDM, a stretch at a time; rank 0 is outside, and is dropped later.

    Args:
        ranks: Rank of each voxel of the padded box.
        greys: Grey level of each voxel, 0 outside.
        spans: Stretches of voxels that hold the region: the first of each, and their number.
        neighbours: How many neighbours in the region each of its voxels has, 0 for the others.
        steps: From a voxel to its neighbours in one half of all directions.
        tolerance: Difference of dependent grey levels.
        cooccurrence: Filled, shape ``(n_steps, n_ranks * n_ranks)``.
        dependence: Filled, shape ``(n_ranks * (2 n_steps + 1),)``.
        difference: Filled, shape ``(n_ranks,)``.
    """
    longest = 0
    for row in range(len(spans)):
        longest = max(longest, spans[row, 1])
    n = len(difference)
    dependent, total, apart = np.empty(longest, np.int32), np.empty(longest, np.int32), np.empty(longest)
    for row in range(len(spans)):
        first, length = spans[row]
        for x in range(length):
            dependent[x] = 0
            total[x] = 0
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
        around = neighbours[first : first + length]
        for x in range(length):
            mean = np.float64(total[x]) / np.float64(around[x])
            apart[x] = abs(np.float64(here_grey[x]) - mean) if around[x] else 0.0
        for x in range(length):
            difference[np.uint64(here[x])] += apart[x]
        _count_pairs(here, dependent, len(dependence) // n, dependence)
    for a in range(len(steps)):
        for row in range(len(spans)):
            first, length = spans[row]
            ahead = ranks[first + steps[a] : first + steps[a] + length]
            _count_pairs(ranks[first : first + length], ahead, n, cooccurrence[a])


@compiled
def _follow_runs(ranks, spans, steps, behind, lengths, n, reached):
    """Follow the runs in each direction, a stretch at a time.

    Args:
        ranks: Rank of each voxel of the padded box.
        spans: Stretches of voxels that hold the region: the first of each, and their number.
        steps: From a voxel to the next in each direction; at most 15.
        behind: Filled: bit ``a`` is set where the voxel before in direction ``a`` has the same rank.
        lengths: Scratch, for each direction and each voxel of a window: the length that its run has reached there; 0 outside.
            The window moves along the box; it holds at least the longest step and the longest stretch.
        n: Number of ranks.
        reached: Filled, shape ``(n_steps, n_lengths * n)``: voxels where a run of a rank has reached a length.
    """
    farthest, window = 0, lengths.shape[1]
    for a in range(len(steps)):
        farthest = max(farthest, steps[a])
    base = 0  # the voxel at which the window begins
    for row in range(len(spans)):
        first, length = spans[row]
        here, bits = ranks[first : first + length], behind[first : first + length]
        for x in range(length):
            bits[x] = 0
        if first + length - base > window:
            moved = first - farthest - base
            for a in range(len(steps)):
                for i in range(min(farthest, window - moved)):
                    lengths[a, i] = lengths[a, i + moved]
            base += moved
        for a in range(len(steps)):
            before = ranks[first - steps[a] : first - steps[a] + length]
            ago, at = first - steps[a] - base, first - base
            so_far, now = lengths[a, ago : ago + length], lengths[a, at : at + length]
            bit = np.int16(1 << a)
            for x in range(length):
                same = -np.int16(here[x] == before[x])  # all bits set, or none: this way it runs 16 voxels at a time
                now[x] = ((so_far[x] & same) + np.int16(1)) & -np.int16(here[x] != 0)
                bits[x] |= same & bit
            _count_pairs(now, here, n, reached[a])


@compiled
def _count_pairs(first, second, n, table):
    """Count pairs ``(first[i], second[i])``, ``second`` below ``n``, in a table of shape ``(n_rows * n,)``.

    Four at a time, so that they are read before the table is written to; and with indices that have no sign, which are not
    checked for counting from the end. Either way it takes a quarter of the time.
    """
    width = np.uint64(n)
    even = len(first) // 4 * 4
    for x in range(0, even, 4):
        a = np.uint64(first[x]) * width + np.uint64(second[x])
        b = np.uint64(first[x + 1]) * width + np.uint64(second[x + 1])
        c = np.uint64(first[x + 2]) * width + np.uint64(second[x + 2])
        d = np.uint64(first[x + 3]) * width + np.uint64(second[x + 3])
        table[a] += 1
        table[b] += 1
        table[c] += 1
        table[d] += 1
    for x in range(even, len(first)):
        table[np.uint64(first[x]) * width + np.uint64(second[x])] += 1


@compiled
def _root(parents, v):
    """Return the first voxel of the zone of ``v``, and shorten the way there."""
    while parents[v] != v:
        parents[v] = parents[parents[v]]
        v = np.int64(parents[v])
    return v


@compiled
def _join_zones(ranks, voxels, steps, place_of_bit, behind, enough, parents, sizes):
    """Return the connected zones of one rank: rank and size of each.

    Args:
        ranks: Rank of each voxel of the padded box.
        voxels: Of the region, ascending.
        steps: From a voxel to the next in each direction.
        place_of_bit: Direction of a single set bit.
        behind: As ``_follow_runs`` fills it.
        enough: As ``_enough_neighbours`` gives it.
        parents: Scratch of the shape of ``ranks``.
        sizes: Likewise.
    """
    for v in voxels:
        sizes[v] = 0
        bits = np.int64(enough[behind[v]])
        root = np.int64(v)
        parents[v] = root
        while bits:
            bit = bits & -bits
            bits ^= bit
            other = _root(parents, np.int64(v - steps[place_of_bit[bit]]))
            if other < root:
                parents[root] = other
                root = other
            elif other > root:
                parents[other] = root
        parents[v] = root
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
