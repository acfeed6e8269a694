"""Reconstruction of counts from a printed row of a table: every TP, FN, TN, FP that would have been printed in this way.

A row of rounded estimates rarely determines a single set of counts, and only under an assumption on how it was calculated
and printed. The search therefore covers every `Reading`, and returns all sets of counts that fit, each with its reading.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from ccrcc_model.published.printed_estimate import ANY, Printed, Reading, readings
from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.intervals import Bounds, Whole
from nnunet_ext.ground.errors import InputError

Row = Mapping[str, Printed]
"""Printed estimates by name; the names are among ``ESTIMATES``."""

Pairs = tuple[Whole, Whole]
"""Numerators and denominators."""

CORE = ("sensitivity", "specificity", "accuracy")
"""Any two of them determine the counts."""

ESTIMATES = (*CORE, "ppv", "npv", "f1")

MOST_FITS = 10_000
"""So many sets of counts are uninformative; the search stops there."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Counts that fit a row.

    Args:
        reading: How the row was made if these are its counts.
        counts: The counts.
        misprint: The estimate in which one number is then wrong; None if all numbers fit.
    """

    reading: Reading
    counts: Counts
    misprint: str | None = None

    @property
    def cells(self) -> Whole:
        """TP, FN, TN, FP, shape ``(4,)``."""
        four = self.counts
        return np.array([four.true_positive, four.false_negative, four.true_negative, four.false_positive])

    @property
    def n(self) -> int:
        """Total number of patients."""
        return int(self.cells.sum())

    @property
    def prevalence(self) -> float:
        """Proportion of positive patients."""
        return int(self.cells[:2].sum()) / self.n

    def printed(self, name: str, *, decimals: int) -> str:
        """Return the estimate ``name`` of ``ESTIMATES`` as this reading would have printed it; F1 without an interval."""
        numerator, denominator = _share(name, self.cells)
        reading = replace(self.reading, method=ANY) if name == "f1" else self.reading
        return reading.printed(int(numerator), int(denominator), decimals=decimals)


def find_counts(row: Row, sizes: range, *, misprint: bool = False) -> list[Fit]:
    """Return all counts, with at least one positive and one negative patient, that fit a row.

    Args:
        row: At least two of sensitivity, specificity and accuracy, and any other printed estimates.
        sizes: Possible total numbers of patients: ``range(216, 217)`` for 216, ``range(2, 2001)`` if the number is unknown.
        misprint: If nothing fits, return counts that fit all numbers except one.

    Raises:
        InputError: If the row or the sizes cannot be used, or more than ``MOST_FITS`` sets fit.
    """
    _check(row, sizes)
    found = list(_search(row, sizes, misprint=None))
    if misprint and not found:
        for name, rest in _with_one_number_less(row):
            found += _search(rest, sizes, misprint=name)
            _check_number(len(found))
    return found


def readings_alone(row: Row, sizes: range) -> dict[str, list[Reading]]:
    """Return for each estimate with an interval the readings under which some proportion alone would be printed like it."""
    _check(row, sizes)
    nearby = {name: _Nearby.to(name, printed, sizes) for name, printed in row.items() if printed.has_interval}
    ways = readings(with_intervals=True)
    return {name: [reading for reading in ways if len(one.fitting(reading)[0])] for name, one in nearby.items()}


def _check(row: Row, sizes: range) -> None:
    given = [name for name in CORE if name in row]
    if len(given) < 2:
        msg = f"Counts need two of sensitivity, specificity and accuracy; got {', '.join(given) or 'none of them'}"
        raise InputError(msg)
    if "f1" in row and row["f1"].has_interval:
        msg = "F1 is not a proportion of patients, so that none of our intervals applies to it; give its value alone"
        raise InputError(msg)
    if not sizes or sizes[0] < 2:
        msg = "Counts need at least 2 patients, one of each class"
        raise InputError(msg)


def _check_number(fits: int) -> None:
    if fits > MOST_FITS:
        msg = f"More than {MOST_FITS} sets of counts fit; give the number of patients, a smaller --max-n, or intervals"
        raise InputError(msg)


def _with_one_number_less(row: Row) -> Iterator[tuple[str, Row]]:
    """Yield for each printed number the estimate to which it belongs, and the row without this number."""
    for name, printed in row.items():
        rest = {other: row[other] for other in row if other != name}
        for less in (replace(printed, value=None), replace(printed, low=None), replace(printed, high=None)):
            if less == printed:
                continue
            if less.value is not None or less.has_interval:
                yield name, rest | {name: less}
            elif sum(other in rest for other in CORE) > 1:
                yield name, rest


@dataclass(frozen=True, eq=False)
class _Nearby:
    """Proportions near a printed one, with their intervals by each method, calculated on demand."""

    printed: Printed
    numerator: Whole
    denominator: Whole
    _bounds: dict[str, Bounds] = field(default_factory=dict)

    @classmethod
    def to(cls, name: str, printed: Printed, sizes: range) -> Self:
        """Collect the proportions near the estimate ``name``; those of the accuracy are proportions of all patients."""
        numerator, denominator = printed.nearby(sizes[-1])
        wanted = _among(denominator, sizes) if name == "accuracy" else denominator > 0
        return cls(printed, numerator[wanted], denominator[wanted])

    def fitting(self, reading: Reading) -> Pairs:
        fits = reading.value_fits(self.printed, self.numerator, self.denominator)
        if self.printed.has_interval:
            if reading.method not in self._bounds:
                self._bounds[reading.method] = reading.bounds(self.numerator, self.denominator)
            fits &= reading.bounds_fit(self.printed, self._bounds[reading.method])
        return self.numerator[fits], self.denominator[fits]


def _search(row: Row, sizes: range, *, misprint: str | None) -> Iterator[Fit]:
    nearby = {name: _Nearby.to(name, row[name], sizes) for name in CORE if name in row}
    found = 0
    for reading in readings(with_intervals=any(printed.has_interval for printed in row.values())):
        fitting = {name: one.fitting(reading) for name, one in nearby.items()}
        few, more = sorted(fitting, key=lambda name: len(fitting[name][0]))[:2]
        others = {name: printed for name, printed in row.items() if name not in {few, more}}
        for pair in zip(*fitting[few], strict=True):
            cells = _join({few: pair, more: fitting[more]}, sizes)
            for name, printed in others.items():
                cells = cells[:, reading.fits(printed, *_share(name, cells))]
            found += cells.shape[1]
            _check_number(found)
            for four in cells.T.tolist():
                yield Fit(reading, Counts(*four), misprint)


def _join(known: Mapping[str, Pairs], sizes: range) -> Whole:
    """Return the counts TP, FN, TN, FP that are possible with two estimates of ``CORE``, shape ``(4, m)``."""
    if "accuracy" not in known:
        (true_positive, positives), (true_negative, negatives) = known["sensitivity"], known["specificity"]
    elif "sensitivity" in known:
        (true_positive, positives), (right, total) = known["sensitivity"], known["accuracy"]
        true_negative, negatives = right - true_positive, total - positives
    else:
        (true_negative, negatives), (right, total) = known["specificity"], known["accuracy"]
        true_positive, positives = right - true_negative, total - negatives
    columns = (true_positive, positives - true_positive, true_negative, negatives - true_negative)
    cells = np.stack(np.broadcast_arrays(*columns))
    possible = (cells >= 0).all(axis=0) & (positives > 0) & (negatives > 0) & _among(positives + negatives, sizes)
    return np.asarray(cells[:, possible])


def _among(patients: Whole, sizes: range) -> npt.NDArray[np.bool_]:
    return np.asarray((patients >= sizes[0]) & (patients <= sizes[-1]))


def _share(name: str, cells: Whole) -> tuple[Whole, Whole]:
    """Return numerator and denominator of an estimate for counts of shape ``(4, ...)``."""
    true_positive, false_negative, true_negative, false_positive = cells
    shares: dict[str, Pairs] = {
        "sensitivity": (true_positive, true_positive + false_negative),
        "specificity": (true_negative, true_negative + false_positive),
        "accuracy": (true_positive + true_negative, cells.sum(axis=0)),
        "ppv": (true_positive, true_positive + false_positive),
        "npv": (true_negative, true_negative + false_negative),
        "f1": (2 * true_positive, 2 * true_positive + false_positive + false_negative),
    }
    return shares[name]
