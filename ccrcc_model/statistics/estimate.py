"""A figure with its 95% CI, or the reason why there is none, and how both are printed.

A figure that the data cannot give is an `Estimate` without a value and with the reason: a subgroup of one class is a
finding, not a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from ccrcc_model.statistics import intervals

PrintRule = Literal["round", "cut"]
"""How a printed figure loses its further digits: to the nearest, half up (the default), or cut, as Table S2 was."""

LEVEL = 0.95
NOT_ESTIMABLE = "not estimable"
NEEDS_BOOTSTRAP = "interval needs a bootstrap"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval, or why there is none.

    Args:
        value: The figure; None if it is not estimable.
        low: Lower bound; None if there is no interval.
        high: Upper bound; None if there is no interval.
        reason: Why value or interval are missing; None if both are there.

    Example:
        >>> import ccrcc_model as cc
        >>> print(cc.Estimate(0.806, 0.642, 0.931))
        0.81(0.64-0.93)
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return format_estimate(self)


@dataclass(frozen=True, slots=True)
class Proportion(Estimate):
    """A share of patients with its exact interval and the counts behind it."""

    numerator: int = 0
    denominator: int = 0

    def __str__(self) -> str:
        return format_estimate(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference (model − other) of the AUCs of two predictors on the same patients.

    Args:
        estimate: The difference with its paired DeLong interval.
        p_value: Two-sided, against no difference; None if not estimable.
    """

    estimate: Estimate
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of the model and of tumour volume alone.

    Args:
        model: With its percentile interval.
        baseline: The same figure of tumour volume.
        difference: Difference (model − baseline), paired.
    """

    model: Estimate
    baseline: Estimate
    difference: Estimate

    @property
    def better(self) -> bool:
        """Whether the difference's interval lies above 0."""
        return self.difference.low is not None and self.difference.low > 0

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, Any]]) -> "Comparison":
        """Read what ``asdict`` took apart."""
        return cls(**{name: Estimate(**estimate) for name, estimate in content.items()})


def format_number(value: float | None, *, decimals: int = 2, rule: PrintRule = "round") -> str:
    """Return ``value`` with ``decimals`` digits: to the nearest (half up), or cut towards zero; "not estimable" for None.

    A value within 1e-9 of a printed digit counts as that digit, so that 0.29 is never cut to 0.28.
    """
    if value is None:
        return NOT_ESTIMABLE
    digits = int(printed_digits(np.asarray(abs(value)), decimals=decimals, rule=rule))
    sign = "-" if value < 0 and digits else ""
    return f"{sign}{digits / 10**decimals:.{decimals}f}"


def printed_digits(magnitude: npt.NDArray[np.float64], *, decimals: int, rule: PrintRule) -> npt.NDArray[np.float64]:
    """Return figures from 0 up in units of their last printed digit, so that 0.816 is 82 at two decimals, and 81 if cut."""
    scaled = magnitude * 10**decimals
    return np.asarray(np.floor((scaled if rule == "cut" else scaled + 0.5) + 1e-9))


def format_estimate(estimate: Estimate, *, decimals: int = 2, rule: PrintRule = "round") -> str:
    """Return an estimate in the form of the supplement's Table S2, ``0.81(0.64-0.93)``; rounded unless ``rule`` is "cut"."""
    value = format_number(estimate.value, decimals=decimals, rule=rule)
    if estimate.low is None or estimate.high is None:
        return value
    low, high = (format_number(bound, decimals=decimals, rule=rule) for bound in (estimate.low, estimate.high))
    return f"{value}({low}-{high})"


def format_difference(estimate: Estimate) -> str:
    """Return a difference with its sign and interval, ``+0.02 (-0.05 to +0.09)``."""

    def signed(number: float | None) -> str:
        text = format_number(number)
        return f"+{text}" if number is not None and float(text) > 0 else text

    if estimate.low is None or estimate.high is None:
        return signed(estimate.value)
    return f"{signed(estimate.value)} ({signed(estimate.low)} to {signed(estimate.high)})"


def clopper_pearson(
    numerator: int, denominator: int, *, of: str = "cases", level: float = LEVEL, effect: float = 1.0
) -> Proportion:
    """Proportion with the exact interval, whose coverage is never below ``level``.

    Args:
        numerator: Cases that count.
        denominator: Cases in all; with none the proportion is not estimable.
        of: What the denominator counts, for the reason.
        level: Coverage of the interval.
        effect: Design effect: the interval is that of ``1 / effect`` of the cases (Korn and Graubard 1998, Survey Methodology
            24:193-201).

    Raises:
        ValueError: If the counts are not 0 <= numerator <= denominator.

    References:
        Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    if not 0 <= numerator <= denominator:
        msg = f"A proportion needs 0 <= numerator <= denominator, not {numerator} of {denominator}"
        raise ValueError(msg)
    if denominator == 0:
        return Proportion(None, reason=f"no {of}")
    low, high = intervals.clopper_pearson(np.asarray(numerator / effect), np.asarray(denominator / effect), level=level)
    return Proportion(numerator / denominator, float(low), float(high), numerator=numerator, denominator=denominator)


def normal_interval(
    value: float, variance: float, *, level: float = LEVEL, limits: tuple[float, float] = (-inf, inf)
) -> Estimate:
    """Return a figure with the interval that a normal one of this variance has, cut at the limits of the figure."""
    half = float(stats.norm.ppf((1 + level) / 2)) * sqrt(variance)
    return Estimate(value, max(value - half, limits[0]), min(value + half, limits[1]))


def logit_interval(value: float, variance: float, *, level: float = LEVEL) -> Estimate:
    """Return a share inside (0, 1) with the normal interval that its log odds have by the delta method.

    Args:
        value: The share, such as an AUC.
        variance: Of the share itself; that of its log odds is ``variance / (value * (1 - value))**2``.
        level: Coverage of the interval.
    """
    half = float(stats.norm.ppf((1 + level) / 2)) * sqrt(variance) / (value * (1 - value))
    middle = float(special.logit(value))
    return Estimate(value, float(special.expit(middle - half)), float(special.expit(middle + half)))
