"""An estimate as printed in a paper, and the ways in which it may have been calculated and printed."""

import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Self, get_args

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.estimate import LEVEL, Estimate, PrintRule, format_estimate, format_number, printed_digits
from ccrcc_model.statistics.intervals import METHODS, Bounds, Whole
from nnunet_ext.ground.errors import InputError

ANY = "any"
"""The method of a row without intervals, which does not matter."""

MOST_DECIMALS = 6

_NUMBER = r"(\d*\.?\d+)"
_ESTIMATE = re.compile(rf"{_NUMBER}(?:[(\[]{_NUMBER}(?:-|to|,|;){_NUMBER}[)\]])?")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-") | {ord("·"): "."}


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed proportion in units of its last digit: 0.81(0.64-0.93) is 81, 64 and 93 at two decimals.

    Args:
        value: The proportion; None if it is unknown.
        low: Lower bound; None if it is not printed or unknown.
        high: Upper bound, likewise.
        decimals: Decimal places of the proportion.
    """

    value: int | None
    low: int | None
    high: int | None
    decimals: int

    @classmethod
    def parse(cls, text: str, name: str = "estimate") -> Self:
        """Read ``0.81(0.64-0.93)`` or ``0.81``, also as ``81.2% [95% CI: 63.6 to 92.8]``, with any spaces and dashes.

        Numbers are percentages if there is a percent sign, or if one of them is above 1. The number with the most decimals
        determines the decimals of all: together with 0.65, 0.7 is 0.70.

        Raises:
            InputError: If the text is not such an estimate, or its numbers cannot be those of a proportion.
        """
        bare = re.sub(r"\s+", "", text).translate(_DASHES).lower()
        bare = re.sub(r"95%-?ci[:,=]?", "", bare)
        match = _ESTIMATE.fullmatch(bare.replace("%", ""))
        if match is None:
            msg = f"The {name} {text!r} is not a printed estimate; write it like 0.81(0.64-0.93), or 0.81 without an interval"
            raise InputError(msg)
        numbers = [Decimal(number) for number in match.groups() if number is not None]
        percent = 2 if "%" in bare or max(numbers) > 1 else 0
        decimals = max(-int(number.as_tuple().exponent) for number in numbers) + percent
        digits = [int(number.scaleb(decimals - percent)) for number in numbers]
        if not 1 <= decimals <= MOST_DECIMALS or max(digits) > 10**decimals:
            msg = f"The {name} {text!r} is not a proportion from 0 to 1 or a percentage with 1 to {MOST_DECIMALS} decimals"
            raise InputError(msg)
        value, low, high = digits if len(digits) > 1 else (digits[0], None, None)
        # One digit of tolerance: the value may be rounded up while its bounds are truncated.
        if low is not None and high is not None and not (low <= high and low - 1 <= value <= high + 1):
            msg = f"The {name} {text!r} does not lie inside its interval"
            raise InputError(msg)
        return cls(value, low, high, decimals)

    @property
    def has_interval(self) -> bool:
        """Whether a bound is printed, so that it has to fit."""
        return self.low is not None or self.high is not None

    def nearby(self, max_denominator: int) -> tuple[Whole, Whole]:
        """Return numerators and denominators of all proportions that are near enough to be candidates."""
        unit = 10**self.decimals
        if self.value is not None:
            low, high = (self.value - 0.5) / unit, (self.value + 1) / unit
        else:  # all our intervals contain their proportion
            low = 0.0 if self.low is None else (self.low - 0.5) / unit
            high = 1.0 if self.high is None else (self.high + 1) / unit
        denominators = np.arange(1, max_denominator + 1)
        first = np.clip(np.floor(low * denominators), 0, denominators).astype(np.int64)
        last = np.clip(np.ceil(high * denominators), 0, denominators).astype(np.int64)
        how_many = last - first + 1
        starts = np.cumsum(how_many) - how_many
        within = np.arange(how_many.sum()) - np.repeat(starts, how_many)
        return np.repeat(first, how_many) + within, np.repeat(denominators, how_many)


@dataclass(frozen=True, slots=True)
class Reading:
    """A way in which a row may have been made.

    Args:
        method: One of ``METHODS``, or ``ANY`` for a row without intervals.
        value_rule: How the proportions were printed.
        bounds_rule: How the bounds were printed.
    """

    method: str
    value_rule: PrintRule
    bounds_rule: PrintRule

    @property
    def print_rule(self) -> str:
        """The print rule in a word, or both rules if they differ."""
        if self.value_rule == self.bounds_rule:
            return self.value_rule
        return f"{self.value_rule}, bounds {self.bounds_rule}"

    def bounds(self, numerator: Whole, denominator: Whole) -> Bounds:
        """Return the 95% confidence intervals by this method."""
        return METHODS[self.method](numerator, denominator, level=LEVEL)

    def value_fits(self, printed: Printed, numerator: Whole, denominator: Whole) -> npt.NDArray[np.bool_]:
        """Return which proportions would be printed in this way, apart from their intervals."""
        return _fits(numerator / denominator, printed.value, decimals=printed.decimals, rule=self.value_rule)

    def bounds_fit(self, printed: Printed, bounds: Bounds) -> npt.NDArray[np.bool_]:
        """Return which intervals would be printed in this way."""
        low, high = bounds
        rule, decimals = self.bounds_rule, printed.decimals
        return np.asarray(
            _fits(low, printed.low, decimals=decimals, rule=rule) & _fits(high, printed.high, decimals=decimals, rule=rule)
        )

    def fits(self, printed: Printed, numerator: Whole, denominator: Whole) -> npt.NDArray[np.bool_]:
        """Return which proportions would be printed in this way, with their intervals; never one with denominator 0."""
        fitting = denominator > 0
        fitting[fitting] = self.value_fits(printed, numerator[fitting], denominator[fitting])
        if printed.has_interval:
            fitting[fitting] = self.bounds_fit(printed, self.bounds(numerator[fitting], denominator[fitting]))
        return fitting

    def printed(self, numerator: int, denominator: int, *, decimals: int) -> str:
        """Return a proportion as this reading would have printed it; without an interval if the method is ``ANY``."""
        if denominator == 0:
            return format_estimate(Estimate(None))
        value = format_number(numerator / denominator, decimals=decimals, rule=self.value_rule)
        if self.method == ANY:
            return value
        bounds = self.bounds(np.asarray(numerator), np.asarray(denominator))
        low, high = (format_number(float(bound), decimals=decimals, rule=self.bounds_rule) for bound in bounds)
        return f"{value}({low}-{high})"


def readings(*, with_intervals: bool) -> list[Reading]:
    """Return every way to make a row: each method with each print rule of values and of bounds, equal rules first."""
    rules: tuple[PrintRule, ...] = get_args(PrintRule)
    if not with_intervals:
        return [Reading(ANY, rule, rule) for rule in rules]
    pairs = sorted(product(rules, rules), key=lambda pair: pair[0] != pair[1])
    return [Reading(method, *pair) for method in METHODS for pair in pairs]


def _fits(figures: npt.NDArray[np.float64], digits: int | None, *, decimals: int, rule: PrintRule) -> npt.NDArray[np.bool_]:
    """Return which figures are printed as ``digits``; a tie may have been rounded either way, as programs differ."""
    if digits is None:
        return np.ones(figures.shape, dtype=np.bool_)
    fitting = printed_digits(figures, decimals=decimals, rule=rule) == digits
    if rule == "round":
        just_less = np.maximum(figures - 2e-9 / 10**decimals, 0.0)
        fitting |= printed_digits(just_less, decimals=decimals, rule=rule) == digits
    return np.asarray(fitting)
