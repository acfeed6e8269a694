"""Patients without an answer stay in the tables: those who could not be scored, and those whom the model declines."""

# Also of: ccrcc_model.validation.external_tables.

from dataclasses import replace

import numpy as np

from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.coverage import Coverage
from ccrcc_model.validation.unanswered import EVERYONE, NOT_SCORED, OR_DECLINED, intention_to_diagnose

NORTH = Coverage("north", 25, 3, 0, 23, 3, 2)


def scored(name: str, declined: int = 0) -> Predictions:
    """Twenty patients, the first ten positive, of whom eight are called so; the first of each class are declined."""
    truth = np.repeat([1, 0], 10)
    called = np.array([0.9] * 8 + [0.1] * 2 + [0.9] * 3 + [0.1] * 7)
    ids = np.arange(20).astype(np.str_)
    return Predictions(name, "grade", ids, ids, truth, called, (np.arange(20) % 10) < declined)


def test_absent_patients_are_without_an_answer() -> None:
    (found,) = intention_to_diagnose([scored("north")], [NORTH], 0.5)
    table = found.table
    assert (found.group, found.without, found.is_complete) == ("north", NOT_SCORED, True)
    assert (table.n, table.events, table.positive_without, table.negative_without) == (23, 12, 2, 1)
    assert (table.worst.sensitivity.numerator, table.worst.sensitivity.denominator) == (8, 12)
    assert (table.best.sensitivity.numerator, table.best.specificity.numerator) == (10, 8)


def test_declined_patients_are_counted_in_rows_of_their_own() -> None:
    found = intention_to_diagnose([scored("north", declined=2)], [NORTH], 0.5)
    assert [one.without for one in found] == [NOT_SCORED, OR_DECLINED]
    assert found[0].table.answered.sensitivity.denominator == 10
    declined = found[1].table
    assert (declined.n, declined.positive_without, declined.negative_without) == (23, 4, 3)
    assert declined.answered.sensitivity.denominator == 8


def test_cohorts_are_added_up_and_one_without_a_card_is_said_to_be_incomplete() -> None:
    unlisted = replace(NORTH, cohort="south", is_listed=False)
    found = intention_to_diagnose([scored("north"), scored("south")], [NORTH, unlisted], 0.5)
    assert [(one.group, one.is_complete) for one in found] == [("north", True), ("south", False), (EVERYONE, False)]
    assert (found[2].table.n, found[2].table.without) == (43, 3)
