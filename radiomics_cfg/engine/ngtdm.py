"""Neighbouring grey tone difference matrix: features of how far a voxel is from the mean of its neighbours.

References:
    Amadasun and King 1989, doi:10.1109/21.44046; IBSI family IPET.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.feature import FeatureClass
from radiomics_cfg.engine.matrices import Matrices

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ToneDifferences:
    """Grey tone differences of one region.

    Args:
        i: Grey levels, shape ``(n_levels,)``.
        p: Share of the voxels that have each grey level.
        s: Sum of the differences of each grey level's voxels.
        voxels: Number of voxels.
    """

    i: Array
    p: Array
    s: Array
    voxels: float

    @classmethod
    def of(cls, matrices: Matrices) -> "ToneDifferences":
        """Normalise the counts."""
        n, s = matrices.difference.T
        return cls(matrices.levels.astype(np.float64), n / n.sum(), s, float(n.sum()))


NGTDM: FeatureClass[ToneDifferences] = FeatureClass("ngtdm")

COARSEST = 1e6
"""Coarseness where nothing differs from its neighbours, as PyRadiomics has it."""


@NGTDM.add("Coarseness", "QCDE")
def _coarseness(m: ToneDifferences) -> float:
    """1 / Σ p(i) s(i)."""
    total = float(m.p @ m.s)
    return 1 / total if total else COARSEST


@NGTDM.add("Contrast", "65HE")
def _contrast(m: ToneDifferences) -> float:
    """ΣΣ p(i) p(j) (i - j)² / (Ng (Ng - 1)) times Σ s(i) / Nv."""
    n = len(m.i)
    if n < 2:
        return 0.0
    spread = float(m.p @ ((m.i[:, None] - m.i[None, :]) ** 2) @ m.p)
    return spread * float(m.s.sum()) / m.voxels / (n * (n - 1))


@NGTDM.add("Busyness", "NQ30")
def _busyness(m: ToneDifferences) -> float:
    """Σ p(i) s(i) / ΣΣ abs(i p(i) - j p(j))."""
    weighted = m.i * m.p
    change = float(np.abs(weighted[:, None] - weighted[None, :]).sum())
    return float(m.p @ m.s) / change if change else 0.0


@NGTDM.add("Complexity", "HDEZ")
def _complexity(m: ToneDifferences) -> float:
    """ΣΣ abs(i - j) (p(i) s(i) + p(j) s(j)) / (p(i) + p(j)) / Nv."""
    both = m.p * m.s
    share = (both[:, None] + both[None, :]) / (m.p[:, None] + m.p[None, :])
    return float((np.abs(m.i[:, None] - m.i[None, :]) * share).sum()) / m.voxels


@NGTDM.add("Strength", "1X9X")
def _strength(m: ToneDifferences) -> float:
    """ΣΣ (p(i) + p(j)) (i - j)² / Σ s(i)."""
    total = float(m.s.sum())
    spread = float(((m.p[:, None] + m.p[None, :]) * (m.i[:, None] - m.i[None, :]) ** 2).sum())
    return spread / total if total else 0.0
