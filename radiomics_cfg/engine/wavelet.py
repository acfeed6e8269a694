"""Stationary wavelet transform, to the last bit what PyWavelets' ``swtn`` gives, of the part of an image that is wanted.

Each level filters along x, then y, then z with a low-pass (L) and a high-pass (H) filter, periodic at the image's edges.

References:
    Nason and Silverman 1995, doi:10.1007/978-1-4612-2544-7_17; Lee et al. 2019 (PyWavelets), doi:10.21105/joss.01237.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import pywt

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.engine.compiled import compiled
from radiomics_cfg.engine.extent import Slices

_BLOCK = 256
"""Values whose sums are kept side by side, in the processor's cache."""

Array = npt.NDArray[np.generic]


@cache
def wavelet_filters(name: str, *, single: bool = False) -> tuple[Array, Array]:
    """Return the low-pass and the high-pass decomposition filter, each of shape ``(taps,)``.

    They are read off PyWavelets' answer to an impulse: in single precision it rounds some of them in a way of its own.

    Args:
        name: PyWavelets' name.
        single: In float32 instead of float64.

    Raises:
        InputError: If PyWavelets knows no discrete wavelet of that name.
    """
    if name not in pywt.wavelist(kind="discrete"):
        msg = f"No wavelet {name!r}; known ones are {', '.join(pywt.wavelist(kind='discrete'))}"
        raise InputError(msg)
    taps: int = pywt.Wavelet(name).dec_len
    impulse = np.zeros(2 * taps, np.float32 if single else np.float64)
    impulse[taps] = 1
    ((low, high),) = pywt.swt(impulse, name, level=1)
    first = taps - taps // 2
    return low[first : first + taps], high[first : first + taps]


def stationary_wavelets(
    image: Array,
    *,
    wavelet: str = "coif1",
    level: int = 1,
    start_level: int = 0,
    axes: tuple[int, ...] = (2, 1, 0),
    keep: Slices | None = None,
) -> Iterator[tuple[str, Array]]:
    """Yield the sub-bands of each level, and last the approximation of the deepest.

    Args:
        image: Shape (z, y, x). Odd sizes are made even by repeating the first plane at the end, as PyRadiomics does.
        wavelet: PyWavelets' name.
        level: Number of levels that are kept.
        start_level: Number of levels that are passed over before.
        axes: Axes to filter along, in that order; two of them for a transform slice by slice.
        keep: Part of each sub-band that is wanted, all by default. What lies around it still counts.

    Yields:
        PyRadiomics' name, such as ``wavelet-LLH`` (first letter: x) or ``wavelet2-HHH``, and an array of the shape of
        ``keep``; float32 if ``image`` is, else float64.
    """
    low, high = wavelet_filters(wavelet, single=image.dtype == np.float32)
    wanted = [part.indices(n)[:2] for part, n in zip(keep or (slice(None),) * 3, image.shape, strict=True)]
    odd = [(0, n % 2) for n in image.shape]
    data = (np.pad(image, odd, "wrap") if any(n % 2 for n in image.shape) else image).astype(low.dtype, copy=False)
    whole = [(0, n) for n in data.shape]
    for _ in range(start_level):
        for axis in axes:
            data = _along(data, low, axis, whole[axis])
    for number in range(1, level + 1):
        last = number == level
        approximation = data
        for key, band in _bands(data, low, high, axes, wanted if last else whole):
            if key == "a" * len(axes):
                approximation = band
            else:
                cut = band if last else band[tuple(slice(a, b) for a, b in wanted)]
                yield _name(number, key), np.ascontiguousarray(cut)
        data = approximation
    yield _name(level, "a" * len(axes)), data


def _name(number: int, key: str) -> str:
    return f"wavelet{'' if number == 1 else number}-{key.replace('a', 'L').replace('d', 'H')}"


def _bands(
    data: Array, low: Array, high: Array, axes: tuple[int, ...], wanted: list[tuple[int, int]]
) -> Iterator[tuple[str, Array]]:
    """Yield the sub-bands of one level, cut to ``wanted``, in PyWavelets' order and one at a time: each is large.

    Along the axes that are still to be filtered nothing may be cut yet.
    """
    for axis in range(data.ndim):
        if axis not in axes:
            data = np.take(data, range(*wanted[axis]), axis)
    yield from _parted(data, low, high, axes, wanted)


def _parted(
    data: Array, low: Array, high: Array, axes: tuple[int, ...], wanted: list[tuple[int, int]]
) -> Iterator[tuple[str, Array]]:
    axis, *others = axes
    for letter, taps in (("a", low), ("d", high)):
        part = _along(data, taps, axis, wanted[axis])
        if others:
            yield from ((letter + rest, band) for rest, band in _parted(part, low, high, tuple(others), wanted))
        else:
            yield letter, part


def _along(data: Array, taps: Array, axis: int, wanted: tuple[int, int]) -> Array:
    start, stop = wanted
    shape = list(data.shape)
    before, length, after = int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1 :]))
    shape[axis] = stop - start
    result = np.empty((before, (stop - start) * after), data.dtype)
    _convolve(np.ascontiguousarray(data).reshape(before, length * after), taps, after, start, result)
    return result.reshape(shape)


@compiled
def _convolve(data, taps, after, start, result):
    """Convolve along one axis, periodically; keep what ``result`` holds.

    The products are added in PyWavelets' order, which starts at the wrapped end beyond the right edge.

    Args:
        data: Shape ``(before, length * after)``: the axis has ``length`` samples, ``after`` values apart.
        taps: The filter.
        after: Distance of two samples.
        start: First sample of the result that is wanted.
        result: Filled, shape ``(before, n * after)``.
    """
    length, count = data.shape[1] // after, len(taps)
    half = count // 2
    total = np.empty(_BLOCK, data.dtype)
    source, weight = np.empty(count, np.int64), np.empty(count, taps.dtype)
    for b in range(len(data)):
        line, out = data[b], result[b]
        samples = len(out) // after
        first = min(max(count - 1 - half - start, 0), samples)  # from here no sample before the first is needed
        last = max(min(length - half - start, samples), first)  # from here samples beyond the last are
        for o in range(samples):
            if first <= o < last:
                continue
            i = start + o + half
            wrapped = max(i - length + 1, 0)
            for j in range(count):
                if j < wrapped:
                    source[j], weight[j] = (j % length) * after, taps[i - length - j]
                else:
                    source[j], weight[j] = ((i - j) % length) * after, taps[j]
            for c in range(after):
                value = line[source[0] + c] * weight[0]
                for j in range(1, count):
                    value += line[source[j] + c] * weight[j]
                out[o * after + c] = value
        for at in range(first * after, last * after, _BLOCK):
            n = min(_BLOCK, last * after - at)
            here = at + (start + half) * after
            for c in range(n):
                total[c] = line[here + c] * taps[0] + line[here - after + c] * taps[1]
            for j in range(2, count, 2):  # every wavelet has an even number of taps
                one, two = here - j * after, here - (j + 1) * after
                for c in range(n):
                    total[c] = total[c] + line[one + c] * taps[j] + line[two + c] * taps[j + 1]
            for c in range(n):
                out[at + c] = total[c]
