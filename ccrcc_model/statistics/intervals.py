"""Two-sided confidence intervals of a proportion, by the methods that published tables use.

Each takes numerators and denominators of one shape, with 0 <= numerator <= denominator and denominator > 0, and returns the
lower and upper bounds in that shape, inside [0, 1].
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

Whole = npt.NDArray[np.int64]
Bounds = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def clopper_pearson(
    numerator: Whole | npt.NDArray[np.float64], denominator: Whole | npt.NDArray[np.float64], *, level: float
) -> Bounds:
    """Exact interval, whose coverage is never below ``level``; effective numbers of patients need not be whole.

    References:
        Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    tail, others = (1 - level) / 2, denominator - numerator
    low = stats.beta.ppf(tail, np.where(numerator == 0, 1, numerator), others + 1)
    high = stats.beta.ppf(1 - tail, numerator + 1, np.where(others == 0, 1, others))
    return np.where(numerator == 0, 0.0, low), np.where(others == 0, 1.0, high)


def wilson(numerator: Whole, denominator: Whole, *, level: float) -> Bounds:
    """Wilson's score interval.

    References:
        Wilson 1927, doi:10.1080/01621459.1927.10502953; method 3 of Newcombe 1998.
    """
    z, share = _z(level), numerator / denominator
    centre = (numerator + z**2 / 2) / (denominator + z**2)
    half = z / (denominator + z**2) * np.sqrt(denominator * share * (1 - share) + z**2 / 4)
    return _inside(centre - half, centre + half)


def wilson_corrected(numerator: Whole, denominator: Whole, *, level: float) -> Bounds:
    """Wilson's score interval with continuity correction, as R's ``prop.test`` gives by default.

    References:
        Method 4 of Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E.
    """
    z, share, others = _z(level), numerator / denominator, denominator - numerator
    middle, width = 2 * numerator + z**2, 2 * (denominator + z**2)
    below = np.sqrt(np.maximum(z**2 - 2 - 1 / denominator + 4 * share * (others + 1), 0.0))
    above = np.sqrt(np.maximum(z**2 + 2 - 1 / denominator + 4 * share * (others - 1), 0.0))
    low, high = _inside((middle - 1 - z * below) / width, (middle + 1 + z * above) / width)
    return np.where(numerator == 0, 0.0, low), np.where(others == 0, 1.0, high)


def wald(numerator: Whole, denominator: Whole, *, level: float) -> Bounds:
    """Normal approximation at the proportion found, cut at 0 and 1; it has no width at a proportion of 0 or 1.

    References:
        Method 1 of Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E.
    """
    share = numerator / denominator
    half = _z(level) * np.sqrt(share * (1 - share) / denominator)
    return _inside(share - half, share + half)


def agresti_coull(numerator: Whole, denominator: Whole, *, level: float) -> Bounds:
    """Normal approximation after z²/2 cases were added to either side, cut at 0 and 1.

    References:
        Agresti and Coull 1998, doi:10.1080/00031305.1998.10480550.
    """
    z = _z(level)
    share = (numerator + z**2 / 2) / (denominator + z**2)
    half = z * np.sqrt(share * (1 - share) / (denominator + z**2))
    return _inside(share - half, share + half)


METHODS: dict[str, Callable[..., Bounds]] = {
    "clopper-pearson": clopper_pearson,
    "wilson": wilson,
    "wilson-corrected": wilson_corrected,
    "wald": wald,
    "agresti-coull": agresti_coull,
}


def _z(level: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2))


def _inside(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> Bounds:
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
