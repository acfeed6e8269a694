import optuna
import pytest

from ccrcc_model.fitting.inner import InnerFold, inner_folds
from ccrcc_model.fitting.tune import FAMILIES, tune
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.seen import leaking_steps, patient_hashes
from ccrcc_model.outcomes.target import GRADE


@pytest.fixture(scope="module")
def folds(planted) -> list[InnerFold]:
    return inner_folds(label(*planted(40, features=100), GRADE), folds=3, repeats=1, seed=1)


def test_tuning_runs_exactly_the_trials_asked_for_and_starts_from_the_default(folds):
    one = tune(folds, trials=1, seed=5)
    assert one.n_trials == 1
    assert one.families == tuple(family() for family in FAMILIES)
    six = tune(folds, trials=6, seed=5)
    assert six.n_trials == 6
    assert six.losses["offset"] <= one.losses["offset"]
    assert list(one.losses) == ["offset"]
    assert set(six.losses) == {family.name for family in FAMILIES}


def test_tuning_repeats_with_its_seed_and_says_nothing(folds, capfd):
    verbosity = optuna.logging.get_verbosity()
    assert tune(folds, trials=4, seed=5) == tune(folds, trials=4, seed=5)
    assert optuna.logging.get_verbosity() == verbosity
    assert capfd.readouterr() == ("", "")


def test_a_stored_study_is_carried_on_to_the_number_of_trials(folds):
    storage = optuna.storages.InMemoryStorage()
    tune(folds, trials=2, seed=5, storage=storage, study="grade")
    assert tune(folds, trials=5, seed=5, storage=storage, study="grade").n_trials == 5
    assert tune(folds, trials=5, seed=5, storage=storage, study="grade").n_trials == 5
    assert len(optuna.load_study(study_name="grade", storage=storage).trials) == 5


def test_tuning_records_whom_each_inner_fold_saw_and_scored(folds):
    steps = tune(folds, trials=1, seed=5).steps
    assert len(steps) == 3
    assert not leaking_steps(steps)
    everyone = patient_hashes([*folds[0].train.patient_id, *folds[0].test.patient_id])
    assert frozenset().union(*(step.scored for step in steps)) == everyone
    assert all(step.seen | step.scored == everyone for step in steps)
