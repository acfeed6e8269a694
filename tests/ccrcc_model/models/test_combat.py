import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fitted import fit

from ccrcc_model.fitting.families.offset import Offset
from ccrcc_model.fitting.families.ridge import Ridge
from ccrcc_model.fitting.inner import Preparation, inner_folds, whole_part
from ccrcc_model.models.combat import MIN_PATIENTS, ComBat, fit_combat
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.cases import Cases, label
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from nnunet_ext.ground.errors import InputError

COMBAT = Preparation(harmonise="combat")

REFERENCE = Path(__file__).parents[2] / "reference" / "combat.json"
FAST = {"folds": 3, "repeats": 1, "trials": 2}


def cases_of(features: np.ndarray, centre: list[str]) -> Cases:
    names = tuple(f"f{column}" for column in range(features.shape[1]))
    return Cases(names, features, np.array([f"p{row}" for row in range(len(centre))]), np.array(centre))


@pytest.fixture(scope="module")
def published() -> tuple[Cases, np.ndarray]:
    content = json.loads(REFERENCE.read_text(encoding="utf-8"))
    return cases_of(np.array(content["features"]), content["centre"]), np.array(content["harmonised"])


def test_values_are_neurocombats(published):
    cases, expected = published
    harmonised = fit_combat(cases, cases.names).apply(cases)
    # Both end their iteration at a relative change of 1e-4.
    np.testing.assert_allclose(harmonised.features, expected, rtol=1e-4, atol=1e-4)


def test_what_was_fitted_is_applied_to_others_without_being_refitted(published):
    cases, _ = published
    fitted = fit_combat(cases, cases.names)
    one = cases.take(np.array([3]))
    np.testing.assert_array_equal(fitted.apply(one).features[0], fitted.apply(cases).features[3])


def test_centres_agree_in_location_and_scale_once_harmonised():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 50))
    centre = ["a"] * 200 + ["b"] * 200
    values[200:] = 3 + 2 * values[200:]
    cases = cases_of(values, centre)
    after = fit_combat(cases, cases.names).apply(cases).features
    # Before: 3 and 2. What is left of a feature's own difference is what the prior of all features takes for chance.
    assert np.abs(after[:200].mean(axis=0) - after[200:].mean(axis=0)).mean() < 0.15
    assert (after[:200].std(axis=0) / after[200:].std(axis=0)).mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("n", "changed"), [(MIN_PATIENTS - 1, False), (MIN_PATIENTS, True)])
def test_a_centre_of_few_cases_is_left_as_it_is(n, changed):
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=(30, 8)), 5 + rng.normal(size=(n, 8))])
    cases = cases_of(values, ["big"] * 30 + ["small"] * n)
    after = fit_combat(cases, cases.names).apply(cases).features
    assert (not np.array_equal(after[30:], values[30:])) is changed


@pytest.mark.parametrize(("transductive", "shift"), [(False, 5.0), (True, 0.0)])
def test_an_unknown_centre_stays_unless_it_is_estimated_from_its_own_cases(transductive, shift):
    rng = np.random.default_rng(2)
    home, away = rng.normal(size=(2, 100, 20))
    fitted = fit_combat(cases_of(home, ["a"] * 50 + ["b"] * 50), [f"f{n}" for n in range(20)], transductive=transductive)
    after = fitted.apply(cases_of(away + 5, ["new"] * 100)).features
    assert after.mean() == pytest.approx(shift, abs=0.1)


def test_missing_values_stay_missing_and_do_not_move_the_others(published):
    cases, expected = published
    holed = cases.features.copy()
    holed[0, 0] = np.nan
    after = fit_combat(cases, cases.names).apply(replace(cases, features=holed)).features
    assert np.isnan(after[0, 0])
    np.testing.assert_allclose(after[1:], expected[1:], rtol=1e-4, atol=1e-4)


def test_it_is_kept_as_json(published):
    cases, _ = published
    fitted = fit_combat(cases, cases.names, transductive=True)
    again = ComBat.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again.transductive
    np.testing.assert_array_equal(again.apply(cases).features, fitted.apply(cases).features)


def test_only_the_training_part_is_looked_at(planted):
    cases = label(*planted(60), GRADE)
    fold = inner_folds(cases, folds=3, repeats=1, seed=0, preparation=COMBAT)[0]
    far = cases.features.copy()
    far[np.isin(cases.patient_id, fold.test.patients)] *= 1000
    again = inner_folds(replace(cases, features=far), folds=3, repeats=1, seed=0, preparation=COMBAT)[0]
    assert patient_hashes(fold.train.patient_id).isdisjoint(patient_hashes(fold.test.patient_id))
    assert fold.harmoniser is not None
    assert again.harmoniser is not None
    assert fold.chosen == again.chosen
    np.testing.assert_array_equal(fold.harmoniser.mean, again.harmoniser.mean)
    assert fold.start.column not in fold.harmoniser.names


def test_a_locked_model_harmonises_as_it_was_fitted(planted, tmp_path):
    model = fit(*planted(60), GRADE, out_dir=tmp_path / "model", harmonise="combat", **FAST)
    assert model.manifest["settings"]["harmonise"] == "combat"
    again = Model.load(tmp_path / "model")
    assert all(member.harmoniser is not None for member in again.members if member.family != "volume")
    north, _ = planted(20, seed=3, cohort="north", role="external")
    probability = again.predict_patients(north)["probability"]
    np.testing.assert_array_equal(probability, model.predict_patients(north)["probability"])


def test_an_unknown_harmonisation_is_refused(planted, tmp_path):
    with pytest.raises(InputError, match="No harmonisation 'magic'; known ones are none, combat, combat-transductive"):
        fit(*planted(40), GRADE, out_dir=tmp_path / "model", harmonise="magic", **FAST)


def test_a_patient_without_outcome_counts_for_a_transductive_harmonisation(planted, tmp_path):
    model = fit(*planted(60), GRADE, out_dir=tmp_path / "model", harmonise="combat-transductive", **FAST)
    north, truth = planted(40, seed=3, cohort="north", role="external")
    rows = north.rows.assign(centre="new")
    north = type(north)(rows, north.provenance)
    fewer = truth.assign(isup_grade=truth["isup_grade"].where(np.arange(40) % 2 == 0))
    everyone = model.predict_patients(north).set_index("patient_id")["probability"]
    some = model.predict(Study(None, north, fewer))
    assert len(some) == 20
    np.testing.assert_array_equal(some.y_prob, everyone.loc[some.patient_id])


def test_the_proof_names_harmonisation_and_whom_it_saw(planted):
    cases = label(*planted(60), GRADE)
    fold = inner_folds(cases, folds=3, repeats=1, seed=0, preparation=COMBAT)[0]
    (step,) = fold.seen_before
    assert step == ("harmonisation", patient_hashes(fold.train.patient_id))
    assert Offset().fit(fold, seed=0)[0].seen == patient_hashes(fold.train.patient_id)
    assert Ridge().fit(whole_part(cases, COMBAT), seed=0)[0].harmoniser is not None
