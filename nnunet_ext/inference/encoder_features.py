"""Activations of a trained network's encoder, pooled inside regions of a scan. Experimental: there is no reference standard.

A cell of an encoder stage is a block of the network's voxels. Its weight in a region is the fraction of it that the region
fills, worked out from the scan's own voxels, so that no stage needs a resampled mask. Where a region is larger than a window,
windows overlap, and each cell is taken once, from the window that it lies deepest in. Arithmetic is float32 throughout, on
every device: half precision or TF32, which is enough for a mask, would affect a feature.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
import torch

from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.network_grid import Box, NetworkGrid
from nnunet_ext.inference.trained_model import LoadedModel

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """One stage inside one region, weighted by the fraction of each cell in it; NaN where the region has no cell.

    Args:
        mean: Of each channel, shape ``(n_channels,)``.
        std: Standard deviation of each channel (population), same shape.
    """

    mean: Numbers
    std: Numbers


@dataclass(frozen=True)
class Encoder:
    """The encoder of one network.

    Args:
        network: Has the attribute ``encoder``, which returns the output of each of its stages.
        strides: Network voxels in a cell of each stage, along each axis of a window.
        channels: Of each stage.
    """

    network: Any
    strides: tuple[tuple[int, int, int], ...]
    channels: tuple[int, ...]

    @classmethod
    def of(cls, model: LoadedModel) -> Self:
        """Return the encoder of a model's first network. Folds are not averaged: their channels do not correspond.

        Raises:
            InputError: If the network is not one of nnU-Net's U-Nets, or its window is not a whole number of cells.
        """
        encoder = getattr(model.networks[0], "encoder", None)
        if encoder is None or not hasattr(encoder, "strides") or not hasattr(encoder, "output_channels"):
            kind = type(model.networks[0]).__name__
            msg = f"Deep features need the encoder of one of nnU-Net's U-Nets; the network is a {kind}"
            raise InputError(msg)
        z, y, x = np.cumprod([np.broadcast_to(one, 3) for one in encoder.strides], axis=0).T.tolist()
        if any(n % steps[-1] for n, steps in zip(model.patch, (z, y, x), strict=True)):
            cell = (z[-1], y[-1], x[-1])
            msg = f"The window of {model.patch} voxels is no whole number of the encoder's largest cells of {cell}"
            raise InputError(msg)
        return cls(model.networks[0], tuple(zip(z, y, x, strict=True)), tuple(int(n) for n in encoder.output_channels))

    @torch.inference_mode()
    def stages(self, window: torch.Tensor) -> list[npt.NDArray[np.float32]]:
        """Return the output of every stage, (channels, z, y, x), of a window (1, z, y, x)."""
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return [stage[0].cpu().numpy() for stage in self.network.encoder(window[None])]


@dataclass(frozen=True)
class EncodedScan:
    """A scan as seen by the network, and the network's encoder.

    Args:
        model: The network, and what it was trained on.
        encoder: Of the network.
        grid: The scan's and the network's.
        volume: On the network's grid, (1, z, y, x).
    """

    model: LoadedModel
    encoder: Encoder
    grid: NetworkGrid
    volume: torch.Tensor

    @classmethod
    def of(cls, model: LoadedModel, image: sitk.Image) -> Self:
        """Prepare a CT in HU that is turned as the network wants it (``LoadedModel.turns_scans``).

        Raises:
            InputError: As ``Encoder.of`` and ``NetworkGrid.of``.
        """
        scan = sitk.GetArrayFromImage(image)
        x, y, z = image.GetSpacing()
        grid = NetworkGrid.of(scan, (z, y, x), model.plans, model.configuration)
        volume = grid.to_network(scan, model.preprocessor, model.plans, model.configuration)
        return cls(model, Encoder.of(model), grid, volume)

    @property
    def voxels_for_one(self) -> float:
        """How many of the network's voxels one voxel of the scan is."""
        cropped = np.subtract(self.grid.cropped.end, self.grid.cropped.start)
        return float(np.prod(self.grid.shape) / np.prod(cropped))

    def pool(self, masks: Mapping[str, Mask], where: Box) -> dict[str, tuple[Pooled, ...]]:
        """Pool every stage of the encoder inside some regions.

        Args:
            masks: Regions by name, each of the shape of ``where``.
            where: Part of the scan (zyx) that the windows cover. The same part gives the same windows, whatever is in it.

        Returns:
            For each region the stages, finest first.
        """
        axes = self.grid.transpose
        turned = {name: mask.transpose(axes) for name, mask in masks.items()}
        part = Box(*(tuple(one[axis] for axis in axes) for one in (where.start, where.end)))  # type: ignore[arg-type]
        sums = {name: [_Sums.zero(n) for n in self.encoder.channels] for name in masks}
        for window in self._windows(part):
            outputs = self.encoder.stages(self._cut(window.start))
            for stage, (output, strides) in enumerate(zip(outputs, self.encoder.strides, strict=True)):
                inside, fill = window.cells(strides), self._fill(part, window, strides)
                for name, mask in turned.items():
                    sums[name][stage].add(output[(slice(None), *inside)], _along_axes(fill, mask))
        return {name: tuple(one.pooled() for one in stages) for name, stages in sums.items()}

    def _windows(self, part: Box) -> "list[_Window]":
        """Return the windows that cover a part of the transposed scan, each with the cells that are taken from it."""
        along = []
        for axis in range(3):
            first, end = (self._network_edge(axis, edge) for edge in (part.start[axis], part.end[axis]))
            along.append(
                owned_windows(
                    floor(first),
                    ceil(end),
                    patch=self.model.patch[axis],
                    n_voxels=self.grid.shape[axis],
                    cell=self.encoder.strides[-1][axis],
                )
            )
        return [_Window(*zip(*three, strict=True)) for three in itertools.product(*along)]

    def _network_edge(self, axis: int, edge: float) -> float:
        """Return where an edge between voxels of the transposed scan lies on the network's grid, inside its volume."""
        first, end = self.grid.cropped.start[axis], self.grid.cropped.end[axis]
        return float(np.clip((edge - first) / (end - first), 0, 1)) * self.grid.shape[axis]

    def _cut(self, start: tuple[int, int, int]) -> torch.Tensor:
        """Return a window of the volume, 0 outside of it, as nnU-Net pads."""
        ends = [a + n for a, n in zip(start, self.model.patch, strict=True)]
        inside = tuple(slice(max(a, 0), max(b, 0)) for a, b in zip(start, ends, strict=True))
        found = self.volume[(slice(None), *inside)]
        before = [max(-a, 0) for a in start]
        after = [n - a - m for n, a, m in zip(self.model.patch, before, found.shape[1:], strict=True)]
        pads = [side for axis in (2, 1, 0) for side in (before[axis], after[axis])]
        return torch.nn.functional.pad(found, pads).to(self.model.device)

    def _fill(self, part: Box, window: "_Window", strides: tuple[int, int, int]) -> list[Numbers]:
        """Return along each axis the fraction of each of the window's own cells that each voxel of ``part`` fills."""
        fractions = []
        for axis, stride in enumerate(strides):
            first, end = self.grid.cropped.start[axis], self.grid.cropped.end[axis]
            ratio = (end - first) / self.grid.shape[axis]
            edges = first + np.arange(window.own_start[axis], window.own_end[axis] + 1, stride) * ratio
            seen = np.clip(edges, first, end)
            voxels = np.arange(part.start[axis], part.end[axis])
            shared = np.minimum(seen[1:, None], voxels + 1.0) - np.maximum(seen[:-1, None], voxels)
            fractions.append(np.maximum(shared, 0.0) / (stride * ratio))
        return fractions


@dataclass(frozen=True)
class _Window:
    """A window by its first voxel, and which voxels, of whole cells, are taken from it (zyx, on the network's grid)."""

    start: tuple[int, int, int]
    own_start: tuple[int, int, int]
    own_end: tuple[int, int, int]

    def cells(self, strides: tuple[int, int, int]) -> tuple[slice, ...]:
        """Return which cells of a stage's output are taken."""
        edges = zip(self.start, self.own_start, self.own_end, strides, strict=True)
        return tuple(slice((first - start) // stride, (end - start) // stride) for start, first, end, stride in edges)


def owned_windows(first: int, end: int, *, patch: int, n_voxels: int, cell: int) -> list[tuple[int, int, int]]:
    """Plan windows along one axis: one in the middle if it is large enough, else several that overlap by half or more.

    Args:
        first: First voxel to be covered.
        end: End of what is to be covered.
        patch: Voxels of a window, a multiple of ``cell``.
        n_voxels: Of the volume; windows stay inside it, but for less than a cell, where they can.
        cell: Voxels of the largest cell; windows lie whole cells apart.

    Returns:
        Of each window its first voxel, and the first and the end of the voxels that are taken from it; these meet without a
        gap, at borders of the largest cells.
    """
    step = max(1, patch // 2 // cell)
    n_steps = max(0, ceil((end - first - patch) / cell))
    count = 1 + ceil(n_steps / step)
    span = patch + n_steps * cell
    start = (first + end - span) // 2
    start = min(max(start, 0), n_voxels - span) if span <= n_voxels else (n_voxels - span) // 2
    starts = [start + (n_steps * place // max(count - 1, 1)) * cell for place in range(count)]
    borders = [after + (before + patch - after) // 2 // cell * cell for before, after in itertools.pairwise(starts)]
    return list(zip(starts, [start, *borders], [*borders, start + span], strict=True))


def _along_axes(fill: list[Numbers], mask: Mask) -> Numbers:
    """Return the fraction of each cell that a mask fills, shape (z, y, x) of the cells."""
    found: Numbers = mask.astype(np.float64)
    for axis, matrix in enumerate(fill):
        found = np.moveaxis(np.tensordot(matrix, found, axes=(1, axis)), 0, axis)
    return found


@dataclass
class _Sums:
    """Weight, mean and squared deviations of each channel so far.

    Windows are merged as in Chan et al. 1983, doi:10.1080/00031305.1983.10483115: a channel that does not vary has a standard
    deviation of 0, not of rounding.
    """

    weight: float
    mean: Numbers
    squares: Numbers = field(repr=False)

    @classmethod
    def zero(cls, n_channels: int) -> Self:
        return cls(0.0, np.zeros(n_channels), np.zeros(n_channels))

    def add(self, output: npt.NDArray[np.float32], fraction: Numbers) -> None:
        """Add cells (channels, z, y, x), each by the fraction of it (z, y, x) in the region."""
        inside = fraction > 0
        weights = fraction[inside]
        total = self.weight + float(weights.sum())
        if not weights.size:
            return
        share = float(weights.sum()) / total
        for channel, cells in enumerate(output):
            values = cells[inside].astype(np.float64)
            mean = float(np.average(values, weights=weights))
            apart = mean - self.mean[channel]
            self.squares[channel] += weights @ (values - mean) ** 2 + self.weight * share * apart**2
            self.mean[channel] += share * apart
        self.weight = total

    def pooled(self) -> Pooled:
        if self.weight == 0:
            nothing = np.full_like(self.mean, np.nan)
            return Pooled(nothing, nothing)
        return Pooled(self.mean, np.sqrt(self.squares / self.weight))
