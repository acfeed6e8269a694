"""Grey level co-occurrence matrix: features of pairs of neighbours, averaged over directions.

References:
    Haralick et al. 1973, doi:10.1109/TSMC.1973.4309314; IBSI family LFYI. PyRadiomics averages the features of the directions
    (IBSI aggregation ITBB); directions in which the region has no neighbours do not count.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.feature import EPS, FeatureClass
from radiomics_cfg.engine.matrices import Matrices

Array = npt.NDArray[np.float64]

PERTURBED = 8
"""Largest eigenvalues that are separated together; see ``_second_eigenvalues``."""

NORMS = {"manhattan": 1, "euclidean": 2, "infinity": np.inf}
"""Weighting of directions by the length of their offset in mm (``weightingNorm``)."""


@dataclass(frozen=True)
class Weighting:
    """How directions are put together: averaged feature by feature, or merged with weights.

    Args:
        norm: PyRadiomics' ``weightingNorm``; None averages.
        spacing_mm: Voxel size along z, y, x.
    """

    norm: str | None = None
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def lengths_mm(self, offsets: npt.NDArray[np.int64]) -> Array:
        """Length of each offset in the norm, shape ``(n_offsets,)``; 0 for a norm that PyRadiomics does not know either."""
        steps = np.abs(offsets) * np.array(self.spacing_mm)
        return np.asarray(np.linalg.norm(steps, NORMS[self.norm], axis=1)) if self.norm in NORMS else np.zeros(len(offsets))


@dataclass(frozen=True)
class Cooccurrence:
    """Normalised co-occurrence matrices of one region.

    Args:
        p: Joint probability of grey levels i and j, shape ``(n_directions, n_levels, n_levels)``.
        levels: Grey level of each row and column, shape ``(n_levels,)``.
        highest: The highest grey level.
        symmetrical: Whether a pair counts in both orders.
    """

    p: Array
    levels: Array
    highest: int
    symmetrical: bool = True

    @classmethod
    def of(cls, matrices: Matrices, weighting: Weighting, *, symmetrical: bool = True) -> "Cooccurrence":
        """Normalise the counts of each direction."""
        counts = matrices.cooccurrence.astype(np.float64)
        if symmetrical:
            counts = counts + counts.transpose(0, 2, 1)
        if weighting.norm is not None:
            weights = (
                np.exp(-(weighting.lengths_mm(matrices.offsets) ** 2)) if weighting.norm in NORMS else np.ones(len(counts))
            )
            counts = np.tensordot(weights, counts, 1)[None]
        totals = counts.sum((1, 2))
        counts, totals = counts[totals > 0], totals[totals > 0]
        return cls(counts / totals[:, None, None], matrices.levels.astype(np.float64), matrices.highest, symmetrical)

    @cached_property
    def px(self) -> Array:
        """Marginal probability of i, shape ``(n_directions, n_levels)``."""
        return np.asarray(self.p.sum(2))

    @cached_property
    def py(self) -> Array:
        """Marginal probability of j."""
        return self.px if self.symmetrical else np.asarray(self.p.sum(1))

    @cached_property
    def mean_x(self) -> Array:
        """Mean of i, shape ``(n_directions,)``."""
        return self.px @ self.levels

    @cached_property
    def mean_y(self) -> Array:
        """Mean of j."""
        return self.py @ self.levels

    @cached_property
    def _sums(self) -> tuple[Array, Array]:
        return self._by(self.levels[:, None] + self.levels[None, :])

    @cached_property
    def _differences(self) -> tuple[Array, Array]:
        return self._by(np.abs(self.levels[:, None] - self.levels[None, :]))

    def _by(self, key: Array) -> tuple[Array, Array]:
        """Return the values k that ``key`` takes, and their probability in each direction, shape ``(n_directions, n_k)``."""
        k, place = np.unique(key, return_inverse=True)
        directions = len(self.p)
        slots = place.reshape(1, -1) + np.arange(directions)[:, None] * len(k)
        probability = np.bincount(slots.ravel(), self.p.ravel(), directions * len(k))
        return k, np.asarray(probability.reshape(directions, len(k)), np.float64)

    @property
    def sums(self) -> tuple[Array, Array]:
        """Values of i + j and their probability."""
        return self._sums

    @property
    def differences(self) -> tuple[Array, Array]:
        """Values of abs(i - j) and their probability."""
        return self._differences

    @cached_property
    def entropy(self) -> Array:
        """Joint entropy in bits, of each direction."""
        return np.asarray(-(self.p * np.log2(self.p + EPS)).sum((1, 2)))

    @cached_property
    def independent(self) -> Array:
        """Joint probability if i and j were independent."""
        return np.asarray(self.px[:, :, None] * self.py[:, None, :])

    @cached_property
    def log_independent(self) -> Array:
        """Binary logarithm of ``independent``."""
        return np.asarray(np.log2(self.independent + EPS))


GLCM: FeatureClass[Cooccurrence] = FeatureClass(
    "glcm", withdrawn=("Dissimilarity", "Homogeneity1", "Homogeneity2", "SumVariance")
)


def _mean(values: Array) -> float:
    """Average over directions; NaN if there are none."""
    return float(values.mean()) if len(values) else float("nan")


@GLCM.add("Autocorrelation", "QWB0")
def _autocorrelation(m: Cooccurrence) -> float:
    """Σ p(i,j) i j."""
    return _mean((m.p @ m.levels) @ m.levels)


@GLCM.add("ClusterProminence", "AE86")
def _cluster_prominence(m: Cooccurrence) -> float:
    """Σ p(i,j) (i + j - μx - μy)⁴."""
    return _cluster(m, 4)


@GLCM.add("ClusterShade", "7NFM")
def _cluster_shade(m: Cooccurrence) -> float:
    """Σ p(i,j) (i + j - μx - μy)³."""
    return _cluster(m, 3)


@GLCM.add("ClusterTendency", "DG8W")
def _cluster_tendency(m: Cooccurrence) -> float:
    """Σ p(i,j) (i + j - μx - μy)²."""
    return _cluster(m, 2)


def _cluster(m: Cooccurrence, power: int) -> float:
    k, p = m.sums
    return _mean((p * (k - (m.mean_x + m.mean_y)[:, None]) ** power).sum(1))


@GLCM.add("Contrast", "ACUI")
def _contrast(m: Cooccurrence) -> float:
    """Σ p(i,j) (i - j)²."""
    k, p = m.differences
    return _mean(p @ k**2)


@GLCM.add("Correlation", "NI2N")
def _correlation(m: Cooccurrence) -> float:
    """Σ p(i,j) (i - μx) (j - μy) / (σx σy); 1 in a direction with one grey level."""
    x, y = m.levels - m.mean_x[:, None], m.levels - m.mean_y[:, None]
    spread = np.sqrt((m.px * x**2).sum(1)) * np.sqrt((m.py * y**2).sum(1))
    covariance = np.einsum("aij,ai,aj->a", m.p, x, y)
    return _mean(np.where(spread == 0, 1.0, covariance / (spread + EPS)))


@GLCM.add("DifferenceAverage", "TF7R")
def _difference_average(m: Cooccurrence) -> float:
    """Σ k p₋(k)."""
    k, p = m.differences
    return _mean(p @ k)


@GLCM.add("DifferenceEntropy", "NTRS")
def _difference_entropy(m: Cooccurrence) -> float:
    """-Σ p₋(k) log₂ p₋(k)."""
    _, p = m.differences
    return _mean(-(p * np.log2(p + EPS)).sum(1))


@GLCM.add("DifferenceVariance", "D3YU")
def _difference_variance(m: Cooccurrence) -> float:
    """Σ (k - mean)² p₋(k)."""
    k, p = m.differences
    return _mean((p * (k - (p @ k)[:, None]) ** 2).sum(1))


@GLCM.add("Id", "IB1Z")
def _inverse_difference(m: Cooccurrence) -> float:
    """Σ p₋(k) / (1 + k)."""
    k, p = m.differences
    return _mean(p @ (1 / (1 + k)))


@GLCM.add("Idm", "WF0Z")
def _inverse_difference_moment(m: Cooccurrence) -> float:
    """Σ p₋(k) / (1 + k²)."""
    k, p = m.differences
    return _mean(p @ (1 / (1 + k**2)))


@GLCM.add("Idmn", "1QCO")
def _inverse_difference_moment_normalised(m: Cooccurrence) -> float:
    """Σ p₋(k) / (1 + k² / Ng²)."""
    k, p = m.differences
    return _mean(p @ (1 / (1 + k**2 / m.highest**2)))


@GLCM.add("Idn", "NDRX")
def _inverse_difference_normalised(m: Cooccurrence) -> float:
    """Σ p₋(k) / (1 + k / Ng)."""
    k, p = m.differences
    return _mean(p @ (1 / (1 + k / m.highest)))


@GLCM.add("Imc1", "R8DG")
def _information_correlation_1(m: Cooccurrence) -> float:
    """(HXY - HXY1) / max(HX, HY); 0 in a direction with one grey level."""
    hx = -(m.px * np.log2(m.px + EPS)).sum(1)
    hy = -(m.py * np.log2(m.py + EPS)).sum(1)
    gain = m.entropy + (m.p * m.log_independent).sum((1, 2))
    larger = np.maximum(hx, hy)
    return _mean(np.divide(gain, larger, out=np.zeros_like(gain), where=larger != 0))


@GLCM.add("Imc2", "JN9H")
def _information_correlation_2(m: Cooccurrence) -> float:
    """√(1 - exp(-2 (HXY2 - HXY))); a direction in which rounding makes HXY the larger does not count."""
    gain = -(m.independent * m.log_independent).sum((1, 2)) - m.entropy
    with np.errstate(invalid="ignore"):
        values = np.sqrt(1 - np.exp(-2 * gain))
    known = values[~np.isnan(values)]
    return _mean(known)


@GLCM.add("InverseVariance", "E8JP")
def _inverse_variance(m: Cooccurrence) -> float:
    """Σ p₋(k) / k² over k > 0."""
    k, p = m.differences
    return _mean(p[:, k > 0] @ (1 / k[k > 0] ** 2))


@GLCM.add("JointAverage", "60VM")
def _joint_average(m: Cooccurrence) -> float:
    """Σ p(i,j) i."""
    return _mean(m.mean_x)


@GLCM.add("JointEnergy", "8ZQL")
def _joint_energy(m: Cooccurrence) -> float:
    """Σ p(i,j)²."""
    return _mean((m.p**2).sum((1, 2)))


@GLCM.add("JointEntropy", "TU9B")
def _joint_entropy(m: Cooccurrence) -> float:
    """-Σ p(i,j) log₂ p(i,j)."""
    return _mean(m.entropy)


@GLCM.add("MCC")
def _maximal_correlation(m: Cooccurrence) -> float:
    """Root of the second largest eigenvalue of Q(i,j) = Σ p(i,k) p(j,k) / (px(i) py(k) + ε); 1 with one grey level.

    PyRadiomics' ε keeps a division by 0 away and stays in the value. Haralick et al. 1973, feature 14.
    """
    if len(m.levels) < 2:
        return 1.0
    return _mean(np.sqrt(np.maximum(_second_eigenvalues(m), 0.0)))


@GLCM.add("MaximumProbability", "GYBY")
def _maximum_probability(m: Cooccurrence) -> float:
    """Largest p(i,j)."""
    return _mean(m.p.max((1, 2))) if len(m.p) else float("nan")


@GLCM.add("SumAverage", "ZGXS")
def _sum_average(m: Cooccurrence) -> float:
    """Σ k p₊(k)."""
    k, p = m.sums
    return _mean(p @ k)


@GLCM.add("SumEntropy", "P6QZ")
def _sum_entropy(m: Cooccurrence) -> float:
    """-Σ p₊(k) log₂ p₊(k)."""
    _, p = m.sums
    return _mean(-(p * np.log2(p + EPS)).sum(1))


@GLCM.add("SumSquares", "UR99")
def _sum_squares(m: Cooccurrence) -> float:
    """Σ p(i,j) (i - μx)²."""
    return _mean((m.px * (m.levels - m.mean_x[:, None]) ** 2).sum(1))


def _second_eigenvalues(m: Cooccurrence) -> Array:
    """Return the second largest eigenvalue of Q in each direction."""
    if not m.symmetrical:
        q = (m.p / (m.independent + EPS)) @ m.p.transpose(0, 2, 1)
        return np.asarray(np.sort(np.linalg.eigvals(q).real, axis=1)[:, -2])
    # Without ε, Q has the squared eigenvalues of the symmetric S = p(i,j) / √(px(i) px(j)), whose eigenvectors are cheap. ε
    # moves the largest a little: by first-order perturbation, which within nearly equal ones is a small eigenproblem.
    scale = 1 / np.sqrt(np.where(m.px > 0, m.px, 1.0))
    values, vectors = np.linalg.eigh(m.p * scale[:, :, None] * scale[:, None, :])
    largest = np.argsort(-np.abs(values), axis=1)[:, None, :PERTURBED]
    near = np.take_along_axis(vectors, largest, axis=2)
    kernel = m.p / (m.independent + EPS)
    moved = kernel @ (m.p @ (near * scale[:, :, None]))
    projected = (near / scale[:, :, None]).transpose(0, 2, 1) @ moved
    return np.asarray(np.sort(np.linalg.eigvals(projected).real, axis=1)[:, -2])
