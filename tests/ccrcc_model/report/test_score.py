# Also of: ccrcc_model.report.sheets.score.

"""The score of METRICS: weights of what is evident, of those that apply."""

import pytest

from ccrcc_model.report.sheets.guideline import load_guidelines
from ccrcc_model.report.sheets.score import score
from ccrcc_model.report.sheets.sheet import Row, Sheet, Status

METRICS = {guideline.name: guideline for guideline in load_guidelines()}["metrics"]


def sheet(filled: set[str], not_applicable: set[str]) -> Sheet:
    def status(number: str) -> Status:
        if number in not_applicable:
            return Status.NOT_APPLICABLE
        return Status.FILLED if number in filled else Status.AUTHOR

    return Sheet(
        METRICS,
        {name: tuple(Row(item, status(item.number)) for item in items) for name, items in METRICS.sections.items()},
    )


def test_nothing_earns_nothing_and_everything_that_applies_earns_all() -> None:
    numbers = {item.number for items in METRICS.sections.values() for item in items}
    none, everything = score(sheet(set(), {"17"})), score(sheet(numbers, {"17"}))
    assert none is not None
    assert everything is not None
    assert (none.percent, everything.percent) == (0, pytest.approx(100))
    assert everything.missing == ()


def test_a_condition_that_does_not_hold_leaves_the_denominator() -> None:
    found = score(sheet({"3", "27"}, {"17"}))
    assert found is not None
    assert found.percent == pytest.approx(100 * (0.0919 + 0.0749) / (1 - 0.02))
    assert [row.item.number for row in found.missing[:2]] == ["2", "11"]
    assert found.gain(found.missing[0]) == pytest.approx(7.5)


def test_a_guideline_without_weights_has_no_score() -> None:
    clear = load_guidelines()[0]
    rows = {name: tuple(Row(item, Status.FILLED) for item in items) for name, items in clear.sections.items()}
    assert score(Sheet(clear, rows)) is None
