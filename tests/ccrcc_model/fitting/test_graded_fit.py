"""Graded models: what is found, what is not, the proof of no leak, and the locked folder."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ccrcc_model.fitting.graded_nested
import ccrcc_model.fitting.nested
from ccrcc_model.fitting.folds import Fold, patient_folds
from ccrcc_model.fitting.graded_controls import shuffled_outcomes
from ccrcc_model.fitting.graded_fit import fit_graded, mean_fold_concordance
from ccrcc_model.fitting.graded_nested import run_graded
from ccrcc_model.fitting.nested import Settings
from ccrcc_model.models.folder import model_kind
from ccrcc_model.models.graded_model import GradedModel, verdict_of
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.graded import GRADED, ISUP, KI67_PERCENT, label_graded
from ccrcc_model.outcomes.seen import patient_hash
from ccrcc_model.outcomes.study import Study
from ccrcc_model.report.run_folder import read_run
from ccrcc_model.statistics.estimate import Comparison, Estimate
from ccrcc_model.validation.benchmark import benchmark
from ccrcc_model.validation.graded_result import FILE, TABLE, GradedResult
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

FAST = {"folds": 3, "repeats": 1, "trials": 2}
THREE = Settings(folds=3, repeats=1, trials=2, seed=1, inner_folds=3, inner_repeats=1)

both = pytest.mark.parametrize("name", list(GRADED))


@both
def test_the_planted_signal_is_found_beyond_volume(graded_folders, name):
    model = GradedModel.load(graded_folders / name)
    found = model.development["concordance"]
    assert found.model.value > 0.7
    assert found.better
    assert "beats tumour volume alone: concordance 0." in model.headline
    assert f"of {name} (" in model.headline
    development = model.manifest["development"]
    assert development["mean_fold_concordance"] > development["mean_fold_baseline_concordance"] + 0.05


def test_a_model_that_does_not_beat_volume_says_so():
    apart = Estimate(0.01, -0.05, 0.06)
    assert verdict_of(Comparison(Estimate(0.6, 0.5, 0.7), Estimate(0.59, 0.5, 0.7), apart)) == (
        "does not beat tumour volume alone: concordance 0.60(0.50-0.70) against 0.59(0.50-0.70), "
        "difference +0.01 (-0.05 to +0.06)"
    )
    assert verdict_of(Comparison(apart, apart, replace(apart, low=0.001))).startswith("beats tumour volume alone")


def test_figures_out_of_fold_are_better_than_guessing_and_probabilities_are_calibrated(graded_folders):
    isup = GradedModel.load(graded_folders / "isup")
    assert set(isup.development) == {"concordance", "weighted_kappa", "absolute_error"}
    assert isup.development["weighted_kappa"].model.low > 0
    calibration = isup.manifest["development"]["calibration_of_high"]["model"]
    assert calibration["intercept"]["low"] < 0 < calibration["intercept"]["high"]
    assert calibration["slope"]["low"] < 1 < calibration["slope"]["high"]
    percent = GradedModel.load(graded_folders / "ki67-percent")
    assert percent.manifest["development"]["calibration_of_high"] == {}
    truth = percent.out_of_fold.outcome
    guess = np.abs(truth - np.expm1(np.log1p(truth).mean())).mean()
    assert percent.development["absolute_error"].model.value < guess
    assert percent.development["r2_log"].model.value > 0.2


@both
def test_permuted_outcomes_are_not_predicted(graded_planted, name):
    cases = label_graded(*graded_planted(90), GRADED[name])
    found = []
    for seed in range(4):
        dealt = shuffled_outcomes(cases, seed=seed)
        assert sorted(dealt.patient_outcome) == sorted(cases.patient_outcome)
        outer, _ = run_graded(dealt, GRADED[name], THREE)
        found.append(mean_fold_concordance(dealt, outer))
    # The standard error of a concordance of 75 is about 0.05; the mean of four has half of it.
    assert np.mean(found) == pytest.approx(0.5, abs=0.075)


@both
def test_controls_of_the_planted_table_find_chance(graded_folders, name):
    controls = GradedModel.load(graded_folders / name).manifest["controls"]
    assert controls["shuffled_labels"]["low"] < 0.5
    assert controls["centre_only"]["low"] < 0.5 < controls["centre_only"]["high"]


@both
def test_the_proof_of_no_leak_stands_in_the_folder(graded_folders, name):
    model = GradedModel.load(graded_folders / name)
    steps = json.loads((graded_folders / name / "steps.json").read_text(encoding="utf-8"))["steps"]
    audit = model.manifest["audit"]
    assert audit == {"steps": len(steps), "leaks": [], "every_patient_scored_once_in_each_repeat": True, "no_leak": True}
    assert not any(set(step["seen"]) & set(step["scored"]) for step in steps)
    everyone = set(range(len(model.patients)))
    outer = [step for step in steps if step["name"].startswith("outer") and step["name"].endswith(": model")]
    assert sorted(place for step in outer for place in step["scored"]) == sorted(everyone)
    assert all(set(step["seen"]) | set(step["scored"]) == everyone for step in outer)
    inner = [step for step in steps if step["name"].startswith("final: inner")]
    assert len(inner) == 10


def test_a_leak_is_found_and_no_model_is_locked(graded_planted, tmp_path, monkeypatch):
    def leaky(*args: object, **kwargs: object) -> list[Fold]:
        return [replace(fold, train=np.sort(np.append(fold.train, fold.test[0]))) for fold in patient_folds(*args, **kwargs)]

    for module in (ccrcc_model.fitting.nested, ccrcc_model.fitting.graded_nested):  # outer folds, inner folds
        monkeypatch.setattr(module, "patient_folds", leaky)
    with pytest.raises(RuntimeError, match=r"leaks and no model was locked: .*outer 0\.0: inner 0.*outer 0\.0: model"):
        fit_graded(*graded_planted(40), ISUP, out_dir=tmp_path / "model", **FAST)
    assert not list(tmp_path.iterdir())


def test_the_result_does_not_depend_on_the_number_of_processes(graded_planted, tmp_path):
    table, outcomes = graded_planted(40)
    ids = [fit_graded(table, outcomes, ISUP, out_dir=tmp_path / str(jobs), jobs=jobs, **FAST).id for jobs in (1, 2)]
    assert ids[0] == ids[1]


@both
def test_new_patients_are_predicted_one_row_each_and_the_same_after_loading(graded_folders, graded_planted, name):
    table, outcomes = graded_planted(60, cohort="north", role="external", seed=5, cases_each=2)
    frame = GradedModel.load(graded_folders / name).predict(table)
    assert frame["patient_id"].tolist() == sorted(outcomes["patient_id"])
    if name == "isup":
        grades = [f"grade_{level}" for level in range(1, 5)]
        assert frame.columns.tolist() == [
            *("patient_id", "centre", *grades, "expected_grade"),
            *(f"baseline_{column}" for column in (*grades, "expected_grade")),
        ]
        np.testing.assert_allclose(frame[grades].sum(axis=1), 1)
        np.testing.assert_allclose(frame[grades] @ [1, 2, 3, 4], frame["expected_grade"])
        said, column = frame["expected_grade"], "isup_grade"
    else:
        assert frame.columns.tolist() == ["patient_id", "centre", "percent", "baseline_percent"]
        assert frame["percent"].between(0, 100).all()
        said, column = frame["percent"], "ki67_percent"
    truth = outcomes.set_index("patient_id").loc[frame["patient_id"], column].to_numpy()
    assert pd.Series(truth).corr(said.reset_index(drop=True), method="spearman") > 0.4


def test_a_feature_that_was_always_known_may_be_missing_later(graded_folders, graded_planted):
    table, _ = graded_planted(30, cohort="north", role="external")
    rows = table.rows.copy()
    rows.iloc[:, 6:] = np.nan
    frame = GradedModel.load(graded_folders / "isup").predict(FeatureTable(rows, table.provenance))
    assert frame["expected_grade"].nunique() == 1
    assert frame["expected_grade"].between(1, 4).all()


def test_patients_of_the_development_and_another_preset_are_refused(graded_folders, graded_planted):
    model = GradedModel.load(graded_folders / "isup")
    with pytest.raises(InputError, match="patients of the table were used to fit the model"):
        model.predict(graded_planted(90)[0])
    north, truth = graded_planted(30, cohort="north", role="external")
    with pytest.raises(InputError, match="fitted on features of preset"):
        model.score(replace(north, provenance=north.provenance | {"mode": "pyradiomics"}), truth)
    with pytest.raises(InputError, match="The table lacks"):
        model.predict(replace(north, rows=north.rows.drop(columns=model.columns[0])))


def test_a_benchmark_gives_the_figures_of_each_external_cohort(graded_folders, graded_planted, tmp_path):
    model = GradedModel.load(graded_folders / "isup")
    cohorts = [graded_planted(60, cohort=name, role="external", seed=seed) for name, seed in (("north", 5), ("south", 6))]
    studies = [Study(None, *one) for one in cohorts]
    found = benchmark(model, studies)
    found.save(tmp_path)
    assert GradedResult.load(tmp_path).table().equals(found.table())
    table = pd.read_csv(tmp_path / TABLE)
    assert table["group"].unique().tolist() == ["home", "north", "south"]
    assert table["n"].unique().tolist() == [77, 51]
    assert (table.set_index(["group", "figure"])["model"].xs("concordance", level="figure") > 0.65).all()
    assert (
        json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["groups"][1]["calibration_of_high"]["model"]["brier"][
            "value"
        ]
        < 0.25
    )
    assert [line.split(" tumour")[0] for line in found.lines] == [f"isup in {n} (n = 51) beats" for n in ("north", "south")]
    with pytest.raises(InputError, match="Two external cohorts are named north"):
        benchmark(model, [studies[0], studies[0]])


def test_a_cohort_of_one_grade_has_no_concordance_and_no_verdict_for_the_model(graded_folders, graded_planted):
    table, outcomes = graded_planted(30, cohort="north", role="external")
    found = benchmark(GradedModel.load(graded_folders / "isup"), Study(None, table, outcomes.assign(isup_grade=2.0)))
    assert found.groups[1].figures["concordance"].model.value is None
    assert "does not beat tumour volume alone: concordance not estimable" in found.lines[0]


def test_the_other_kind_of_model_is_refused_in_one_line(graded_folders, model_folder):
    with pytest.raises(InputError, match=r"isup is ordinal, not binary; GradedModel\.load reads it"):
        Model.load(graded_folders / "isup")
    with pytest.raises(InputError, match=r"grade is binary, not ordinal or regression; Model\.load reads it"):
        GradedModel.load(model_folder)
    assert [model_kind(graded_folders / name) for name in GRADED] == ["ordinal", "regression"]
    assert model_kind(model_folder) == "binary"


def test_a_graded_model_in_a_run_folder_does_not_keep_its_page_from_being_written(graded_folders, model_folder, tmp_path):
    shutil.copytree(graded_folders, tmp_path / "models")
    shutil.copytree(model_folder, tmp_path / "models" / "grade")
    (tmp_path / "run.json").write_text(
        json.dumps({"title": "A study", "synthetic": True, "command": "none"}), encoding="utf-8"
    )
    assert set(read_run(tmp_path).models) == {"grade"}


def test_a_folder_with_one_byte_changed_is_refused(graded_folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(graded_folders / "isup", copy)
    content = bytearray((copy / "pipeline.json").read_bytes())
    content[50] ^= 1
    (copy / "pipeline.json").write_bytes(content)
    with pytest.raises(InputError, match=r"pipeline\.json differs"):
        GradedModel.load(copy)


def test_the_folder_names_no_patient(graded_folders):
    for path in sorted((graded_folders / "isup").iterdir()):
        assert "home-0" not in path.read_text(encoding="utf-8")
    assert patient_hash("home-000") in (graded_folders / "isup" / "out_of_fold.csv").read_text(encoding="utf-8")


def test_a_repeated_request_is_loaded_and_another_is_refused(graded_folders, graded_planted, monkeypatch):
    def fitted_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("ccrcc_model.fitting.graded_fit.run_graded", fitted_again)
    same = {"folds": 3, "repeats": 1, "trials": 3, "seed": 7, "controls": True}
    folder = graded_folders / "isup"
    assert fit_graded(*graded_planted(90), ISUP, out_dir=folder, **same).id == GradedModel.load(folder).id
    for target, change in ((ISUP, {"seed": 8}), (ISUP, {"controls": False}), (KI67_PERCENT, {})):
        with pytest.raises(InputError, match="holds another locked model"):
            fit_graded(*graded_planted(90), target, out_dir=folder, **(same | change))


def test_an_external_cohort_is_not_fitted_on(graded_planted, tmp_path):
    with pytest.raises(InputError, match="development cohorts only; cohort north of the table is external"):
        fit_graded(*graded_planted(40, role="external", cohort="north"), ISUP, out_dir=tmp_path / "model", **FAST)
