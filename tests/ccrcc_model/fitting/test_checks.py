"""What a fit refuses before it begins, each beside the nearest that it accepts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from fitted import fit

from ccrcc_model.fitting.checks import (
    cautions,
    dropped_families,
    prepare_parent,
    refuse_external,
    refuse_other_content,
    refuse_repeated_scans,
    refuse_too_few,
    refuse_useless_volume,
)
from ccrcc_model.fitting.covariates import clinical_covariates
from ccrcc_model.fitting.families.forest import Forest
from ccrcc_model.models.families_line import families_line
from ccrcc_model.outcomes.cases import LabelledCases, feature_matrix, label
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE, ISUP, KI67_PERCENT
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

VOLUME = "tumour__1mm__original_shape_MeshVolume"


@pytest.fixture
def four() -> LabelledCases:
    """Four patients of one case each, with five features."""
    features = np.random.default_rng(0).lognormal(size=(4, 5))
    ids = np.array(["a", "b", "c", "d"])
    return LabelledCases((VOLUME, "f1", "f2", "f3", "f4"), features, ids, ids, np.array([0, 1, 0, 1]))


def as_table(cases: LabelledCases, images: Sequence[str] = ("",) * 4) -> FeatureTable:
    """A table of these cases, with hashes of their images where there is one."""
    ids = [f"case-{place}" for place in range(len(cases))]
    keys = {
        "cohort": "home",
        "case_id": ids,
        "patient_id": cases.patient_id,
        "centre": cases.centre,
        "lesion": 1,
        "side": "left",
    }
    rows = pd.DataFrame(keys).join(pd.DataFrame(cases.features, columns=list(cases.names)))
    known = {case: {"image_sha256": image} for case, image in zip(ids, images, strict=True) if image}
    return FeatureTable(rows, {"cases": known})


def with_volume(cases: LabelledCases, volume: list[float]) -> LabelledCases:
    return replace(cases, features=np.column_stack([volume, cases.features[:, 1:]]))


def test_three_volumes_of_four_are_enough_and_two_are_not(four: LabelledCases) -> None:
    refuse_useless_volume(with_volume(four, [1, 2, 3, np.nan]))
    with pytest.raises(InputError, match="FC007: only 2 of 4 tumour volumes"):
        refuse_useless_volume(with_volume(four, [1, 2, -1, np.nan]))


def test_volumes_must_differ(four: LabelledCases) -> None:
    refuse_useless_volume(with_volume(four, [7, 7, 7, 8]))
    with pytest.raises(InputError, match="FC008: all tumour volumes .* are 7;"):
        refuse_useless_volume(with_volume(four, [7, 7, 7, np.nan]))


def test_one_scan_under_two_patients_is_refused_and_counted_not_named(four: LabelledCases) -> None:
    twice = four.take(np.array([0, 1, 2, 0]))
    refuse_repeated_scans(as_table(twice), twice)
    others = replace(twice, patient_id=four.patient_id)
    refuse_repeated_scans(as_table(others.only(four.names[:4])), others)
    with pytest.raises(InputError, match="^2 patients share a scan"):
        refuse_repeated_scans(as_table(others), others)
    with_images = as_table(four, images=["1", "2", "1", ""])
    with pytest.raises(InputError, match="^2 patients share a scan"):
        refuse_repeated_scans(with_images, four)
    refuse_repeated_scans(
        with_images, four.take(np.array([0, 1, 3]))
    )  # the other one has no outcome, so nothing is fitted on it


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    prepare_parent(tmp_path / "new" / "model")
    (tmp_path / "o.csv").touch()
    with pytest.raises(InputError, match="No folder can be made"):
        prepare_parent(tmp_path / "o.csv" / "model")


def test_covariates_are_finite_and_no_outcomes() -> None:
    outcomes = pd.DataFrame({"patient_id": ["a", "b"], "age": ["50", "inf"], "isup_grade": [1.0, 2.0]})
    with pytest.raises(InputError, match="age holds infinity"):
        clinical_covariates(outcomes, ["age"], target_column="ki67_percent")
    with pytest.raises(InputError, match="no covariate"):
        clinical_covariates(outcomes, ["isup_grade"], target_column="ki67_percent")


def test_features_are_bounded_and_no_outcome_in_any_case_of_letters() -> None:
    assert feature_matrix(pd.DataFrame({"f": [1e100]}), ["f"]) == 1e100
    with pytest.raises(InputError, match="the first is f"):
        feature_matrix(pd.DataFrame({"f": [1.1e100]}), ["f"])
    with pytest.raises(InputError, match="ISUP_grade"):
        feature_matrix(pd.DataFrame({"ISUP_grade": [1.0]}), ["ISUP_grade"])


def test_other_ages_are_another_request(planted, tmp_path: Path) -> None:
    table, outcomes = planted(24, features=6)
    ages = [str(50 + place) for place in range(24)]
    few = {"out_dir": tmp_path / "model", "folds": 3, "repeats": 1, "trials": 1, "clinical": ["age"]}
    first = fit(table, outcomes.assign(age=ages), GRADE, **few)
    assert fit(table, outcomes.assign(age=ages), GRADE, **few).id == first.id
    with pytest.raises(InputError, match="another locked model"):
        fit(table, outcomes.assign(age=ages[::-1]), GRADE, **few)


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    refuse_other_content(tmp_path / "new")
    refuse_other_content(tmp_path)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty and holds no model; choose another folder"):
        refuse_other_content(tmp_path)
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    refuse_other_content(tmp_path)


def codes(cases: LabelledCases) -> list[str]:
    return [finding.code for finding in cautions(cases, GRADE)]


def test_what_a_fit_accepts_and_a_reader_should_know_has_a_code(four: LabelledCases) -> None:
    centre = np.array(["n", "n", "s", "s"])
    plain = replace(
        four, centre=centre, features=np.array([[1e3, 5, 9, 2, 1], [2e3, 6, 8, 1, 2], [3e3, 7, 7, 2, 3], [2500, 4, 6, 3, 1]])
    )
    assert codes(plain) == []
    moved = replace(plain, patient_id=np.array(["a", "b", "c", "b"]))
    assert codes(moved) == ["FC001"]
    assert codes(replace(plain, centre=np.array(["n", "s", "n", "s"]))) == ["FC002"]
    useless = plain.features.copy()
    useless[:, 3], useless[:, 4] = np.nan, 7.0
    assert codes(replace(plain, features=useless)) == ["FC004"]
    assert "2 of 5 features" in cautions(replace(plain, features=useless), GRADE)[0].finding
    assert codes(replace(plain, names=(VOLUME, "f1", "ISUP-Grade 2016", "f3", "f4"))) == ["FC005"]
    assert codes(replace(plain, features=plain.features / [1000, 1, 1, 1, 1])) == ["FC006"]


def test_a_median_tumour_of_a_centimetre_is_believed_and_a_smaller_one_is_doubted(four: LabelledCases) -> None:
    wide = replace(four, centre=np.array(["n", "n", "s", "s"]))
    assert codes(with_volume(wide, [1, 500, 500, 9e9])) == []
    assert codes(with_volume(wide, [1, 499, 499, 9e9])) == ["FC006"]


def test_the_outcome_and_what_lies_behind_it_are_found_among_the_features(planted) -> None:
    table, outcomes = planted(60)
    cases = label(table, outcomes, GRADE)
    assert codes(cases) == []
    percent = np.random.default_rng(0).uniform(size=60) * 10 + 20 * cases.y
    for hidden in (cases.y, -3.0 * cases.y, np.exp(-percent / 10)):
        features = np.column_stack([cases.features[:, :-1], hidden])
        found = cautions(replace(cases, features=features), GRADE, percent)
        assert [finding.code for finding in found] == ["FC003"]
        assert cases.names[-1] in found[0].finding


def test_the_fewest_patients_on_one_side_that_can_be_split(graded_planted):
    table, outcomes = graded_planted(40)
    enough = outcomes.assign(isup_grade=[3.0] * 6 + [2.0] * 34)
    refuse_too_few(label(table, enough, ISUP), ISUP)
    few = outcomes.assign(isup_grade=[3.0] * 5 + [2.0] * 35)
    with pytest.raises(
        InputError, match=r"isup needs at least 6 patients on each side of isup_grade 3 .* 35 below it and 5 from"
    ):
        refuse_too_few(label(table, few, ISUP), ISUP)
    with pytest.raises(InputError, match=r"ki67-percent needs at least 6 patients on each side of ki67_percent"):
        refuse_too_few(label(*graded_planted(13), KI67_PERCENT), KI67_PERCENT)


def test_a_study_whose_card_is_external_is_refused_though_its_table_says_otherwise(planted, tmp_path):
    table, outcomes = planted(40)
    card = Cohort("home", Role.EXTERNAL, (Case("c0", "home-000", "east", tmp_path / "c0.nii.gz"),))
    with pytest.raises(InputError, match="development cohorts only; cohort home is external"):
        refuse_external(Study(card, table, outcomes))
    refuse_external(Study(replace(card, role=Role.DEVELOPMENT), table, outcomes))


def test_families_that_drop_out_are_named_with_a_code():
    assert dropped_families({}) is None
    found = dropped_families({"forest": "it could not be fitted", "ridge": "it scores all patients alike"})
    assert str(found).startswith("FC012")
    assert "forest, it could not be fitted; ridge, it scores all patients alike" in str(found)


def test_a_fit_without_a_family_says_so(planted, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise lgb.basic.LightGBMError("no tree")

    monkeypatch.setattr(Forest, "fit", fail)
    model = fit(*planted(40), GRADE, out_dir=tmp_path / "model", folds=3, repeats=1, trials=1, seed=7)
    assert [line for line in model.manifest["cautions"] if line.startswith("FC012: left out of the ensemble: forest")]
    assert "random forest left out" in families_line(model.manifest["families"])
