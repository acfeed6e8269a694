"""First-order statistics of the values in a region.

References:
    IBSI families UHIW (intensity-based statistics) and ZVCW (intensity histogram: entropy, uniformity).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.compiled import compiled
from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.feature import EPS, FeatureClass

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """Values of one region.

    Args:
        x: Shape ``(n_voxels,)``.
        grey: The same, discretised.
        voxel_mm3: Volume of a voxel.
        shift: Added to every value before it is squared (``voxelArrayShift``).
    """

    x: Array
    grey: GreyLevels
    voxel_mm3: float
    shift: float = 0

    @cached_property
    def mean(self) -> float:
        """Mean value."""
        return float(self.x.mean())

    @cached_property
    def moments(self) -> tuple[float, float, float, float]:
        """Mean distance from the mean, and the second, third and fourth central moment."""
        deviation, second, third, fourth = _central_moments(self.x, self.mean)
        return deviation, second, third, fourth

    @property
    def variance(self) -> float:
        """Second central moment."""
        return self.moments[1]

    @cached_property
    def percentiles(self) -> tuple[float, ...]:
        """The 10th, 25th, 50th, 75th and 90th percentile, linear between values."""
        n = len(self.x) - 1
        places = [n * share for share in (0.1, 0.25, 0.5, 0.75, 0.9)]
        below = [int(place) for place in places]
        ranked = _order_statistics(self.x, [at for k in below for at in (k, min(k + 1, n))])
        pairs = zip(ranked[::2], ranked[1::2], places, below, strict=True)
        return tuple(_between(low, high, place - k) for low, high, place, k in pairs)

    @cached_property
    def histogram(self) -> Array:
        """Share of the voxels that have each grey level."""
        counts = np.bincount(self.grey.ranks)[1:]
        return np.asarray(counts / counts.sum())

    @cached_property
    def energy(self) -> float:
        """Sum of the squares of the shifted values."""
        shifted = self.x + self.shift if self.shift else self.x
        return float(shifted @ shifted)


def _between(low: float, high: float, share: float) -> float:
    return float(low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share))


@compiled
def _central_moments(x, mean):
    """Return the mean distance from the mean, and the second, third and fourth central moment."""
    deviation = second = third = fourth = 0.0
    for value in x:
        away = value - mean
        square = away * away
        deviation += abs(away)
        second += square
        third += square * away
        fourth += square * square
    n = len(x)
    return deviation / n, second / n, third / n, fourth / n


def _order_statistics(x: Array, places: list[int]) -> list[float]:
    """Return the values at some places of the ascending order of ``x``: only the buckets that hold them are sorted."""
    lowest, highest = float(x.min()), float(x.max())
    counts = np.zeros(max(1, min(4096, len(x) // 8)), np.int64)
    bucket = np.empty(len(x), np.uint16)
    _fill_buckets(x, lowest, len(counts) / (highest - lowest) if highest > lowest else 0.0, bucket, counts)
    ends = counts.cumsum()
    found, at, inside = [], -1, x[:0]
    for place in places:
        holder = int(np.searchsorted(ends, place, side="right"))
        if holder != at:
            at, inside = holder, np.sort(x[bucket == holder])
        found.append(float(inside[place - ends[at] + counts[at]]))
    return found


@compiled
def _fill_buckets(x, lowest, scale, bucket, counts):
    """Put values into buckets of equal width, and count them."""
    last = len(counts) - 1
    for i in range(len(x)):
        bucket[i] = min(np.int64((x[i] - lowest) * scale), last)
        counts[np.uint64(bucket[i])] += 1


@compiled
def _deviation_between(x, low, high):
    """Return the mean distance from the mean of the values from ``low`` to ``high``."""
    total, count = 0.0, 0
    for value in x:
        if low <= value <= high:
            total += value
            count += 1
    mean = total / count
    away = 0.0
    for value in x:
        if low <= value <= high:
            away += abs(value - mean)
    return away / count


FIRSTORDER: FeatureClass[Values] = FeatureClass("firstorder")


@FIRSTORDER.add("10Percentile", "QG58")
def _percentile_10(v: Values) -> float:
    """10th percentile."""
    return v.percentiles[0]


@FIRSTORDER.add("90Percentile", "8DWT")
def _percentile_90(v: Values) -> float:
    """90th percentile."""
    return v.percentiles[4]


@FIRSTORDER.add("Energy", "N8CA")
def _energy(v: Values) -> float:
    """Σ (x + shift)²."""
    return v.energy


@FIRSTORDER.add("Entropy", "TLU2")
def _entropy(v: Values) -> float:
    """-Σ p(i) log₂ p(i) over grey levels."""
    return float(-(v.histogram * np.log2(v.histogram + EPS)).sum())


@FIRSTORDER.add("InterquartileRange", "SALO")
def _interquartile_range(v: Values) -> float:
    """75th less 25th percentile."""
    return v.percentiles[3] - v.percentiles[1]


@FIRSTORDER.add("Kurtosis", "IPH6")
def _kurtosis(v: Values) -> float:
    """Fourth central moment over squared variance, 3 more than the excess of the IBSI; 0 if all values are equal."""
    return v.moments[3] / v.variance**2 if v.variance else 0.0


@FIRSTORDER.add("Maximum", "84IY")
def _maximum(v: Values) -> float:
    """Largest value."""
    return float(v.x.max())


@FIRSTORDER.add("Mean", "Q4LE")
def _mean(v: Values) -> float:
    """Mean."""
    return v.mean


@FIRSTORDER.add("MeanAbsoluteDeviation", "4FUA")
def _mean_absolute_deviation(v: Values) -> float:
    """Mean distance from the mean."""
    return v.moments[0]


@FIRSTORDER.add("Median", "Y12H")
def _median(v: Values) -> float:
    """Median."""
    return v.percentiles[2]


@FIRSTORDER.add("Minimum", "1GSF")
def _minimum(v: Values) -> float:
    """Smallest value."""
    return float(v.x.min())


@FIRSTORDER.add("Range", "2OJQ")
def _range(v: Values) -> float:
    """Largest less smallest value."""
    return float(v.x.max() - v.x.min())


@FIRSTORDER.add("RobustMeanAbsoluteDeviation", "1128")
def _robust_mean_absolute_deviation(v: Values) -> float:
    """Mean distance from the mean, both of the values from the 10th to the 90th percentile."""
    return float(_deviation_between(v.x, v.percentiles[0], v.percentiles[4]))


@FIRSTORDER.add("RootMeanSquared", "5ZWQ")
def _root_mean_squared(v: Values) -> float:
    """Root of the mean square of the shifted values."""
    return float(np.sqrt(v.energy / len(v.x)))


@FIRSTORDER.add("Skewness", "KE2A")
def _skewness(v: Values) -> float:
    """Third central moment over the variance to the power of 1.5; 0 if all values are equal."""
    return v.moments[2] / v.variance**1.5 if v.variance else 0.0


@FIRSTORDER.add("StandardDeviation", optional=True)
def _standard_deviation(v: Values) -> float:
    """Root of the variance."""
    return float(np.sqrt(v.variance))


@FIRSTORDER.add("TotalEnergy")
def _total_energy(v: Values) -> float:
    """Energy times the volume of a voxel in mm³."""
    return v.energy * v.voxel_mm3


@FIRSTORDER.add("Uniformity", "BJ5W")
def _uniformity(v: Values) -> float:
    """Σ p(i)² over grey levels."""
    return float((v.histogram**2).sum())


@FIRSTORDER.add("Variance", "ECT3")
def _variance(v: Values) -> float:
    """Mean squared distance from the mean."""
    return v.variance
