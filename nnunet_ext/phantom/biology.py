"""What a tumour is (grade, Ki67) and how it therefore looks: one Gaussian model, so the best possible AUC is known."""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import norm

from nnunet_ext.ground.errors import InputError

Target = Literal["grade", "ki67"]
"""ISUP grade of 3 or more, or a Ki67 index of 15 % or more."""

LIABILITY_CORRELATION = 0.5
"""Between the grade and the proliferation liability."""
OUTCOME_RELIABILITY = 0.86
"""Share of the variance of what the pathologist reads that the tumour's liability explains; the rest is sampling noise."""
PREVALENCE = 0.35
"""Of each target in the synthetic population."""
KI67_CUT_PERCENT = 15.0

LOADINGS: dict[str, tuple[float, float]] = {
    "heterogeneity": (0.93, 0.0),
    "necrosis": (0.85, 0.0),
    "margin": (0.78, 0.0),
    "fineness": (0.0, 0.91),
    "rim": (0.0, 0.9),
    "enhancement": (0.0, 0.85),
    "stranding": (0.25, 0.25),
    "size": (0.13, 0.13),
}
"""Loadings of each trait's standard score on the grade and the proliferation liability; the rest is its own scatter."""

_GRADE_CUTS = (-1.2816, float(norm.isf(PREVALENCE)), 1.4051)
"""On the standard score of grade: 10 % are ISUP 1, 55 % ISUP 2, 27 % ISUP 3, 8 % ISUP 4."""
_KI67_MEDIAN = 10.5
_KI67_LOG_SD = float(np.log(KI67_CUT_PERCENT / _KI67_MEDIAN) / norm.isf(PREVALENCE))


@dataclass(frozen=True)
class Biology:
    """One patient's tumour biology: latent values, what pathology reads, and what a scan can carry.

    Args:
        grade_liability: Standard normal.
        proliferation_liability: Standard normal.
        isup_grade: 1 to 4.
        ki67_percent: Whole percent, 1 to 70.
        diameter_mm: Of the largest tumour, 10 to 100.
        heterogeneity_hu: Standard deviation of the viable tumour's texture.
        correlation_length_mm: Scale of that texture, 3 to 12.
        necrotic_fraction: Share of the tumour's volume without enhancement.
        rim_hu: Extra enhancement of the outermost millimetres.
        enhancement_hu: Extra enhancement of the whole viable tumour, against its phase's mean.
        margin_irregularity: Standard deviation of the radius over its mean.
        stranding: Density of strands in the perirenal fat, 0 to 1.
    """

    grade_liability: float
    proliferation_liability: float
    isup_grade: int
    ki67_percent: int
    diameter_mm: float
    heterogeneity_hu: float
    correlation_length_mm: float
    necrotic_fraction: float
    rim_hu: float
    enhancement_hu: float
    margin_irregularity: float
    stranding: float

    def to_json(self) -> dict[str, float]:
        """Return the values under their names, rounded to six digits."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def draw_biology(rng: np.random.Generator) -> Biology:
    """Draw one patient from the synthetic population."""
    own = rng.standard_normal(2 + len(LOADINGS) + 2)
    grade = own[0]
    proliferation = LIABILITY_CORRELATION * grade + np.sqrt(1 - LIABILITY_CORRELATION**2) * own[1]
    score = {}
    for noise, (trait, (on_grade, on_proliferation)) in zip(own[2:], LOADINGS.items(), strict=False):
        explained = on_grade**2 + on_proliferation**2 + 2 * on_grade * on_proliferation * LIABILITY_CORRELATION
        score[trait] = on_grade * grade + on_proliferation * proliferation + np.sqrt(1 - explained) * noise
    read = np.sqrt(OUTCOME_RELIABILITY) * np.array([grade, proliferation]) + np.sqrt(1 - OUTCOME_RELIABILITY) * own[-2:]
    ki67 = _KI67_MEDIAN * np.exp(_KI67_LOG_SD * read[1])
    return Biology(
        grade_liability=float(grade),
        proliferation_liability=float(proliferation),
        isup_grade=1 + int(np.searchsorted(_GRADE_CUTS, read[0])),
        ki67_percent=int(np.clip(ki67, 1, 70)),
        diameter_mm=float(np.clip(55 * np.exp(0.4 * score["size"]), 10, 100)),
        heterogeneity_hu=float(np.clip(16 * np.exp(0.42 * score["heterogeneity"]), 4, 48)),
        correlation_length_mm=float(12 * 0.25 ** ndtr(score["fineness"])),
        necrotic_fraction=float(0.55 * ndtr(1.1 * score["necrosis"] - 0.6)),
        rim_hu=float(60 * ndtr(1.2 * score["rim"])),
        enhancement_hu=float(np.clip(15 * score["enhancement"], -35, 35)),
        margin_irregularity=float(0.02 + 0.2 * ndtr(1.1 * score["margin"] - 0.4)),
        stranding=float(ndtr(score["stranding"])),
    )


def outcome_correlation(target: Target, traits: tuple[str, ...] = tuple(LOADINGS)) -> float:
    """Correlation between the standard score of the outcome and its best prediction from ``traits``.

    The model is jointly Gaussian, so the best prediction is the conditional mean, a linear one.

    Args:
        target: ``"grade"`` or ``"ki67"``.
        traits: Keys of ``LOADINGS`` that are known to the predictor.

    Raises:
        InputError: If the target is unknown.
    """
    if target not in ("grade", "ki67"):
        msg = f"No target {target!r}; known ones are grade, ki67"
        raise InputError(msg)
    liabilities = np.array([[1.0, LIABILITY_CORRELATION], [LIABILITY_CORRELATION, 1.0]])
    loadings = np.array([LOADINGS[trait] for trait in traits])
    covariance = loadings @ liabilities @ loadings.T
    np.fill_diagonal(covariance, 1.0)
    with_outcome = np.sqrt(OUTCOME_RELIABILITY) * (loadings @ liabilities)[:, ("grade", "ki67").index(target)]
    return float(np.sqrt(with_outcome @ np.linalg.solve(covariance, with_outcome)))


@cache
def best_possible_auc(target: Target) -> float:
    """AUC of the true probability of ``target`` given everything about the tumour that a scan carries.

    No model can do better on the synthetic population, however good its masks and features.
    """
    return _threshold_auc(outcome_correlation(target))


@cache
def volume_auc(target: Target) -> float:
    """AUC of tumour size alone on the synthetic population."""
    return _threshold_auc(outcome_correlation(target, ("size",)))


def _threshold_auc(correlation: float) -> float:
    """AUC of a standard normal score for whether a second one, so correlated with it, exceeds the prevalence's quantile."""
    score: npt.NDArray[np.float64] = np.linspace(-9, 9, 20001)
    positive = norm.cdf((correlation * score - norm.isf(PREVALENCE)) / np.sqrt(1 - correlation**2))
    density = norm.pdf(score) * (score[1] - score[0])
    below = np.cumsum(density * (1 - positive)) - 0.5 * density * (1 - positive)
    return float((density * positive * below).sum() / (PREVALENCE * (1 - PREVALENCE)))
