import numpy as np
import pytest

from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.target import ISUP, KI67_PERCENT
from nnunet_ext.ground.errors import InputError


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
