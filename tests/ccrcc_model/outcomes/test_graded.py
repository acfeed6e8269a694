import numpy as np
import pytest

from ccrcc_model.fitting.targets import check_targets, find_targets, model_folders
from ccrcc_model.models.folder import MANIFEST
from ccrcc_model.outcomes.graded import ISUP, KI67_PERCENT, label_graded
from ccrcc_model.outcomes.target import GRADE, ki67
from nnunet_ext.ground.errors import InputError


def test_a_missing_value_of_one_target_keeps_the_case_for_the_other(graded_planted):
    table, outcomes = graded_planted(70)
    isup, percent = (label_graded(table, outcomes, target) for target in (ISUP, KI67_PERCENT))
    assert (len(isup), len(percent)) == (60, 56)
    either = outcomes[["isup_grade", "ki67_percent"]].notna().any(axis=1)
    assert set(isup.patients) | set(percent.patients) == set(outcomes["patient_id"][either])
    assert "home-000" in isup.patients
    assert "home-000" not in percent.patients


def test_outcomes_stay_with_their_patients_and_folds_are_balanced_at_the_cut(graded_planted):
    table, outcomes = graded_planted(40, cases_each=2)
    truth = outcomes.set_index("patient_id")
    for target in (ISUP, KI67_PERCENT):
        cases = label_graded(table, outcomes, target)
        assert cases.outcome.tolist() == truth.loc[cases.patient_id, target.column].tolist()
        assert cases.patient_outcome.tolist() == truth.loc[cases.patients, target.column].tolist()
        assert cases.take(np.array([0, 3])).outcome.tolist() == cases.outcome[[0, 3]].tolist()
    isup = label_graded(table, outcomes, ISUP)
    assert isup.y.tolist() == (isup.outcome >= 3).tolist()
    percent = label_graded(table, outcomes, KI67_PERCENT)
    assert percent.patient_y.mean() == 0.5


def test_percentages_that_are_mostly_one_value_are_parted_next_to_it(graded_planted):
    table, outcomes = graded_planted(40)
    mostly = outcomes.assign(ki67_percent=[5.0] * 30 + [10.0] * 4 + [20.0] * 6)
    assert label_graded(table, mostly, KI67_PERCENT).patient_y.sum() == 10


def test_the_fewest_patients_on_one_side_that_can_be_split(graded_planted):
    table, outcomes = graded_planted(40)
    enough = outcomes.assign(isup_grade=[3.0] * 6 + [2.0] * 34)
    assert label_graded(table, enough, ISUP).patient_y.sum() == 6
    few = outcomes.assign(isup_grade=[3.0] * 5 + [2.0] * 35)
    with pytest.raises(
        InputError, match=r"isup needs at least 6 patients on each side of isup_grade 3 .* 35 below it and 5 from"
    ):
        label_graded(table, few, ISUP)
    with pytest.raises(InputError, match=r"ki67-percent needs at least 6 patients on each side of ki67_percent"):
        label_graded(*graded_planted(13), KI67_PERCENT)


def test_outcomes_that_tell_nothing_are_refused_in_one_line(graded_planted):
    table, outcomes = graded_planted(40)
    for change, target, message in (
        ({"isup_grade": 2.0}, ISUP, "isup needs patients who differ; all 40 cases with a value have isup_grade 2"),
        ({"ki67_percent": 7.5}, KI67_PERCENT, "all 40 cases with a value have ki67_percent 7.5"),
        ({"isup_grade": np.nan}, ISUP, "None of the 40 cases has a value of isup_grade"),
    ):
        with pytest.raises(InputError, match=message):
            label_graded(table, outcomes.assign(**change), target)
    with pytest.raises(InputError, match="no column ki67_percent, which the target ki67-percent needs"):
        label_graded(table, outcomes.drop(columns="ki67_percent"), KI67_PERCENT)
    assert len(label_graded(table, outcomes.assign(isup_grade=2.0), ISUP, allow_one_value=True)) == 40


def test_targets_are_found_by_name_and_named_once():
    wanted = ("ki67-percent", "grade", "isup", "ki67")
    assert find_targets(wanted, ki67_cut=20) == (KI67_PERCENT, GRADE, ISUP, ki67(20))
    with pytest.raises(InputError, match="Unknown target 'stage'; known ones are grade, ki67, isup, ki67-percent"):
        find_targets(["grade", "stage"])
    with pytest.raises(InputError, match="Target grade is asked for 2 times"):
        find_targets(["grade", "ki67", "grade"])


def test_one_target_has_the_folder_and_several_have_folders_in_it(tmp_path):
    assert model_folders([GRADE], tmp_path) == [tmp_path]
    assert model_folders([GRADE, ISUP], tmp_path) == [tmp_path / "grade", tmp_path / "isup"]
    (tmp_path / MANIFEST).touch()
    assert model_folders([GRADE], tmp_path) == [tmp_path]
    with pytest.raises(InputError, match="holds a model"):
        model_folders([GRADE, ISUP], tmp_path)


def test_every_target_is_checked_before_one_is_fitted(graded_planted):
    table, outcomes = graded_planted(40)
    check_targets(table, outcomes, [GRADE, ki67(8), ISUP, KI67_PERCENT])
    with pytest.raises(InputError, match="at least 6 patients of each class"):
        check_targets(table, outcomes.assign(isup_grade=[3.0] * 5 + [2.0] * 35), [ki67(8), GRADE])
    with pytest.raises(InputError, match=r"has one class: .* are negative"):
        check_targets(table, outcomes, [ISUP, ki67(100)])
    with pytest.raises(InputError, match="patients who differ"):
        check_targets(table, outcomes.assign(isup_grade=2.0), [ki67(8), ISUP])
