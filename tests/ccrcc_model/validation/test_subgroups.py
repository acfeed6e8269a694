from dataclasses import replace
from math import pi
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.statistics.calibration import calibration_intercept
from ccrcc_model.statistics.calls import counts
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.meta_analysis import heterogeneity
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.subgroups import MIN_OF_CLASS, interactions, levels, subgroup_results
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

DIAMETER = "tumour__1mm__original_shape_Maximum3DDiameter"
VOLUME = "tumour__1mm__original_shape_MeshVolume"


def table(**columns: list[float]) -> FeatureTable:
    """A table with a case a patient: p0, p1, and so on."""
    n = len(next(iter(columns.values())))
    ids = [f"p{i}" for i in range(n)]
    keys = {"cohort": "north", "case_id": ids, "patient_id": ids, "centre": "one", "lesion": 1, "side": "left"}
    return FeatureTable(pd.DataFrame({**keys, **{name: np.asarray(values, float) for name, values in columns.items()}}), {})


def outcomes(n: int, **columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": [f"p{i}" for i in range(n)], **columns})


@pytest.fixture
def card(tmp_path: Path) -> Cohort:
    """Three scans of two patients: the second's two differ in everything but the voltage, which one of them lacks."""
    rows = "p0,120,,,,1.5,,\np1a,100,,,,3,,\np1b,,,,,5.0,,\n"
    header = "case_id,tube_voltage_kv,tube_current_ma,rows,columns,slice_thickness_mm,pitch,kernel\n"
    (tmp_path / "acquisition.csv").write_text(header + rows, encoding="utf-8")
    phases = {"p0": "nephrographic", "p1a": "nephrographic", "p1b": "corticomedullary"}
    cases = tuple(Case(name, name[:2], "one", Path("none.nii.gz"), phase=phase) for name, phase in phases.items())
    return Cohort("north", Role.EXTERNAL, cases, acquisition=tmp_path / "acquisition.csv")


@pytest.mark.parametrize(
    ("cell", "level"),
    [("F", "female"), ("male", "male"), (" M ", "male"), ("w", "female"), ("", "not stated"), ("2", "not stated")],
)
def test_sex_is_read_in_the_usual_ways(cell, level):
    assert levels(table(**{DIAMETER: [30]}), outcomes(1, sex=[cell]))["sex"].tolist() == [level]


@pytest.mark.parametrize(
    ("cell", "level"),
    [("64.9", "under 65"), ("65", "65 and over"), ("", "not stated"), ("old", "not stated"), ("-1", "not stated")],
)
def test_age_is_cut_at_65(cell, level):
    assert levels(table(**{DIAMETER: [30]}), outcomes(1, age=[cell]))["age"].tolist() == [level]


def test_size_follows_the_t_stages():
    found = levels(table(**{DIAMETER: [40, 40.1, 70, 70.1, np.nan]}), outcomes(5))
    assert found["tumour size"].tolist() == ["up to 4 cm", "over 4 to 7 cm", "over 4 to 7 cm", "over 7 cm", "not stated"]


def test_size_without_a_diameter_is_that_of_a_sphere_and_else_not_stated():
    volumes = [pi / 6 * 39.9**3, pi / 6 * 40.1**3]
    assert levels(table(**{VOLUME: volumes}), outcomes(2))["tumour size"].tolist() == ["up to 4 cm", "over 4 to 7 cm"]
    assert levels(table(other=[1, 2]), outcomes(2))["tumour size"].tolist() == ["not stated"] * 2


def test_acquisition_and_phase_come_from_the_card_and_differing_scans_are_said_to_differ(card):
    rows = table(**{DIAMETER: [30, 50, 80]}).rows.assign(case_id=["p0", "p1a", "p1b"], patient_id=["p0", "p1", "p1"])
    found = levels(FeatureTable(rows, {}), outcomes(2), card)
    assert found.loc["p0"].tolist()[2:] == ["up to 4 cm", "up to 1.5 mm", "120 kV", "nephrographic"]
    assert found.loc["p1"].tolist()[2:] == ["over 7 cm", "several", "several", "several"]


def test_without_a_card_or_a_case_in_it_nothing_is_stated(card):
    unknown = FeatureTable(table(**{DIAMETER: [30]}).rows.assign(case_id="p9"), {})
    for cohort in (None, replace(card, acquisition=None), card):
        scan = levels(unknown, outcomes(1), cohort)[["slice thickness", "tube voltage", "contrast phase"]]
        assert (scan == "not stated").all(axis=None)


@pytest.fixture
def scored() -> tuple[Predictions, Predictions]:
    """Sixty patients, every third positive, by a model and by a baseline."""
    rng = np.random.default_rng(0)
    ids, truth = np.array([f"p{i:02d}" for i in range(60)]), (np.arange(60) % 3 == 0).astype(int)
    model, baseline = (np.clip(0.3 + strength * truth + 0.3 * rng.random(60), 0, 1) for strength in (0.2, 0.1))
    return (Predictions("north", "grade", ids, ids, truth, model), Predictions("north", "grade", ids, ids, truth, baseline))


def test_a_subgroup_has_the_figures_of_its_patients(scored):
    model, baseline = scored
    women = np.arange(60) % 2 == 0
    found = subgroup_results(model, baseline, pd.DataFrame({"sex": np.where(women, "female", "male")}), threshold=0.5)
    assert [(one.factor, one.level, one.n, one.events) for one in found] == [
        ("sex", "female", 30, 10),
        ("sex", "male", 30, 10),
    ]
    assert found[0].auc == auc(model.take(women))
    assert found[0].difference == auc_difference(model.take(women), baseline.take(women))
    assert found[1].counts == counts(model.take(~women), 0.5)


def test_a_subgroup_needs_its_number_of_patients_of_each_class(scored):
    level = np.where(
        np.arange(60) < 3 * MIN_OF_CLASS, "up to 4 cm", np.where(np.arange(60) < 57, "over 4 to 7 cm", "over 7 cm")
    )
    enough, few, fewer = subgroup_results(*scored, pd.DataFrame({"size": level}), threshold=0.5)
    assert (enough.events, few.events) == (10, 9)
    assert enough.auc.value is not None
    assert enough.intercept == calibration_intercept(scored[0].take(np.arange(60) < 30))
    reason = "9 positive and 18 negative patients; a subgroup needs 10 of a class"
    assert {few.auc.reason, few.difference.estimate.reason, few.intercept.reason} == {reason}
    assert fewer.level == "over 7 cm"


def test_an_interaction_is_cochrans_q_over_the_subgroups_of_a_factor(scored):
    model, baseline = scored
    sex = np.where(np.arange(60) % 2, "male", "female")
    factors = pd.DataFrame({"sex": sex, "phase": ["not stated"] * 59 + ["late"]})
    found = subgroup_results(model, baseline, factors, threshold=0.5)
    by_sex, by_phase = interactions(found)
    assert (by_sex.factor, by_sex.levels) == ("sex", 2)
    assert by_sex.auc == heterogeneity([one.auc for one in found[:2]], scale="logit")
    assert by_sex.intercept == heterogeneity([one.intercept for one in found[:2]])
    assert (by_phase.levels, by_phase.auc) == (0, None)


def test_a_model_that_works_in_one_subgroup_only_shows_an_interaction():
    rng = np.random.default_rng(0)
    ids, truth, works = np.arange(400).astype(np.str_), np.arange(400) % 2, np.arange(400) < 200
    score = np.clip(0.3 + 0.35 * truth * works + 0.15 * rng.normal(size=400), 0, 1)
    model = Predictions("north", "grade", ids, ids, truth, score)
    found = subgroup_results(model, model, pd.DataFrame({"sex": np.where(works, "male", "female")}), threshold=0.5)
    assert interactions(found)[0].auc < 0.001


def test_a_subgroup_of_one_class_says_so_and_keeps_its_counts(scored):
    level = np.where(scored[0].y_true == 1, "100 kV", "80 kV")
    low, high = subgroup_results(*scored, pd.DataFrame({"voltage": level}), threshold=0.5)
    assert (low.level, low.auc.reason) == ("80 kV", "0 positive and 40 negative patients; a subgroup needs 10 of a class")
    assert high.difference.estimate.reason == "20 positive and 0 negative patients; a subgroup needs 10 of a class"
    assert low.counts.specificity.denominator == 40


def test_a_factor_that_nobody_states_is_left_out_and_one_that_some_do_is_not(scored):
    some = np.where(np.arange(60) < 30, "nephrographic", "not stated")
    frame = pd.DataFrame({"sex": ["not stated"] * 60, "phase": some})
    found = subgroup_results(*scored, frame, threshold=0.5)
    assert [(one.factor, one.level) for one in found] == [("phase", "nephrographic"), ("phase", "not stated")]


def test_subgroups_need_one_row_per_patient(scored):
    with pytest.raises(InputError, match="one row per patient; got 59 rows for 60"):
        subgroup_results(*scored, pd.DataFrame({"sex": ["male"] * 59}), threshold=0.5)
