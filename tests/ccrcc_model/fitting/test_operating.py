import numpy as np
import pytest

import ccrcc_model.models.threshold
from ccrcc_model.fitting.operating import nested_calls, nested_steps
from ccrcc_model.models.threshold import fit_decision
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import leaking_steps


def study(n: int, *, signal: float, seed: int = 0):
    """Patients, a score of each, and the patients of five folds of both classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    ids = np.array([f"p{place:04d}" for place in range(n)])
    cases = LabelledCases((), np.zeros((n, 0)), ids, ids, y)
    dealt = np.concatenate([rng.permutation(np.arange(n)[y == one]) for one in (0, 1)])
    return cases, rng.normal(size=n) + signal * y, [np.sort(ids[dealt[place::5]]) for place in range(5)]


def test_a_patient_is_called_by_the_decision_of_the_other_folds():
    cases, score, tested = study(60, signal=1.0)
    found = nested_calls(cases, score, tested)
    inside = np.isin(cases.patients, tested[2])
    decision = fit_decision(score[~inside], cases.patient_y[~inside])
    assert found.probability[inside].tolist() == decision.probability(score[inside]).tolist()
    assert found.positive[inside].tolist() == (decision.probability(score[inside]) >= decision.threshold).tolist()


def test_a_patients_own_score_does_not_move_its_threshold():
    cases, score, tested = study(60, signal=1.0)
    place = int(np.flatnonzero(np.isin(cases.patients, tested[0]))[0])
    moved = score.copy()
    moved[place] += 50.0
    before, after = (nested_calls(cases, each, tested) for each in (score, moved))
    others = np.isin(cases.patients, tested[0]) & (np.arange(60) != place)
    assert before.probability[others].tolist() == after.probability[others].tolist()
    assert (
        before.probability[~np.isin(cases.patients, tested[0])].tolist()
        != after.probability[~np.isin(cases.patients, tested[0])].tolist()
    )


def test_a_score_that_knows_nothing_seems_good_at_its_own_threshold_and_not_at_nested_ones(monkeypatch):
    monkeypatch.setattr(ccrcc_model.models.threshold, "choose_calibration", lambda *_: "none")  # moves no patient, and is slow
    own, nested = [], []
    for seed in range(60):
        cases, score, tested = study(60, signal=0.0, seed=seed)
        decision = fit_decision(score, cases.patient_y)
        called = decision.probability(score) >= decision.threshold
        own.append(called[cases.patient_y == 1].mean() - called[cases.patient_y == 0].mean())
        found = nested_calls(cases, score, tested).positive
        nested.append(found[cases.patient_y == 1].mean() - found[cases.patient_y == 0].mean())
    assert np.mean(own) > 0.15
    # The standard error of the mean of 60 is 0.017.
    assert np.mean(nested) == pytest.approx(0.0, abs=0.05)


def test_figures_are_those_of_the_calls_with_wider_intervals_the_less_a_threshold_is_known():
    cases, score, tested = study(120, signal=2.0)
    found, effect = nested_calls(cases, score, tested).figures(cases)
    positive = nested_calls(cases, score, tested).positive
    assert found["sensitivity"].value == pytest.approx(positive[cases.patient_y == 1].mean())
    assert found["specificity"].value == pytest.approx(1 - positive[cases.patient_y == 0].mean())
    assert found["slope"].low < 1 < found["slope"].high
    assert effect >= 2.25
    assert nested_calls(*study(120, signal=0.0)).figures(cases)[1] > effect


def test_a_wanted_sensitivity_is_asked_of_the_other_folds():
    cases, score, tested = study(200, signal=1.0)
    found, _ = nested_calls(cases, score, tested, sensitivity=0.9).figures(cases)
    assert found["sensitivity"].value == pytest.approx(0.9, abs=0.05)


def test_the_steps_record_who_was_called_by_whom():
    cases, _, tested = study(60, signal=0.0)
    steps = nested_steps(cases, tested)
    assert [step.name for step in steps[:2]] == [f"outer 0.{place}: calibration and threshold" for place in (0, 1)]
    assert not leaking_steps(steps)
    assert {len(step.scored) for step in steps} == {12}
    assert {len(step.seen) for step in steps} == {48}
