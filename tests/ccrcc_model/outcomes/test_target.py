import pytest

from ccrcc_model.outcomes.target import GRADE, ISUP, KI67_PERCENT, Target, find_target, ki67
from nnunet_ext.ground.errors import InputError


def test_grade_is_high_from_three_on():
    assert GRADE.positive([1, 2, 3, 4]).tolist() == [0, 0, 1, 1]
    assert GRADE.rule == "isup_grade >= 3"


def test_ki67_is_high_from_the_cut_on():
    assert ki67().positive([0, 14.99, 15, 100]).tolist() == [0, 0, 1, 1]
    assert ki67(20).positive([15, 20]).tolist() == [0, 1]
    assert ki67(12.5).rule == "ki67_percent >= 12.5"
    assert "12.5" in ki67(12.5).sentence


@pytest.mark.parametrize("cut", [0.1, 100])
def test_ki67_accepts_a_cut_inside_the_percentages(cut):
    assert ki67(cut).cut == cut


@pytest.mark.parametrize("cut", [0, 100.1, float("nan")])
def test_ki67_refuses_a_cut_that_parts_nobody(cut):
    with pytest.raises(InputError, match=r"\(0, 100\]"):
        ki67(cut)


def test_targets_are_found_by_name():
    assert find_target("grade") == GRADE
    assert find_target("ki67", ki67_cut=20) == ki67(20)
    with pytest.raises(InputError, match="known ones are grade, ki67"):
        find_target("stage")


@pytest.mark.parametrize("target", [GRADE, ki67(20), ISUP, KI67_PERCENT])
def test_a_target_is_read_back_from_what_a_model_folder_holds(target):
    assert Target.from_json(target.to_json()) == target


def test_a_model_folder_names_the_kind_of_grades_and_percentages_as_it_always_did():
    assert "kind" not in GRADE.to_json()
    assert list(ISUP.to_json()) == ["name", "column", "kind", "sentence", "levels", "cut"]
    assert (ISUP.to_json()["kind"], KI67_PERCENT.to_json()["kind"]) == ("ordinal", "regression")


def test_a_yes_or_no_needs_a_cut():
    with pytest.raises(InputError, match="Target stage is a yes or no, so it needs a cut"):
        Target("stage", "isup_grade", None, "a stage")
