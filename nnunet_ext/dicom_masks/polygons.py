"""Closed polygons in a slice: which voxels they hold, and whether one lies inside another.

Corners are in voxels, shape (n, 2), along x and y.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Polygon = npt.NDArray[np.float64]
Plane = npt.NDArray[np.bool_]

SAME_OUTLINE = 0.1
"""Voxels by which the outlines of one contour drawn twice may differ; a shell that thin is none."""

EDGES_AT_ONCE = 4096
"""Bounds the memory."""


def filled(corners: Polygon, shape: tuple[int, int]) -> Plane:
    """Return the voxels whose centres lie inside a polygon, by the even-odd rule: a channel of no width leads to a hole.

    Args:
        corners: Of the polygon; the last is joined to the first.
        shape: Rows and columns of the plane.
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), np.int64)
    ends = np.roll(corners, -1, axis=0)
    for at in range(0, len(corners), EDGES_AT_ONCE):
        (x0, y0), (x1, y1) = corners[at : at + EDGES_AT_ONCE].T, ends[at : at + EDGES_AT_ONCE].T
        low = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.int64)
        high = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.int64)
        edge = np.repeat(np.arange(len(x0)), high - low)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(high - low) - (high - low), high - low) + low[edge]
        x = x0[edge] + (row - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        np.add.at(toggles, (row, np.clip(np.ceil(x), 0, columns).astype(np.int64)), 1)
    return np.asarray(np.cumsum(toggles[:, :columns], axis=1) % 2 == 1)


def combined(polygons: Sequence[Polygon], shape: tuple[int, int]) -> tuple[Plane, int]:
    """Return the voxels of the closed contours of one region in one plane, and the number of holes.

    A contour wholly inside another is a hole, one inside a hole an island. Contours that overlap are a union, and so are those
    that follow one outline twice.
    """
    largest_first = sorted(polygons, key=area, reverse=True)
    plane, holes = np.zeros(shape, bool), 0
    distinct: list[Polygon] = []
    for polygon in largest_first:
        if not any(same_outline(polygon, other) for other in distinct):
            distinct.append(polygon)
    depths = [sum(lies_inside(polygon, other) for other in distinct[:at]) for at, polygon in enumerate(distinct)]
    for polygon, depth in sorted(zip(distinct, depths, strict=True), key=lambda pair: pair[1]):
        holes += depth % 2
        inside = filled(polygon, shape)
        plane = plane & ~inside if depth % 2 else plane | inside
    return plane, holes


def area(corners: Polygon) -> float:
    """Return the area that a polygon encloses, in square voxels."""
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def same_outline(first: Polygon, second: Polygon) -> bool:
    """Return whether two polygons follow one outline."""
    if np.abs(first.min(axis=0) - second.min(axis=0)).max() > SAME_OUTLINE:
        return False
    if np.abs(first.max(axis=0) - second.max(axis=0)).max() > SAME_OUTLINE:
        return False
    return bool(max(_distances(first, second).max(), _distances(second, first).max()) <= SAME_OUTLINE)


def lies_inside(inner: Polygon, outer: Polygon) -> bool:
    """Return whether a polygon lies wholly inside another; they may touch."""
    if (inner.min(axis=0) < outer.min(axis=0) - 1e-6).any() or (inner.max(axis=0) > outer.max(axis=0) + 1e-6).any():
        return False
    points = np.concatenate([inner, (inner + np.roll(inner, -1, axis=0)) / 2])  # an edge may leave between its ends
    on_edge = _distances(points, outer) < 1e-6
    return bool((on_edge | _contains(outer, points)).all()) and not _cross(inner, outer)


def _contains(corners: Polygon, points: Polygon) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(points), bool)
    x, y = points.T
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _distances(points: Polygon, corners: Polygon) -> npt.NDArray[np.float64]:
    """Return the distance of each point from a polygon's outline."""
    nearest = np.full(len(points), np.inf)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        length = float(along @ along)
        share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
        nearest = np.minimum(nearest, np.linalg.norm(points - start - np.outer(share, along), axis=1))
    return nearest


def _cross(first: Polygon, second: Polygon) -> bool:
    """Return whether an edge of one polygon passes through an edge of the other."""
    ends = np.roll(second, -1, axis=0)
    for a, b in zip(first, np.roll(first, -1, axis=0), strict=True):
        sides = _side(a, b, second) * _side(a, b, ends)
        others = _side_of(second, ends, a) * _side_of(second, ends, b)
        if ((sides < -1e-9) & (others < -1e-9)).any():
            return True
    return False


def _side(a: Polygon, b: Polygon, points: Polygon) -> npt.NDArray[np.float64]:
    return np.asarray((b[0] - a[0]) * (points[:, 1] - a[1]) - (b[1] - a[1]) * (points[:, 0] - a[0]))


def _side_of(starts: Polygon, ends: Polygon, point: Polygon) -> npt.NDArray[np.float64]:
    along = ends - starts
    return np.asarray(along[:, 0] * (point[1] - starts[:, 1]) - along[:, 1] * (point[0] - starts[:, 0]))
