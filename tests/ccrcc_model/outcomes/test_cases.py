from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE, ISUP, KI67_PERCENT, ki67
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable


def table_of(patients: list[str], **columns: object) -> FeatureTable:
    case_id = [f"c{i}" for i in range(len(patients))]
    keys = {"cohort": "home", "case_id": case_id, "patient_id": patients, "centre": "east", "lesion": 1, "side": "left"}
    return FeatureTable(pd.DataFrame(keys | (columns or {"f": np.arange(len(patients), dtype=float)})), {})


def outcomes_of(**grades: float) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": list(grades), "isup_grade": list(grades.values()), "ki67_percent": np.nan})


def test_cases_are_labelled_by_patient_whatever_the_order_of_rows():
    table = table_of(["b", "a", "c", "a"])
    cases = label(table, outcomes_of(c=4, a=1, b=3, unused=2), GRADE)
    assert cases.patient_id.tolist() == ["a", "a", "b", "c"]
    assert cases.y.tolist() == [0, 0, 1, 1]
    assert cases.columns(["f"])[:, 0].tolist() == [1, 3, 0, 2]
    shuffled = label(replace(table, rows=table.rows.iloc[::-1]), outcomes_of(b=3, c=4, a=1), GRADE)
    np.testing.assert_array_equal(shuffled.features, cases.features)


def test_only_the_index_lesion_of_a_case_is_known():
    table = table_of(["a", "b", "c"])
    further = table.rows.assign(lesion=2, f=99.0)
    both = replace(table, rows=pd.concat([further, table.rows], ignore_index=True))
    outcomes = outcomes_of(a=1, b=3, c=4)
    alone, beside = label(table, outcomes, GRADE), label(both, outcomes, GRADE)
    np.testing.assert_array_equal(beside.features, alone.features)
    assert beside.patient_id.tolist() == ["a", "b", "c"]
    merged = replace(table, rows=table.rows.assign(lesion=0, side="unknown"))
    np.testing.assert_array_equal(label(merged, outcomes, GRADE).features, alone.features)


def test_a_missing_value_loses_the_case_for_that_target_only():
    table = table_of(["a", "b", "c", "d"])
    outcomes = pd.DataFrame({"patient_id": list("abcd"), "isup_grade": [1, np.nan, 3, 4], "ki67_percent": [5, 50, np.nan, 20]})
    assert label(table, outcomes, GRADE).patient_id.tolist() == ["a", "c", "d"]
    assert label(table, outcomes, ki67()).patient_id.tolist() == ["a", "b", "d"]


def test_patients_without_a_row_are_counted_and_named():
    with pytest.raises(InputError, match=r"4 patients of the feature table have no row in the outcomes: b, c, d, \.\.\."):
        label(table_of(["a", "b", "b", "c", "d", "e"]), outcomes_of(a=1), GRADE)


def test_one_class_is_refused_for_fitting_only():
    table = table_of(["a", "b"])
    assert label(table, outcomes_of(a=2, b=3), GRADE).y.tolist() == [0, 1]
    with pytest.raises(InputError, match="one class: all 2 cases with a value are positive"):
        label(table, outcomes_of(a=3, b=3), GRADE)
    assert label(table, outcomes_of(a=3, b=3), GRADE, allow_one_class=True).y.tolist() == [1, 1]
    with pytest.raises(InputError, match="None of the 2 cases has a value of isup_grade"):
        label(table, outcomes_of(a=np.nan, b=np.nan), GRADE, allow_one_class=True)
    with pytest.raises(InputError, match="no column ki67_percent"):
        label(table, outcomes_of(a=3, b=2).drop(columns="ki67_percent"), ki67())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"f": [1.0, np.inf]}, "1 columns hold infinity or over 1e100, the first is f"),
        ({"f": [1.0, 2.0], "isup_grade": [1.0, 3.0]}, "holds the outcome isup_grade among its features"),
    ],
)
def test_features_that_no_model_should_see_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        label(table_of(["a", "b"], **columns), outcomes_of(a=2, b=3), GRADE)


def test_every_patient_counts_once():
    ids = np.array(["a", "a", "a", "b"])
    cases = LabelledCases(("f",), np.array([[1.0], [2.0], [6.0], [5.0]]), ids, ids, np.array([1, 1, 1, 0]))
    assert cases.weight.sum() == pytest.approx(len(cases.patients)) == 2
    assert cases.per_patient(cases.features[:, 0]).tolist() == [3, 5]
    assert cases.patient_y.tolist() == [1, 0]
    assert cases.take(np.array([3, 0])).patient_id.tolist() == ["b", "a"]


def test_a_missing_value_of_one_target_keeps_the_case_for_the_other(graded_planted):
    table, outcomes = graded_planted(70)
    isup, percent = (label(table, outcomes, target) for target in (ISUP, KI67_PERCENT))
    assert (len(isup), len(percent)) == (60, 56)
    either = outcomes[["isup_grade", "ki67_percent"]].notna().any(axis=1)
    assert set(isup.patients) | set(percent.patients) == set(outcomes["patient_id"][either])
    assert "home-000" in isup.patients
    assert "home-000" not in percent.patients


def test_outcomes_stay_with_their_patients_and_folds_are_balanced_at_the_cut(graded_planted):
    table, outcomes = graded_planted(40, cases_each=2)
    truth = outcomes.set_index("patient_id")
    for target in (ISUP, KI67_PERCENT):
        cases = label(table, outcomes, target)
        assert cases.y.tolist() == truth.loc[cases.patient_id, target.column].tolist()
        assert cases.patient_y.tolist() == truth.loc[cases.patients, target.column].tolist()
        assert cases.take(np.array([0, 3])).y.tolist() == cases.y[[0, 3]].tolist()
    isup = label(table, outcomes, ISUP)
    assert isup.stratum.tolist() == (isup.y >= 3).tolist()
    percent = label(table, outcomes, KI67_PERCENT)
    assert percent.patient_stratum.mean() == 0.5


def test_percentages_that_are_mostly_one_value_are_parted_next_to_it(graded_planted):
    table, outcomes = graded_planted(40)
    mostly = outcomes.assign(ki67_percent=[5.0] * 30 + [10.0] * 4 + [20.0] * 6)
    assert label(table, mostly, KI67_PERCENT).patient_stratum.sum() == 10


def test_outcomes_that_tell_nothing_are_refused_in_one_line(graded_planted):
    table, outcomes = graded_planted(40)
    for change, target, message in (
        ({"isup_grade": 2.0}, ISUP, "isup needs patients who differ; all 40 cases with a value have isup_grade 2"),
        ({"ki67_percent": 7.5}, KI67_PERCENT, "all 40 cases with a value have ki67_percent 7.5"),
        ({"isup_grade": np.nan}, ISUP, "None of the 40 cases has a value of isup_grade"),
    ):
        with pytest.raises(InputError, match=message):
            label(table, outcomes.assign(**change), target)
    with pytest.raises(InputError, match="no column ki67_percent, which the target ki67-percent needs"):
        label(table, outcomes.drop(columns="ki67_percent"), KI67_PERCENT)
    assert len(label(table, outcomes.assign(isup_grade=2.0), ISUP, allow_one_class=True)) == 40
