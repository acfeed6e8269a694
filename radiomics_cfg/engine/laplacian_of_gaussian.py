"""Laplacian of Gaussian by recursive filters, to the last bit what ITK's ``LaplacianRecursiveGaussianImageFilter`` gives.

Deriche's fourth-order approximation of a Gaussian and of its second derivative runs forwards and backwards along each axis, so
its cost does not depend on sigma. Intermediate images are float32, as ITK keeps them; sums run in ITK's order.

References:
    Deriche 1993, INRIA report 1893; Farneback and Westin 2006, doi:10.1016/j.imavis.2005.12.007.
"""

from dataclasses import dataclass
from math import cos, exp, sin

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.compiled import compiled
from radiomics_cfg.engine.extent import Slices

FloatImage = npt.NDArray[np.float32]

FEWEST_VOXELS = 4
"""Along every axis; the recursion needs four samples to start from."""

_LINES = 256
"""Most lines filtered side by side: a block of doubles that stays in the second cache, and most often whole rows."""

_ROW = tuple(np.uint64(row * _LINES) for row in range(8))
"""Where rows of such a block begin."""

_SPARE = 4
"""Rows before the first sample and after the last that may be written."""

_WITH_LINES_SECOND = {0: (1, 0, 2), 1: (0, 1, 2), 2: (0, 2, 1)}
"""Order of axes that puts the lines along an axis in the middle."""


@dataclass(frozen=True)
class _Series:
    """Farneback and Westin's fit of half a Gaussian derivative: ``a cos(w x / s) + b sin(w x / s)`` under ``exp(l x / s)``."""

    a1: float
    b1: float
    a2: float
    b2: float


_W1, _L1, _W2, _L2 = 0.6681, -1.3932, 2.0787, -1.3732
_GAUSSIAN = _Series(1.3530, 1.8151, -0.3531, 0.0902)
_SECOND_DERIVATIVE = _Series(-1.3563, 5.2318, 0.3446, -2.2355)


def laplacian_of_gaussian(
    image: npt.NDArray[np.generic],
    sigma_mm: float,
    spacing_mm: tuple[float, float, float],
    *,
    keep: Slices | None = None,
    as_itk: bool = True,
) -> FloatImage:
    """Laplacian of Gaussian, normalised across scales.

    Args:
        image: Shape (z, y, x), at least four voxels along each axis.
        sigma_mm: Width of the Gaussian.
        spacing_mm: Voxel size along z, y, x.
        keep: Part of the result that is wanted, all by default. What lies around it still counts.
        as_itk: Filter in ITK's order, so that every bit is ITK's; otherwise in an order that takes fewer passes over what
            lies around the wanted part, and differs by the rounding of float32.

    Returns:
        Shape of ``keep``, float32.

    Raises:
        ValueError: If the image is thinner than four voxels.
    """
    if min(image.shape) < FEWEST_VOXELS:
        msg = f"LoG needs at least {FEWEST_VOXELS} voxels along each axis; the image has {image.shape} (zyx)"
        raise ValueError(msg)
    wanted = keep or (slice(None), slice(None), slice(None))
    smooth = [_zero_order(sigma_mm / step) for step in spacing_mm]
    curve = [_second_order(sigma_mm / step, sigma_mm) for step in spacing_mm]
    weight = [1.0 / (step * step) for step in spacing_mm]
    values = image if image.dtype in (np.float32, np.float64) else image.astype(np.float64)

    def along(source: npt.NDArray[np.generic], axis: int, *filters: list[npt.NDArray[np.float64]]) -> list[FloatImage]:
        return _along(source, axis, np.array([one[axis] for one in filters]), wanted)

    if as_itk:
        total = np.zeros(1, np.float32)
        for axis in (2, 1, 0):  # ITK counts axes from x
            (part,) = along(values, axis, curve)
            for other in (2, 1, 0):
                part = part if other == axis else along(part, other, smooth)[0]
            total = (total + part * np.float64(weight[axis])).astype(np.float32)
        return total
    # The axis along which most is dropped goes first; of two alike, the one whose samples lie closer in memory.
    share = [round(len(range(*part.indices(n))) / n, 1) for part, n in zip(wanted, image.shape, strict=True)]
    first, second, third = sorted((1, 2, 0), key=share.__getitem__)
    smoothed, bent = along(values, first, smooth, curve)
    (sum_of_bent,) = along(bent, second, smooth)
    smoothed, bent = along(smoothed, second, smooth, curve)
    sum_of_bent *= np.float32(weight[first])
    sum_of_bent += bent * np.float32(weight[second])
    (bent,) = along(smoothed, third, curve)
    (total,) = along(sum_of_bent, third, smooth)
    total += bent * np.float32(weight[third])
    return total


def _along(
    image: npt.NDArray[np.generic], axis: int, coefficients: npt.NDArray[np.float64], wanted: Slices
) -> list[FloatImage]:
    """Filter along one axis, by each row of coefficients, and drop what is not wanted along it."""
    start, stop, _ = wanted[axis].indices(image.shape[axis])
    shape = list(image.shape)
    shape[axis] = stop - start
    filtered = [np.empty(shape, np.float32) for _ in coefficients]
    order = _WITH_LINES_SECOND[axis]
    views = tuple(one.transpose(order) for one in filtered)
    _filter_lines(image.transpose(order), views, coefficients, start)
    return filtered


def _denominator(width: float) -> npt.NDArray[np.float64]:
    """Return D1 to D4 of the recursion."""
    c1, c2, e1, e2 = cos(_W1 / width), cos(_W2 / width), exp(_L1 / width), exp(_L2 / width)
    d4 = e1 * e1 * e2 * e2
    d3 = -2 * c1 * e1 * e2 * e2 + -2 * c2 * e2 * e1 * e1
    d2 = 4 * c2 * c1 * e1 * e2 + (e1 * e1 + e2 * e2)
    d1 = -2 * (e2 * c2 + e1 * c1)
    return np.array([d1, d2, d3, d4])


def _numerator(width: float, series: _Series) -> npt.NDArray[np.float64]:
    """Return N0 to N3 of the recursion."""
    s1, s2, c1, c2 = sin(_W1 / width), sin(_W2 / width), cos(_W1 / width), cos(_W2 / width)
    e1, e2 = exp(_L1 / width), exp(_L2 / width)
    a1, b1, a2, b2 = series.a1, series.b1, series.a2, series.b2
    n1 = e2 * (b2 * s2 - (a2 + 2 * a1) * c2)
    n1 += e1 * (b1 * s1 - (a1 + 2 * a2) * c1)
    n2 = (a1 + a2) * c2 * c1
    n2 -= b1 * c2 * s1 + b2 * c1 * s2
    n2 *= 2 * e1 * e2
    n2 += a2 * e1 * e1 + a1 * e2 * e2
    n3 = e2 * e1 * e1 * (b2 * s2 - a2 * c2)
    n3 += e1 * e2 * e2 * (b1 * s1 - a1 * c1)
    return np.array([a1 + a2, n1, n2, n3])


def _moments(values: npt.NDArray[np.float64], first: int) -> tuple[float, float, float]:
    """Return the sum of the values, and their sums weighted by their order and its square; ``first`` is the first order."""
    plain = linear = square = 0.0
    for order, value in enumerate(values.tolist(), start=first):
        plain += value
        linear += order * value
        square += order * order * value
    return plain, linear, square


def _zero_order(width: float) -> npt.NDArray[np.float64]:
    """Coefficients that smooth; ``width`` is sigma in voxels."""
    d, n = _denominator(width), _numerator(width, _GAUSSIAN)
    scale = 2 * _moments(n, 0)[0] / _one_plus(d) - n[0]
    return _with_boundaries(n * (1.0 / scale), d)


def _second_order(width: float, sigma_mm: float) -> npt.NDArray[np.float64]:
    """Coefficients of the second derivative, times sigma squared."""
    d = _denominator(width)
    n0, n2 = _numerator(width, _GAUSSIAN), _numerator(width, _SECOND_DERIVATIVE)
    sd = _one_plus(d)
    _, dd, ed = _moments(d, 1)
    s0, d0, e0 = _moments(n0, 0)
    s2, d2, e2 = _moments(n2, 0)
    beta = -(2 * s2 - sd * n2[0]) / (2 * s0 - sd * n0[0])
    n = n2 + beta * n0
    sn, dn, en = s2 + beta * s0, d2 + beta * d0, e2 + beta * e0
    alpha = en * sd * sd - ed * sn * sd - 2 * dn * dd * sd + 2 * dd * dd * sn
    alpha /= sd * sd * sd
    return _with_boundaries(n * (sigma_mm * sigma_mm / alpha), d)


def _one_plus(d: npt.NDArray[np.float64]) -> float:
    return float(1.0 + d[0] + d[1] + d[2] + d[3])


def _with_boundaries(n: npt.NDArray[np.float64], d: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return N0-3, D1-4, M1-4, BN1-4 and BM1-4: forwards, recursion, backwards, and edges that continue indefinitely."""
    m = np.array([n[1] - d[0] * n[0], n[2] - d[1] * n[0], n[3] - d[2] * n[0], -d[3] * n[0]])
    sn, sm, sd = n[0] + n[1] + n[2] + n[3], m[0] + m[1] + m[2] + m[3], _one_plus(d)
    return np.concatenate([n, d, m, d * sn / sd, d * sm / sd])


@compiled
def _start(data, ahead, k, lines):
    """Fill the first four rows of the forward half: before the first sample its value continues indefinitely."""
    n0, n1, n2, n3, d1, d2, d3, b1, b2, b3, b4 = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[12], k[13], k[14], k[15]
    for c in range(lines):
        v = data[0, c]
        x1, x2, x3 = data[1, c], data[2, c], data[3, c]
        y0 = (v * n0 + v * n1 + v * n2 + v * n3) - (v * b1 + v * b2 + v * b3 + v * b4)
        y1 = (x1 * n0 + v * n1 + v * n2 + v * n3) - (y0 * d1 + v * b2 + v * b3 + v * b4)
        y2 = (x2 * n0 + x1 * n1 + v * n2 + v * n3) - (y1 * d1 + y0 * d2 + v * b3 + v * b4)
        y3 = (x3 * n0 + x2 * n1 + x1 * n2 + v * n3) - (y2 * d1 + y1 * d2 + y0 * d3 + v * b4)
        ahead[0, c], ahead[1, c], ahead[2, c], ahead[3, c] = y0, y1, y2, y3


@compiled
def _start_at_end(data, back, k, lines):
    """Fill the last four rows of the backward half, first to last: the last sample's value continues indefinitely."""
    m1, m2, m3, m4, d1, d2, d3, b1, b2, b3, b4 = k[8], k[9], k[10], k[11], k[4], k[5], k[6], k[16], k[17], k[18], k[19]
    last = len(data) - 1
    for c in range(lines):
        v = data[last, c]
        x1, x2 = data[last - 1, c], data[last - 2, c]
        y0 = (v * m1 + v * m2 + v * m3 + v * m4) - (v * b1 + v * b2 + v * b3 + v * b4)
        y1 = (v * m1 + v * m2 + v * m3 + v * m4) - (y0 * d1 + v * b2 + v * b3 + v * b4)
        y2 = (x1 * m1 + v * m2 + v * m3 + v * m4) - (y1 * d1 + y0 * d2 + v * b3 + v * b4)
        y3 = (x2 * m1 + x1 * m2 + v * m3 + v * m4) - (y2 * d1 + y1 * d2 + y0 * d3 + v * b4)
        back[0, c], back[1, c], back[2, c], back[3, c] = y3, y2, y1, y0


@compiled
def _forwards(x, y, k, lines):
    """Go on by four rows: rows 4 to 7 of ``y`` from its rows 0 to 3 and rows 1 to 7 of ``x``, all end to end."""
    n0, n1, n2, n3, d1, d2, d3, d4 = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7]
    for line in range(lines):
        c = np.uint64(line)
        xa, xb, xc, x0 = x[c + _ROW[1]], x[c + _ROW[2]], x[c + _ROW[3]], x[c + _ROW[4]]
        x1, x2, x3 = x[c + _ROW[5]], x[c + _ROW[6]], x[c + _ROW[7]]
        ya, yb, yc, yd = y[c], y[c + _ROW[1]], y[c + _ROW[2]], y[c + _ROW[3]]
        y0 = (x0 * n0 + xc * n1 + xb * n2 + xa * n3) - (yd * d1 + yc * d2 + yb * d3 + ya * d4)
        y1 = (x1 * n0 + x0 * n1 + xc * n2 + xb * n3) - (y0 * d1 + yd * d2 + yc * d3 + yb * d4)
        y2 = (x2 * n0 + x1 * n1 + x0 * n2 + xc * n3) - (y1 * d1 + y0 * d2 + yd * d3 + yc * d4)
        y3 = (x3 * n0 + x2 * n1 + x1 * n2 + x0 * n3) - (y2 * d1 + y1 * d2 + y0 * d3 + yd * d4)
        y[c + _ROW[4]], y[c + _ROW[5]], y[c + _ROW[6]], y[c + _ROW[7]] = y0, y1, y2, y3


@compiled
def _backwards(x, y, total, k, lines):
    """Go back by four rows, in place: ``y`` from the four rows after them and rows 1 to 7 of ``x``; add them to ``total``."""
    m1, m2, m3, m4, d1, d2, d3, d4 = k[8], k[9], k[10], k[11], k[4], k[5], k[6], k[7]
    for line in range(lines):
        c = np.uint64(line)
        x1, x2, x3 = x[c + _ROW[1]], x[c + _ROW[2]], x[c + _ROW[3]]
        xa, xb, xc, xd = x[c + _ROW[4]], x[c + _ROW[5]], x[c + _ROW[6]], x[c + _ROW[7]]
        ya, yb, yc, yd = y[c], y[c + _ROW[1]], y[c + _ROW[2]], y[c + _ROW[3]]
        y3 = (xa * m1 + xb * m2 + xc * m3 + xd * m4) - (ya * d1 + yb * d2 + yc * d3 + yd * d4)
        y2 = (x3 * m1 + xa * m2 + xb * m3 + xc * m4) - (y3 * d1 + ya * d2 + yb * d3 + yc * d4)
        y1 = (x2 * m1 + x3 * m2 + xa * m3 + xb * m4) - (y2 * d1 + y3 * d2 + ya * d3 + yb * d4)
        y0 = (x1 * m1 + x2 * m2 + x3 * m3 + xa * m4) - (y1 * d1 + y2 * d2 + y3 * d3 + ya * d4)
        y[c], y[c + _ROW[1]], y[c + _ROW[2]], y[c + _ROW[3]] = y0, y1, y2, y3
        total[c] += y0
        total[c + _ROW[1]] += y1
        total[c + _ROW[2]] += y2
        total[c + _ROW[3]] += y3


@compiled
def _recurse(data, ahead, back, k, length, lines, start, stop):
    """Filter columns into rows ``start`` to ``stop - 1`` of ``ahead``; its other rows then hold anything.

    Rows are taken four at a time, so that a sample that is loaded serves four of them. The last step may pass the end by three
    rows: so many more than ``length``, and ``_SPARE`` before the first, both arrays have.

    Args:
        data: Samples, shape ``(_SPARE + length + _SPARE, _LINES)``.
        ahead: Filled, of the shape of ``data``.
        back: Scratch, shape (4, _LINES).
        k: Coefficients.
        length: Samples a line.
        lines: Columns that count.
        start: First row that is wanted, counted from the first sample.
        stop: One after the last.
    """
    samples, halves, latest = data.reshape(-1), ahead.reshape(-1), back.reshape(-1)
    _start(data[_SPARE : _SPARE + length], ahead[_SPARE:], k, lines)
    for i in range(4, stop, 4):
        here = slice((_SPARE + i - 4) * _LINES, (_SPARE + i + 4) * _LINES)
        _forwards(samples[here], halves[here], k, lines)
    _start_at_end(data[_SPARE : _SPARE + length], back, k, lines)
    for i in range(4):
        total = ahead[_SPARE + length - 4 + i]
        for c in range(lines):
            total[c] += back[i, c]
    for i in range(length - 8, start - 4, -4):
        first = (_SPARE + i) * _LINES
        _backwards(samples[first : first + 8 * _LINES], latest, halves[first : first + 4 * _LINES], k, lines)


@compiled
def _filter_lines(source, targets, k, start):
    """Filter ``source``, shape (before, length, after), along its middle axis, lines of the last axis side by side.

    Args:
        source: Samples.
        targets: Filled, one for each filter, shape (before, kept, after): what is kept from ``start`` on.
        k: Coefficients of each filter.
        start: First sample that is wanted.
    """
    before, length, after = source.shape
    kept = targets[0].shape[1]
    blocks = -(-after // _LINES)
    width = -(-after // blocks)
    data, ahead = np.zeros((length + 2 * _SPARE, _LINES)), np.zeros((length + 2 * _SPARE, _LINES))
    back = np.empty((4, _LINES))
    for first in range(0, after, width):
        count = min(width, after - first)
        for b in range(before):
            for i in range(length):
                to, values = data[_SPARE + i], source[b, i, first : first + count]
                for c in range(count):
                    to[c] = values[c]
            for f in range(len(k)):
                _recurse(data, ahead, back, k[f], length, count, start, start + kept)
                for i in range(kept):
                    to, values = targets[f][b, i, first : first + count], ahead[_SPARE + start + i]
                    for c in range(count):
                        to[c] = values[c]
