"""Between a scan's voxels and those that a network was trained on, value for value as nnU-Net resamples.

nnU-Net calls ``skimage.transform.resize`` on whole volumes. That is a linear map along one axis after the other: a matrix with
the cubic spline in it on the way to the network, two neighbours per voxel on the way back. The way back can therefore start
and end anywhere, and a volume of logits is never needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from nnunetv2.preprocessing.resampling.default_resampling import (
    compute_new_shape,
    determine_do_sep_z_and_axis,
    resample_data_or_seg_to_shape,
)
from scipy import ndimage

from nnunet_ext.ground.errors import InputError

PLANES_AT_ONCE = 8
"""Planes of logits that are held on the scan's grid."""

_CUBIC, _LINEAR, _NEAREST = 3, 1, 0


@dataclass(frozen=True)
class Box:
    """A part of a volume: first voxel and end along each axis (zyx)."""

    start: tuple[int, int, int]
    end: tuple[int, int, int]

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Self:
        """Return the box that is all of a volume."""
        z, y, x = shape
        return cls((0, 0, 0), (z, y, x))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        z, y, x = (b - a for a, b in zip(self.start, self.end, strict=True))
        return z, y, x

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """What cuts the box out of its volume."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.end, strict=True))
        return z, y, x


@dataclass(frozen=True)
class NetworkGrid:
    """One scan's grid and the network's.

    Args:
        transpose: Axes of the scan (zyx) in the order that the plans want them.
        cropped: Box of the voxels that are not zero, in the transposed scan; nnU-Net drops the rest.
        scan_shape: Of the transposed scan.
        shape: Of the network's volume.
        spacing_mm: Of the network's volume.
        slice_axis: Axis along which nnU-Net takes the nearest slice because slices are thick, None if there is none.
    """

    transpose: tuple[int, ...]
    cropped: Box
    scan_shape: tuple[int, ...]
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    slice_axis: int | None

    @classmethod
    def of(cls, scan: npt.NDArray[Any], spacing_mm: tuple[float, float, float], plans: Any, configuration: Any) -> Self:
        """Return the grids of ``scan`` (zyx) under nnU-Net's ``PlansManager`` and ``ConfigurationManager``.

        Raises:
            InputError: If the plans resample in another way than nnU-Net's own planners ask for.
        """
        _check_plans(configuration)
        transpose = tuple(plans.transpose_forward)
        turned = scan.transpose(transpose)
        cropped = _nonzero(turned)
        before = [spacing_mm[axis] for axis in transpose]
        after = list(configuration.spacing)
        old_shape = [b - a for a, b in zip(cropped.start, cropped.end, strict=True)]
        shape = tuple(int(n) for n in compute_new_shape(old_shape, before, after))
        separate, axis = determine_do_sep_z_and_axis(None, before, after)
        return cls(transpose, cropped, turned.shape, shape, tuple(map(float, after)), int(axis) if separate else None)

    def to_network(self, scan: npt.NDArray[Any], preprocessor: Any, plans: Any, configuration: Any) -> torch.Tensor:
        """Return what the network sees of ``scan`` (zyx): float32, shape (1, *self.shape)."""
        turned = scan.transpose(self.transpose)[self.cropped.slices][None].astype(np.float32)
        properties = plans.foreground_intensity_properties_per_channel
        everywhere = np.broadcast_to(np.int8(0), turned.shape)  # nnU-Net's mask of what is not zero, which CT does not need
        volume = torch.from_numpy(preprocessor._normalize(turned, everywhere, configuration, properties)[0])
        if tuple(volume.shape) == self.shape:
            return volume[None]
        in_slices = tuple(axis for axis in range(3) if axis != self.slice_axis)
        kept = (self.slice_axis,) if self.slice_axis is not None else ()
        lowest, highest = (_over(in_slices, volume, extreme) for extreme in (torch.amin, torch.amax))
        for axis in sorted(in_slices, key=lambda one: self.shape[one] / volume.shape[one]):
            volume = _times(_spline_matrix(volume.shape[axis], self.shape[axis]), volume, axis)
        volume = torch.minimum(torch.maximum(volume, lowest), highest)
        for axis in kept:
            nearest, _, _ = _neighbours(volume.shape[axis], self.shape[axis], _NEAREST)
            volume = volume.index_select(axis, nearest)
        return volume[None].contiguous()

    def scan_range(self, axis: int, start: int, end: int) -> tuple[int, int]:
        """Return which voxels of the cropped scan lie among network voxels ``start`` to ``end - 1`` along an axis.

        At a face of the volume they extend to the face of the scan.
        """
        n_scan = self.cropped.end[axis] - self.cropped.start[axis]
        centres = (np.arange(n_scan) + 0.5) * (self.shape[axis] / n_scan) - 0.5
        inside = (centres >= start if start else True) & (centres <= end - 1 if end < self.shape[axis] else True)
        found = np.flatnonzero(np.broadcast_to(inside, n_scan))
        return (int(found[0]), int(found[-1]) + 1) if found.size else (0, 0)

    def scan_box(self, box: Box) -> Box:
        """Return ``scan_range`` along every axis of a box of the network's volume."""
        (z, z_end), (y, y_end), (x, x_end) = (self.scan_range(axis, box.start[axis], box.end[axis]) for axis in range(3))
        return Box((z, y, x), (z_end, y_end, x_end))

    def to_scan(self, planes: Iterator[torch.Tensor], box: Box) -> Iterator[tuple[Box, torch.Tensor]]:
        """Bring logits of a box of the network's volume to the scan's grid, some planes at a time.

        Args:
            planes: Logits (classes, any number of planes, y, x), from the first plane of the box to its last.
            box: Where they lie in the network's volume.

        Yields:
            Where planes lie in the cropped scan, and their logits.
        """
        part = self.scan_box(box)
        if any(start == end for start, end in zip(part.start, part.end, strict=True)):
            return
        (lower, upper, weight), *across = (
            self._taps(axis, part.start[axis], part.end[axis], box.start[axis]) for axis in range(3)
        )
        (z, y, x), (z_end, y_end, x_end) = part.start, part.end
        pending, first, done = None, 0, 0
        n_planes = z_end - z
        for block in planes:
            pending = block if pending is None else torch.cat((pending, block), dim=1)
            known = first + pending.shape[1]
            while done < n_planes:
                ready = min(done + PLANES_AT_ONCE, n_planes)
                if int(upper[ready - 1]) >= known:
                    break
                now = slice(done, ready)
                logits = _blend(pending, 1, lower[now] - first, upper[now] - first, weight[now])
                for axis, taps in enumerate(across, start=2):
                    logits = _blend(logits, axis, *taps)
                yield Box((z + done, y, x), (z + ready, y_end, x_end)), logits
                done = ready
            if done < n_planes:
                pending, first = pending[:, int(lower[done]) - first :], int(lower[done])

    def _taps(self, axis: int, first: int, end: int, offset: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return for some voxels of the scan the two network voxels, counted from ``offset``, and the weight of the second."""
        n_scan = self.cropped.end[axis] - self.cropped.start[axis]
        taps = _neighbours(self.shape[axis], n_scan, _NEAREST if axis == self.slice_axis else _LINEAR)
        lower, upper, weight = (one[first:end] for one in taps)
        return lower - offset, upper - offset, weight

    def to_mask(self, found: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Put classes of the cropped scan back into the scan (zyx)."""
        whole = np.zeros(self.scan_shape, np.uint8)
        whole[self.cropped.slices] = found
        return whole.transpose(np.argsort(self.transpose))


def _check_plans(configuration: Any) -> None:
    if any(configuration.use_mask_for_norm):
        msg = "The model's plans normalise by what is not zero, as for MR; wanted is a model of CT, or use nnUNetv2_predict"
        raise InputError(msg)
    for step, order in (("resampling_fn_data", _CUBIC), ("resampling_fn_probabilities", _LINEAR)):
        function = getattr(configuration, step)
        options = function.keywords
        usual = {"is_seg": False, "order": order, "order_z": _NEAREST, "force_separate_z": None}
        if function.func is not resample_data_or_seg_to_shape or {**usual, **options} != usual:
            name = getattr(function.func, "__name__", function.func)
            asked = f"The model's plans resample by {name} with {dict(options)}"
            msg = f"{asked}; wanted is nnU-Net's default, or use nnUNetv2_predict"
            raise InputError(msg)


def _nonzero(volume: npt.NDArray[Any]) -> Box:
    """Return the box of everything that is not zero, all of the volume if everything is."""
    edges = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(volume.any(axis=others))
        edges.append((int(found[0]), int(found[-1]) + 1) if found.size else (0, volume.shape[axis]))
    (z, z_end), (y, y_end), (x, x_end) = edges
    return Box((z, y, x), (z_end, y_end, x_end))


def _over(axes: tuple[int, ...], volume: torch.Tensor, extreme: Any) -> torch.Tensor:
    return extreme(volume, dim=axes, keepdim=True)  # type: ignore[no-any-return]


def _times(matrix: torch.Tensor, volume: torch.Tensor, axis: int) -> torch.Tensor:
    """Apply a matrix along one axis."""
    return torch.movedim(torch.tensordot(matrix, volume, dims=([1], [axis])), 0, axis)


def _spline_matrix(n_in: int, n_out: int) -> torch.Tensor:
    """Return what ``skimage.transform.resize`` of order 3 does along an axis (edge mode, no anti-aliasing), float32."""
    if n_in == n_out:
        return torch.eye(n_in)
    unit = np.eye(n_in)
    zoomed = ndimage.zoom(unit, (n_out / n_in, 1.0), order=3, mode="nearest", grid_mode=True)
    return torch.from_numpy(zoomed.astype(np.float32))


def _neighbours(n_in: int, n_out: int, order: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for each of ``n_out`` voxels two of ``n_in`` and the weight of the second, as order 1 or 0 of resize has it."""
    centres = np.clip((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5, 0, n_in - 1)
    lower = np.floor(centres if order else centres + 0.5).astype(np.int64)
    weight = centres - lower if order else np.zeros(n_out)
    upper = np.minimum(lower + (weight > 0), n_in - 1)
    return torch.from_numpy(lower), torch.from_numpy(upper), torch.from_numpy(weight.astype(np.float32))


def _blend(values: torch.Tensor, axis: int, lower: torch.Tensor, upper: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean of two neighbours along an axis."""
    lower, upper, weight = (one.to(values.device) for one in (lower, upper, weight))
    if torch.equal(lower, upper):
        return values.index_select(axis, lower)
    shape = [1] * values.ndim
    shape[axis] = -1
    return torch.lerp(values.index_select(axis, lower), values.index_select(axis, upper), weight.view(shape))
