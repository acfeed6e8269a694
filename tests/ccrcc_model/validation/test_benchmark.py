# Also of: ccrcc_model.validation.audit, ccrcc_model.validation.cautions, ccrcc_model.validation.coverage,
# ccrcc_model.validation.curve_tables, ccrcc_model.validation.groups, ccrcc_model.validation.result,
# ccrcc_model.validation.result_file, ccrcc_model.validation.scored, ccrcc_model.validation.tables.

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitted import fit
from scipy.special import expit

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.finding import Finding
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.evaluation import Pair, Scope, evaluate
from ccrcc_model.statistics.net_benefit import net_benefit
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.benchmark import benchmark
from ccrcc_model.validation.curve_tables import curves
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.groups import assemble
from ccrcc_model.validation.result import FILE, BenchmarkResult
from ccrcc_model.validation.tables import (
    calibration,
    calls,
    discrimination,
    operating_points,
    prevalence,
    recalibration,
    subgroups,
    table_s2,
    write_tables,
)
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable


def cohort(name: str, n: int, *, seed: int, centres: tuple[str, ...] = ("one",), prevalence: float = 0.3) -> Pair:
    """A model that sees the truth through noise, and a baseline that sees it through more."""
    rng = np.random.default_rng(seed)
    y_true = (np.arange(n) < round(prevalence * n)).astype(int)
    ids = np.array([f"p{i}" for i in range(n)], dtype=np.str_)
    centre = np.array([centres[i % len(centres)] for i in range(n)], dtype=np.str_)

    def predictor(strength: float) -> Predictions:
        return Predictions(name, "grade", ids, centre, y_true, expit(strength * y_true - 1.2 + rng.normal(size=n)))

    return Pair(predictor(1.6), predictor(0.6))


@pytest.fixture(scope="module")
def study() -> BenchmarkResult:
    external = [cohort("north", 60, seed=2, centres=("a", "b")), cohort("south", 40, seed=3)]
    return assemble(cohort("home", 120, seed=1), external, target=GRADE, threshold=0.4, baseline_threshold=0.3)


def features(
    name: str, role: str, n: int, *, seed: int, centres: tuple[str, ...] = ("one",)
) -> tuple[FeatureTable, pd.DataFrame]:
    """Patients whose grade shows in tumour volume, and more in texture."""
    rng = np.random.default_rng(seed)
    high = np.arange(n) % 3 == 0
    ids = [f"{name}-{i}" for i in range(n)]
    centre = [centres[i % len(centres)] for i in range(n)]
    rows = pd.DataFrame({"cohort": name, "case_id": ids, "patient_id": ids, "centre": centre, "lesion": 1, "side": "left"})
    rows["tumour__1mm__original_shape_MeshVolume"] = np.exp(8 + 0.6 * high + rng.normal(size=n))
    rows["tumour__1mm__original_glcm_Contrast"] = 2 * high + rng.normal(size=n)
    provenance = {"preset": "quick", "preset_sha256": "0" * 64, "mode": "pyradiomics", "cohorts": {name: role}}
    provenance["cases"] = {case: {"image_sha256": sha256(case.encode()).hexdigest()} for case in ids}
    return FeatureTable(rows, provenance), pd.DataFrame({"patient_id": ids, "isup_grade": np.where(high, 3.0, 1.0)})


def card(name: str, n: int) -> Cohort:
    """The card of the first patients of ``features``."""
    cases = [Case(f"{name}-{i}", f"{name}-{i}", "one", Path(f"{i}.nii.gz")) for i in range(n)]
    return Cohort(name=name, role=Role.EXTERNAL, cases=tuple(cases))


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Model:
    table, outcomes = features("home", "development", 60, seed=1)
    return fit(table, outcomes, GRADE, out_dir=tmp_path_factory.mktemp("models") / "grade", folds=3, repeats=1, trials=1)


def test_a_locked_model_is_scored_on_each_cohort_and_nothing_is_refitted(locked):
    north, south = features("north", "external", 40, seed=2, centres=("a", "b")), features("south", "external", 30, seed=3)
    steps = []
    result = benchmark(
        locked, [Study(None, *north), Study(None, *south)], on_progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 2), (2, 2)]
    assert (result.target, result.rule, result.model_id) == ("grade", "isup_grade >= 3", locked.id)
    assert [group.model.n for group in result.groups] == [60, 40, 30, 70, 20, 20, 30]
    internal, cohort_north = result.groups[:2]
    assert internal.model.auc == Estimate(**locked.manifest["development"]["auc"])
    assert internal.baseline.auc == Estimate(**locked.manifest["development"]["baseline_auc"])
    assert cohort_north.model.auc == auc(locked.predict(Study(None, *north)))
    assert {group.model.threshold for group in result.groups} == {locked.decision.threshold}
    assert {group.baseline.threshold for group in result.groups} == {locked.baseline_decision.threshold}


CONTROLS = ("shuffled_labels", "centre_only")


def test_the_audit_counts_patients_and_passes_for_an_honest_model(locked):
    audit = benchmark(locked, Study(None, *features("north", "external", 40, seed=2))).audit
    assert all(answer.passed for answer in audit)
    assert audit[0].finding == "40 external and 60 development patients, 0 in both."
    assert [answer.code for answer in audit] == ["BA001", "BA002", "BA003", "BA004", "BA005", "BA008"]


@pytest.mark.parametrize(("low", "passed"), [(0.5, True), (0.501, False)])
def test_the_audit_tells_what_the_negative_controls_found(low, passed, locked):
    control = {"value": 0.6, "low": low, "high": 0.7, "reason": None}
    nothing = {"value": None, "low": None, "high": None, "reason": "all patients are of one centre"}
    for centre, expected in ((control, [passed, passed]), (nothing, [passed])):
        controls = {"shuffled_labels": control, "centre_only": centre}
        controlled = replace(locked, manifest={**locked.manifest, "controls": controls})
        audit = benchmark(controlled, Study(None, *features("north", "external", 40, seed=2))).audit
        assert [answer.passed for answer in audit if answer.code in {"BA006", "BA007"}] == expected
        assert audit[5].finding.startswith("AUC 0.60")


def test_a_control_that_separates_completely_and_so_has_no_interval_does_not_pass(locked):
    separated = {"value": 1.0, "low": None, "high": None, "reason": "interval not estimable: DeLong's variance is zero"}
    controlled = replace(locked, manifest={**locked.manifest, "controls": dict.fromkeys(CONTROLS, separated)})
    audit = benchmark(controlled, Study(None, *features("north", "external", 40, seed=2))).audit
    assert [answer.passed for answer in audit if answer.code in {"BA006", "BA007"}] == [False, False]
    assert all("no interval, so the comparison with chance is inconclusive" in answer.finding for answer in audit[5:7])


def test_a_table_of_another_cohort_than_the_card_is_refused(locked):
    north, south = features("north", "external", 40, seed=2), features("south", "external", 40, seed=3)
    right = [Study(card("north", 40), *north), Study(card("south", 40), *south)]
    assert benchmark(locked, right, replicates=100).model_id == locked.id
    with pytest.raises(InputError, match="card of north was given a table of south"):
        benchmark(locked, [Study(card("north", 40), *south), Study(card("south", 40), *north)], replicates=100)


def test_patients_whom_the_card_lists_and_the_table_lacks_are_counted(locked):
    table, outcomes = features("north", "external", 40, seed=2)
    fewer = FeatureTable(table.rows[table.rows["case_id"] != "north-3"], table.provenance)
    whole = benchmark(locked, Study(card("north", 40), table, outcomes), replicates=100)
    assert (whole.coverage[0].cases_absent, whole.coverage[0].patients_absent) == (0, 0)
    result = benchmark(locked, Study(card("north", 40), fewer, outcomes), replicates=100)
    covered = result.coverage[0]
    assert (covered.cases, covered.cases_absent, covered.patients, covered.patients_absent) == (40, 1, 40, 1)
    assert covered.events_absent == 1  # every third patient is positive
    assert any("1 of the card's 40 cases have no features" in line for line in result.lines)
    more = benchmark(locked, Study(card("north", 39), table, outcomes), replicates=100)
    assert any("1 cases of the table are not listed by the card" in line for line in more.lines)


def test_a_development_scan_under_another_name_fails_the_audit(locked):
    table, outcomes = features("north", "external", 40, seed=2)
    images = table.provenance["cases"] | {"north-7": {"image_sha256": sha256(b"home-5").hexdigest()}}
    same = benchmark(
        locked, Study(None, replace(table, provenance=table.provenance | {"cases": images}), outcomes), replicates=100
    )
    answer = same.audit[1]
    assert not answer.passed
    assert "40 cases compared with 60 development scans: 1 have the same image" in answer.finding
    assert any(line.startswith("BA002 failed: No external scan is a development scan") for line in same.lines)


def test_the_audit_fails_for_a_model_whose_steps_leaked(locked):
    leaky = replace(locked, manifest={**locked.manifest, "audit": {**locked.manifest["audit"], "leaks": ["outer 0.1: model"]}})
    audit = benchmark(leaky, Study(None, *features("north", "external", 40, seed=2))).audit
    assert [answer.code for answer in audit if not answer.passed] == ["BA004"]


@pytest.mark.parametrize(
    ("cohorts", "message"),
    [
        ([], "at least one external cohort"),
        ([features("north", "external", 30, seed=2)] * 2, "Two external cohorts are named north"),
        ([features("home", "external", 30, seed=2)], "30 patients of the table were used to fit the model"),
    ],
)
def test_a_benchmark_refuses_what_it_cannot_score(locked, cohorts, message):
    with pytest.raises(InputError, match=message):
        benchmark(locked, [Study(None, *one) for one in cohorts])


def test_groups_are_internal_then_cohorts_then_pool_then_centres(study):
    assert [(group.name, group.scope.value) for group in study.groups] == [
        ("home", "internal"),
        ("north", "external"),
        ("south", "external"),
        ("All external cohorts", "pooled external"),
        ("north: a", "centre"),
        ("north: b", "centre"),
        ("south: one", "centre"),
    ]


def test_pool_and_centres_hold_every_external_patient_once(study):
    pooled = study.scope(Scope.POOLED)[0].model
    for groups in (study.scope(Scope.EXTERNAL), study.scope(Scope.CENTRE)):
        assert sum(group.model.n for group in groups) == pooled.n == 100
        assert sum(group.model.events for group in groups) == pooled.events
        assert sum(group.model.counts.true_positive for group in groups) == pooled.counts.true_positive
        assert sum(group.baseline.counts.false_positive for group in groups) == study.everyone.baseline.counts.false_positive


def test_one_external_cohort_of_one_centre_is_not_repeated_as_pool_and_centre():
    result = assemble(
        cohort("home", 60, seed=1), [cohort("north", 50, seed=2)], target=GRADE, threshold=0.4, baseline_threshold=0.3
    )
    assert [group.scope for group in result.groups] == [Scope.INTERNAL, Scope.EXTERNAL]
    assert result.headline.name == "north"


def test_without_external_cohorts_the_headline_is_internal():
    result = assemble(cohort("home", 60, seed=1), [], target=GRADE, threshold=0.4, baseline_threshold=0.3)
    assert result.headline.scope is Scope.INTERNAL


def test_model_and_baseline_are_called_at_their_own_thresholds(study):
    group = study.scope(Scope.INTERNAL)[0]
    assert (group.model.threshold, group.baseline.threshold) == (0.4, 0.3)
    pair = cohort("home", 120, seed=1)
    assert group.baseline.counts.true_positive == int(((pair.baseline.y_prob >= 0.3) & (pair.baseline.y_true == 1)).sum())


def test_evaluate_holds_the_figures_of_their_predictions():
    pair = cohort("home", 80, seed=4)
    evaluation = evaluate(pair.model, 0.4)
    assert evaluation.auc == auc(pair.model)
    assert (evaluation.n, evaluation.events) == (80, 24)


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_a_cohort_of_one_class_is_evaluated_as_far_as_it_can_be(prevalence, tmp_path):
    one_class = cohort("north", 30, seed=2, prevalence=prevalence)
    result = assemble(cohort("home", 60, seed=1), [one_class], target=GRADE, threshold=0.4, baseline_threshold=0.3)
    group = result.everyone
    assert group.model.auc.value is None
    assert group.difference.estimate.reason == f"no {'negative' if prevalence else 'positive'} patients"
    assert group.model.counts.accuracy.value is not None
    row = result.table_s2().iloc[1]
    assert row["specificity" if prevalence else "sensitivity"] == "not estimable"
    result.save(tmp_path)
    assert BenchmarkResult.load(tmp_path).everyone.model.roc is None


def test_a_cohort_of_five_patients_is_evaluated():
    pair = cohort("tiny", 5, seed=2, prevalence=0.4)
    result = assemble(cohort("home", 60, seed=1), [pair], target=GRADE, threshold=0.4, baseline_threshold=0.3)
    assert result.headline.auc.value is not None
    assert "smoother needs 20" in result.everyone.model.calibration.ici.reason


def test_what_was_written_is_read_back(study, tmp_path):
    audited = replace(study, audit=(Finding("Nobody was seen twice.", "0 of 100.", passed=True),))
    audited.save(tmp_path)
    back = BenchmarkResult.load(tmp_path)
    assert (back.target, back.rule, back.sentence, back.audit) == (study.target, study.rule, study.sentence, audited.audit)
    assert (back.subgroups, back.recalibrated, back.prevalence) == (study.subgroups, study.recalibrated, None)
    for there, here in zip(back.groups, study.groups, strict=True):
        assert (there.name, there.scope, there.difference) == (here.name, here.scope, here.difference)
        assert there.model.counts == here.model.counts
        assert there.model.calibration == here.model.calibration
        assert (there.model.bootstrap, there.calls) == (here.model.bootstrap, here.calls)
        assert there.model.curve.group_observed == here.model.curve.group_observed
        np.testing.assert_array_equal(there.model.roc.sensitivity, here.model.roc.sensitivity)
        np.testing.assert_array_equal(there.baseline.decision.model, here.baseline.decision.model)


def test_a_benchmark_that_is_not_there_or_not_one_is_the_users_to_mend(tmp_path):
    with pytest.raises(InputError, match="No benchmark at"):
        BenchmarkResult.load(tmp_path)
    (tmp_path / FILE).write_text('{"target": "grade"}', encoding="utf-8")
    with pytest.raises(InputError, match="is not a benchmark: rule"):
        BenchmarkResult.load(tmp_path)


def test_table_s2_prints_in_the_form_of_the_supplement(study):
    frame = study.table_s2()
    assert frame["sensitivity"].str.fullmatch(r"[01]\.\d\d\([01]\.\d\d-[01]\.\d\d\)").all()
    first = frame.iloc[0]
    assert first["true_positive"] + first["false_negative"] == first["events"]
    assert first[["true_positive", "false_negative", "true_negative", "false_positive"]].sum() == first["n"]
    assert (table_s2(replace(study, print_rule="cut"))["accuracy"] != frame["accuracy"]).any()


def test_tables_hold_a_row_for_each_group_and_predictor(study):
    assert len(discrimination(study)) == 7
    assert len(calibration(study)) == 7 * 2 * 4
    shares = operating_points(study)
    assert len(shares) == 7 * 2 * 8
    counted = shares.dropna(subset="numerator")
    assert len(counted) == 7 * 2 * 5
    assert (counted["value"] == counted["numerator"] / counted["denominator"]).all()
    row = discrimination(study).iloc[0]
    assert row["difference"] == pytest.approx(row["auc"] - row["baseline_auc"])
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_curves_hold_the_points_that_are_drawn(study):
    roc = curves(study, "roc")
    chosen = roc[(roc["group"] == "home") & (roc["predictor"] == "model")]
    np.testing.assert_array_equal(chosen["sensitivity"], study.groups[0].model.roc.sensitivity)
    assert set(curves(study, "calibration")["kind"]) == {"group", "smoothed"}
    assert set(curves(study, "decision").columns) >= {"threshold", "net_benefit", "treat_all"}


def test_figures_by_the_bootstrap_stand_beside_delongs(study):
    row = discrimination(study).iloc[0]
    evaluation = study.groups[0].model
    assert row["auc_bootstrap_low"] == evaluation.bootstrap.auc.low != row["auc_low"]
    assert row["auprc_low"] < row["auprc"] < row["auprc_high"]
    assert row["baseline_auprc"] < row["auprc"]
    assert evaluation.calibration.ici == evaluation.bootstrap.ici
    figures = operating_points(study).query("group == 'home' and predictor == 'model'").set_index("metric")
    assert figures.loc["f1", "low"] == evaluation.bootstrap.f1.low
    assert figures.loc["net_benefit", "value"] == net_benefit(cohort("home", 120, seed=1).model, threshold=0.4).value


def test_calls_of_model_and_baseline_are_compared_at_their_own_thresholds(study):
    frame = calls(study).query("group == 'home'").set_index("metric")
    group = study.groups[0]
    for name in ("sensitivity", "specificity", "accuracy"):
        share, other = getattr(group.model.counts, name), getattr(group.baseline.counts, name)
        assert frame.loc[name, "patients"] == share.denominator
        only = frame.loc[name, "only_model_right"] - frame.loc[name, "only_baseline_right"]
        assert only == share.numerator - other.numerator
    assert (frame["p_value"] > 0).all()


def test_figures_at_a_prevalence_are_given_where_one_is_named(study, tmp_path):
    assert prevalence(study).empty
    named = replace(study, prevalence=0.1)
    frame = prevalence(named)
    assert len(frame) == 7 * 2 * 3
    shares = operating_points(study).query("group == 'home' and predictor == 'model' and metric == 'ppv'")
    there = frame.query("group == 'home' and predictor == 'model' and metric == 'ppv'")
    assert there["value"].iloc[0] < shares["value"].iloc[0]  # 30 % of the patients are positive there
    write_tables(study, tmp_path)
    assert not (tmp_path / "at_prevalence.csv").exists()
    write_tables(named, tmp_path)
    assert len(pd.read_csv(tmp_path / "at_prevalence.csv")) == len(frame)
    write_tables(study, tmp_path)
    assert not (tmp_path / "at_prevalence.csv").exists()


def test_recalibration_in_the_large_is_a_result_of_its_own(study):
    assert [one.group for one in study.recalibrated] == ["north", "south", "All external cohorts"]
    frame = recalibration(study)
    assert set(frame["what"]) == {"recalibrated in the large on these same patients; not an external validation"}
    moved = frame.query("group == 'north'").set_index("metric")["value"]
    north = study.scope(Scope.EXTERNAL)[0].model.calibration
    assert moved["shift"] == pytest.approx(north.intercept.value)
    assert study.recalibrated[0].calibration.intercept.value == pytest.approx(0, abs=1e-9)
    assert "intercept" not in moved
    assert moved["slope"] == pytest.approx(north.slope.value)


def test_a_benchmark_from_before_the_bootstrap_is_still_read(study, tmp_path):
    study.save(tmp_path)
    content = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    for name in ("subgroups", "recalibrated", "prevalence"):
        del content[name]
    for group in content["groups"]:
        del group["calls"], group["model"]["bootstrap"], group["baseline"]["bootstrap"]
    (tmp_path / FILE).write_text(json.dumps(content), encoding="utf-8")
    old = BenchmarkResult.load(tmp_path)
    write_tables(old, tmp_path)
    assert "auprc" not in pd.read_csv(tmp_path / "discrimination.csv").columns
    f1 = operating_points(old).query("metric == 'f1'")
    assert f1["low"].isna().all()
    assert set(f1["reason"]) == {"interval needs a bootstrap"}
    assert not any((tmp_path / f"{name}.csv").exists() for name in ("calls", "recalibration", "subgroups", "at_prevalence"))


def test_external_patients_are_told_apart_by_what_their_files_say(locked):
    north, outcomes = features("north", "external", 60, seed=2)
    south, others = features("south", "external", 60, seed=3)
    told = outcomes.assign(sex=["F", "M"] * 30, age=["50"] * 45 + [""] * 15)
    result = benchmark(locked, [Study(None, north, told), Study(None, south, others)], replicates=100)
    frame = subgroups(result)
    sexes = frame.query("factor == 'sex'").set_index("level")
    assert sexes["n"].to_dict() == {"female": 30, "male": 30, "not stated": 60}
    ages = frame.query("factor == 'age'").set_index("level")
    assert ages["n"].to_dict() == {"under 65": 45, "not stated": 75}
    scored = locked.predict(Study(None, north, told))
    women = scored.take(np.isin(scored.patient_id, told["patient_id"][told["sex"] == "F"]))
    assert sexes.loc["female", "auc"] == pytest.approx(auc(women).value)
    assert set(frame["factor"]) == {"sex", "age", "tumour size"}


@pytest.mark.parametrize("share", [0.0, 1.0, 30.0])
def test_a_prevalence_that_is_no_share_is_refused_before_anything_is_scored(locked, share):
    with pytest.raises(InputError, match="a share of positive patients"):
        benchmark(locked, [Study(None, *features("north", "external", 30, seed=2))], prevalence=share)


def test_cohorts_that_are_small_or_of_one_class_get_a_line_each():
    pairs = [
        cohort("tiny", 5, seed=2, prevalence=0.4),
        cohort("healthy", 30, seed=3, prevalence=0),
        cohort("fine", 20, seed=4),
    ]
    result = assemble(cohort("home", 60, seed=1), pairs, target=GRADE, threshold=0.4, baseline_threshold=0.3, replicates=50)
    assert [finding.code for finding in result.cautions] == ["BC004", "BC003"]
    assert tuple(finding.finding for finding in result.cautions) == (
        "tiny: 5 patients only; its figures are a rough guide at best, and an ICI is not estimable",
        "healthy: no positive patients among 30, so AUC, AUPRC and calibration are not estimable",
    )


@pytest.mark.parametrize(("n_unlike", "told"), [(15, 0), (16, 1)])
def test_a_cohort_of_mostly_unlike_patients_gets_a_line(n_unlike, told):
    pair = cohort("north", 30, seed=2)
    unlike = Pair(replace(pair.model, abstained=np.arange(30) < n_unlike), pair.baseline)
    result = assemble(cohort("home", 60, seed=1), [unlike], target=GRADE, threshold=0.4, baseline_threshold=0.3, replicates=50)
    assert [f"abstains from {n_unlike} of 30" in line for line in result.lines] == [True] * told


def test_both_kinds_of_result_answer_to_the_same_names():
    names = {"headline", "cautions", "lines", "contrasts", "table_s2", "plot", "save", "load"}
    assert names <= set(dir(BenchmarkResult)) & set(dir(GradedResult))


def test_a_result_says_in_three_lines_what_it_is(study):
    lines = repr(study).splitlines()
    assert lines[0] == "Benchmark of grade (isup_grade >= 3)"
    assert lines[1].startswith("Over external cohorts: AUC 0.")
    assert lines[1].endswith("by mean of these cohorts")
    assert lines[2] == "100 patients, 30 of them positive, 2 external cohorts; cautions: 0"
    assert len(lines) == 3
    assert study._repr_html_() == "<pre>" + repr(study).replace(">", "&gt;") + "</pre>"


@pytest.mark.parametrize(("kind", "label"), [("roc", "Sensitivity"), ("calibration", "Observed proportion")])
def test_a_result_draws_one_group_and_returns_its_axes(kind, label, study):
    assert study.plot(kind).get_ylabel() == label
    assert study.plot(kind, group="north").get_title(loc="left").strip() == "north"


def test_the_forest_of_a_result_has_its_cohorts_and_not_its_centres(study):
    shown = [text.get_text() for text in study.plot("forest").texts]
    assert {"north", "south", "Over external cohorts"} <= set(shown)
    assert "north: a" not in shown


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ({"kind": "pie"}, "No figure 'pie'; known ones are roc, calibration, decision, forest"),
        ({"kind": "roc", "group": "east"}, "No group 'east'; known ones are home, north, south"),
    ],
)
def test_a_figure_or_group_that_is_not_known_is_the_users_to_mend(asked, known, study):
    with pytest.raises(InputError, match=known):
        study.plot(**asked)


def test_external_patients_are_ordered_by_volume_itself(locked):
    table, outcomes = features("north", "external", 40, seed=2)
    baseline = locked.predict_baseline(Study(None, table, outcomes))
    volume = table.rows.set_index("patient_id")["tumour__1mm__original_shape_MeshVolume"].loc[list(baseline.patient_id)]
    assert np.array_equal(np.argsort(baseline.score), np.argsort(volume.to_numpy()))
    found = benchmark(locked, Study(None, table, outcomes), replicates=100).groups[1]
    by_volume = replace(baseline, y_prob=np.full(40, 0.5), score=np.log(volume.to_numpy()))
    assert found.baseline.auc.value == pytest.approx(auc(by_volume).value)


def test_unanswered_patients_readers_and_a_declared_range_are_written_and_read_back(locked, tmp_path):
    table, outcomes = features("north", "external", 40, seed=2)
    fewer = FeatureTable(table.rows[~table.rows["case_id"].isin(["north-3", "north-4"])], table.provenance)
    read = outcomes.assign(biopsy=np.where(np.arange(40) % 5 == 0, "", outcomes["isup_grade"].astype(str)))
    read.loc[7, "isup_grade"] = np.nan
    study = Study(card("north", 40), fewer, read)
    result = benchmark(locked, study, readers=("biopsy",), decision_range=(0.2, 0.6), replicates=100)
    (covered,) = result.coverage
    assert (covered.without_outcome, covered.patients, covered.patients_absent, covered.events_absent) == (1, 39, 2, 1)
    whole = result.intention_to_diagnose[0].table
    assert (whole.n, whole.positive_without, whole.negative_without) == (39, 1, 1)
    (reader,) = result.readers.results
    assert (reader.missing, reader.counts.accuracy.value) == (8, 1.0)
    assert result.groups[1].model.decision.threshold[[0, -1]].tolist() == [0.2, 0.6]
    result.save(tmp_path)
    assert repr(BenchmarkResult.load(tmp_path)) == repr(result)
    kept = pd.read_csv(tmp_path / "intention_to_diagnose.csv")
    row = kept[kept["without_an_answer"] == "not scored"].iloc[0]
    assert (row["positive_without_answer"], row["is_complete"]) == (1, True)
    assert row["sensitivity_worst_exact"] <= row["sensitivity_answered_exact"] <= row["sensitivity_best_exact"]
    assert set(pd.read_csv(tmp_path / "readers.csv")["reader"]) == {"biopsy"}
    assert {"low", "high"} <= set(pd.read_csv(tmp_path / "decision_curve.csv").columns)
    assert len(pd.read_csv(tmp_path / "decision_difference.csv").query("group == 'north'")) == 41
    assert not (tmp_path / "across_cohorts.csv").exists()


def test_several_cohorts_have_a_table_over_them(study, tmp_path):
    study.save(tmp_path)
    frame = pd.read_csv(tmp_path / "across_cohorts.csv").set_index(["metric", "by"])
    assert frame.loc[("auc", "mean of these cohorts"), "value"] == pytest.approx(study.headline.auc.value)
    assert frame.loc[("difference", "random effects"), "used"] == 2
    assert BenchmarkResult.load(tmp_path).across == study.across


@pytest.mark.parametrize(("times", "passed"), [(1.0, True), (1e-3, False)])
def test_external_volumes_in_cubic_centimetres_fail_the_audit(locked, times, passed):
    table, outcomes = features("north", "external", 40, seed=2)
    volume = locked.baseline.columns[0]
    scaled = replace(table, rows=table.rows.assign(**{volume: table.rows[volume] * times}))
    audit = benchmark(locked, Study(None, scaled, outcomes), replicates=100).audit
    assert [answer.passed for answer in audit if answer.code == "BA008"] == [passed]
