"""Grey level run length matrix: features of runs of one grey level along a direction, averaged over directions.

References:
    Galloway 1975, doi:10.1016/S0146-664X(75)80008-6; IBSI family TP0I. PyRadiomics averages the features of the directions
    (IBSI aggregation ITBB); a direction in which no two voxels of the region share a line does not count.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.feature import EPS, FeatureClass
from radiomics_cfg.engine.glcm import NORMS, Weighting
from radiomics_cfg.engine.matrices import Matrices

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RunLengths:
    """Run length matrices of one region, without the lengths that do not occur.

    Args:
        counts: Runs of grey level i and length j, shape ``(n_directions, n_levels, n_lengths)``.
        i: Grey level of each row, shape ``(n_levels,)``.
        j: Run length of each column, shape ``(n_lengths,)``.
    """

    counts: Array
    i: Array
    j: Array

    @classmethod
    def of(cls, matrices: Matrices, weighting: Weighting) -> "RunLengths":
        """Drop empty directions and lengths."""
        counts: npt.NDArray[np.generic] = matrices.runs
        if weighting.norm is not None:
            known = weighting.norm in NORMS
            weights = weighting.lengths_mm(matrices.directions) if known else np.ones(len(counts))
            counts = np.tensordot(weights, counts.astype(np.float64), 1)[None]
        counts = counts[counts.any((1, 2))]
        lengths = np.flatnonzero(counts.any((0, 1)))
        j = (lengths + 1).astype(np.float64)
        return cls(counts[:, :, lengths].astype(np.float64), matrices.levels.astype(np.float64), j)

    @cached_property
    def runs(self) -> Array:
        """Number of runs in each direction."""
        return np.asarray(self.counts.sum((1, 2)))

    @cached_property
    def by_level(self) -> Array:
        """Runs of each grey level, shape ``(n_directions, n_levels)``."""
        return np.asarray(self.counts.sum(2))

    @cached_property
    def by_length(self) -> Array:
        """Runs of each length, shape ``(n_directions, n_lengths)``."""
        return np.asarray(self.counts.sum(1))


GLRLM: FeatureClass[RunLengths] = FeatureClass("glrlm")


def _mean(values: Array) -> float:
    """Average over directions; NaN if there are none."""
    return float(values.mean()) if len(values) else float("nan")


def _emphasis(m: RunLengths, *, level: int = 0, length: int = 0) -> float:
    """Σ r(i,j) i^level j^length / Nr."""
    by_level = m.counts @ m.j**length
    return _mean(by_level @ m.i**level / m.runs)


@GLRLM.add("ShortRunEmphasis", "22OV")
def _short_run(m: RunLengths) -> float:
    """Σ r(j) / j² / Nr."""
    return _emphasis(m, length=-2)


@GLRLM.add("LongRunEmphasis", "W4KF")
def _long_run(m: RunLengths) -> float:
    """Σ r(j) j² / Nr."""
    return _emphasis(m, length=2)


@GLRLM.add("LowGrayLevelRunEmphasis", "V3SW")
def _low_level(m: RunLengths) -> float:
    """Σ r(i) / i² / Nr."""
    return _emphasis(m, level=-2)


@GLRLM.add("HighGrayLevelRunEmphasis", "G3QZ")
def _high_level(m: RunLengths) -> float:
    """Σ r(i) i² / Nr."""
    return _emphasis(m, level=2)


@GLRLM.add("ShortRunLowGrayLevelEmphasis", "HTZT")
def _short_run_low_level(m: RunLengths) -> float:
    """Σ r(i,j) / (i² j²) / Nr."""
    return _emphasis(m, level=-2, length=-2)


@GLRLM.add("ShortRunHighGrayLevelEmphasis", "GD3A")
def _short_run_high_level(m: RunLengths) -> float:
    """Σ r(i,j) i² / j² / Nr."""
    return _emphasis(m, level=2, length=-2)


@GLRLM.add("LongRunLowGrayLevelEmphasis", "IVPO")
def _long_run_low_level(m: RunLengths) -> float:
    """Σ r(i,j) j² / i² / Nr."""
    return _emphasis(m, level=-2, length=2)


@GLRLM.add("LongRunHighGrayLevelEmphasis", "3KUM")
def _long_run_high_level(m: RunLengths) -> float:
    """Σ r(i,j) i² j² / Nr."""
    return _emphasis(m, level=2, length=2)


@GLRLM.add("GrayLevelNonUniformity", "R5YN")
def _level_nonuniformity(m: RunLengths) -> float:
    """Σ r(i)² / Nr."""
    return _mean((m.by_level**2).sum(1) / m.runs)


@GLRLM.add("GrayLevelNonUniformityNormalized", "OVBL")
def _level_nonuniformity_normalised(m: RunLengths) -> float:
    """Σ r(i)² / Nr²."""
    return _mean((m.by_level**2).sum(1) / m.runs**2)


@GLRLM.add("RunLengthNonUniformity", "W92Y")
def _length_nonuniformity(m: RunLengths) -> float:
    """Σ r(j)² / Nr."""
    return _mean((m.by_length**2).sum(1) / m.runs)


@GLRLM.add("RunLengthNonUniformityNormalized", "IC23")
def _length_nonuniformity_normalised(m: RunLengths) -> float:
    """Σ r(j)² / Nr²."""
    return _mean((m.by_length**2).sum(1) / m.runs**2)


@GLRLM.add("RunPercentage", "9ZK5")
def _run_percentage(m: RunLengths) -> float:
    """Nr / Nv, the voxels being the runs' lengths added up."""
    return _mean(m.runs / (m.by_length @ m.j))


@GLRLM.add("GrayLevelVariance", "8CE5")
def _level_variance(m: RunLengths) -> float:
    """Σ p(i) (i - μ)²."""
    return _variance(m.by_level / m.runs[:, None], m.i)


@GLRLM.add("RunVariance", "SXLW")
def _length_variance(m: RunLengths) -> float:
    """Σ p(j) (j - μ)²."""
    return _variance(m.by_length / m.runs[:, None], m.j)


def _variance(p: Array, values: Array) -> float:
    return _mean((p * (values - (p @ values)[:, None]) ** 2).sum(1))


@GLRLM.add("RunEntropy", "HJ9O")
def _run_entropy(m: RunLengths) -> float:
    """-Σ p(i,j) log₂ p(i,j)."""
    p = m.counts / m.runs[:, None, None]
    return _mean(-(p * np.log2(p + EPS)).sum((1, 2)))
