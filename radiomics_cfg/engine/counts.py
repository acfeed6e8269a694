"""Features of a matrix that counts things by grey level and size: zones (GLSZM) and dependences (GLDM) share the formulas."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.feature import EPS

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SizeCounts:
    """Things by grey level i and size j, without the sizes that do not occur.

    Args:
        counts: Shape ``(n_levels, n_sizes)``.
        i: Grey level of each row.
        j: Size of each column.
    """

    counts: Array
    i: Array
    j: Array

    @cached_property
    def total(self) -> float:
        """Number of things."""
        return float(self.counts.sum())

    @cached_property
    def by_level(self) -> Array:
        """Things of each grey level."""
        return np.asarray(self.counts.sum(1))

    @cached_property
    def by_size(self) -> Array:
        """Things of each size."""
        return np.asarray(self.counts.sum(0))

    def emphasis(self, *, level: int = 0, size: int = 0) -> float:
        """Σ c(i,j) i^level j^size / N."""
        return float(self.i**level @ self.counts @ self.j**size) / self.total

    def level_nonuniformity(self, *, normalised: bool = False) -> float:
        """Σ c(i)² / N, or / N²."""
        return float((self.by_level**2).sum()) / self.total ** (2 if normalised else 1)

    def size_nonuniformity(self, *, normalised: bool = False) -> float:
        """Σ c(j)² / N, or / N²."""
        return float((self.by_size**2).sum()) / self.total ** (2 if normalised else 1)

    def level_variance(self) -> float:
        """Σ p(i) (i - μ)²."""
        return _variance(self.by_level / self.total, self.i)

    def size_variance(self) -> float:
        """Σ p(j) (j - μ)²."""
        return _variance(self.by_size / self.total, self.j)

    def entropy(self) -> float:
        """-Σ p(i,j) log₂ p(i,j)."""
        p = self.counts[self.counts > 0] / self.total
        return float(-(p * np.log2(p + EPS)).sum())


def _variance(p: Array, values: Array) -> float:
    return float((p * (values - p @ values) ** 2).sum())
