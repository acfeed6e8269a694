"""Deep features in a model: components from training patients alone, kept in the folder, nothing else changed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitted import GRADED, fit
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from ccrcc_model.fitting.families.offset import Offset
from ccrcc_model.fitting.inner import Preparation, inner_folds
from ccrcc_model.fitting.nested import fit_procedure
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.fitting.tune import tune
from ccrcc_model.models.components import (
    COMPONENTS,
    fit_projections,
    needed,
    project,
    projections_from_json,
    projections_to_json,
    source_columns,
)
from ccrcc_model.models.member_inputs import input_names, with_components
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.seen import leaking_steps, patient_hashes
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE, ISUP
from ccrcc_model.report.facts import facts
from ccrcc_model.validation.benchmark import benchmark
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

PLACE = "tumour__net2mm"
ONCE = Settings(folds=3, repeats=1, trials=1, seed=1, inner_folds=3, inner_repeats=1)


def with_deep(planted: tuple[FeatureTable, pd.DataFrame], *, channels: int = 30, seed: int = 0) -> FeatureTable:
    """Add deep features of two regions; those of the tumour follow four latent ones, of which the first tells the grade."""
    table, outcomes = planted
    rng = np.random.default_rng(seed)
    n = len(table.rows)
    latent = rng.normal(size=(n, 4)) * [4, 3, 2, 1]
    high = outcomes.set_index("patient_id")["isup_grade"].reindex(table.rows["patient_id"]).to_numpy() >= 3
    latent[:, 0] += 6 * high
    mixing = np.random.default_rng(1).normal(size=(4, channels))
    values = np.hstack([latent @ mixing + 0.1 * rng.normal(size=(n, channels)), rng.normal(size=(n, channels))])
    names = [
        f"{region}__deep_stage{place % 2}_{'mean' if place % 3 else 'std'}_{place}"
        for region in (PLACE, "shell_0_10mm__net2mm")
        for place in range(channels)
    ]
    deep = pd.DataFrame(values, columns=names, index=table.rows.index)
    provenance = {**table.provenance, "deep_sha256": "fedcba9876543210"}
    return FeatureTable(pd.concat([table.rows, deep], axis=1), provenance)


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    development = planted(60, features=20)
    return label(with_deep(development), development[1], GRADE)


@pytest.fixture(scope="module")
def folder(planted, tmp_path_factory) -> Path:
    """A model of a table in which the deep features tell the grade best; never to be written to."""
    development = planted(60, features=20)
    out = tmp_path_factory.mktemp("deep") / "grade"
    fit(with_deep(development), development[1], GRADE, out_dir=out, folds=3, repeats=1, trials=2, seed=7)
    return out


def test_components_are_those_of_scikit_learn(cases):
    names = [name for name in cases.names if name.startswith(PLACE)]
    expected = PCA(COMPONENTS, svd_solver="full").fit_transform(StandardScaler().fit_transform(cases.columns(names)))
    tumour, ring = fit_projections(cases)
    found = tumour.components(cases)
    assert tumour.names == tuple(f"{PLACE}__deep_component_{n}" for n in range(1, COMPONENTS + 1))
    assert ring.names[0] == "shell_0_10mm__net2mm__deep_component_1"
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)


def test_components_take_the_place_of_deep_features_and_join_the_others(cases):
    projections = fit_projections(cases)
    projected = project(cases, projections)
    others = tuple(name for name in cases.names if "__deep_" not in name)
    assert projected.names == (*others, *projections[0].names, *projections[1].names)
    assert np.array_equal(projected.columns(others), cases.columns(others))
    assert np.array_equal(projected.y, cases.y)


def test_cases_without_deep_features_are_handed_on_as_they_are(planted):
    plain = label(*planted(40), GRADE)
    assert fit_projections(plain) == ()
    assert project(plain, ()) is plain


def test_fewer_patients_than_components_give_fewer(cases):
    few = cases.take(np.arange(5))
    assert [len(one.names) for one in fit_projections(few)] == [4, 4]


def test_a_missing_value_is_the_training_median(cases):
    column = next(place for place, name in enumerate(cases.names) if name.startswith(PLACE))
    tumour = fit_projections(cases)[0]
    holed, filled = cases.features[:1].copy(), cases.features[:1].copy()
    holed[0, column], filled[0, column] = np.nan, np.median(cases.features[:, column])
    one = cases.take(np.array([0]))
    assert np.array_equal(tumour.components(replace(one, features=holed)), tumour.components(replace(one, features=filled)))


def test_a_case_without_a_region_has_no_components_of_it_and_does_not_shape_them(cases):
    deep = np.array([name.startswith(PLACE) for name in cases.names])
    features = cases.features.copy()
    features[np.ix_([3, 8], np.flatnonzero(deep))] = np.nan
    holed = replace(cases, features=features)
    tumour = fit_projections(holed)[0]
    missing = np.isnan(tumour.components(holed))
    assert np.flatnonzero(missing.any(axis=1)).tolist() == np.flatnonzero(missing.all(axis=1)).tolist() == [3, 8]
    without = fit_projections(cases.take(np.setdiff1d(np.arange(len(cases)), [3, 8])))[0]
    np.testing.assert_allclose(tumour.axes, without.axes)


def test_features_that_nobody_has_or_that_do_not_vary_are_left_out(cases):
    place = [number for number, name in enumerate(cases.names) if name.startswith(PLACE)]
    features = cases.features.copy()
    features[:, place[0]], features[:, place[1]] = np.nan, 3.7
    tumour = fit_projections(replace(cases, features=features))[0]
    assert tumour.sources == tuple(cases.names[number] for number in place[2:])
    features[:, place] = np.nan
    nothing = fit_projections(replace(cases, features=features))[0]
    assert nothing.names == nothing.sources == ()
    assert not any(name.startswith(PLACE) for name in project(replace(cases, features=features), (nothing,)).names)


def test_only_what_the_chosen_components_need_is_kept(cases):
    projections = fit_projections(cases)
    kept = needed(projections, ("age", f"{PLACE}__deep_component_3"))
    assert [one.names for one in kept] == [(f"{PLACE}__deep_component_3",)]
    np.testing.assert_array_equal(kept[0].components(cases)[:, 0], projections[0].components(cases)[:, 2])
    assert source_columns(kept, ("age", f"{PLACE}__deep_component_3")) == ("age", *projections[0].sources)


def test_components_of_a_case_do_not_depend_on_the_cases_beside_it(cases):
    tumour = fit_projections(cases)[0]
    together = tumour.components(cases)
    for row in range(len(cases)):
        assert np.array_equal(tumour.components(cases.take(np.array([row])))[0], together[row])


def test_projections_survive_json_to_the_last_bit(cases):
    projections = fit_projections(cases)
    for before, after in zip(projections, projections_from_json(projections_to_json(projections)), strict=True):
        np.testing.assert_array_equal(before.components(cases), after.components(cases))


def test_an_inner_fold_projects_by_its_training_part_alone(cases):
    before = inner_folds(cases, folds=3, repeats=1, seed=1)[0]
    tested = np.isin(cases.patient_id, before.test.patient_id)
    features = cases.features.copy()
    features[tested] = np.random.default_rng(0).normal(size=features[tested].shape) ** 2
    after = inner_folds(replace(cases, features=features), folds=3, repeats=1, seed=1)[0]
    assert after.chosen == before.chosen
    assert any("deep_component" in name for name in before.chosen)
    for one, other in zip(before.projections, after.projections, strict=True):
        assert np.array_equal(one.axes, other.axes)
        assert one.seen == other.seen == patient_hashes(before.train.patient_id)


def test_each_projection_is_a_recorded_step_that_saw_nobody_it_scored(cases):
    folds = inner_folds(cases, folds=3, repeats=1, seed=1)
    steps = tune(folds, trials=1, seed=5).steps
    named = [step for step in steps if step.name.endswith("deep components")]
    assert len(named) == 2 * len(folds)
    assert not leaking_steps(steps)
    leaky = replace(folds[0], projections=fit_projections(cases))
    assert leaking_steps(tune([leaky, *folds[1:]], trials=1, seed=5).steps) == ["tuning 0: deep components"] * 2


def test_a_member_of_a_table_scores_as_the_fold_that_fitted_it(cases):
    fold = inner_folds(cases, folds=3, repeats=1, seed=1)[0]
    of_fold, _ = Offset().fit(fold, seed=2)
    member = of_fold.after(fold.projections)
    test = cases.take(np.flatnonzero(np.isin(cases.patient_id, fold.test.patient_id)))
    np.testing.assert_array_equal(member.log_odds(test), of_fold.log_odds(fold.test))
    assert member.contributions(test).shape == (len(test), len(member.inputs))
    assert {name.split("__")[-1].split("_")[1] for name in member.columns if "__deep_" in name} <= {"stage0", "stage1"}
    assert member.seen == patient_hashes(fold.train.patient_id)


def test_the_folder_holds_the_projection_and_predicts_by_it(folder, planted):
    model = Model.load(folder)
    assert (folder / "projections_00.json").is_file()
    pipeline = json.loads((folder / "pipeline.json").read_text(encoding="utf-8"))
    assert pipeline["members"][0]["projections"] == "projections_00.json"
    assert any("deep_component" in entry.feature for entry in model.importance)
    external = planted(50, features=20, seed=4, role="external", cohort="north")
    table = with_deep(external, seed=5)
    predictions = model.predict(Study(None, table, external[1]))
    high = predictions.y_true == 1
    assert np.median(predictions.y_prob[high]) > np.median(predictions.y_prob[~high])
    swapped = table.rows.copy()
    deep = [name for name in table.feature_names if name.startswith(PLACE)]
    swapped[deep] = swapped[deep].to_numpy()[::-1]
    assert not np.array_equal(
        model.predict(Study(None, FeatureTable(swapped, table.provenance), external[1])).y_prob, predictions.y_prob
    )


def test_the_report_says_that_deep_features_are_experimental(folder, model_folder, planted):
    external = planted(50, features=20, seed=4, role="external", cohort="north")
    deep = Model.load(folder)
    told = dict(facts(benchmark(deep, Study(None, with_deep(external), external[1])), deep))
    assert told["Deep features"].startswith("experimental")
    plain = Model.load(model_folder)
    north = Study(None, *planted(50, seed=4, role="external", cohort="n"))
    assert "Deep features" not in dict(facts(benchmark(plain, north), plain))


def test_a_table_without_its_deep_features_or_of_another_network_is_refused(folder, planted):
    model = Model.load(folder)
    plain, outcomes = planted(50, features=20, seed=4, role="external", cohort="north")
    with pytest.raises(InputError, match=r"test \(01234567, canonical, deep features fedcba98\), the table holds test"):
        model.predict(Study(None, plain, outcomes))
    deep = with_deep((plain, outcomes))
    other = FeatureTable(deep.rows, {**deep.provenance, "deep_sha256": "0" * 16})
    with pytest.raises(InputError, match="the table holds test .*deep features 00000000"):
        model.predict(Study(None, other, outcomes))


def test_a_model_without_deep_features_has_no_trace_of_them(model_folder):
    assert not list(model_folder.glob("projections_*"))
    assert "projections" not in (model_folder / "pipeline.json").read_text(encoding="utf-8")
    assert "deep" not in (model_folder / "steps.json").read_text(encoding="utf-8")
    assert json.loads((model_folder / "manifest.json").read_text(encoding="utf-8"))["preset"].keys() == {
        "preset",
        "preset_sha256",
        "mode",
    }


def test_the_domain_compares_the_components_that_the_members_see(folder):
    model = Model.load(folder)
    names = model.domain.distance.names
    assert names == input_names(model.members)
    assert not any("__deep_stage" in name for name in names)
    kept = [
        f"{name}__member_{place:02d}"
        for place, m in enumerate(model.members)
        if m.family != "ridge"
        for one in m.projections
        for name in one.names
    ]
    assert sorted(name for name in names if "__deep_" in name) == sorted(kept)


def test_components_in_a_table_are_those_that_each_member_makes(folder, planted, cases):
    members = Model.load(folder).members
    development = planted(60, features=20)
    held = with_components(with_deep(development), members)
    for place, member in enumerate(members):
        for one in member.projections:
            names = [f"{name}__member_{place:02d}" for name in one.names]
            np.testing.assert_array_equal(held.rows[names].to_numpy(), one.components(cases))


def test_like_patients_are_answered_and_one_with_other_channels_is_declined(folder, planted):
    model = Model.load(folder)
    table = with_deep(planted(200, features=20, seed=4, role="external", cohort="north"), seed=5)
    frame = model.predict_patients(table)
    assert frame["unlike"].mean() < 0.12
    like = int(np.flatnonzero(~frame["unlike"])[0])
    rows = table.rows.copy()
    deep = [name for name in table.feature_names if name.startswith(f"{PLACE}__deep_")]
    rows.loc[like, deep] = rows.loc[like, deep] * 50
    declined = model.predict_patients(FeatureTable(rows, table.provenance)).loc[like]
    assert declined["unlike"]
    assert "most in tumour__net2mm__deep_component_" in declined["unlike_reason"]


def test_a_table_that_no_projection_needs_is_handed_on_as_it_is(model_folder, planted):
    model = Model.load(model_folder)
    table, _ = planted(20)
    assert with_components(table, model.members) is table
    assert set(input_names(model.members)) <= set(model.columns)


@pytest.fixture(scope="module")
def graded_cases(graded_planted) -> LabelledCases:
    development = graded_planted(70, features=20)
    return label(with_deep(development), development[1], ISUP)


def test_a_graded_inner_fold_projects_by_its_training_part_alone(graded_cases):
    before = inner_folds(graded_cases, folds=3, repeats=1, seed=1, preparation=Preparation(ISUP.kind))[0]
    tested = np.isin(graded_cases.patient_id, before.test.patient_id)
    features = graded_cases.features.copy()
    features[tested] = np.random.default_rng(0).normal(size=features[tested].shape) ** 2
    after = inner_folds(
        replace(graded_cases, features=features), folds=3, repeats=1, seed=1, preparation=Preparation(ISUP.kind)
    )[0]
    assert after.chosen == before.chosen
    assert any("deep_component" in name for name in before.chosen)
    assert not any("deep_stage" in name for name in before.chosen)
    for one, other in zip(before.projections, after.projections, strict=True):
        assert np.array_equal(one.axes, other.axes)
        assert one.seen == other.seen == patient_hashes(before.train.patient_id)


def test_graded_members_score_a_table_as_the_folds_that_fitted_them_and_each_projection_is_a_step(graded_cases):
    fitted = fit_procedure(graded_cases, ISUP, ONCE, seed=1)
    folds = inner_folds(graded_cases, folds=3, repeats=1, seed=1, preparation=Preparation(ISUP.kind))
    offset = fitted.tuned.families[0]
    members = [member for member in fitted.members if member.family == offset.name]
    for place, (fold, member) in enumerate(zip(folds, members, strict=True)):
        test = graded_cases.take(np.flatnonzero(np.isin(graded_cases.patient_id, fold.test.patient_id)))
        of_fold, _ = offset.fit(fold, seed=1 + place)
        np.testing.assert_array_equal(member.log_odds(test), of_fold.log_odds(fold.test))
    named = [step for step in fitted.steps if step.name.startswith("inner") and step.name.endswith("deep components")]
    assert [step.seen for step in named] == [patient_hashes(fold.train.patient_id) for fold in folds for _ in range(2)]
    assert [step.scored for step in named] == [patient_hashes(fold.test.patient_id) for fold in folds for _ in range(2)]
    assert not leaking_steps(fitted.steps)


@pytest.mark.parametrize("name", list(GRADED))
def test_a_graded_folder_holds_the_projections_and_predicts_by_them(name, graded_planted, tmp_path):
    development = graded_planted(70, features=20)
    out = tmp_path / name
    fit(with_deep(development), development[1], GRADED[name], out_dir=out, folds=3, repeats=1, trials=1, seed=7)
    model = Model.load(out)
    assert model.manifest["audit"]["no_leak"]
    projected = [member for member in model.members if member.projections]
    assert len(list(out.glob("projections_*.json"))) == len(projected) > 0
    assert not any("__deep_stage" in column for member in projected for column in member.inputs)
    external = graded_planted(40, features=20, seed=4, role="external", cohort="north")
    table = with_deep(external, seed=5)
    said = model.predict_patients(table)
    deep = [column for column in table.feature_names if "__deep_" in column]
    swapped = table.rows.copy()
    swapped[deep] = swapped[deep].to_numpy()[::-1]
    other = model.predict_patients(FeatureTable(swapped, table.provenance))
    column = "expected_grade" if GRADED[name].levels else "percent"
    assert not np.array_equal(other[column], said[column])
    assert np.array_equal(other[f"baseline_{column}"], said[f"baseline_{column}"])
    scored = model.predict(Study(None, table, external[1]))
    np.testing.assert_array_equal(scored.expected, said.set_index("patient_id").loc[scored.patient_id, column])
