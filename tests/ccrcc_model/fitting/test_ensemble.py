import lightgbm as lgb
import numpy as np
import pytest

from ccrcc_model.fitting.ensemble import families_to_json, fit_ensemble
from ccrcc_model.fitting.families.forest import Forest
from ccrcc_model.fitting.inner import inner_folds, whole_part
from ccrcc_model.fitting.tune import FAMILIES, tune
from ccrcc_model.models.explanation import family_movement
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.seen import leaking_steps, patient_hashes
from ccrcc_model.outcomes.target import GRADE

DEFAULTS = tuple(family() for family in FAMILIES)


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=20), GRADE)


def fitted(cases: LabelledCases):
    folds = inner_folds(cases, folds=3, repeats=2, seed=1)
    return fit_ensemble(cases, folds, whole_part(cases), DEFAULTS, seed=1)


def test_the_score_is_the_weighted_sum_of_the_families_means(cases: LabelledCases) -> None:
    ensemble = fitted(cases)
    score = ensemble.model.log_odds(cases)
    expected = np.zeros(len(cases))
    for name, weight in ensemble.weights.items():
        of_family = [member.log_odds(cases) for member in ensemble.model.members if member.family == name]
        assert len(of_family) == (0 if weight == 0 else 6) or name in ("volume", "ridge")
        if not of_family:
            continue
        expected += np.mean(of_family, axis=0) * (1.0 if name == "volume" else weight)
    np.testing.assert_allclose(score, expected)


def test_no_inner_member_scored_whom_it_had_seen_and_the_stack_saw_all(cases: LabelledCases) -> None:
    ensemble = fitted(cases)
    assert not leaking_steps(ensemble.steps)
    assert ensemble.steps[-1].name == "stack"
    assert ensemble.steps[-1].seen == patient_hashes(cases.patient_id)
    assert ensemble.held_out.shape == (60,)


def test_a_family_that_cannot_be_fitted_drops_out_and_is_named(cases: LabelledCases, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise lgb.basic.LightGBMError("no tree\nat all")

    monkeypatch.setattr(Forest, "fit", fail)
    ensemble = fitted(cases)
    assert ensemble.dropped == {"forest": "it could not be fitted (no tree at all)"}
    assert ensemble.weights["forest"] == 0
    assert "forest" not in {member.family for member in ensemble.model.members}


def test_the_manifest_states_what_each_family_weighs(cases: LabelledCases) -> None:
    ensemble = fitted(cases)
    tuned = tune(inner_folds(cases, folds=3, repeats=1, seed=1), trials=5, seed=1)
    entries = families_to_json(ensemble, tuned, family_movement(cases, ensemble.model))
    assert [one["family"] for one in entries] == ["offset", "forest", "boosting", "ridge", "volume"]
    assert sum(one["share"] for one in entries) == pytest.approx(1)
    assert sum(one["trials"] for one in entries) == 5
    assert sum(one["members"] for one in entries) == len(ensemble.model.members)
