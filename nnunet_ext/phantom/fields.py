"""Random textures that have a value at every point of space, so that every voxel size sees the same tissue."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float32]
Vector: TypeAlias = tuple[float, float, float]
"""A point or an extent in mm, in the order xyz of LPS: x to the patient's left, y to the back, z to the head."""

_NODE_STEP = 1.25
"""Distance of the nodes in units of the kernel's sigma: the variance then ripples by less than 0.5 %."""
_KERNEL_REACH = 4.0


@dataclass(frozen=True, eq=False)
class Points:
    """Sample points on a rectilinear grid; arrays over them are indexed zyx.

    Args:
        z: Coordinates in mm, increasing, shape ``(n_z,)``; likewise ``y`` and ``x``.
    """

    z: Array
    y: Array
    x: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array over the points."""
        return len(self.z), len(self.y), len(self.x)

    def window(self, low: Vector, high: Vector) -> tuple[slice, slice, slice]:
        """Return the zyx slices of the points inside the box from ``low`` to ``high`` (xyz, mm)."""
        axes = zip((self.x, self.y, self.z), low, high, strict=True)
        x, y, z = (slice(*np.searchsorted(axis, (start, stop)).tolist()) for axis, start, stop in axes)
        return z, y, x

    def crop(self, window: tuple[slice, slice, slice]) -> Self:
        """Return the points of ``window``."""
        return type(self)(self.z[window[0]], self.y[window[1]], self.x[window[2]])

    def relative_to(self, centre: Vector) -> tuple[Array, Array, Array]:
        """Return x, y and z less ``centre`` as arrays that broadcast to ``shape``."""
        x, y, z = (np.float32(value) for value in centre)
        return (self.x - x)[None, None, :], (self.y - y)[None, :, None], (self.z - z)[:, None, None]


@dataclass(frozen=True, eq=False)
class SmoothField:
    """Stationary Gaussian random field of mean 0 and standard deviation 1.

    White noise on a lattice, smoothed by a separable Gaussian, which makes the autocorrelation at distance ``r`` equal to
    ``exp(-(r / correlation_length_mm) ** 2)``. The field is exact at any point, so no resampling blurs it.

    Args:
        low: Place of the first node, xyz in mm.
        correlation_length_mm: Distance at which the autocorrelation has fallen to 1/e.
        weights: The white noise, zyx.
    """

    low: Vector
    correlation_length_mm: float
    weights: Array

    @classmethod
    def draw(cls, rng: np.random.Generator, low: Vector, high: Vector, *, correlation_length_mm: float) -> Self:
        """Draw a field that covers the box from ``low`` to ``high`` (xyz, mm)."""
        step = _NODE_STEP * correlation_length_mm / 2
        margin = _KERNEL_REACH * correlation_length_mm / 2
        nodes = [int(np.ceil((stop - start + 2 * margin) / step)) + 1 for start, stop in zip(low, high, strict=True)]
        weights = rng.standard_normal(nodes[::-1], dtype=np.float32)
        return cls((low[0] - margin, low[1] - margin, low[2] - margin), correlation_length_mm, weights)

    def at(self, points: Points) -> Array:
        """Return the field at ``points``, zyx."""
        z, y, x = self._kernels(points)
        return np.tensordot(z, np.matmul(y, np.matmul(self.weights, x.T)), axes=1)

    def _kernels(self, points: Points) -> Iterator[Array]:
        sigma = self.correlation_length_mm / 2
        step = _NODE_STEP * sigma
        scale = np.sqrt(step / (sigma * np.sqrt(np.pi)))
        for axis, low, count in zip((points.z, points.y, points.x), self.low[::-1], self.weights.shape, strict=True):
            nodes = low + step * np.arange(count)
            kernel = scale * np.exp(-0.5 * ((axis[:, None] - nodes) / sigma) ** 2)
            yield kernel.astype(np.float32)
