"""A ridge on every usable feature: where the answer lies in a little of everything, no choice of features finds it.

The features are counted by the inverse hyperbolic sine of their distance from the median, which keeps the order of patients
and takes the tails in. There are far more features than patients, so the fit runs on the patients' inner products (the dual
form: Saunders, Gammerman and Vovk 1998, ICML), which are computed once and serve every penalty that tuning tries.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import optuna

from ccrcc_model.fitting.families.family import Family, HeldOut, class_weight
from ccrcc_model.fitting.inner import InnerFold
from ccrcc_model.models.likelihood import Floats, Likelihood
from ccrcc_model.models.member import Member
from ccrcc_model.models.start import LinearStart
from ccrcc_model.outcomes.seen import patient_hashes


@dataclass(frozen=True, slots=True)
class Ridge(Family):
    """Penalised linear model of volume and all features (le Cessie and van Houwelingen 1992, doi:10.2307/2347628).

    Args:
        prior: Standard deviation of the sum of all features' effects before the data are seen, where that of volume is 1.
    """

    name = "ridge"
    is_once = True

    prior: float = 1.0

    @classmethod
    def suggest(cls, trial: optuna.Trial, *, n_cases: int) -> Self:  # noqa: ARG003
        """Draw hyperparameters."""
        return cls(prior=trial.suggest_float(cls.parameter("prior"), 0.05, 4.0, log=True))

    def held_out(self, part: InnerFold, *, seed: int) -> HeldOut:  # noqa: ARG002
        """Fit on the training part and score the test part, by inner products alone."""
        dual, intercept, likelihood = self._dual(part)
        volume = part.start.standard(part.test)[:, None] * part.start.standard(part.train)
        return HeldOut(intercept + (volume + self._scale(part) * part.wide.cross) @ dual, likelihood)

    def fit(self, part: InnerFold, *, seed: int) -> tuple[Member, Likelihood]:  # noqa: ARG002
        """Fit on a training part whose design was kept.

        Raises:
            ValueError: If it was not: see ``whole_part``.
        """
        design = part.wide.design
        if design is None:
            msg = "The design of this training part was not kept"
            raise ValueError(msg)
        dual, intercept, likelihood = self._dual(part)
        weights = self._scale(part) * (design.values.T @ dual) / design.scale
        slope = float(part.start.standard(part.train) @ dual)
        level = design.level(replace(part.start, slope=slope, intercept=intercept), weights)
        start = LinearStart(level, design.names, design.centre, design.spread, weights, "arcsinh")
        harmoniser = part.wide.harmoniser
        seen = part.start.seen | patient_hashes(part.train.patient_id) | part.stability_seen
        seen |= harmoniser.seen if harmoniser is not None else frozenset()
        return Member(self.name, start, design.centre, None, seen, harmoniser), likelihood

    def _scale(self, part: InnerFold) -> float:
        return self.prior**2 / max(part.wide.n_features, 1)

    def _dual(self, part: InnerFold) -> tuple[Floats, float, Likelihood]:
        """Return the dual coefficients, shape ``(n_train_cases,)``, the intercept, and the likelihood of the score."""
        weight, correction = class_weight(part.train, balanced=part.balanced)
        volume = part.start.standard(part.train)
        values, vectors = np.linalg.eigh(np.outer(volume, volume) + self._scale(part) * part.wide.gram)
        kept = values > 1e-10 * max(float(values[-1]), 1e-10)
        length = np.sqrt(values[kept])
        fitted = part.likelihood.fit(vectors[:, kept] * length, part.train.y, weight=weight)
        return vectors[:, kept] @ (fitted.coefficients / length), fitted.intercept + correction, fitted.likelihood
