"""How many patients a model of a yes or no outcome needs: to be developed, and to be validated.

Each criterion asks for the patients from which one figure is precise enough; the largest of them is the sample size. Where
only an anticipated AUC is known, the linear predictor is taken as normal in both classes with one variance, and calibrated.
Then its standard deviation is ``sqrt(2)`` times the normal quantile of the AUC, and its class means lie half a variance below
and above the log odds of the prevalence, so that integrals replace the simulations of the published software.

References:
    Development: Riley et al. 2020, doi:10.1136/bmj.m441; from an AUC: Riley et al. 2021, doi:10.1002/sim.8806. Validation:
    Riley et al. 2021, doi:10.1002/sim.9025.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp, log, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import norm

from nnunet_ext.ground.errors import InputError

Z = 1.96
"""Of a 95% CI, to as many digits as the published criteria use."""

OPTIMISM = 0.05
"""Largest difference of apparent and adjusted Nagelkerke R2, and largest error of the overall risk, in development."""

LARGEST = 10_000_000
"""Patients beyond which no study goes: the criterion cannot be met."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


@dataclass(frozen=True, slots=True)
class Criterion:
    """The patients that one figure needs.

    Args:
        name: What must be precise.
        wanted: Required precision.
        n: Patients.
        events: Positive patients among them that are expected.
    """

    name: str
    wanted: str
    n: int
    events: float


def cox_snell_of_auc(auc: float, prevalence: float) -> float:
    """Cox-Snell R2 that a calibrated model of this AUC has.

    Args:
        auc: Anticipated, inside (0.5, 1).
        prevalence: Share of positive patients, inside (0, 1).

    Raises:
        InputError: If one of them lies outside.

    References:
        Riley et al. 2021, doi:10.1002/sim.8806.
    """
    _check(auc, prevalence)
    null = prevalence * log(prevalence) + (1 - prevalence) * log(1 - prevalence)
    model = _expected(auc, prevalence, lambda risk, y: np.log(risk if y else 1 - risk))
    return 1 - exp(2 * (null - model))


def development_size(
    prevalence: float, auc: float | None = None, *, candidates: int, cox_snell: float | None = None, shrinkage: float = 0.9
) -> tuple[Criterion, ...]:
    """Patients that the development of a model needs, by three criteria.

    Args:
        prevalence: Share of positive patients, inside (0, 1).
        auc: Anticipated, inside (0.5, 1), unless ``cox_snell`` is given.
        candidates: Parameters that the procedure may choose from, not those that it keeps.
        cox_snell: Anticipated Cox-Snell R2, adjusted for optimism.
        shrinkage: Smallest acceptable factor of uniform shrinkage, inside (0, 1).

    Raises:
        InputError: If a number lies outside of its range, no model can have this R2, or more than ten million patients were
            needed.

    Example:
        >>> [criterion.n for criterion in development_size(0.174, candidates=24, cox_snell=0.288)]
        [623, 662, 221]
    """
    if candidates < 1:
        msg = f"A model has at least one candidate; asked for {candidates}"
        raise InputError(msg)
    if not 0 < shrinkage < 1:
        msg = f"The shrinkage must lie inside (0, 1), not {shrinkage:g}"
        raise InputError(msg)
    if cox_snell is None:
        if auc is None:
            msg = "A sample size needs an anticipated AUC, or a Cox-Snell R2"
            raise InputError(msg)
        cox_snell = cox_snell_of_auc(auc, prevalence)
    _check(0.75, prevalence)
    largest = 1 - exp(2 * (prevalence * log(prevalence) + (1 - prevalence) * log(1 - prevalence)))
    bound = min(largest, shrinkage)
    if not 0 < cox_snell < bound:
        msg = f"At a prevalence of {prevalence:g} the Cox-Snell R2 lies inside (0, {bound:.3f}); it is {cox_snell:g}"
        raise InputError(msg)
    close = cox_snell / (cox_snell + OPTIMISM * largest)
    wanted = {
        "overfitting": (f"shrinkage of {shrinkage:g} or more", _for_shrinkage(candidates, cox_snell, shrinkage)),
        "optimism": (f"apparent and adjusted Nagelkerke R2 within {OPTIMISM:g}", _for_shrinkage(candidates, cox_snell, close)),
        "overall risk": (f"within {OPTIMISM:g}", (Z / OPTIMISM) ** 2 * prevalence * (1 - prevalence)),
    }
    return tuple(_criterion(name, text, n, prevalence) for name, (text, n) in wanted.items())


def validation_size(
    prevalence: float, auc: float, *, auc_width: float = 0.1, slope_width: float = 0.2, ratio_width: float = 0.2
) -> tuple[Criterion, ...]:
    """Patients that a validation needs for intervals of these widths, by three criteria.

    Args:
        prevalence: Share of positive patients, inside (0, 1).
        auc: Anticipated, inside (0.5, 1).
        auc_width: Width of the 95% CI of the AUC, inside (0, 1).
        slope_width: The same of the calibration slope, which is taken to be 1.
        ratio_width: The same of observed over expected events, which is taken to be 1.

    Raises:
        InputError: If a number lies outside of its range, or more than ten million patients were needed.

    Example:
        >>> [criterion.n for criterion in validation_size(0.3, 0.75)]
        [900, 2853, 433]
    """
    _check(auc, prevalence)
    for name, width in (
        ("AUC", auc_width),
        ("calibration slope", slope_width),
        ("observed over expected events", ratio_width),
    ):
        if not 0 < width < (1 if name == "AUC" else 10):
            msg = f"The interval of the {name} cannot have the width {width:g}"
            raise InputError(msg)
    wanted = {
        "observed over expected events": (ratio_width, _for_ratio(prevalence, ratio_width)),
        "calibration slope": (slope_width, _for_slope(auc, prevalence, slope_width)),
        "AUC": (auc_width, _for_auc(auc, prevalence, auc_width)),
    }
    return tuple(_criterion(name, f"95% CI {width:g} wide", n, prevalence) for name, (width, n) in wanted.items())


def needed(criteria: tuple[Criterion, ...]) -> Criterion:
    """Return the criterion that asks for most patients: it sets the sample size."""
    return max(criteria, key=lambda criterion: criterion.n)


def auc_standard_error(auc: float, prevalence: float, n: float) -> float:
    """Standard error of an AUC that is anticipated, from ``n`` patients.

    References:
        Newcombe 2006, doi:10.1002/sim.2324, method 4, as Riley et al. 2021, doi:10.1002/sim.9025 take it.
    """
    half = n / 2 - 1
    spread = 1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc)
    return sqrt(auc * (1 - auc) * spread / (n**2 * prevalence * (1 - prevalence)))


def _for_shrinkage(candidates: int, cox_snell: float, shrinkage: float) -> float:
    return candidates / ((shrinkage - 1) * log(1 - cox_snell / shrinkage))


def _for_ratio(prevalence: float, width: float) -> float:
    """Patients for an interval of O/E from ``exp(-z s)`` to ``exp(z s)``: its width is ``2 sinh(z s)``."""
    error = float(np.arcsinh(width / 2)) / Z
    return (1 - prevalence) / (prevalence * error**2)


def _for_slope(auc: float, prevalence: float, width: float) -> float:
    """Patients for a standard error of the slope, from Fisher's information of intercept and slope at 0 and 1."""
    weights = [_information(auc, prevalence, power) for power in range(3)]
    determinant = weights[0] * weights[2] - weights[1] ** 2
    error = width / (2 * Z)
    return weights[0] / (error**2 * determinant)


def _for_auc(auc: float, prevalence: float, width: float) -> float:
    """The least n at which the interval is as narrow; the standard error falls with n, so it is found by halving."""
    low, high = 2.0, float(LARGEST) * 2
    while high - low > 0.5:
        middle = (low + high) / 2
        if 2 * Z * auc_standard_error(auc, prevalence, middle) > width:
            low = middle
        else:
            high = middle
    return high


def _information(auc: float, prevalence: float, power: int) -> float:
    def of_risk(risk: npt.NDArray[np.float64], _: int) -> npt.NDArray[np.float64]:
        return np.asarray(risk * (1 - risk) * np.log(risk / (1 - risk)) ** power, dtype=np.float64)

    return _expected(auc, prevalence, of_risk)


def _expected(
    auc: float, prevalence: float, of_risk: Callable[[npt.NDArray[np.float64], int], npt.NDArray[np.float64]]
) -> float:
    """Mean over patients of a function of their risk and class, under two normal classes (Gauss-Hermite)."""
    deviation = sqrt(2) * float(norm.ppf(auc))
    level = log(prevalence / (1 - prevalence))
    total = 0.0
    for y, share in ((0, 1 - prevalence), (1, prevalence)):
        predictor = level + (y - 0.5) * deviation**2 + deviation * _NODES
        risk = np.clip(expit(predictor), 1e-12, 1 - 1e-12)
        total += share * float(np.sum(_WEIGHTS * of_risk(risk, y)) / np.sum(_WEIGHTS))
    return total


def _criterion(name: str, wanted: str, n: float, prevalence: float) -> Criterion:
    if not n <= LARGEST:
        msg = f"No study is large enough for the criterion {name} ({wanted}): over {LARGEST:,} patients would be needed"
        raise InputError(msg)
    whole = ceil(n - 1e-9)
    return Criterion(name, wanted, whole, whole * prevalence)


def _check(auc: float, prevalence: float) -> None:
    if not 0 < prevalence < 1:
        msg = f"The prevalence must lie inside (0, 1), not {prevalence:g}"
        raise InputError(msg)
    if not 0.5 < auc < 1:
        msg = f"The anticipated AUC must lie inside (0.5, 1), not {auc:g}"
        raise InputError(msg)
