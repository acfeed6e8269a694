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

_LINES = 64
"""Lines filtered side by side: a block of doubles that stays in the processor's cache."""


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
    values = np.ascontiguousarray(image, np.float32 if image.dtype == np.float32 else np.float64)

    def along(source: npt.NDArray[np.generic], coefficients: list[npt.NDArray[np.float64]], axis: int) -> FloatImage:
        return _along(source, coefficients[axis], axis, wanted)

    if as_itk:
        total = np.zeros(1, np.float32)
        for axis in (2, 1, 0):  # ITK counts axes from x
            part = along(values, curve, axis)
            for other in (2, 1, 0):
                part = part if other == axis else along(part, smooth, other)
            total = (total + part * np.float64(weight[axis])).astype(np.float32)
        return total
    # The axis along which most is dropped goes first.
    first, second, third = sorted(
        range(3), key=lambda axis: len(range(*wanted[axis].indices(image.shape[axis]))) / image.shape[axis]
    )
    smoothed = along(values, smooth, first)
    bent = along(along(values, curve, first), smooth, second) * np.float32(weight[first])
    bent += along(smoothed, curve, second) * np.float32(weight[second])
    return along(bent, smooth, third) + along(along(smoothed, smooth, second), curve, third) * np.float32(weight[third])


def _along(image: npt.NDArray[np.generic], coefficients: npt.NDArray[np.float64], axis: int, wanted: Slices) -> FloatImage:
    """Filter along one axis and drop what is not wanted along it."""
    start, stop, _ = wanted[axis].indices(image.shape[axis])
    shape = list(image.shape)
    before, length, after = int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1 :]))
    shape[axis] = stop - start
    filtered = np.empty((before, stop - start, after), np.float32)
    lines = np.ascontiguousarray(image).reshape(before, length, after)
    if after == 1:
        _filter_rows(lines[:, :, 0], filtered[:, :, 0], coefficients, start)
    else:
        _filter_columns(lines, filtered, coefficients, start)
    return filtered.reshape(shape)


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
    """Return N0-3, D1-4, M1-4, BN1-4 and BM1-4: forwards, recursion, backwards, and edges that go on for ever."""
    m = np.array([n[1] - d[0] * n[0], n[2] - d[1] * n[0], n[3] - d[2] * n[0], -d[3] * n[0]])
    sn, sm, sd = n[0] + n[1] + n[2] + n[3], m[0] + m[1] + m[2] + m[3], _one_plus(d)
    return np.concatenate([n, d, m, d * sn / sd, d * sm / sd])


@compiled
def _recurse(data, ahead, back, k, start, kept):
    """Filter the columns of ``data``, shape (length, lines).

    Args:
        data: Samples.
        ahead: Filled: the forward half, and from ``start`` the sum of both halves.
        back: Scratch, shape (8, lines): a ring of the last rows of the backward half.
        k: Coefficients.
        start: First row that is wanted.
        kept: How many rows are.
    """
    n0, n1, n2, n3, d1, d2, d3, d4 = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7]
    m1, m2, m3, m4, b1, b2, b3, b4 = k[8], k[9], k[10], k[11], k[12], k[13], k[14], k[15]
    length, lines = data.shape
    for c in range(lines):
        v = data[0, c]
        x1, x2, x3 = data[1, c], data[2, c], data[3, c]
        y0 = (v * n0 + v * n1 + v * n2 + v * n3) - (v * b1 + v * b2 + v * b3 + v * b4)
        y1 = (x1 * n0 + v * n1 + v * n2 + v * n3) - (y0 * d1 + v * b2 + v * b3 + v * b4)
        y2 = (x2 * n0 + x1 * n1 + v * n2 + v * n3) - (y1 * d1 + y0 * d2 + v * b3 + v * b4)
        y3 = (x3 * n0 + x2 * n1 + x1 * n2 + v * n3) - (y2 * d1 + y1 * d2 + y0 * d3 + v * b4)
        ahead[0, c], ahead[1, c], ahead[2, c], ahead[3, c] = y0, y1, y2, y3
    for i in range(4, start + kept):
        x0, x1, x2, x3 = data[i], data[i - 1], data[i - 2], data[i - 3]
        y0, y1, y2, y3, y4 = ahead[i], ahead[i - 1], ahead[i - 2], ahead[i - 3], ahead[i - 4]
        for c in range(lines):
            y0[c] = (x0[c] * n0 + x1[c] * n1 + x2[c] * n2 + x3[c] * n3) - (y1[c] * d1 + y2[c] * d2 + y3[c] * d3 + y4[c] * d4)
    b1, b2, b3, b4 = k[16], k[17], k[18], k[19]
    last = length - 1
    for c in range(lines):
        v = data[last, c]
        x1, x2 = data[last - 1, c], data[last - 2, c]
        y0 = (v * m1 + v * m2 + v * m3 + v * m4) - (v * b1 + v * b2 + v * b3 + v * b4)
        y1 = (v * m1 + v * m2 + v * m3 + v * m4) - (y0 * d1 + v * b2 + v * b3 + v * b4)
        y2 = (x1 * m1 + v * m2 + v * m3 + v * m4) - (y1 * d1 + y0 * d2 + v * b3 + v * b4)
        y3 = (x2 * m1 + x1 * m2 + v * m3 + v * m4) - (y2 * d1 + y1 * d2 + y0 * d3 + v * b4)
        back[last & 7, c], back[(last - 1) & 7, c], back[(last - 2) & 7, c], back[(last - 3) & 7, c] = y0, y1, y2, y3
    for i in range(last, last - 4, -1):
        if start <= i < start + kept:
            for c in range(lines):
                ahead[i, c] += back[i & 7, c]
    for i in range(length - 5, start - 1, -1):
        x1, x2, x3, x4 = data[i + 1], data[i + 2], data[i + 3], data[i + 4]
        y0, y1, y2, y3, y4 = back[i & 7], back[(i + 1) & 7], back[(i + 2) & 7], back[(i + 3) & 7], back[(i + 4) & 7]
        for c in range(lines):
            y0[c] = (x1[c] * m1 + x2[c] * m2 + x3[c] * m3 + x4[c] * m4) - (y1[c] * d1 + y2[c] * d2 + y3[c] * d3 + y4[c] * d4)
        if i < start + kept:
            total = ahead[i]
            for c in range(lines):
                total[c] += y0[c]


@compiled
def _filter_columns(source, target, k, start):
    """Filter ``source``, shape (before, length, after), along its middle axis; keep from ``start`` what ``target`` holds."""
    before, length, after = source.shape
    kept = target.shape[1]
    for first in range(0, after, _LINES):
        count = min(_LINES, after - first)
        data, ahead, back = np.empty((length, count)), np.empty((length, count)), np.empty((8, count))
        for b in range(before):
            for i in range(length):
                to, values = data[i], source[b, i, first : first + count]
                for c in range(count):
                    to[c] = values[c]
            _recurse(data, ahead, back, k, start, kept)
            for i in range(kept):
                to, values = target[b, i, first : first + count], ahead[start + i]
                for c in range(count):
                    to[c] = values[c]


@compiled
def _filter_rows(source, target, k, start):
    """Filter the rows of ``source``, shape (before, length), a block of them side by side."""
    before, length = source.shape
    kept = target.shape[1]
    for first in range(0, before, _LINES):
        count = min(_LINES, before - first)
        data, ahead, back = np.empty((length, count)), np.empty((length, count)), np.empty((8, count))
        for i in range(length):
            for c in range(count):
                data[i, c] = source[first + c, i]
        _recurse(data, ahead, back, k, start, kept)
        for c in range(count):
            for i in range(kept):
                target[first + c, i] = ahead[start + i, c]
