"""Histograms and counts that can leave a hospital: none is of one to four patients, nor discloses so few at the threshold.

The bins of the histogram are fixed before any patient is seen: a hundred of equal width, parted at the locked threshold. A
cell is a run of bins, as short as will do, in which each class has no patient or at least ``smallest`` of them. Four things
see to the rest:

- Every count is a sum of cells of one partition, so no two of them differ by a small count.
- Cells leave no gaps, and a remainder at the end goes into the last cell: it does not show where that cell was full.
- Where a count at the threshold is small, the cells are made as if there were no threshold, and of ``2 * smallest - 1``
  patients of a class at least. One cell then holds patients of both sides of it. Were that cell smaller, then a part that is
  known to be too few to close it, and a rest that is known to be small, could have one sum only.
- Nothing is given of the probabilities inside a cell, not even their mean, which can show that exactly one patient of a
  wide cell lies below the threshold. For the same reason no figure of the whole cohort goes with a withheld count: with the
  cells, an AUC or a sum of probabilities can leave one possibility for it (see `ccrcc_model.multicentre.result_file`).

Cells of no patients are given: an empty corner of a histogram names nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.net_benefit import benefit_of_counts
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError

SMALLEST_CELL = 5
"""Fewest patients that a count may be of, other than none; may be raised, never lowered."""
BINS = 100
"""Of probability, each of equal width."""

WITHHELD = Estimate(None, reason="small counts are withheld")
"""A figure that is not given, as a small count could follow from it."""

Range = tuple[int, int]
"""Least and most that a count may be; the same twice where it is given."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of bins of the histogram.

    Args:
        low: Least probability.
        high: Probability from which the next cell begins; the last cell holds 1 itself.
        negatives: Negative patients.
        positives: Positive patients.
    """

    low: float
    high: float
    negatives: int
    positives: int


@dataclass(frozen=True, slots=True)
class SharedCounts:
    """Patients by truth and by call at the threshold, as far as they can be shared."""

    negatives: int
    positives: int
    false_positives: Range
    true_positives: Range

    def __add__(self, other: Self) -> "SharedCounts":
        return SharedCounts(
            self.negatives + other.negatives,
            self.positives + other.positives,
            (self.false_positives[0] + other.false_positives[0], self.false_positives[1] + other.false_positives[1]),
            (self.true_positives[0] + other.true_positives[0], self.true_positives[1] + other.true_positives[1]),
        )

    @property
    def worst(self) -> Counts:
        """The counts if as few patients were called rightly as can be."""
        return self._counts(self.true_positives[0], self.false_positives[1])

    @property
    def best(self) -> Counts:
        """The counts if as many patients were called rightly as can be; the same as ``worst`` where none is withheld."""
        return self._counts(self.true_positives[1], self.false_positives[0])

    @property
    def withheld(self) -> bool:
        """Whether a count is known by its range only."""
        return self.worst != self.best

    def proportion(self, name: str) -> Estimate:
        """Return sensitivity, specificity, accuracy, ppv or npv with Clopper and Pearson's interval.

        Where a count is withheld there is no value, and the interval runs from the lower bound of the worst counts to the
        upper bound of the best: it covers what is not known of the counts and what is not known of the population.
        """
        worst, best = getattr(self.worst, name), getattr(self.best, name)
        if worst == best:
            return Estimate(best.value, best.low, best.high, best.reason)
        if worst.value is None or best.value is None:
            return WITHHELD
        return Estimate(None, worst.low, best.high, f"{worst.value:.3f} to {best.value:.3f}: {WITHHELD.reason}")

    def net_benefit(self, threshold: float) -> Estimate:
        """Return the net benefit at the threshold; its bounds are what withheld counts leave open, not an interval.

        References:
            Vickers and Elkin 2006, doi:10.1177/0272989X06295361.
        """
        n = self.negatives + self.positives
        if n == 0:
            return Estimate(None, reason="no patients")
        low, high = (
            float(benefit_of_counts(each.true_positive, each.false_positive, n, threshold)) for each in (self.worst, self.best)
        )
        return Estimate(None, low, high, WITHHELD.reason) if self.withheld else Estimate(low)

    def _counts(self, hits: int, alarms: int) -> Counts:
        return Counts(hits, self.positives - hits, self.negatives - alarms, alarms)


@dataclass(frozen=True, slots=True)
class SharedHistogram:
    """Probabilities by class, as they can be shared.

    Args:
        cells: From 0 to 1, without gaps.
        counts: At the threshold.
    """

    cells: tuple[Cell, ...]
    counts: SharedCounts


def shared_histogram(predictions: Predictions, threshold: float, *, smallest: int = SMALLEST_CELL) -> SharedHistogram:
    """Return the histogram of probability by class, and the counts at the threshold, without a small count.

    Args:
        predictions: Truth and probability.
        threshold: Where patients are called positive, inside (0, 1); an edge of a cell unless a count at it is small.
        smallest: Fewest patients of a class in a cell that has any.

    Raises:
        InputError: If ``smallest`` is below 5, a class is smaller or has no patient, or the threshold is not inside (0, 1).
    """
    _check(predictions, threshold, smallest)
    edges = np.unique(np.append(np.arange(BINS + 1) / BINS, threshold))
    bins = np.minimum(np.searchsorted(edges, predictions.y_prob, side="right") - 1, len(edges) - 2)
    negatives, positives = (np.bincount(bins[predictions.y_true == truth], minlength=len(edges) - 1) for truth in (0, 1))
    runs, given = merge_bins(negatives, positives, int(np.searchsorted(edges, threshold)), smallest=smallest)
    cells = tuple(
        Cell(float(edges[start]), float(edges[stop]), int(negatives[start:stop].sum()), int(positives[start:stop].sum()))
        for start, stop in runs
    )
    exact = counts(predictions, threshold)
    totals = int(negatives.sum()), int(positives.sum())
    called = list(called_positive(cells, threshold))
    for truth, count in enumerate((exact.false_positive, exact.true_positive)):
        if given[truth]:
            called[truth] = count, count
        elif given[1 - truth]:
            called[truth] = _with_a_small_side(called[truth], totals[truth], smallest)
    return SharedHistogram(cells, SharedCounts(*totals, *called))


def merge_bins(
    negatives: npt.NDArray[np.intp], positives: npt.NDArray[np.intp], at: int, *, smallest: int
) -> tuple[list[tuple[int, int]], tuple[bool, bool]]:
    """Part a histogram into cells.

    Args:
        negatives: Negative patients in each bin, shape ``(n_bins,)``; none in all, or ``smallest`` at least.
        positives: Positive patients, as ``negatives``.
        at: The bin that begins at the threshold.
        smallest: Fewest patients of a class in a cell that has any.

    Returns:
        First bin of each cell and the bin after its last, and whether the counts at the threshold can be given of the
        negatives and of the positives. A class is withheld if one of its counts is small, or its part on one side of the
        threshold of the cell on both sides, which would follow by subtraction.
    """
    sides = [part for each in (negatives, positives) for part in (each[:at], each[at:])]
    if all(is_large(int(side.sum()), smallest) for side in sides):
        above = _runs(negatives[at:], positives[at:], smallest)
        return _runs(negatives[:at], positives[:at], smallest) + [(at + i, at + j) for i, j in above], (True, True)
    runs = _runs(negatives, positives, 2 * smallest - 1)
    first, last = next((start, stop) for start, stop in runs if start < at < stop)

    def is_given(each: npt.NDArray[np.intp]) -> bool:
        parts = (each[:at], each[at:], each[first:at], each[at:last])
        return all(is_large(int(part.sum()), smallest) for part in parts)

    return runs, (is_given(negatives), is_given(positives))


def called_positive(cells: Sequence[Cell], threshold: float) -> tuple[Range, Range]:
    """Least and most negatives, and positives, at or above the threshold, as the cells alone bound them."""
    sure = [cell for cell in cells if cell.low >= threshold]
    possible = [cell for cell in cells if cell.high > threshold]
    negatives, positives = (
        (sum(getattr(cell, name) for cell in sure), sum(getattr(cell, name) for cell in possible))
        for name in ("negatives", "positives")
    )
    return negatives, positives


def _with_a_small_side(called: Range, total: int, smallest: int) -> Range:
    """Narrow the range of the only class that is withheld, by what anyone can infer: it is so since it has a small side."""
    least, most = called
    if least >= smallest:
        return total - smallest + 1, total - 1
    return 1, (smallest if total - most >= smallest else total) - 1


def is_large(count: int, smallest: int) -> bool:
    """Whether a count can be shared: it is of no patient, or of ``smallest`` at least."""
    return count == 0 or count >= smallest


def _runs(negatives: npt.NDArray[np.intp], positives: npt.NDArray[np.intp], smallest: int) -> list[tuple[int, int]]:
    """Part bins into runs, each closed by the first bin with which both classes are large enough."""

    def is_cell(start: int, stop: int) -> bool:
        both = int(negatives[start:stop].sum()), int(positives[start:stop].sum())
        return sum(both) > 0 and all(is_large(each, smallest) for each in both)

    runs: list[tuple[int, int]] = []
    start = 0
    for stop in range(1, len(negatives) + 1):
        if is_cell(start, stop):
            runs.append((start, stop))
            start = stop
    if start < len(negatives):
        runs.append((start, len(negatives)))
    while len(runs) > 1 and not is_cell(*runs[-1]):
        (first, _), (_, last) = runs[-2:]
        runs[-2:] = [(first, last)]
    return runs


def _check(predictions: Predictions, threshold: float, smallest: int) -> None:
    if not 0 < threshold < 1:
        msg = f"A histogram is parted at a threshold inside (0, 1), not at {threshold:g}"
        raise InputError(msg)
    if smallest < SMALLEST_CELL:
        msg = f"The smallest count to share is {SMALLEST_CELL} patients or more, not {smallest}"
        raise InputError(msg)
    positives = int(predictions.y_true.sum())
    for count, name in ((positives, "positive"), (len(predictions) - positives, "negative")):
        if count < smallest:
            msg = (
                f"Cohort {predictions.cohort} has fewer than {smallest} {name} patients, too few for a result file to hide "
                "any of them, so it has none"
            )
            raise InputError(msg)
