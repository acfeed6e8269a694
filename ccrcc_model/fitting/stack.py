"""The weights of the families in an ensemble, from scores of patients whom no family had seen.

``score = level + sum of weight x score of a family``, weights not negative (Breiman 1996, doi:10.1007/BF00117832; van der
Laan, Polley and Hubbard 2007, doi:10.2202/1544-6115.1309). On some 100 patients the weights themselves are mostly noise, and
the plain mean of scores that are brought to one spread is hard to beat (Claeskens et al. 2016,
doi:10.1016/j.ijforecast.2015.12.005). So weights are shrunk to that mean, the more the fewer patients there are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ccrcc_model.models.likelihood import Floats, Likelihood

SHRINKAGE = 400.0
"""Over the information that the patients hold (that of the level: 20 for 80 patients, half of them positive), it is the ridge
on the distances of the weights from equal ones, for scores of standard deviation 1. With 13 positive of 90 patients the
weights are all but equal, with 50 of 200 the data outweigh it. Chosen on planted tables of 80, 90 and 200 patients."""

SAME = 1e-9
"""Spread of scores below which a family found nothing."""

LEAST_SCALE = 1.0
"""Least slope on the mean of the standardised scores to which weights are shrunk. Where the families together found little, a
smaller one would leave the weights to chance. The score is brought to its own slope afterwards."""

LEAST_SLOPE = 0.05
"""Least slope of the ensemble's standardised score: even where the families found nothing, their order is kept."""


@dataclass(frozen=True)
class Stack:
    """Weights of the families.

    Args:
        weights: Shape ``(n_families,)``, 0 for one that found nothing.
        level: What is added to everyone's score.
    """

    weights: Floats
    level: float

    def score(self, scores: Floats) -> Floats:
        """Return the ensemble's score of patients whose scores by family have shape ``(n_patients, n_families)``."""
        return np.asarray(self.level + scores @ self.weights, dtype=np.float64)


def fit_stack(scores: Floats, outcome: npt.NDArray[np.float64], likelihood: type[Likelihood]) -> Stack:
    """Fit weights and level.

    Args:
        scores: Of patients by families that had not seen them, shape ``(n_patients, n_families)``.
        outcome: Shape ``(n_patients,)``.
        likelihood: Likelihood of the outcome.
    """
    middle, spread = scores.mean(axis=0), scores.std(axis=0)
    useful = spread > SAME
    if not useful.any():
        return Stack(np.zeros(scores.shape[1]), 0.0)
    standard = (scores[:, useful] - middle[useful]) / spread[useful]
    n_families = standard.shape[1]
    fitted = likelihood.fit(standard.mean(axis=1)[:, None], outcome, weight=np.ones(len(outcome)))
    scale = max(float(fitted.coefficients[0]), LEAST_SCALE)
    equal = np.full(n_families, scale / n_families)
    information = fitted.likelihood.derivatives(np.full(len(outcome), fitted.intercept), outcome)[1].sum()
    ridge = SHRINKAGE / max(float(information), 1.0)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, level = parameters[:-1], parameters[-1]
        score = standard @ weights + level
        gradient, _ = fitted.likelihood.derivatives(score, outcome)
        apart = weights - equal
        value = fitted.likelihood.losses(score, outcome).sum() + ridge / 2 * (apart @ apart)
        return float(value), np.append(standard.T @ gradient + ridge * apart, gradient.sum())

    bounds = [(0.0, None)] * n_families + [(None, None)]
    start = np.concatenate([equal, [fitted.intercept]])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 500}
    ).x[:-1]
    slope, level = _slope(standard @ found, outcome, likelihood)
    weights = np.zeros(scores.shape[1])
    weights[useful] = slope * found / spread[useful]
    return Stack(weights, float(level - middle @ weights))


def _slope(score: Floats, outcome: npt.NDArray[np.float64], likelihood: type[Likelihood]) -> tuple[float, float]:
    """Return the slope of the outcome on a score, and the level."""
    spread = float(score.std()) or 1.0
    fitted = likelihood.fit(score[:, None] / spread, outcome, weight=np.ones(len(outcome)))
    return max(float(fitted.coefficients[0]), LEAST_SLOPE) / spread, fitted.intercept
