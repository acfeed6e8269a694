"""The model beside readers: what they judged, on whom, and how they agree."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.readers import compare_readers, readings
from nnunet_ext.ground.errors import InputError


@pytest.fixture
def outcomes() -> pd.DataFrame:
    """Eight patients, the first four of high grade; the biopsy finds three of them and misses one patient's reading."""
    return pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(8)],
            "isup_grade": [3.0, 4, 3, 3, 1, 2, 1, 2],
            "biopsy": ["3", "4", "2", "3", "1", "", "3", "2"],
            "second": ["3", "3", "3", "1", "1", "2", "1", "NA"],
            "remark": ["", "small", "", "", "", "", "", ""],
        }
    )


@pytest.fixture
def scored() -> Predictions:
    ids = np.array([f"p{i}" for i in range(8)])
    probability = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.9, 0.3, 0.2])
    return Predictions("north", "grade", ids, ids, np.repeat([1, 0], 4), probability)


def test_a_readers_values_follow_the_rule_of_the_target(outcomes: pd.DataFrame) -> None:
    read = readings(outcomes, ("biopsy", "second"), GRADE, cohort="north")
    assert read["biopsy"].tolist()[:5] == [1, 1, 0, 1, 0]
    assert np.isnan(read.loc["p5", "biopsy"])
    assert np.isnan(read.loc["p7", "second"])


@pytest.mark.parametrize(
    ("readers", "message"),
    [
        (("core",), "have no column core; beside the outcome they have biopsy, second, remark"),
        (("isup_grade",), "a column beside the outcome isup_grade"),
        (("biopsy", "biopsy"), "named once; got biopsy"),
        (("remark",), "holds 1 cells that are no number, first 'small'"),
    ],
)
def test_a_column_that_is_no_reader_is_refused(outcomes: pd.DataFrame, readers: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        readings(outcomes, readers, GRADE, cohort="north")


def test_model_and_reader_are_compared_on_the_patients_whom_both_judged(outcomes: pd.DataFrame, scored: Predictions) -> None:
    read = readings(outcomes, ("biopsy", "second"), GRADE, cohort="north")
    found = compare_readers([scored], [read], 0.5, everyone="all")
    biopsy = found.results[0]
    assert (biopsy.reader, biopsy.group, biopsy.missing) == ("biopsy", "north", 1)
    assert (biopsy.counts.sensitivity.numerator, biopsy.counts.sensitivity.denominator) == (3, 4)
    assert (biopsy.counts.specificity.numerator, biopsy.counts.specificity.denominator) == (2, 3)
    assert (biopsy.model.specificity.numerator, biopsy.model.specificity.denominator) == (3, 3)  # p5 has no reading
    assert (biopsy.calls.sensitivity.only_first, biopsy.calls.sensitivity.only_second) == (1, 1)
    assert biopsy.calls.sensitivity.p_value == 1
    assert biopsy.sensitivity_difference.value == 0
    assert biopsy.specificity_difference.value == pytest.approx(1 / 3)
    assert biopsy.kappa_truth.value == pytest.approx(1 - (2 / 7) / (24 / 49))  # 5 of 7 agree, 25 of 49 by chance
    (both,) = found.agreement
    assert (both.first, both.second, both.n) == ("biopsy", "second", 6)


def test_all_cohorts_together_come_last(outcomes: pd.DataFrame, scored: Predictions) -> None:
    read = readings(outcomes, ("biopsy",), GRADE, cohort="north")
    found = compare_readers([scored, replace(scored, cohort="south")], [read, read], 0.5, everyone="all")
    assert [(one.group, one.missing) for one in found.results] == [("north", 1), ("south", 1), ("all", 2)]
    assert found.results[2].counts.sensitivity.denominator == 8


def test_nobody_with_a_reading_gives_reasons(outcomes: pd.DataFrame, scored: Predictions) -> None:
    read = readings(outcomes.assign(biopsy=""), ("biopsy",), GRADE, cohort="north")
    (one,) = compare_readers([scored], [read], 0.5, everyone="all").results
    assert one.missing == 8
    assert {one.kappa_model.reason, one.kappa_truth.reason} == {"no patients"}
    assert one.sensitivity_difference.reason == "no positive patients"
