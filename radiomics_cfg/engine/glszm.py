"""Grey level size zone matrix: features of connected zones of one grey level.

References:
    Thibault et al. 2013, doi:10.1109/TBME.2013.2284600; IBSI family 9SAK.
"""

import numpy as np

from radiomics_cfg.engine.counts import SizeCounts
from radiomics_cfg.engine.feature import FeatureClass
from radiomics_cfg.engine.matrices import Matrices

GLSZM: FeatureClass[SizeCounts] = FeatureClass("glszm")


def zone_sizes(matrices: Matrices) -> SizeCounts:
    """Count zones by grey level and size."""
    rows, sizes = matrices.zones.T
    j, columns = np.unique(sizes, return_inverse=True)
    n = len(matrices.levels)
    counts = np.bincount(rows * len(j) + columns, minlength=n * len(j)).reshape(n, len(j))
    return SizeCounts(counts.astype(np.float64), matrices.levels.astype(np.float64), j.astype(np.float64))


@GLSZM.add("SmallAreaEmphasis", "5QRC")
def _small_area(m: SizeCounts) -> float:
    """Σ z(j) / j² / Nz."""
    return m.emphasis(size=-2)


@GLSZM.add("LargeAreaEmphasis", "48P8")
def _large_area(m: SizeCounts) -> float:
    """Σ z(j) j² / Nz."""
    return m.emphasis(size=2)


@GLSZM.add("LowGrayLevelZoneEmphasis", "XMSY")
def _low_level(m: SizeCounts) -> float:
    """Σ z(i) / i² / Nz."""
    return m.emphasis(level=-2)


@GLSZM.add("HighGrayLevelZoneEmphasis", "5GN9")
def _high_level(m: SizeCounts) -> float:
    """Σ z(i) i² / Nz."""
    return m.emphasis(level=2)


@GLSZM.add("SmallAreaLowGrayLevelEmphasis", "5RAI")
def _small_area_low_level(m: SizeCounts) -> float:
    """Σ z(i,j) / (i² j²) / Nz."""
    return m.emphasis(level=-2, size=-2)


@GLSZM.add("SmallAreaHighGrayLevelEmphasis", "HW1V")
def _small_area_high_level(m: SizeCounts) -> float:
    """Σ z(i,j) i² / j² / Nz."""
    return m.emphasis(level=2, size=-2)


@GLSZM.add("LargeAreaLowGrayLevelEmphasis", "YH51")
def _large_area_low_level(m: SizeCounts) -> float:
    """Σ z(i,j) j² / i² / Nz."""
    return m.emphasis(level=-2, size=2)


@GLSZM.add("LargeAreaHighGrayLevelEmphasis", "J17V")
def _large_area_high_level(m: SizeCounts) -> float:
    """Σ z(i,j) i² j² / Nz."""
    return m.emphasis(level=2, size=2)


@GLSZM.add("GrayLevelNonUniformity", "JNSA")
def _level_nonuniformity(m: SizeCounts) -> float:
    """Σ z(i)² / Nz."""
    return m.level_nonuniformity()


@GLSZM.add("GrayLevelNonUniformityNormalized", "Y1RO")
def _level_nonuniformity_normalised(m: SizeCounts) -> float:
    """Σ z(i)² / Nz²."""
    return m.level_nonuniformity(normalised=True)


@GLSZM.add("SizeZoneNonUniformity", "4JP3")
def _size_nonuniformity(m: SizeCounts) -> float:
    """Σ z(j)² / Nz."""
    return m.size_nonuniformity()


@GLSZM.add("SizeZoneNonUniformityNormalized", "VB3A")
def _size_nonuniformity_normalised(m: SizeCounts) -> float:
    """Σ z(j)² / Nz²."""
    return m.size_nonuniformity(normalised=True)


@GLSZM.add("ZonePercentage", "P30P")
def _zone_percentage(m: SizeCounts) -> float:
    """Nz / Nv."""
    return m.total / float(m.by_size @ m.j)


@GLSZM.add("GrayLevelVariance", "BYLV")
def _level_variance(m: SizeCounts) -> float:
    """Σ p(i) (i - μ)²."""
    return m.level_variance()


@GLSZM.add("ZoneVariance", "3NSA")
def _size_variance(m: SizeCounts) -> float:
    """Σ p(j) (j - μ)²."""
    return m.size_variance()


@GLSZM.add("ZoneEntropy", "GU8N")
def _zone_entropy(m: SizeCounts) -> float:
    """-Σ p(i,j) log₂ p(i,j)."""
    return m.entropy()
