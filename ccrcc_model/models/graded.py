"""Likelihoods of graded outcomes: proportional odds for ordered grades, a line for the logarithm of a percentage."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from ccrcc_model.models.likelihood import Calibration, Floats, Likelihood, LinearFit, Objective
from ccrcc_model.models.threshold import MIN_SLOPE
from ccrcc_model.outcomes.cases import Cases

CALIBRATION_RIDGE = 0.1
"""Keeps the calibration's slope finite where out-of-fold scores separate the grades, and hardly shrinks it elsewhere."""


class Graded(Likelihood):
    """A likelihood that keeps the outcome's level to itself, so that a score of 0 means an average case.

    It is fitted twice: with the linear model that boosting starts from, whose derivatives then drive the trees; and again on
    out-of-fold scores, which calibrates what was boosted.
    """

    calibrated_on = "inner"

    @classmethod
    @abstractmethod
    def fit_level(
        cls, design: Floats, outcome: Floats, *, weight: Floats, ridge: float, least: float | None = None
    ) -> tuple[Floats, Self]:
        """Fit as ``fit`` does; ``least`` is the lower bound of the coefficient, for one column."""

    @abstractmethod
    def expected(self, score: Floats) -> Floats:
        """Return the outcome expected at a score, in the outcome's own unit, shape ``(n,)``."""

    @abstractmethod
    def probabilities(self, score: Floats, levels: Sequence[float]) -> Floats:
        """Return the probability of each of ``levels``, shape ``(n, len(levels))``; 0 for one that the fit did not know."""

    @classmethod
    def fit(
        cls, design: Floats, outcome: npt.NDArray[Any], *, weight: Floats, ridge: float = 1.0, least: float | None = None
    ) -> LinearFit:
        """Fit as ``fit_level`` does; the intercept is 0, as the level is the likelihood's."""
        coefficients, fitted = cls.fit_level(design, outcome, weight=weight, ridge=ridge, least=least)
        return LinearFit(coefficients, 0.0, fitted)

    def objective(self, outcome: npt.NDArray[Any], weight: Floats) -> tuple[str | Objective, Floats | None]:
        """Return weighted derivatives."""

        def weighted(score: Floats, _: Any) -> tuple[Floats, Floats]:
            gradient, hessian = self.derivatives(score, outcome)
            return gradient * weight, hessian * weight

        return weighted, None

    @staticmethod
    def ranks(outcome: npt.NDArray[Any]) -> npt.NDArray[np.int_]:
        """Return twice the mean ranks, which are whole."""
        return (2 * rankdata(outcome)).astype(np.int_)

    @staticmethod
    def pooled(score: Floats, cases: Cases) -> Floats:
        """Average the scores of a patient's cases."""
        return cases.per_patient(score)

    @classmethod
    def calibrate(cls, score: Floats, outcome: npt.NDArray[Any], *, sensitivity: float | None = None) -> Calibration:  # noqa: ARG003
        """Fit slope and level."""
        return calibrate_scores(cls, score, outcome)


@dataclass(frozen=True)
class ProportionalOdds(Graded):
    """Proportional odds: the log odds of lying above a level are the score minus that level's threshold.

    Args:
        levels: Grades that the fit knew, in rising order, ``k`` of them.
        thresholds: Between neighbouring levels, rising, ``k - 1`` of them.

    References:
        McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x.
    """

    levels: tuple[float, ...]
    thresholds: tuple[float, ...]

    @classmethod
    def fit_level(
        cls, design: Floats, outcome: Floats, *, weight: Floats, ridge: float, least: float | None = None
    ) -> tuple[Floats, Self]:
        """Fit by L-BFGS on the first threshold and the logarithms of the gaps, which keeps the thresholds in order."""
        levels = np.unique(outcome)
        place = np.searchsorted(levels, outcome)
        n_columns, n_gaps = design.shape[1], len(levels) - 2

        def loss(parameters: Floats) -> tuple[float, Floats]:
            slope, gaps = parameters[:n_columns], np.exp(parameters[n_columns + 1 :])
            thresholds = parameters[n_columns] + np.concatenate([[0.0], np.cumsum(gaps)])
            upper, lower = _bounds(thresholds, place, design @ slope)
            value = -(weight * _log_probability(upper, lower)).sum() + ridge / 2 * slope @ slope
            by_upper, by_lower = _by_bound(upper, lower)
            n_levels = len(levels)
            by_threshold = (
                -np.bincount(place, weight * by_upper, n_levels)[:-1] - np.bincount(place, weight * by_lower, n_levels)[1:]
            )
            by_score = weight * (by_upper + by_lower)
            later = np.cumsum(by_threshold[::-1])[::-1]  # a gap moves every threshold above it
            return float(value), np.concatenate([design.T @ by_score + ridge * slope, later[:1], later[1:] * gaps])

        share = np.cumsum(np.bincount(place, weight))[:-1] / weight.sum()
        first = np.log(share / (1 - share))
        start = np.concatenate([np.full(n_columns, max(least or 0.0, 0.0)), first[:1], np.log(np.diff(first))])
        bounds = [(least, None)] * n_columns + [(None, None)] + [(np.log(1e-6), np.log(1e3))] * n_gaps
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 1000}
        )
        gaps = np.exp(found.x[n_columns + 1 :])
        thresholds = found.x[n_columns] + np.concatenate([[0.0], np.cumsum(gaps)])
        return np.asarray(found.x[:n_columns]), cls(tuple(levels.tolist()), tuple(thresholds.tolist()))

    def losses(self, score: Floats, outcome: Floats) -> Floats:
        """Return minus the logarithm of the probability of each case's grade."""
        return -_log_probability(*self._around(score, outcome))

    def derivatives(self, score: Floats, outcome: Floats) -> tuple[Floats, Floats]:
        """Return ``1 - a - b`` and ``a (1 - a) + b (1 - b)``: ``a`` is the probability up to the grade, ``b`` below it."""
        upper, lower = self._around(score, outcome)
        a, b = expit(upper), expit(lower)
        return 1 - a - b, a * (1 - a) + b * (1 - b)

    def expected(self, score: Floats) -> Floats:
        """Return the mean grade."""
        mean: Floats = self.probabilities(score, self.levels) @ np.array(self.levels)
        return mean

    def probabilities(self, score: Floats, levels: Sequence[float]) -> Floats:
        """Return the probability of each of ``levels``, which hold those of the link."""
        up_to = expit(np.array(self.thresholds) - score[:, None])
        edge = np.zeros((len(score), 1))
        result = np.zeros((len(score), len(levels)))
        known = [list(levels).index(level) for level in self.levels]
        result[:, known] = np.diff(np.concatenate([edge, up_to, edge + 1], axis=1), axis=1)
        return result

    def _around(self, score: Floats, outcome: Floats) -> tuple[Floats, Floats]:
        """Log odds of lying up to and below each case's grade; a grade that the fit did not know counts as the next one."""
        place = np.minimum(np.searchsorted(self.levels, outcome), len(self.levels) - 1)
        return _bounds(np.array(self.thresholds), place, score)


@dataclass(frozen=True)
class LogPercent(Graded):
    """A line: the score counts standard deviations of ``log(1 + percent)`` from its mean.

    The logarithm, because percentages of stained nuclei are skewed and their error grows with them.

    Args:
        mean: Mean of the logarithms, at a score of 0.
        sd: Their standard deviation.
    """

    mean: float
    sd: float

    @classmethod
    def fit_level(
        cls, design: Floats, outcome: Floats, *, weight: Floats, ridge: float, least: float | None = None
    ) -> tuple[Floats, Self]:
        """Fit by least squares."""
        logarithm = np.log1p(outcome)
        average = float(np.average(logarithm, weights=weight))
        sd = float(np.sqrt(np.average((logarithm - average) ** 2, weights=weight)))
        middle = np.average(design, axis=0, weights=weight)
        centred = design - middle
        normal = centred.T @ (weight[:, None] * centred) + ridge * np.eye(design.shape[1])
        coefficients = np.linalg.lstsq(normal, centred.T @ (weight * (logarithm - average) / sd), rcond=None)[0]
        if least is not None:
            coefficients = np.maximum(coefficients, least)
        return np.asarray(coefficients, dtype=np.float64), cls(average - sd * float(middle @ coefficients), sd)

    def losses(self, score: Floats, outcome: Floats) -> Floats:
        """Return half the squared distance, in standard deviations."""
        half: Floats = (self._standard(outcome) - score) ** 2 / 2
        return half

    def derivatives(self, score: Floats, outcome: Floats) -> tuple[Floats, Floats]:
        """Return the distance, and 1."""
        return score - self._standard(outcome), np.ones_like(score)

    def expected(self, score: Floats) -> Floats:
        """Return the percentage whose logarithm is expected, inside [0, 100]; with even errors it is the median."""
        return np.clip(np.expm1(self.mean + self.sd * score), 0.0, 100.0)

    def probabilities(self, score: Floats, levels: Sequence[float]) -> Floats:
        """Return nothing: a percentage has no levels."""
        return np.zeros((len(score), len(levels)))

    def _standard(self, outcome: Floats) -> Floats:
        return np.asarray((np.log1p(outcome) - self.mean) / self.sd, dtype=np.float64)


@dataclass(frozen=True)
class Calibrated:
    """The likelihood of a score that is first stretched.

    Args:
        slope: Factor of the score, above 0, so that the order of patients is kept.
        link: Likelihood of the stretched score.
    """

    slope: float
    link: Graded

    def expected(self, score: Floats) -> Floats:
        """Return the outcome expected at a score, shape ``(n,)``."""
        return self.link.expected(self.slope * score)

    def probabilities(self, score: Floats, levels: Sequence[float]) -> Floats:
        """Return the probability of each of ``levels``, shape ``(n, len(levels))``."""
        return self.link.probabilities(self.slope * score, levels)

    def values(self, score: Floats, levels: Sequence[float]) -> Floats:
        """Return the probability of each level, and the outcome expected, shape ``(n, len(levels) + 1)``."""
        return np.column_stack([self.probabilities(score, levels), self.expected(score)])

    def to_json(self) -> dict[str, Any]:
        """Return slope and likelihood as JSON."""
        return {"slope": self.slope, "link": asdict(self.link)}  # type: ignore[call-overload] # every one is a dataclass

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote."""
        link = content["link"]
        ordinal = "levels" in link
        return cls(
            content["slope"],
            ProportionalOdds(tuple(link["levels"]), tuple(link["thresholds"])) if ordinal else LogPercent(**link),
        )


def calibrate_scores(kind: type[Graded], score: Floats, outcome: Floats) -> Calibrated:
    """Fit slope and likelihood on out-of-fold scores.

    Args:
        kind: Kind of likelihood.
        score: Shape ``(n_patients,)``.
        outcome: Shape ``(n_patients,)``.
    """
    spread = float(score.std())
    scale = spread if spread > 1e-9 else 1.0  # below it the scores differ by rounding only
    weight = np.ones(len(score))
    slope, link = kind.fit_level(
        score[:, None] / scale, outcome, weight=weight, ridge=CALIBRATION_RIDGE, least=MIN_SLOPE * scale
    )
    return Calibrated(float(slope[0]) / scale, link)


def _bounds(thresholds: Floats, place: npt.NDArray[np.intp], score: Floats) -> tuple[Floats, Floats]:
    padded = np.concatenate([[-np.inf], thresholds, [np.inf]])
    return padded[place + 1] - score, padded[place] - score


def _log_probability(upper: Floats, lower: Floats) -> Floats:
    """Logarithm of ``expit(upper) - expit(lower)``, also where both are almost 0 or almost 1."""
    return np.asarray(-np.logaddexp(0, -upper) - np.logaddexp(0, lower) + np.log1p(-np.exp(lower - upper)), dtype=np.float64)


def _by_bound(upper: Floats, lower: Floats) -> tuple[Floats, Floats]:
    """Derivatives of that logarithm by ``upper`` and by ``lower``."""
    with np.errstate(over="ignore"):
        common = 1 / np.expm1(upper - lower)
    return expit(-upper) + common, -expit(lower) - common
