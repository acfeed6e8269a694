"""The linear part of a member: tumour volume, and features under a tuned ridge.

Volume has a slope of its own that is hardly shrunk. The features share a Gaussian prior, so that many small linear effects add
up without any one of them being trusted; the narrower the prior, the closer the score is to tumour volume alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from ccrcc_model.models.likelihood import Likelihood, Logistic
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.models.weighted import weighted_mean, weighted_median
from ccrcc_model.outcomes.cases import Cases, LabelledCases

FARTHEST = 3.0
"""Spreads from the median beyond which a clipped feature counts no further: radiomic features have long tails."""

Tails = Literal["clipped", "arcsinh"]
"""How distances from the median count: up to ``FARTHEST`` spreads, or by their inverse hyperbolic sine, which is linear near
the median and logarithmic far from it, so that all patients keep their order."""


@dataclass(frozen=True, eq=False)
class LinearStart:
    """Score (log odds, for a yes or no) of a case before any tree.

    Args:
        volume: Slope of volume, and the intercept, fitted together with the features.
        names: Features.
        centre: Their medians, shape ``(len(names),)``; stand in for missing values.
        spread: Root mean squared distance from the median.
        weights: Log odds for each spread.
        tails: How distances from the median count.
    """

    volume: VolumeModel
    names: tuple[str, ...]
    centre: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    tails: Tails = "clipped"

    def log_odds(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return the uncalibrated log odds, shape ``(n_cases,)``."""
        added: npt.NDArray[np.float64] = self.contributions(cases).sum(axis=1)
        return self.volume.log_odds(cases) + added

    def contributions(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return what each feature adds to the log odds, shape ``(n_cases, len(names))``."""
        return standard(cases.columns(self.names), self.centre, self.spread, tails=self.tails) * self.weights

    def shifted(self, log_odds: float) -> Self:
        """Return it with this much added to everyone's log odds."""
        return replace(self, volume=replace(self.volume, intercept=self.volume.intercept + log_odds))


def fit_linear(
    cases: LabelledCases,
    volume: VolumeModel,
    names: Sequence[str],
    *,
    prior: float,
    weight: npt.NDArray[np.float64] | None = None,
    likelihood: type[Likelihood] = Logistic,
) -> tuple[LinearStart, Likelihood]:
    """Fit volume and features together, and the likelihood of their score.

    Args:
        cases: Cases of two different outcomes at least.
        volume: Fitted on the same cases; gives the scale of volume.
        names: Features, each known for some case.
        prior: Standard deviation of a feature's effect before the data are seen, where that of volume is 1.
        weight: Weight of each case, shape ``(n_cases,)``; by default every patient counts once.
        likelihood: Likelihood of the outcome.
    """
    values = cases.columns(names)
    centre = weighted_median(values, cases.weight)
    spread = np.sqrt(weighted_mean((values - centre) ** 2, cases.weight))
    unit = LinearStart(volume, tuple(names), centre, np.where(spread > 0, spread, 1.0), np.ones(len(names)))
    design = np.column_stack([volume.standard(cases), prior * unit.contributions(cases)])
    fitted = likelihood.fit(design, cases.y, weight=cases.weight if weight is None else weight)
    slope = float(fitted.coefficients[0])
    of_features = np.asarray(prior * fitted.coefficients[1:], dtype=np.float64)
    scaled = replace(volume, slope=slope, intercept=fitted.intercept)
    return replace(unit, volume=scaled, weights=of_features), fitted.likelihood


def fit_level(
    cases: LabelledCases,
    volume: VolumeModel,
    names: Sequence[str],
    *,
    weight: npt.NDArray[np.float64],
    likelihood: type[Likelihood] = Logistic,
) -> tuple[LinearStart, Likelihood]:
    """Fit no effect of anything, only the level: what trees that get no help start from.

    Args:
        cases: Cases of two different outcomes at least.
        volume: Gives the column of volume.
        names: Features of the trees.
        weight: Weight of each case, shape ``(n_cases,)``.
        likelihood: Likelihood of the outcome.
    """
    fitted = likelihood.fit(np.zeros((len(cases), 1)), cases.y, weight=weight)
    none = np.zeros(len(names))
    level = replace(volume, slope=0.0, intercept=fitted.intercept)
    return LinearStart(level, tuple(names), none, np.ones(len(names)), none), fitted.likelihood


def standard(
    values: npt.NDArray[np.float64],
    centre: npt.NDArray[np.float64],
    spread: npt.NDArray[np.float64],
    *,
    tails: Tails,
) -> npt.NDArray[np.float64]:
    """Return distances from the median in spreads, as ``tails`` counts them; 0 for a missing value."""
    distance = (values - centre) / spread
    counted = np.arcsinh(distance) if tails == "arcsinh" else np.clip(distance, -FARTHEST, FARTHEST)
    return np.asarray(np.nan_to_num(counted, nan=0.0), dtype=np.float64)
