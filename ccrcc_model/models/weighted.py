"""Means, spreads and quantiles in which every patient counts once, however many of a patient's scans there are.

Where all weights are equal these are numpy's own, to the last bit. Missing values are skipped.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def weighted_mean(values: Floats, weight: Floats) -> Floats:
    """Return the mean of each column.

    Args:
        values: Shape ``(n_cases, n_features)``; each column known for some case.
        weight: Shape ``(n_cases,)``; see ``Cases.weight``.
    """
    column = weight[:, None]
    return np.asarray(np.nansum(values * column, axis=0) / np.sum(~np.isnan(values) * column, axis=0), dtype=np.float64)


def weighted_median(values: Floats, weight: Floats) -> Floats:
    """Return the median of each column; arguments as for ``weighted_mean``."""
    if weight.min() == weight.max():
        median_of = np.nanmedian if np.isnan(values).any() else np.median  # the latter is ten times as fast
        return np.asarray(median_of(values, axis=0), dtype=np.float64)
    median: Floats = _quantiles(values, (0.5,), weight)[0]
    return median


def weighted_quantiles(values: Floats, shares: Sequence[float], weight: Floats) -> Floats:
    """Return quantiles of each column, shape ``(len(shares), n_features)``.

    The place of a sorted value is the weight up to its middle, counted from the middle of the first and in parts of the way to
    that of the last: with equal weights these are the places of numpy's linear interpolation (type 7 of Hyndman and Fan 1996,
    doi:10.1080/00031305.1996.10473566).

    Args:
        values: Shape ``(n_cases, n_features)``; each column known for some case.
        shares: Inside [0, 1].
        weight: Shape ``(n_cases,)``.
    """
    if weight.min() == weight.max():
        return np.asarray(np.nanquantile(values, shares, axis=0), dtype=np.float64)
    return _quantiles(values, shares, weight)


def _quantiles(values: Floats, shares: Sequence[float], weight: Floats) -> Floats:
    found = np.empty((len(shares), values.shape[1]))
    for column, of_feature in enumerate(values.T):
        known = np.flatnonzero(~np.isnan(of_feature))
        order = known[np.argsort(of_feature[known], kind="stable")]
        middle = np.cumsum(weight[order]) - weight[order] / 2
        middle -= middle[0]
        found[:, column] = np.interp(np.array(shares) * middle[-1], middle, of_feature[order])
    return found
