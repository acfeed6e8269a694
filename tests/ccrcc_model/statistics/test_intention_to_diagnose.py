"""Positive, negative and no answer: what patients without an answer can do to a figure."""

from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.intention_to_diagnose import ThreeByTwo

TABLE = ThreeByTwo(Counts(8, 2, 15, 5), positive_without=1, negative_without=3)


def test_every_patient_is_in_the_table_once() -> None:
    assert (TABLE.n, TABLE.events, TABLE.without) == (34, 11, 4)


def test_at_best_every_missing_answer_is_right_and_at_worst_wrong() -> None:
    assert TABLE.best == Counts(9, 2, 18, 5)
    assert TABLE.worst == Counts(8, 3, 15, 8)
    assert TABLE.worst.sensitivity.value < TABLE.answered.sensitivity.value < TABLE.best.sensitivity.value
    assert TABLE.worst.specificity.value == 15 / 23


def test_cohorts_add_up() -> None:
    both = TABLE + TABLE
    assert (both.answered, both.positive_without, both.negative_without) == (Counts(16, 4, 30, 10), 2, 6)
