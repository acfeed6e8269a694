"""Models of grades and percentages predict, decline and explain as models of a yes or no do."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fitted import GRADED

from ccrcc_model.models.folder import write_model_folder
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.report.run_folder import read_run
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

both = pytest.mark.parametrize("name", list(GRADED))


@both
def test_new_patients_are_predicted_one_row_each_and_the_same_after_loading(graded_folders, graded_planted, name):
    table, outcomes = graded_planted(60, cohort="north", role="external", seed=5, cases_each=2)
    frame = Model.load(graded_folders / name).predict_patients(table)
    assert frame["patient_id"].tolist() == sorted(outcomes["patient_id"])
    if name == "isup":
        grades = [f"grade_{level}" for level in range(1, 5)]
        assert frame.columns.tolist() == [
            *("patient_id", "centre", *grades, "expected_grade"),
            *(f"baseline_{column}" for column in (*grades, "expected_grade")),
            *("unlike", "unlike_reason"),
        ]
        np.testing.assert_allclose(frame[grades].sum(axis=1), 1)
        np.testing.assert_allclose(frame[grades] @ [1, 2, 3, 4], frame["expected_grade"])
        said, column = frame["expected_grade"], "isup_grade"
    else:
        assert frame.columns.tolist() == ["patient_id", "centre", "percent", "baseline_percent", "unlike", "unlike_reason"]
        assert frame["percent"].between(0, 100).all()
        said, column = frame["percent"], "ki67_percent"
    truth = outcomes.set_index("patient_id").loc[frame["patient_id"], column].to_numpy()
    assert pd.Series(truth).corr(said.reset_index(drop=True), method="spearman") > 0.4


def test_a_feature_that_was_always_known_may_be_missing_later(graded_folders, graded_planted):
    table, _ = graded_planted(30, cohort="north", role="external")
    rows = table.rows.copy()
    rows.iloc[:, 6:] = np.nan
    frame = Model.load(graded_folders / "isup").predict_patients(FeatureTable(rows, table.provenance))
    assert frame["expected_grade"].nunique() == 1
    assert frame["expected_grade"].between(1, 4).all()


def test_patients_of_the_development_and_another_preset_are_refused(graded_folders, graded_planted):
    model = Model.load(graded_folders / "isup")
    with pytest.raises(InputError, match="patients of the table were used to fit the model"):
        model.predict_patients(graded_planted(90)[0])
    north, truth = graded_planted(30, cohort="north", role="external")
    with pytest.raises(InputError, match="fitted on features of preset"):
        model.predict(Study(None, replace(north, provenance=north.provenance | {"mode": "pyradiomics"}), truth))
    with pytest.raises(InputError, match="The table lacks"):
        model.predict_patients(replace(north, rows=north.rows.drop(columns=model.columns[0])))


def test_models_of_all_kinds_are_read_from_a_run_folder(graded_folders, model_folder, tmp_path):
    shutil.copytree(graded_folders, tmp_path / "models")
    shutil.copytree(model_folder, tmp_path / "models" / "grade")
    (tmp_path / "run.json").write_text(
        json.dumps({"title": "A study", "synthetic": True, "command": "none"}), encoding="utf-8"
    )
    assert set(read_run(tmp_path).models) == {"grade", *GRADED}


@both
def test_predictions_with_the_outcome_agree_with_those_without_and_name_the_unlike(graded_folders, graded_planted, name):
    model = Model.load(graded_folders / name)
    table, outcomes = graded_planted(60, cohort="north", role="external", seed=5)
    rows = table.rows.copy()
    far = int(np.flatnonzero(outcomes[GRADED[name].column].notna())[0])
    rows.loc[far, table.feature_names[1:]] = 60.0
    far_table = FeatureTable(rows, table.provenance)
    frame = model.predict_patients(far_table).set_index("patient_id")
    found = model.predict(Study(None, far_table, outcomes))
    np.testing.assert_allclose(found.expected, frame.loc[found.patient_id, "expected_grade" if name == "isup" else "percent"])
    np.testing.assert_array_equal(found.abstained, frame.loc[found.patient_id, "unlike"])
    assert frame.loc[f"north-{far:03d}", "unlike"]
    assert frame["unlike"].mean() < 0.25


@both
def test_what_moves_a_model_of_grades_is_told_by_feature_and_by_group(graded_folders, graded_planted, name):
    model = Model.load(graded_folders / name)
    moved = model.explain(graded_planted(40, cohort="north", role="external", seed=5)[0])
    assert set(moved.columns) <= set(model.columns)
    assert {one.by for one in model.explanation.groups} == {"region", "scale", "image", "family"}
    assert model.explanation.n_folds == 3


def test_a_folder_of_before_is_read_without_domain_and_explanation(graded_folders, graded_planted, tmp_path):
    model = Model.load(graded_folders / "isup")
    kept = {name: text for name, text in model.files.items() if name not in ("applicability.json", "explanation.json")}
    before = {key: value for key, value in model.manifest.items() if key not in ("cautions", "comparators")}
    write_model_folder(tmp_path / "isup", kept, before)
    old = Model.load(tmp_path / "isup")
    assert old.domain is old.explanation is None
    table, outcomes = graded_planted(40, cohort="north", role="external", seed=5)
    assert "unlike" not in old.predict_patients(table)
    found = old.predict(Study(None, table, outcomes))
    assert found.abstained is None
    np.testing.assert_array_equal(found.score, model.predict(Study(None, table, outcomes)).score)


def test_a_model_of_grades_has_no_threshold(graded_folders):
    with pytest.raises(InputError, match="has no threshold; only models of yes or no have one"):
        _ = Model.load(graded_folders / "isup").decision
