"""Rows of a feature table that are nearly equal: one scan that stands under two names, its values stored with other digits.

Two patients agree in a feature if their values differ by a small part of its spread, and are alike if they agree in nearly
all features. Rounding to single precision or to four digits, another compiler or another library move a value by far less than
patients differ: in 19 public radiomic tables the closest two patients of different scans agree in at most 70% of the features,
and copies in 99%.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]

TOLERANCE = 0.05
"""Difference, in spreads of a feature, up to which two values agree."""

FINE_TOLERANCE = 0.005
"""The same where fewer than ``MANY_FEATURES`` are known of both: strangers agree in a few features by chance."""

MANY_FEATURES = 20
"""Features from which on the wider tolerance holds."""

FEWEST_FEATURES = 5
"""Features that must be known of both rows; in fewer, strangers may agree."""

MOST_FEATURES = 256
"""Features that are compared at most; more only take time."""

AGREEING = 0.9
"""Share of the features known of both that agree where the scan is the same."""

TELLING = 0.08
"""Largest share of pairs of rows that agree in a feature that is of use: counts and ranks do not distinguish scans.

Of a normally distributed feature 3% of the pairs agree. In few rows the share may be half as much again as where every row is
there twice."""

MOST_KNOWN = 0.5
"""Share of the rows of which a feature must be known."""

_NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution with standard deviation 1."""


@dataclass(frozen=True, eq=False)
class FeatureScale:
    """Median and spread of features, by which the values of different features are compared.

    Args:
        names: The features.
        median: Shape ``(len(names),)``.
        spread: Interquartile range as a standard deviation, shape ``(len(names),)``.
    """

    names: tuple[str, ...]
    median: Values
    spread: Values

    @classmethod
    def of(cls, rows: pd.DataFrame, names: Sequence[str]) -> Self:
        """Return the scale of features that vary among ``rows``."""
        values = rows[list(names)].to_numpy(dtype=np.float64)
        if not values.size:
            return cls(tuple(names), np.zeros(len(names)), np.ones(len(names)))
        low, median, high = _quartiles(values)
        spread = (high - low) / _NORMAL_IQR
        spread = np.where(spread > 0, spread, np.nanstd(values, axis=0))
        return cls(tuple(names), median, np.where(spread > 0, spread, 1.0))

    def standard(self, rows: pd.DataFrame) -> Values:
        """Return the features of ``rows`` in spreads from the median, long tails drawn in; NaN where unknown.

        The inverse hyperbolic sine leaves small values as they are and turns large ones into logarithms, so that a relative
        error of a value far out in a tail stays a small difference (Burbidge et al. 1988, doi:10.1080/01621459.1988.10478575).
        """
        values = rows[list(self.names)].to_numpy(dtype=np.float64)
        return np.asarray(np.arcsinh((values - self.median) / self.spread), dtype=np.float64)


def _quartiles(values: Values) -> Values:
    """Return the quartiles of each column, shape ``(3, n_features)``."""
    complete = ~np.isnan(values).any(axis=0)
    found = np.zeros((3, values.shape[1]))
    found[:, complete] = np.quantile(values[:, complete], (0.25, 0.5, 0.75), axis=0)
    found[:, ~complete] = np.nanquantile(values[:, ~complete], (0.25, 0.5, 0.75), axis=0)
    return found


def telling_features(rows: pd.DataFrame, names: Sequence[str], *, most: int = MOST_FEATURES) -> tuple[str, ...]:
    """Return features that distinguish the rows of a table.

    They are taken in the order of their names' hashes, so that no family of features is preferred.

    Args:
        rows: One row per scan.
        names: Features to choose from.
        most: Features to choose at most.
    """
    ordered = sorted(names, key=lambda name: sha256(name.encode()).digest())
    chosen: list[str] = []
    for first in range(0, len(ordered), MOST_FEATURES):
        block = rows[ordered[first : first + MOST_FEATURES]]
        block = block.loc[:, block.notna().mean() > MOST_KNOWN]
        standard = np.sort(FeatureScale.of(block, list(block.columns)).standard(block), axis=0)  # unknown values come last
        chosen += [name for name, values in zip(block.columns, standard.T, strict=True) if _tells(values[~np.isnan(values)])]
        if len(chosen) >= most:
            break
    return tuple(chosen[:most])


def _tells(ordered: Values) -> bool:
    """Return whether few enough pairs of sorted values agree."""
    return len(ordered) > 1 and _share_alike(ordered) <= max(TELLING, 1.5 / (len(ordered) - 1))


def _share_alike(ordered: Values) -> float:
    """Return the share of pairs of sorted values that agree."""
    n = len(ordered)
    up_to = np.searchsorted(ordered, ordered + TOLERANCE, side="right")
    return float((up_to - np.arange(1, n + 1)).sum() / (n * (n - 1) / 2))


def alike_pairs(rows: pd.DataFrame, names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of rows that are nearly equal, as places, the smaller first.

    Args:
        rows: One row per scan.
        names: Features of the rows.
    """
    telling = telling_features(rows, names)
    standard = FeatureScale.of(rows, telling).standard(rows) if telling else np.zeros((len(rows), 0))
    found: list[tuple[int, int]] = []
    for place in range(len(standard) - 1):
        others = np.flatnonzero(_alike(standard[place], standard[place + 1 :])) + place + 1
        found += [(place, other) for other in others.tolist()]
    return found


def _alike(one: Values, many: Values) -> npt.NDArray[np.bool_]:
    """Return with which of ``many`` rows, shape ``(n_rows, n_features)``, ``one`` of shape ``(n_features,)`` is alike."""
    difference = np.abs(many - one)
    n_known = (~np.isnan(difference)).sum(axis=1)
    within = np.where(n_known >= MANY_FEATURES, TOLERANCE, FINE_TOLERANCE)
    agreeing = (difference <= within[:, None]).sum(axis=1)
    return np.asarray((n_known >= FEWEST_FEATURES) & (agreeing >= AGREEING * n_known), dtype=np.bool_)
