# Also of: ccrcc_model.fitting.development, ccrcc_model.fitting.nested, ccrcc_model.fitting.settings.

import json
from dataclasses import replace

import numpy as np
import pytest
from fitted import fit
from sklearn.metrics import roc_auc_score

import ccrcc_model.fitting.fit
import ccrcc_model.fitting.folds
from ccrcc_model.fitting.families.offset import Offset
from ccrcc_model.fitting.filter import choose_features
from ccrcc_model.fitting.folds import Fold, Folds, patient_folds
from ccrcc_model.fitting.inner import whole_part
from ccrcc_model.fitting.nested import fit_procedure, run_nested
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.seen import Step, leaking_steps, patient_hashes
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE, ki67
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.contour_stability import PerturbedValues

FAST = {"folds": 3, "repeats": 1, "trials": 2}
THREE = Settings(folds=3, repeats=1, trials=2, seed=1, inner_folds=3, inner_repeats=1)


def out_of_fold_auc(cases: LabelledCases, settings: Settings = THREE) -> float:
    """Mean AUC of the outer folds, which is free of the bias of pooling scores of several fits."""
    outer, _ = run_nested(cases, GRADE, settings, folds=Folds.of(cases, settings))
    return float(np.mean([roc_auc_score(cases.patient_y[np.isin(cases.patients, r.patients)], r.score) for r in outer]))


def noise(n: int, features: int, *, seed: int) -> LabelledCases:
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{place:03d}" for place in range(n)])
    names = ("tumour__1mm__original_shape_MeshVolume", *(f"f{place}" for place in range(1, features)))
    return LabelledCases(names, rng.lognormal(size=(n, features)), ids, ids, np.arange(n) % 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_not_predicted_though_selection_could_find_some(seed):
    cases = noise(60, 2000, seed=seed)
    # What selecting on all patients before splitting would have reported:
    chosen = choose_features(cases, most=30)
    leaky = []
    for split in patient_folds(cases, folds=3, repeats=1, seed=1):
        train, test = cases.take(split.train), cases.take(split.test)
        part = replace(whole_part(train), chosen=chosen, train=train, known=train)
        member = Offset().fit(part, seed=0)[0]
        leaky.append(roc_auc_score(test.y, member.log_odds(test)))
    assert np.mean(leaky) > 0.85
    # The standard error of an AUC of 30 against 30 is 0.075: two of them.
    assert out_of_fold_auc(cases) == pytest.approx(0.5, abs=0.15)


def test_shuffled_labels_are_not_predicted(planted):
    table, outcomes = planted(60)
    # The standard error of an AUC of 30 against 30 is 0.075: two of them above chance.
    assert out_of_fold_auc(label(table, outcomes, GRADE)) > 0.65
    aucs = []
    for seed in range(4):
        grade = np.random.default_rng(seed).permutation(outcomes["isup_grade"])
        aucs.append(out_of_fold_auc(label(table, outcomes.assign(isup_grade=grade), GRADE)))
    # The mean of four has half the standard error of 0.075.
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.1)


def test_the_planted_signal_is_found_beyond_volume(model_folder):
    figures = Model.load(model_folder).manifest["development"]
    assert figures["auc"]["value"] > 0.75
    assert figures["auc_difference"]["value"] > 0.05
    assert figures["pooled_auc"] > figures["pooled_baseline_auc"]


def test_the_proof_of_no_leak_can_be_computed_again_from_the_folder(model_folder):
    stored = json.loads((model_folder / "steps.json").read_text(encoding="utf-8"))
    names = stored["patients"]
    steps = [
        Step(s["name"], frozenset(names[p] for p in s["seen"]), frozenset(names[p] for p in s["scored"]))
        for s in stored["steps"]
    ]
    model = Model.load(model_folder)
    audit = model.manifest["audit"]
    assert audit == {"steps": len(steps), "leaks": [], "every_patient_scored_once_in_each_repeat": True, "no_leak": True}
    assert not leaking_steps(steps)
    outer = [step for step in steps if step.name.startswith("outer") and step.name.endswith("model")]
    assert len(outer) == 3
    assert sorted(patient for step in outer for patient in step.scored) == sorted(model.patients)
    assert all(step.seen | step.scored == model.patients for step in outer)
    called = [step for step in steps if step.name.endswith("calibration and threshold")]
    assert len(called) == 3
    assert sorted(patient for step in called for patient in step.scored) == sorted(model.patients)
    assert all(step.seen == model.patients - step.scored for step in called)
    assert {step.name for step in steps if not step.scored} == {
        "final: model",
        "final: baseline",
        "final: calibration and threshold, on out-of-fold scores",
        "final: applicability domain",
        "final: stack",
        *(f"outer 0.{fold}: stack" for fold in range(3)),
    }


def leaky_folds(*args: object, **kwargs: object) -> list[Fold]:
    """Splits whose training part holds one patient of the test part."""
    honest = patient_folds(*args, **kwargs)
    return [replace(split, train=np.sort(np.append(split.train, split.test[0]))) for split in honest]


def test_a_leak_is_found_and_no_model_is_locked(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(ccrcc_model.fitting.folds, "patient_folds", leaky_folds)
    with pytest.raises(RuntimeError, match=r"leaks and no model was locked: .*outer 0\.0: model"):
        fit(*planted(40), GRADE, out_dir=tmp_path / "model", **FAST)
    assert not list(tmp_path.iterdir())


def test_a_patient_who_is_not_scored_is_noticed(planted, tmp_path, monkeypatch):
    def without_last(*args: object, **kwargs: object) -> list[Fold]:
        return patient_folds(*args, **kwargs)[:-1]

    monkeypatch.setattr(ccrcc_model.fitting.folds, "patient_folds", without_last)
    with pytest.raises(RuntimeError, match="'every_patient_scored_once_in_each_repeat': False"):
        fit(*planted(40), GRADE, out_dir=tmp_path / "model", **FAST)


def test_the_result_does_not_depend_on_the_number_of_processes(planted, tmp_path):
    table, outcomes = planted(40)
    ids = [fit(table, outcomes, GRADE, out_dir=tmp_path / str(jobs), jobs=jobs, **FAST).id for jobs in (1, 2)]
    assert ids[0] == ids[1]
    assert fit(table, outcomes, GRADE, out_dir=tmp_path / "other", seed=1, **FAST).id != ids[0]


def test_several_cases_of_a_patient_give_one_prediction_and_never_straddle(planted, tmp_path):
    table, outcomes = planted(40, cases_each=2)
    model = fit(table, outcomes, GRADE, out_dir=tmp_path / "model", **FAST)
    assert len(model.out_of_fold) == 40
    assert (model.manifest["n_patients"], model.manifest["n_cases"]) == (40, 80)
    north, truth = planted(30, seed=3, cohort="north", role="external", cases_each=3)
    assert len(model.predict(Study(None, north, truth))) == 30


def test_a_missing_ki67_loses_the_patient_for_ki67_only(planted, tmp_path):
    table, outcomes = planted(50)
    grade = fit(table, outcomes, GRADE, out_dir=tmp_path / "grade", **FAST)
    high = fit(table, outcomes, ki67(20), out_dir=tmp_path / "ki67", **FAST)
    assert (len(grade.patients), len(high.patients)) == (50, 40)
    assert high.target == ki67(20)
    assert patient_hashes(["home-000"]) <= grade.patients - high.patients


def test_an_external_cohort_is_refused(planted, tmp_path):
    with pytest.raises(InputError, match="development cohorts only; cohort north of the table is external"):
        fit(*planted(40, role="external", cohort="north"), GRADE, out_dir=tmp_path / "model", **FAST)
    table, outcomes = planted(40)
    for provenance in ({}, {"cohorts": {"elsewhere": "development"}}):
        with pytest.raises(InputError, match="does not say the role of cohort home"):
            fit(replace(table, provenance=provenance), outcomes, GRADE, out_dir=tmp_path / "model", **FAST)
    roles = {"cohorts": {"home": "development", "north": "external"}}
    with pytest.raises(InputError, match="cohort north of the table is external"):
        fit(replace(table, provenance=table.provenance | roles), outcomes, GRADE, out_dir=tmp_path / "model", **FAST)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 2}, "folds of at least 3, not 2"),
        ({"repeats": 0}, "repeats of at least 1, not 0"),
        ({"trials": 0}, "trials of at least 1, not 0"),
        ({"seed": -1}, "seed of at least 0, not -1"),
    ],
)
def test_settings_that_judge_nothing_are_refused(planted, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        fit(*planted(40), GRADE, out_dir=tmp_path / "model", **(FAST | change))


def test_a_table_that_cannot_be_fitted_is_refused_and_leaves_nothing(planted, tmp_path):
    table, outcomes = planted(40)
    volume = table.feature_names[0]
    few = outcomes.assign(isup_grade=[3.0] * 5 + [2.0] * 35)
    unknown_preset = {"cohorts": {"home": "development"}}
    for bad, truth, message in (
        (replace(table, rows=table.rows.drop(columns=volume)), outcomes, "is the tumour's volume"),
        (table, few, "at least 6 patients of each class .* has 5 of 40"),
        (table, outcomes.assign(isup_grade=2.0), "has one class: all 40 cases with a value are negative"),
        (replace(table, provenance=unknown_preset), outcomes, "does not state which preset made it"),
    ):
        with pytest.raises(InputError, match=message):
            fit(bad, truth, GRADE, out_dir=tmp_path / "model", **FAST)
    assert not list(tmp_path.iterdir())


def test_the_smallest_classes_that_can_be_fitted(planted, tmp_path):
    table, outcomes = planted(40)
    enough = outcomes.assign(isup_grade=[3.0] * 6 + [2.0] * 34)
    model = fit(table, enough, GRADE, out_dir=tmp_path / "model", **(FAST | {"folds": 5}))
    assert len(model.manifest["outer_weights"]) == 3


def test_a_repeated_request_is_loaded_and_another_is_refused(planted, tmp_path, monkeypatch):
    table, outcomes = planted(40)
    first = fit(table, outcomes, GRADE, out_dir=tmp_path / "model", **FAST)

    def fitted_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ccrcc_model.fitting.fit, "run_nested", fitted_again)
    turned = replace(table, rows=table.rows.iloc[::-1])
    assert fit(turned, outcomes, GRADE, out_dir=tmp_path / "model", **FAST).id == first.id
    for target, change in ((ki67(), {}), (GRADE, {"seed": 9}), (GRADE, {"trials": 3})):
        with pytest.raises(InputError, match="holds another locked model"):
            fit(table, outcomes, target, out_dir=tmp_path / "model", **(FAST | change))
    rows = table.rows.copy()
    rows.iloc[0, -1] += 1e-9
    with pytest.raises(InputError, match="holds another locked model"):
        fit(replace(table, rows=rows), outcomes, GRADE, out_dir=tmp_path / "model", **FAST)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    with pytest.raises(InputError, match=r"is not empty and holds no model"):
        fit(table, outcomes, GRADE, out_dir=tmp_path / "notes", **FAST)
    with pytest.raises(InputError, match=r"No model at .*mine\.txt"):
        fit(table, outcomes, GRADE, out_dir=tmp_path / "notes" / "mine.txt", **FAST)


def test_progress_counts_the_outer_folds_and_the_final_fit(planted, tmp_path):
    told: list[tuple[int, int]] = []
    fit(*planted(40), GRADE, out_dir=tmp_path / "model", on_progress=lambda *step: told.append(step), **FAST)
    assert told == [(done, 4) for done in range(5)] + [(done, 3) for done in range(4)], "the model, and what stands beside it"


def perturbed_values(table, *, stable: int, n_cases: int) -> PerturbedValues:
    """Ten masks of some cases: the first features keep their values, of the others each mask draws new ones."""
    rng = np.random.default_rng(9)
    rows = table.rows.iloc[:n_cases]
    names = tuple(table.feature_names)
    values = np.repeat(rows[list(names)].to_numpy(dtype=np.float64)[:, None], 10, axis=1)
    values[:, :, stable:] = rng.normal(size=values[:, :, stable:].shape)
    return PerturbedValues(names, rows["patient_id"].to_numpy(dtype=np.str_), values, table.provenance)


def test_features_that_are_not_stable_are_never_chosen(planted, tmp_path):
    table, outcomes = planted(60)
    values = perturbed_values(table, stable=4, n_cases=60)
    model = fit(table, outcomes, GRADE, out_dir=tmp_path / "model", perturbed=values, **FAST)
    assert {column for member in model.members for column in member.names} <= set(table.feature_names[:4])
    assert model.manifest["settings"]["stability_sha256"] == values.sha256


def test_stability_is_judged_from_the_training_part(planted, tmp_path):
    table, outcomes = planted(60)
    # 60 cases leave 40 to an outer and 27 to an inner training part; of 15 perturbed ones an inner part has about 7.
    with pytest.raises(InputError, match="at least 10 cases of the training patients; of the 15 cases with perturbed masks"):
        fit(table, outcomes, GRADE, out_dir=tmp_path / "m", perturbed=perturbed_values(table, stable=4, n_cases=15), **FAST)
    nothing = perturbed_values(table, stable=0, n_cases=60)
    with pytest.raises(InputError, match="None of the 40 features is stable"):
        fit(table, outcomes, GRADE, out_dir=tmp_path / "m", perturbed=nothing, **FAST)


def test_balanced_classes_give_probabilities_of_the_same_mean(planted, tmp_path):
    table, outcomes = planted(120, strength=1.0)
    rare = outcomes.assign(isup_grade=np.where(np.arange(120) % 3 == 0, outcomes["isup_grade"], 2.0))
    plain, balanced = (fit(table, rare, GRADE, out_dir=tmp_path / str(each), balanced=each, **FAST) for each in (False, True))
    assert plain.id != balanced.id
    cases = label(table, rare, GRADE)
    scores = [model.ensemble.log_odds(cases) for model in (plain, balanced)]
    means = [1 / (1 + np.exp(-score)) for score in scores]
    share = cases.y.mean()
    assert share < 0.25
    for mean in means:
        assert mean.mean() == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize("sensitivity", [0.0, 1.01])
def test_a_sensitivity_lies_above_0_and_up_to_1(planted, tmp_path, sensitivity):
    with pytest.raises(InputError, match=r"sensitivity must lie inside \(0, 1\], not"):
        fit(*planted(40), GRADE, out_dir=tmp_path / "m", sensitivity=sensitivity, **FAST)


def test_the_threshold_reaches_the_sensitivity_asked_for(planted, tmp_path):
    model = fit(*planted(60), GRADE, out_dir=tmp_path / "m", sensitivity=0.95, **FAST)
    for predictions, decision in (
        (model.out_of_fold, model.decision),
        (model.baseline_out_of_fold, model.baseline_decision),
    ):
        assert (predictions.y_prob[predictions.y_true == 1] >= decision.threshold).mean() >= 0.95


def test_values_under_masks_of_another_preset_or_of_fewer_features_are_refused(planted, tmp_path):
    table, outcomes = planted(60)
    values = perturbed_values(table, stable=4, n_cases=60)
    other = replace(values, about={**table.provenance, "mode": "pyradiomics"})
    with pytest.raises(InputError, match="have mode pyradiomics, the feature table has canonical"):
        fit(table, outcomes, GRADE, out_dir=tmp_path / "m", perturbed=other, **FAST)
    turned = replace(values, about={**table.provenance, "orientation": "LPS"})
    with pytest.raises(InputError, match="have orientation LPS, the feature table has as stored"):
        fit(table, outcomes, GRADE, out_dir=tmp_path / "m", perturbed=turned, **FAST)
    of_now = replace(table, provenance=table.provenance | {"versions": {"extraction": "4"}})
    of_before = replace(values, about={**table.provenance, "versions": {"extraction": "3"}})
    with pytest.raises(InputError, match="have extraction 3, the feature table has 4"):
        fit(of_now, outcomes, GRADE, out_dir=tmp_path / "m", perturbed=of_before, **FAST)
    fewer = replace(values, names=values.names[:30], values=values.values[:, :, :30])
    with pytest.raises(InputError, match="10 of the table's 40 features were not measured under perturbed masks, first"):
        fit(table, outcomes, GRADE, out_dir=tmp_path / "m", perturbed=fewer, **FAST)


def test_the_proof_names_the_stability_filter_and_whom_it_saw(planted):
    table, outcomes = planted(60)
    cases = label(table, outcomes, GRADE)
    values = perturbed_values(table, stable=4, n_cases=50)
    procedure = fit_procedure(cases, GRADE, THREE, seed=0, perturbed=values)
    steps = {step.name: step for step in procedure.steps}
    for place in range(3):
        filtered, tuned = steps[f"tuning {place}: stability filter"], steps[f"tuning {place}"]
        assert filtered.seen == patient_hashes(values.patient_id) & tuned.seen
        assert filtered.scored == tuned.scored


@pytest.mark.parametrize(("setting", "value"), [("inner_folds", 1), ("inner_repeats", 0)])
def test_inner_folds_that_cannot_be_drawn_are_refused(setting, value):
    with pytest.raises(InputError, match=f"Fitting needs {setting} of at least {value + 1}, not {value}"):
        replace(THREE, **{setting: value})
