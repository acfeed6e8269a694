"""Texture matrices of a discretised region, filled by a few passes over its voxels (``matrix_kernels``).

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

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.matrix_kernels import (
    count_neighbours,
    count_pairs,
    follow_runs,
    join_zones,
    look_around,
    place,
)

Offset = tuple[int, int, int]

_PLACE_OF_BIT = np.zeros((1 << 12) + 1, np.uint8)
_PLACE_OF_BIT[1 << np.arange(13)] = np.arange(13)
"""Direction that a set bit stands for; there are at most 13."""


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
        self._shape = padded.shape
        self._planes = _planes(self.voxels, int(strides[0]))
        self._size = padded.size
        self._ranks: dict[tuple[int, type[np.generic]], npt.NDArray[Any]] = {}
        self._neighbours = count_neighbours(padded.ravel(), self.voxels, self._offset_steps)
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
        ranks = self._ranks_on_box(grey, n)
        behind = _scratch("behind", self._size, np.int16)
        dependence, difference = self._around(ranks, grey, tolerance)
        runs = self._runs(ranks, n, behind)
        parents, sizes = (_scratch(name, self._size, np.int32) for name in ("parents", "sizes"))
        steps = self._direction_steps
        zones = join_zones(ranks, self.voxels, steps, _PLACE_OF_BIT, behind, self._enough, parents, sizes)
        zones[:, 0] -= 1
        voxels = np.bincount(grey.ranks, minlength=n)
        return Matrices(
            levels=grey.levels,
            highest=grey.highest,
            offsets=self.offsets,
            directions=self.directions,
            cooccurrence=self._cooccurrence(ranks, n)[:, 1:, 1:],
            dependence=dependence[1:],
            difference=np.stack([voxels, difference], axis=1)[1:],
            runs=runs[:, 1:],
            zones=zones,
        )

    def _ranks_on_box(self, grey: GreyLevels, n: int) -> npt.NDArray[Any]:
        """Return the rank of each voxel of the padded box, 0 outside, in the smallest type; each thread has its own box."""
        kind = np.uint8 if n - 1 <= np.iinfo(np.uint8).max else np.uint16
        key = threading.get_ident(), kind
        if key not in self._ranks:
            self._ranks[key] = np.zeros(self._size, kind)
        place(self.voxels, grey.ranks, self._ranks[key])
        return self._ranks[key]

    def _around(
        self, ranks: npt.NDArray[Any], grey: GreyLevels, tolerance: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return dependences, shape (ranks, neighbours + 1), and sums of differences, shape (ranks,)."""
        n, greys = len(grey.levels) + 1, ranks
        kind = np.uint16 if grey.highest * 2 * len(self.offsets) <= np.iinfo(np.uint16).max else np.uint32
        if grey.highest >= n:  # else every level occurs, and a rank is its grey level
            greys = np.zeros(self._size, kind)
            place(self.voxels, grey.levels[grey.ranks - 1].astype(kind), greys)
        dependence, difference = np.zeros(n * (2 * len(self.offsets) + 1), np.int32), np.zeros(n)
        around = self._neighbours, self._offset_steps, tolerance
        total = np.empty(self._planes[:, 1].max(), kind)
        look_around(ranks, greys, self.voxels, self._planes, *around, total, dependence, difference)
        return dependence.reshape(n, -1), difference

    def _cooccurrence(self, ranks: npt.NDArray[Any], n: int) -> npt.NDArray[np.int32]:
        """Return pairs of neighbours, shape (offsets, ranks, ranks)."""
        steps, place_of = self._offset_steps, (ranks, self.voxels, self._planes)
        if n**3 > min(len(self.voxels), _CELLS_OF_PAIRS):
            tables = np.zeros((len(steps), n * n), np.int32)
            count_pairs(*place_of, steps, n, tables)
            return tables.reshape(-1, n, n)
        in_twos = np.append(steps, [0] * (len(steps) % 2))  # the last is paired with the voxel itself
        tables = np.zeros((len(in_twos) // 2, n**3), np.int32)
        count_pairs(*place_of, in_twos, n, tables)
        both = tables.reshape(-1, n, n, n)
        pairs: npt.NDArray[np.int32] = np.stack([both.sum(3, dtype=np.int32), both.sum(2, dtype=np.int32)], axis=1)
        return pairs.reshape(-1, n, n)[: len(steps)]

    def _runs(self, ranks: npt.NDArray[Any], n: int, behind: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
        """Return runs, shape (directions, ranks, longest), and fill ``behind``; see ``follow_runs``."""
        steps = self._direction_steps
        bits = next((bits for bits in (5, 4) if n << 2 * bits <= min(len(self.voxels), _CELLS_OF_RUNS)), 3)
        most = (1 << bits) - 1
        early = np.zeros((-(-len(steps) // 2), n << 2 * bits), np.int32)
        late = np.zeros((len(steps), max(self._longest + 1 - most, 1), n), np.int32)
        _, rows, row = self._shape
        lengths = _scratch("lengths", len(steps) * 2 * rows * row, np.int16).reshape(-1, 2, rows * row)
        parts = np.stack([self.directions[:, 0], self.directions[:, 1:] @ [row, 1]], axis=1)
        follow_runs(ranks, self.voxels, self._planes, parts, row, bits, behind, lengths, early, late)
        both = early.reshape(-1, n, most + 1, most + 1)
        by_length = np.stack([both.sum(3, dtype=np.int32), both.sum(2, dtype=np.int32)], axis=1)
        by_length = by_length.reshape(-1, n, most + 1)[: len(steps), :, :most]
        reached = np.concatenate([by_length, late.transpose(0, 2, 1)], axis=2)
        reached = reached[:, :, : self._longest + 1]
        # Those that reach a length minus those that continue.
        runs: npt.NDArray[np.int32] = reached[:, :, :-1] - reached[:, :, 1:]
        runs[self._lone] = 0  # nothing runs where no two voxels of the region share a line
        return runs


_CELLS_OF_PAIRS, _CELLS_OF_RUNS = 1 << 16, 1 << 14
"""Cells of a table that two directions share; larger ones would not stay in the processor's cache."""

_OF_THREAD = threading.local()


def _scratch(name: str, size: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Return memory that all regions of one thread share, as a region's last image left it."""
    name = f"{name} {np.dtype(dtype)}"
    kept: npt.NDArray[Any] | None = getattr(_OF_THREAD, name, None)
    if kept is None or len(kept) < size:
        kept = np.empty(size, dtype)
        setattr(_OF_THREAD, name, kept)
    return kept[:size]


def _planes(voxels: npt.NDArray[np.int32], plane: int) -> npt.NDArray[np.int64]:
    """Return for each plane that holds voxels what ``look_around`` wants to know of it."""
    breaks = np.flatnonzero(np.diff(voxels // plane)) + 1
    begin, end = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(voxels)]])
    first, last = voxels[begin].astype(np.int64), voxels[end - 1]
    return np.stack([first, last - first + 1, begin, end], axis=1)


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
    """Return whether, along a direction, no line contains two voxels of the region, however far apart."""
    here = tuple(slice(max(-d, 0), min(n - d, n)) for d, n in zip(direction.tolist(), inside.shape, strict=True))
    there = tuple(slice(max(d, 0), min(n + d, n)) for d, n in zip(direction.tolist(), inside.shape, strict=True))
    if (inside[here] & inside[there]).any():
        return False
    at = np.argwhere(inside)
    axis = int(np.flatnonzero(direction)[0])
    along = at[:, [axis]] * direction[axis]
    lines = at - along * direction
    return len(np.unique(lines, axis=0)) == len(at)
