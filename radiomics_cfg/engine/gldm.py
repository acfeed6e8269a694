"""Grey level dependence matrix: features of how many neighbours of a voxel have about its grey level.

References:
    Sun and Wee 1983, doi:10.1016/0734-189X(83)90032-4; IBSI family REK0, where it is the neighbouring grey level dependence
    matrix.
"""

import numpy as np

from radiomics_cfg.engine.counts import SizeCounts
from radiomics_cfg.engine.feature import FeatureClass
from radiomics_cfg.engine.matrices import Matrices

GLDM: FeatureClass[SizeCounts] = FeatureClass("gldm", withdrawn=("GrayLevelNonUniformityNormalized", "DependencePercentage"))


def dependences(matrices: Matrices) -> SizeCounts:
    """Count voxels by grey level and by their number of dependent neighbours, themselves included."""
    sizes = np.flatnonzero(matrices.dependence.any(0))
    counts = matrices.dependence[:, sizes].astype(np.float64)
    return SizeCounts(counts, matrices.levels.astype(np.float64), (sizes + 1).astype(np.float64))


@GLDM.add("SmallDependenceEmphasis", "SODN")
def _small_dependence(m: SizeCounts) -> float:
    """Σ d(j) / j² / Nv."""
    return m.emphasis(size=-2)


@GLDM.add("LargeDependenceEmphasis", "IMOQ")
def _large_dependence(m: SizeCounts) -> float:
    """Σ d(j) j² / Nv."""
    return m.emphasis(size=2)


@GLDM.add("LowGrayLevelEmphasis", "TL9H")
def _low_level(m: SizeCounts) -> float:
    """Σ d(i) / i² / Nv."""
    return m.emphasis(level=-2)


@GLDM.add("HighGrayLevelEmphasis", "OAE7")
def _high_level(m: SizeCounts) -> float:
    """Σ d(i) i² / Nv."""
    return m.emphasis(level=2)


@GLDM.add("SmallDependenceLowGrayLevelEmphasis", "EQ3F")
def _small_dependence_low_level(m: SizeCounts) -> float:
    """Σ d(i,j) / (i² j²) / Nv."""
    return m.emphasis(level=-2, size=-2)


@GLDM.add("SmallDependenceHighGrayLevelEmphasis", "JA6D")
def _small_dependence_high_level(m: SizeCounts) -> float:
    """Σ d(i,j) i² / j² / Nv."""
    return m.emphasis(level=2, size=-2)


@GLDM.add("LargeDependenceLowGrayLevelEmphasis", "NBZI")
def _large_dependence_low_level(m: SizeCounts) -> float:
    """Σ d(i,j) j² / i² / Nv."""
    return m.emphasis(level=-2, size=2)


@GLDM.add("LargeDependenceHighGrayLevelEmphasis", "9QMG")
def _large_dependence_high_level(m: SizeCounts) -> float:
    """Σ d(i,j) i² j² / Nv."""
    return m.emphasis(level=2, size=2)


@GLDM.add("GrayLevelNonUniformity", "FP8K")
def _level_nonuniformity(m: SizeCounts) -> float:
    """Σ d(i)² / Nv."""
    return m.level_nonuniformity()


@GLDM.add("DependenceNonUniformity", "Z87G")
def _dependence_nonuniformity(m: SizeCounts) -> float:
    """Σ d(j)² / Nv."""
    return m.size_nonuniformity()


@GLDM.add("DependenceNonUniformityNormalized", "OKJI")
def _dependence_nonuniformity_normalised(m: SizeCounts) -> float:
    """Σ d(j)² / Nv²."""
    return m.size_nonuniformity(normalised=True)


@GLDM.add("GrayLevelVariance", "1PFV")
def _level_variance(m: SizeCounts) -> float:
    """Σ p(i) (i - μ)²."""
    return m.level_variance()


@GLDM.add("DependenceVariance", "DNX2")
def _dependence_variance(m: SizeCounts) -> float:
    """Σ p(j) (j - μ)²."""
    return m.size_variance()


@GLDM.add("DependenceEntropy", "FCBV")
def _dependence_entropy(m: SizeCounts) -> float:
    """-Σ p(i,j) log₂ p(i,j)."""
    return m.entropy()
