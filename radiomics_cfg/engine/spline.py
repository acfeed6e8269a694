"""Cubic B-spline interpolation of the part of a scan that is wanted, equal to ITK's of the whole scan.

ITK finds spline coefficients for a whole volume. They depend on samples ever less with distance, so the coefficients of a box
come out the same, to the last bit, from a crop with a margin. Sums run in ITK's order wherever the order can be seen in the
result: in a scan of floating-point voxels, and where a value is so close to a whole number that truncation would show.

References:
    Unser 1999, doi:10.1109/79.799930.
"""

from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.compiled import compiled

POLE = sqrt(3.0) - 2.0
"""Of the cubic spline's prefilter."""

MARGIN = 40
"""Voxels of the scan around a box. The pole's power is then 1e-23, so even the rounding of the recursion has converged."""

NEAR_WHOLE = 1e-6
"""Distance from a whole number below which a value is summed anew in ITK's order; far above the rounding of either sum."""

_HORIZON = ceil(log(1e-10) / log(-POLE))
"""Samples that ITK starts the recursion from; fewer are all taken."""

_LINES, _ROWS = 256, 64
"""Lines filtered side by side: columns are read from whole rows best, rows from few at a time."""

Coordinates = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lines:
    """Where ITK's resampling filter looks, in voxels of the scan: it walks each line along x from a start to an end.

    Args:
        x: Coordinates along x of the start and the end of every line.
        y: Coordinate along y of each line, shape ``(ny,)``.
        z: Coordinate along z of each line, shape ``(nz,)``.
        count_x: Number of voxels of a line.
    """

    x: tuple[float, float]
    y: Coordinates
    z: Coordinates
    count_x: int

    @property
    def along_x(self) -> Coordinates:
        """Coordinates along x of a line's voxels, shape ``(count_x,)``."""
        share = np.arange(self.count_x) / self.count_x
        return self.x[0] + share * (self.x[1] - self.x[0])


def coefficients(crop: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Return the spline coefficients of a crop, shape (z, y, x), with mirrored edges."""
    found = crop.astype(np.float64)
    z, y, x = found.shape
    _prefilter_rows(found.reshape(z * y, x), POLE, _HORIZON)
    _prefilter_columns(found, POLE, _HORIZON)
    _prefilter_columns(found.reshape(1, z, y * x), POLE, _HORIZON)
    return found


def interpolate(
    coefficient: npt.NDArray[np.float64],
    z: Coordinates,
    y: Coordinates,
    x: Coordinates,
    *,
    offset: tuple[int, int, int],
    values: npt.NDArray[np.float64],
) -> None:
    """Evaluate a spline on a grid.

    Args:
        coefficient: Of a crop, shape (z, y, x).
        z: Coordinates in voxels of the whole scan; all within half a voxel of it.
        y: The same along y.
        x: The same along x.
        offset: Where the crop begins in the scan, along z, y, x.
        values: Filled, shape ``(len(z), len(y), len(x))``.
    """
    iz, wz, iy, wy, ix, wx = _supports(coefficient, (z, y, x), offset)
    _separable(coefficient, iz, wz, iy, wy, ix, wx, (int(iy.min()), int(iy.max()) + 1), values)


def interpolate_as_itk(
    coefficient: npt.NDArray[np.float64],
    lines: Lines,
    *,
    offset: tuple[int, int, int],
    scan_size: tuple[int, int, int],
    kind: np.dtype[np.generic],
) -> npt.NDArray[np.generic]:
    """Evaluate a spline as ITK's resampling filter does for a scan of voxel type ``kind``: integers are truncated.

    Args:
        coefficient: Of a crop, shape (z, y, x).
        lines: Where to look.
        offset: Where the crop begins in the scan, along z, y, x.
        scan_size: Voxels of the scan along z, y, x; beyond it the result is 0.
        kind: Voxel type of the scan and of the result.

    Returns:
        Shape ``(len(lines.z), len(lines.y), lines.count_x)`` of type ``kind``.
    """
    at = (lines.z, lines.y, lines.along_x)
    iz, wz, iy, wy, ix, wx = _supports(coefficient, at, offset)
    values = np.empty((len(at[0]), len(at[1]), len(at[2])))
    if np.issubdtype(kind, np.integer):
        _separable(coefficient, iz, wz, iy, wy, ix, wx, (int(iy.min()), int(iy.max()) + 1), values)
        _settle(coefficient, iz, wz, iy, wy, ix, wx, values, NEAR_WHOLE)
        limits = np.iinfo(kind.name)
        np.clip(values, limits.min, limits.max, out=values)
    else:
        values.fill(0.0)
        _settle(coefficient, iz, wz, iy, wy, ix, wx, values, 1.0)
    for axis, (along, n) in enumerate(zip(at, scan_size, strict=True)):
        beyond = ~((along >= -0.5) & (along < n - 0.5))
        if beyond.any():
            np.moveaxis(values, axis, 0)[beyond] = 0.0
    return values.astype(kind)


def _supports(
    coefficient: npt.NDArray[np.float64], at: tuple[Coordinates, Coordinates, Coordinates], offset: tuple[int, int, int]
) -> list[npt.NDArray[np.generic]]:
    """Return for each axis the four voxels of the crop around each coordinate, and their weights; shape ``(len(at), 4)``."""
    supports: list[npt.NDArray[np.generic]] = []
    for along, start, n in zip(at, offset, coefficient.shape, strict=True):
        first = np.floor(along.astype(np.float32)).astype(np.int64) - 1  # ITK rounds to float32 before it looks
        w = along - (first + 1)
        w3 = (1.0 / 6.0) * w * w * w
        w0 = (1.0 / 6.0) + 0.5 * w * (w - 1.0) - w3
        w2 = w + w0 - 2.0 * w3
        index = np.abs(first[:, None] + np.arange(4) - start)
        index = np.where(index >= n, 2 * (n - 1) - index, index)
        supports += [index.clip(0, n - 1), np.stack([w0, 1.0 - w0 - w2 - w3, w2, w3], axis=1)]
    return supports


@compiled
def _prefilter(data, pole, horizon):
    """Turn samples into coefficients along the first axis of ``data``, shape (length, lines), in place and in ITK's order."""
    length, lines = data.shape
    if length == 1:
        return
    gain = 1.0 * (1.0 - pole) * (1.0 - 1.0 / pole)
    for i in range(length):
        for c in range(lines):
            data[i, c] *= gain
    power = pole
    if horizon < length:
        for i in range(1, horizon):
            for c in range(lines):
                data[0, c] += power * data[i, c]
            power *= pole
    else:
        inverse = 1.0 / pole
        far = pole ** (length - 1)
        for c in range(lines):
            data[0, c] += far * data[length - 1, c]
        far *= far * inverse
        for i in range(1, length - 1):
            for c in range(lines):
                data[0, c] += (power + far) * data[i, c]
            power *= pole
            far *= inverse
        for c in range(lines):
            data[0, c] /= 1.0 - power * power
    for i in range(1, length):
        for c in range(lines):
            data[i, c] += pole * data[i - 1, c]
    edge = pole / (pole * pole - 1.0)
    for c in range(lines):
        data[length - 1, c] = edge * (pole * data[length - 2, c] + data[length - 1, c])
    for i in range(length - 2, -1, -1):
        for c in range(lines):
            data[i, c] = pole * (data[i + 1, c] - data[i, c])


@compiled
def _prefilter_columns(image, pole, horizon):
    """Filter ``image``, shape (before, length, after), along its middle axis."""
    before, length, after = image.shape
    for b in range(before):
        for first in range(0, after, _LINES):
            count = min(_LINES, after - first)
            block = np.empty((length, count))
            for i in range(length):
                for c in range(count):
                    block[i, c] = image[b, i, first + c]
            _prefilter(block, pole, horizon)
            for i in range(length):
                for c in range(count):
                    image[b, i, first + c] = block[i, c]


@compiled
def _prefilter_rows(image, pole, horizon):
    """Filter the rows of ``image``, shape (before, length)."""
    before, length = image.shape
    for first in range(0, before, _ROWS):
        count = min(_ROWS, before - first)
        block = np.empty((length, count))
        for c in range(count):
            for i in range(length):
                block[i, c] = image[first + c, i]
        _prefilter(block, pole, horizon)
        for c in range(count):
            for i in range(length):
                image[first + c, i] = block[i, c]


@compiled
def _separable(coefficient, iz, wz, iy, wy, ix, wx, rows_read, values):
    """Contract one axis after another: a plane, of which some rows are read, a row, a voxel."""
    _, rows, columns = coefficient.shape
    y_first, y_last = rows_read
    plane, row = np.empty((rows, columns)), np.empty(columns)
    for z in range(len(iz)):
        a, b, c, d = wz[z]
        for y in range(y_first, y_last):
            for x in range(columns):
                plane[y, x] = (
                    a * coefficient[iz[z, 0], y, x]
                    + b * coefficient[iz[z, 1], y, x]
                    + c * coefficient[iz[z, 2], y, x]
                    + d * coefficient[iz[z, 3], y, x]
                )
        for y in range(len(iy)):
            a, b, c, d = wy[y]
            for x in range(columns):
                row[x] = a * plane[iy[y, 0], x] + b * plane[iy[y, 1], x] + c * plane[iy[y, 2], x] + d * plane[iy[y, 3], x]
            for x in range(len(ix)):
                values[z, y, x] = (
                    wx[x, 0] * row[ix[x, 0]] + wx[x, 1] * row[ix[x, 1]] + wx[x, 2] * row[ix[x, 2]] + wx[x, 3] * row[ix[x, 3]]
                )


@compiled
def _settle(coefficient, iz, wz, iy, wy, ix, wx, values, near):
    """Sum anew, in ITK's order, every value closer than ``near`` to a whole number."""
    for z in range(len(iz)):
        for y in range(len(iy)):
            for x in range(len(ix)):
                if abs(values[z, y, x] - np.rint(values[z, y, x])) > near:
                    continue
                total = 0.0
                for a in range(4):
                    for b in range(4):
                        for c in range(4):
                            total += wx[x, c] * wy[y, b] * wz[z, a] * coefficient[iz[z, a], iy[y, b], ix[x, c]]
                values[z, y, x] = total
