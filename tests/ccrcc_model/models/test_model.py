# Also of: ccrcc_model.fitting.lock, ccrcc_model.fitting.request, ccrcc_model.models.folder,
# ccrcc_model.models.member_inputs, ccrcc_model.models.pipeline, ccrcc_model.models.scored_table,
# ccrcc_model.models.scorer, ccrcc_model.outcomes.seen.

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitted import fit
from scipy.special import expit, logit

import ccrcc_model.models.pipeline
from ccrcc_model.models.folder import FORMAT, MANIFEST, SEAL, read_model_folder, write_model_folder
from ccrcc_model.models.model import Model, load_model
from ccrcc_model.outcomes.cases import Cases
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.study import Study
from ccrcc_model.statistics.discrimination import auc
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.notebook import as_html
from radiomics_cfg.table import FeatureTable

KINDS = (
    "manifest.json",
    "manifest.sha256",
    "pipeline.json",
    "decisions.json",
    "importance.json",
    "steps.json",
    "applicability.json",
    "out_of_fold.csv",
    "explanation.json",
    "scans.json",
    "member_00.txt",
)


@pytest.fixture(scope="module")
def model(model_folder) -> Model:
    return Model.load(model_folder)


@pytest.fixture
def copy(model_folder, tmp_path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


@pytest.fixture
def north(planted) -> tuple[FeatureTable, pd.DataFrame]:
    return planted(50, seed=4, role="external", cohort="north")


def test_a_folder_holds_no_pickle_and_no_pseudonym(model_folder):
    names = {path.name for path in model_folder.iterdir()}
    members = json.loads((model_folder / "pipeline.json").read_text(encoding="utf-8"))["members"]
    assert names == {*KINDS, *(member["trees"] for member in members if member["trees"] is not None)}
    for path in model_folder.iterdir():
        assert "home-0" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_changed_byte_is_refused(copy, name, place):
    content = bytearray((copy / name).read_bytes())
    content[round(place * (len(content) - 1))] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(InputError, match="was changed"):
        Model.load(copy)


def test_damaged_trees_never_reach_lightgbm_whose_parser_can_abort(copy, monkeypatch):
    def parsed(**_: str) -> None:
        pytest.fail("the parser was called")

    monkeypatch.setattr(ccrcc_model.models.pipeline.lgb, "Booster", parsed)
    text = (copy / "member_03.txt").read_text(encoding="utf-8")
    (copy / "member_03.txt").write_text(text.replace("num_leaves=", "num_leaves=9", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"member_03\.txt differs"):
        Model.load(copy)


def test_loading_says_nothing(model_folder, capfd):
    Model.load(model_folder)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", KINDS)
def test_a_cut_file_is_refused(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="was changed"):
        Model.load(copy)


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        Model.load(copy)


def test_an_extra_file_or_folder_is_refused(copy):
    (copy / "member_99").mkdir()
    with pytest.raises(InputError, match="holds member_99, which is not part of it"):
        Model.load(copy)


def test_a_folder_of_another_kind_is_no_model(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="make a model with `ccrcc fit`"):
            Model.load(folder)


@pytest.mark.parametrize(
    ("version", "remedy"),
    [(FORMAT + 1, "update the software"), (FORMAT - 1, "fit it again"), ("2", "fit it again"), (None, "fit it again")],
)
def test_a_folder_of_another_format_is_refused(copy, version, remedy):
    manifest = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    (copy / MANIFEST).write_text(json.dumps(manifest | {"format": version}), encoding="utf-8")
    (copy / SEAL).write_text(hashlib.sha256((copy / MANIFEST).read_bytes()).hexdigest() + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"format {version}, this version reads {FORMAT}: {remedy}"):
        Model.load(copy)


def test_a_sealed_folder_reads_back_and_leaves_nothing_behind(tmp_path):
    write_model_folder(tmp_path / "new" / "model", {"a.txt": "α\n"}, {"target": 1})
    model_id, manifest, files = read_model_folder(tmp_path / "new" / "model")
    assert files == {"a.txt": "α\n"}
    assert manifest["target"] == 1
    assert model_id == hashlib.sha256((tmp_path / "new" / "model" / MANIFEST).read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model"]


def test_a_folder_that_holds_something_is_never_written_over(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").touch()
    with pytest.raises(OSError, match="not empty"):
        write_model_folder(tmp_path / "model", {"a.txt": ""}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["mine.txt"]


def test_locked_predictions_tell_the_planted_signal(model, north):
    predictions, baseline = model.predict(Study(None, *north)), model.predict_baseline(Study(None, *north))
    assert len(predictions) == 50
    assert predictions.cohort == "north"
    assert predictions.target == "grade"
    assert sorted(predictions.patient_id) == list(predictions.patient_id)
    np.testing.assert_array_equal(predictions.patient_id, baseline.patient_id)
    assert auc(predictions).value > 0.8 > auc(baseline).value > 0.5


def test_predictions_follow_from_what_the_folder_says(model, north):
    table, _ = north
    cases_odds = np.sum([weight * one.log_odds(_cases(table)) for one, weight in model.ensemble.weighted_members], axis=0)
    expected = expit(model.decision.intercept + model.decision.slope * cases_odds)
    frame = model.predict_patients(table)
    np.testing.assert_allclose(frame["probability"], expected)
    np.testing.assert_array_equal(frame["positive"], frame["probability"] >= model.decision.threshold)
    np.testing.assert_array_equal(
        frame["baseline_positive"], frame["baseline_probability"] >= model.baseline_decision.threshold
    )


def _cases(table: FeatureTable) -> Cases:
    rows = table.rows
    ids, centre = (rows[key].to_numpy(dtype=str) for key in ("patient_id", "centre"))
    return Cases(tuple(table.feature_names), table.features.to_numpy(), ids, centre)


def test_the_order_of_columns_and_rows_does_not_matter(model, north):
    table, outcomes = north
    turned = replace(table, rows=table.rows.iloc[::-1, ::-1])
    first, second = model.predict(Study(None, table, outcomes)), model.predict(Study(None, turned, outcomes.iloc[::-1]))
    np.testing.assert_array_equal(first.patient_id, second.patient_id)
    np.testing.assert_array_equal(first.y_prob, second.y_prob)


def test_a_patient_is_predicted_alone_as_among_others(model, north):
    table, _ = north
    alone = model.predict_patients(replace(table, rows=table.rows.iloc[[3]]))
    among = model.predict_patients(table)
    pd.testing.assert_frame_equal(alone, among.iloc[[3]].reset_index(drop=True))


def test_the_probabilities_of_a_patients_cases_are_averaged(model, north):
    table, outcomes = north
    single = model.decision
    plain = replace(model.ensemble, calibration=replace(single, slope=1.0, intercept=0.0))
    uncalibrated = replace(model, ensemble=plain)
    two = table.rows.iloc[:2].assign(patient_id="north-000")
    apart = uncalibrated.predict_patients(replace(table, rows=table.rows.iloc[:2]))["probability"]
    joined = model.predict(Study(None, replace(table, rows=two), outcomes))
    assert len(joined) == 1
    assert joined.y_prob == pytest.approx(single.probability(logit([apart.mean()])))


def test_further_lesions_change_no_prediction(model, north):
    table, outcomes = north
    further = table.rows.assign(lesion=2, **dict.fromkeys(table.feature_names, 99.0))
    both = replace(table, rows=pd.concat([further, table.rows], ignore_index=True))
    first, second = Study(None, both, outcomes), Study(None, table, outcomes)
    for predict in (model.predict, model.predict_baseline):
        np.testing.assert_array_equal(predict(first).y_prob, predict(second).y_prob)
    pd.testing.assert_frame_equal(model.predict_patients(both), model.predict_patients(table))


def test_missing_columns_are_counted_and_the_first_named(model, north):
    table, outcomes = north
    gone = list(model.columns[1:4])
    with pytest.raises(InputError, match=f"lacks 3 of the {len(model.columns)} features .* first {gone[0]}"):
        model.predict(Study(None, replace(table, rows=table.rows.drop(columns=gone)), outcomes))
    spare = [name for name in table.feature_names if name not in model.columns]
    assert len(model.predict(Study(None, replace(table, rows=table.rows.drop(columns=spare)), outcomes))) == 50


@pytest.mark.parametrize("key", ["preset_sha256", "mode", "orientation"])
def test_features_made_in_another_way_are_refused(model, north, key):
    table, outcomes = north
    with pytest.raises(InputError, match="fitted on features of preset test"):
        model.predict(Study(None, replace(table, provenance=table.provenance | {key: "other"}), outcomes))


def test_patients_of_the_development_are_never_scored(model, north, planted):
    table, outcomes = north
    known = table.rows.assign(patient_id=["home-007", *table.rows["patient_id"][1:]])
    own = planted(60)
    for rows, truth, count in ((known, outcomes, 1), (own[0].rows, own[1], 60)):
        with pytest.raises(InputError, match=f"{count} patients of the table were used to fit the model"):
            model.predict(Study(None, replace(table, rows=rows), truth))
        with pytest.raises(InputError, match=f"{count} patients of the table were used to fit the model"):
            model.predict_patients(replace(table, rows=rows))


def test_one_of_several_cohorts_is_predicted_by_name(model, north, planted):
    table, outcomes = north
    south, south_outcomes = planted(20, seed=5, role="external", cohort="south")
    both = replace(table, rows=pd.concat([table.rows, south.rows]))
    truth = pd.concat([outcomes, south_outcomes])
    with pytest.raises(InputError, match=r"holds 2 cohorts \(north, south\); name the one"):
        model.predict(Study(None, both, truth))
    assert len(model.predict(Study(None, both, truth), cohort="south")) == 20
    with pytest.raises(InputError, match="No cohort 'east' in the table; it holds north, south"):
        model.predict(Study(None, both, truth), cohort="east")


def test_a_cohort_of_one_class_and_with_missing_outcomes_is_still_predicted(model, north):
    table, outcomes = north
    grade = np.where(np.arange(50) < 10, np.nan, 4.0)
    predictions = model.predict(Study(None, table, outcomes.assign(isup_grade=grade)))
    assert len(predictions) == 40
    assert predictions.y_true.all()


def test_out_of_fold_predictions_are_one_a_development_patient(model):
    for predictions in (model.out_of_fold, model.baseline_out_of_fold):
        assert set(predictions.patient_id) == model.patients == patient_hashes(f"home-{place:03d}" for place in range(60))
        assert predictions.cohort == "home"
    figures = model.manifest["development"]
    assert figures["pooled_auc"] == pytest.approx(auc(model.out_of_fold).value)
    assert figures["pooled_baseline_auc"] == pytest.approx(auc(model.baseline_out_of_fold).value)


def test_importance_finds_what_was_planted(model):
    top = model.importance[0]
    planted_names = {
        "tumour__1mm__original_shape_MeshVolume",
        *(f"tumour__1mm__original_glcm_F{place}" for place in range(1, 8)),
    }
    assert {entry.feature for entry in model.importance[:4]} <= planted_names
    assert top.members == len(model.members)
    assert sum(entry.share for entry in model.importance) == pytest.approx(1)
    assert [entry.log_odds for entry in model.importance] == sorted((e.log_odds for e in model.importance), reverse=True)


def test_a_sealed_manifest_that_is_not_json_is_refused_in_one_line(copy):
    (copy / "manifest.json").write_bytes(b"\xff")
    (copy / "manifest.sha256").write_text(hashlib.sha256(b"\xff").hexdigest() + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="manifest.json is not JSON; copy the model again"):
        Model.load(copy)


def test_a_model_in_memory_is_the_one_that_a_folder_holds(model, planted, tmp_path):
    in_memory = fit(*planted(60), "grade", folds=3, repeats=1, trials=3, seed=7)
    assert in_memory.id == model.id
    in_memory.save(tmp_path / "saved")
    assert load_model(str(tmp_path / "saved")).id == model.id
    loaded = Model.load(tmp_path / "saved")
    assert loaded.manifest == in_memory.manifest


def test_a_model_says_in_three_lines_what_it_is(model):
    headline, counts, origin = repr(model).splitlines()
    assert headline == model.headline
    assert counts == f"60 patients ({model.manifest['n_positive']} positive), 40 features, {len(model.members)} members"
    assert origin == "development: home; preset test"
    assert model._repr_html_() == as_html(repr(model))
