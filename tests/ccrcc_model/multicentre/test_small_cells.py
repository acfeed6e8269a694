"""Histograms that can be shared: closed forms, and a search of every small data set for a small count that is betrayed."""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from ccrcc_model.multicentre.small_cells import Cell, SharedCounts, is_large, merge_bins, shared_histogram
from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.estimate import clopper_pearson
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError


def predictions(negatives: list[float], positives: list[float]) -> Predictions:
    y_prob = np.array([*negatives, *positives], dtype=np.float64)
    ids = np.arange(len(y_prob)).astype(np.str_)
    truth = np.array([0] * len(negatives) + [1] * len(positives))
    return Predictions("north", "grade", ids, np.full(len(ids), "one"), truth, y_prob)


def noisy(n: int, *, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.3).astype(int)
    y_prob = expit(1.5 * truth - 1 + rng.normal(size=n))
    return predictions(list(y_prob[truth == 0]), list(y_prob[truth == 1]))


def test_a_cell_is_closed_by_the_bin_that_makes_it_large_enough() -> None:
    """Below the threshold 6 negatives fill one cell and 5 the next, which takes the last 4 too; above it are 5 of each."""
    made = predictions([0.015] * 6 + [0.105] * 5 + [0.205] * 4 + [0.9] * 5, [0.8] * 2 + [0.9] * 3)
    shared = shared_histogram(made, 0.333)
    assert shared.cells == (Cell(0, 0.02, 6, 0), Cell(0.02, 0.333, 9, 0), Cell(0.333, 1, 5, 5))
    assert shared.counts == SharedCounts(20, 5, false_positives=(5, 5), true_positives=(5, 5))


def test_a_threshold_with_a_small_count_is_no_edge_and_only_the_range_is_given() -> None:
    shared = shared_histogram(predictions([0.1] * 20 + [0.2] * 5 + [0.5] * 6, [0.2] * 3 + [0.6] * 9), 0.333)
    assert shared.cells == (Cell(0, 0.11, 20, 0), Cell(0.11, 1, 11, 12))
    assert shared.counts == SharedCounts(31, 12, false_positives=(6, 6), true_positives=(1, 11))


@pytest.mark.parametrize(
    ("positives", "told"), [([0.2] * 3 + [0.6] * 9 + [0.9] * 9, (17, 20)), ([0.1] * 9 + [0.2] * 9 + [0.6] * 2, (1, 4))]
)
def test_the_range_is_of_a_small_count_where_the_cells_tell_its_side(positives: list[float], told: tuple[int, int]) -> None:
    shared = shared_histogram(predictions([0.1] * 20 + [0.2] * 9 + [0.6] * 9 + [0.9] * 9, positives), 0.333)
    assert shared.counts.true_positives == told
    assert shared.counts.false_positives == (18, 18)


def test_a_count_that_would_follow_by_subtraction_is_withheld_too() -> None:
    """22 negatives below the threshold and 9 above it are many, but 2 of the 22 are in the cell of 11."""
    shared = shared_histogram(predictions([0.1] * 20 + [0.2] * 2 + [0.5] * 9, [0.2] * 3 + [0.6] * 9), 0.333)
    assert shared.cells == (Cell(0, 0.11, 20, 0), Cell(0.11, 1, 11, 12))
    assert shared.counts.false_positives == (0, 11)


@pytest.mark.parametrize(("n_above", "parted"), [(0, True), (1, False), (4, False), (5, True)])
def test_the_threshold_is_an_edge_if_no_count_at_it_is_small(n_above: int, parted: bool) -> None:
    made = predictions([0.1] * 10 + [0.8] * 5, [0.2] * 7 + [0.8] * n_above)
    assert (0.4321 in {cell.low for cell in shared_histogram(made, 0.4321).cells}) == parted


@pytest.mark.parametrize("threshold", [0.5, 0.29, 0.333])
def test_a_patient_at_the_threshold_is_called_positive_as_elsewhere(threshold: float) -> None:
    made = predictions([0.1] * 10 + [threshold] * 5, [0.2] * 7 + [threshold] * 6)
    shared = shared_histogram(made, threshold)
    assert sum(cell.positives for cell in shared.cells if cell.low >= threshold) == 6
    assert shared.counts.worst == shared.counts.best == counts(made, threshold)


@pytest.mark.parametrize("smallest", [5, 10])
@pytest.mark.parametrize("seed", range(10))
def test_cells_hold_every_patient_once_and_no_small_count(seed: int, smallest: int) -> None:
    made = noisy(150, seed=seed)
    shared = shared_histogram(made, 0.31, smallest=smallest)
    cells, truth = shared.cells, counts(made, 0.31)
    assert (cells[0].low, cells[-1].high) == (0, 1)
    assert [cell.high for cell in cells[:-1]] == [cell.low for cell in cells[1:]]
    assert sum(cell.positives for cell in cells) == made.y_true.sum()
    assert sum(cell.negatives + cell.positives for cell in cells) == 150
    assert all(is_large(count, smallest) for cell in cells for count in (cell.negatives, cell.positives))
    assert shared.counts.worst.true_positive <= truth.true_positive <= shared.counts.best.true_positive
    assert shared.counts.best.false_positive <= truth.false_positive <= shared.counts.worst.false_positive


BINS, AT, SMALLEST = 4, 2, 3
"""Of the search, in which every data set is tried; the rule is the same for more bins and a larger limit."""


def classes(most: int) -> Iterator[tuple[int, ...]]:
    """Every way to put no patients, or from the limit to ``most`` of them, into the bins."""
    for each in product(range(most + 1), repeat=BINS):
        if sum(each) <= most and is_large(sum(each), SMALLEST):
            yield each


def twice_u(negatives: tuple[int, ...], positives: tuple[int, ...]) -> tuple[int, int]:
    """Least and most of twice Mann and Whitney's U: within a bin patients may be in any order."""
    above = sum(2 * n * p for at, p in enumerate(positives) for n in negatives[:at])
    return above, above + sum(2 * n * p for n, p in zip(negatives, positives, strict=True))


def small_counts_betrayed(most_negatives: int, most_positives: int) -> list[str]:
    """Outputs for which all data sets that give them have one small count in common.

    An output is cells, counts, and the AUC unless a count is withheld. The counts asked for are those of either class in each
    run of bins.
    """
    runs = list(combinations(range(BINS + 1), 2))
    possible: dict[tuple[object, ...], list[list[int]]] = {}
    for both in product(classes(most_negatives), classes(most_positives)):
        if not sum(both[0]) + sum(both[1]):
            continue
        cells, given = merge_bins(np.array(both[0]), np.array(both[1]), AT, smallest=SMALLEST)
        called = tuple(sum(each[AT:]) if shown else None for each, shown in zip(both, given, strict=True))
        output = tuple((i, j, sum(both[0][i:j]), sum(both[1][i:j])) for i, j in cells), called
        asked = [sum(each[i:j]) for each, (i, j) in product(both, runs)]
        possible.setdefault(output, []).append([*(twice_u(*both) if all(given) else (0, 0)), *asked])
    assert len(possible) > 200
    return [f"{output}, U = {u / 2}" for output, rows in possible.items() for u in telling(np.array(rows))]


def telling(rows: npt.NDArray[np.int_]) -> list[int]:
    """Values of 2 U (its range is in the first two columns) that leave one possibility for a small count in the others."""
    found = []
    for u in range(rows[:, 0].min(), rows[:, 1].max() + 1):
        left = rows[(rows[:, 0] <= u) & (u <= rows[:, 1]), 2:]
        if len(left) and ((left == left[0]).all(axis=0) & (left[0] > 0) & (left[0] < SMALLEST)).any():
            found.append(u)
    return found


@pytest.mark.parametrize("most", [(4, 7), (7, 4)])
def test_no_output_leaves_a_single_possibility_for_a_small_count(most: tuple[int, int]) -> None:
    assert small_counts_betrayed(*most) == []


def test_the_limit_can_be_raised_only_and_a_class_must_reach_it() -> None:
    made = predictions([0.1] * 30, [0.6] * 5)
    assert shared_histogram(made, 0.5, smallest=5).cells
    with pytest.raises(InputError, match="5 patients or more, not 4"):
        shared_histogram(made, 0.5, smallest=4)
    with pytest.raises(InputError, match="Cohort north has fewer than 6 positive patients"):
        shared_histogram(made, 0.5, smallest=6)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_that_parts_nothing_is_refused(threshold: float) -> None:
    made = predictions([0.1] * 30, [0.6] * 5)
    assert shared_histogram(made, 0.001).cells
    with pytest.raises(InputError, match=r"inside \(0, 1\), not at"):
        shared_histogram(made, threshold)


def test_shares_are_exact_where_they_can_be_and_cover_what_is_withheld() -> None:
    both = SharedCounts(26, 12, (6, 6), (8, 11)) + SharedCounts(35, 15, (5, 5), (10, 10))
    assert both == SharedCounts(61, 27, (11, 11), (18, 21))
    assert (both.worst, both.best) == (Counts(18, 9, 50, 11), Counts(21, 6, 50, 11))
    exact, specificity = clopper_pearson(50, 61), both.proportion("specificity")
    assert (specificity.value, specificity.low, specificity.high) == (exact.value, exact.low, exact.high)
    sensitivity = both.proportion("sensitivity")
    assert sensitivity.value is None
    assert (sensitivity.low, sensitivity.high) == (clopper_pearson(18, 27).low, clopper_pearson(21, 27).high)
    assert sensitivity.reason == "0.667 to 0.778: small counts are withheld"


def test_net_benefit_is_that_of_the_counts() -> None:
    assert SharedCounts(35, 15, (5, 5), (10, 10)).net_benefit(0.2).value == pytest.approx((10 - 5 / 4) / 50)
    benefit = SharedCounts(26, 12, (6, 6), (8, 11)).net_benefit(0.5)
    assert (benefit.value, benefit.low, benefit.high) == (None, pytest.approx(2 / 38), pytest.approx(5 / 38))
