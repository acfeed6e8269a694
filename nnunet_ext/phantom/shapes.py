"""Solids given by their signed distance, and the canvas that they are painted on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from nnunet_ext.phantom.fields import Array, Points, SmoothField, Vector

FAR = 1e3
"""Farther in mm than any scan reaches."""


class Shape(Protocol):
    """A solid. Distances are negative inside and good to about a millimetre near the surface."""

    @property
    def low(self) -> Vector:
        """Lower corner of a box around the solid, xyz in mm."""

    @property
    def high(self) -> Vector:
        """Upper corner of that box."""

    def distance(self, points: Points) -> Array:
        """Return the signed distance to the surface in mm, in a shape that broadcasts to that of ``points``."""


Tissue: TypeAlias = float | Callable[[Points, Array], Array]
"""HU of a tissue: one value, or a function of the points and the signed distances there."""


def ellipsoid_distance(x: Array, y: Array, z: Array, half_axes: Vector) -> Array:
    """Approximate signed distance to an ellipsoid at the origin; exact for a sphere and on the surface."""
    a, b, c = half_axes
    ratio = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) + np.float32(1e-4)
    gradient = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2) + np.float32(1e-4 / min(half_axes))
    distance: Array = ratio * (ratio - 1) / gradient
    return distance


@dataclass(frozen=True, eq=False)
class Solid:
    """Any solid: a box around it, and its signed distance as a function."""

    low: Vector
    high: Vector
    distance: Callable[[Points], Array]


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the body's axes; half axes xyz in mm."""

    centre: Vector
    half_axes: Vector

    @property
    def low(self) -> Vector:
        """Lower corner of the box around it."""
        return _add(self.centre, self.half_axes, -1.0)

    @property
    def high(self) -> Vector:
        """Upper corner of the box around it."""
        return _add(self.centre, self.half_axes, 1.0)

    def distance(self, points: Points) -> Array:
        """Signed distance in mm."""
        return ellipsoid_distance(*points.relative_to(self.centre), self.half_axes)


@dataclass(frozen=True)
class Capsule:
    """All points within ``radius_mm`` of the line from ``start`` to ``end``: a piece of vessel or bowel."""

    start: Vector
    end: Vector
    radius_mm: float

    @property
    def low(self) -> Vector:
        """Lower corner of the box around it."""
        x, y, z = (min(pair) - self.radius_mm for pair in zip(self.start, self.end, strict=True))
        return x, y, z

    @property
    def high(self) -> Vector:
        """Upper corner of the box around it."""
        x, y, z = (max(pair) + self.radius_mm for pair in zip(self.start, self.end, strict=True))
        return x, y, z

    def distance(self, points: Points) -> Array:
        """Signed distance in mm; exact."""
        x, y, z = points.relative_to(self.start)
        u, v, w = (float(b - a) for a, b in zip(self.start, self.end, strict=True))
        along = np.clip((x * u + y * v + z * w) / max(u * u + v * v + w * w, 1e-9), 0, 1)
        distance: Array = np.sqrt((x - along * u) ** 2 + (y - along * v) ** 2 + (z - along * w) ** 2) - self.radius_mm
        return distance


@dataclass(frozen=True)
class Column:
    """An upright elliptic cylinder: half axes xy in mm, from ``z_low`` to ``z_high``."""

    centre: tuple[float, float]
    half_axes: tuple[float, float]
    z_low: float = -FAR
    z_high: float = FAR

    @property
    def low(self) -> Vector:
        """Lower corner of the box around it."""
        return self.centre[0] - self.half_axes[0], self.centre[1] - self.half_axes[1], self.z_low

    @property
    def high(self) -> Vector:
        """Upper corner of the box around it."""
        return self.centre[0] + self.half_axes[0], self.centre[1] + self.half_axes[1], self.z_high

    def distance(self, points: Points) -> Array:
        """Signed distance in mm."""
        x, y, z = points.relative_to((*self.centre, (self.z_low + self.z_high) / 2))
        side = ellipsoid_distance(x, y, np.zeros((1, 1, 1), np.float32), (*self.half_axes, max(self.half_axes)))
        return np.maximum(side, np.abs(z) - np.float32((self.z_high - self.z_low) / 2))


def rough(shape: Shape, field: SmoothField, height_mm: float) -> Solid:
    """Return ``shape`` with its surface pushed out and in by ``field``, by ``height_mm`` in standard deviation."""

    def distance(points: Points) -> Array:
        return shape.distance(points) - np.float32(height_mm) * field.at(points)

    return Solid(_add(shape.low, (1.0, 1.0, 1.0), -3 * height_mm), _add(shape.high, (1.0, 1.0, 1.0), 3 * height_mm), distance)


def grown(shape: Shape, margin_mm: float) -> Solid:
    """Return all points within ``margin_mm`` of ``shape``."""

    def distance(points: Points) -> Array:
        return shape.distance(points) - np.float32(margin_mm)

    return Solid(_add(shape.low, (1.0, 1.0, 1.0), -margin_mm), _add(shape.high, (1.0, 1.0, 1.0), margin_mm), distance)


@dataclass(frozen=True)
class Layer:
    """One coat of paint: ``tissue`` where ``shape`` is, but only inside ``clip``."""

    shape: Shape
    tissue: Tissue
    clip: Shape | None = None


@dataclass(frozen=True, eq=False)
class Canvas:
    """HU at ``points``; later layers cover earlier ones, and a voxel at an edge holds a share of both tissues.

    Args:
        points: Where the HU are.
        hu: Shape zyx; painted in place.
        edge_mm: Width over which a surface fades, the in-plane voxel size.
    """

    points: Points
    hu: Array
    edge_mm: float

    def paint(self, layer: Layer) -> None:
        """Cover the canvas with ``layer``."""
        reach = (self.edge_mm,) * 3
        window = self.points.window(_add(layer.shape.low, reach, -1.0), _add(layer.shape.high, reach, 1.0))
        points = self.points.crop(window)
        if 0 in points.shape:
            return
        distance = layer.shape.distance(points)
        if layer.clip is not None:
            distance = np.maximum(distance, layer.clip.distance(points))
        cover = np.clip(np.float32(0.5) - distance / np.float32(self.edge_mm), 0, 1)
        if not cover.any():
            return
        hu = layer.tissue(points, distance) if callable(layer.tissue) else np.float32(layer.tissue)
        view = self.hu[window]
        view += cover * (hu - view)


def _add(vector: Vector, other: Vector, factor: float) -> Vector:
    x, y, z = (a + factor * b for a, b in zip(vector, other, strict=True))
    return x, y, z
