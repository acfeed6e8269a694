import numpy as np
import pytest

from ccrcc_model.fitting.folds import patient_folds, possible_folds
from ccrcc_model.outcomes.cases import LabelledCases
from nnunet_ext.ground.errors import InputError


def cases(positive: int, negative: int, *, each: int = 1) -> LabelledCases:
    patients = np.repeat([f"p{i:03d}" for i in range(positive + negative)], each)
    y = np.repeat((np.arange(positive + negative) < positive).astype(int), each)
    return LabelledCases(("f",), np.zeros((len(y), 1)), patients, patients, y)


def test_no_patient_straddles_and_every_case_is_tested_once_a_repeat():
    rng = np.random.default_rng(0)
    several = cases(20, 40).take(np.sort(rng.integers(60, size=150)))
    splits = patient_folds(several, folds=5, repeats=3, seed=1)
    assert len(splits) == 15
    for repeat in range(3):
        tested = np.concatenate([split.test for split in splits if split.repeat == repeat])
        assert sorted(tested) == list(range(150))
    for split in splits:
        assert not set(several.patient_id[split.train]) & set(several.patient_id[split.test])
        assert len(split.train) + len(split.test) == 150


def test_classes_are_balanced_exactly_by_patient():
    splits = patient_folds(cases(10, 25, each=3), folds=5, repeats=1, seed=3)
    assert all(cases(10, 25, each=3).take(split.test).patient_y.tolist().count(1) == 2 for split in splits)
    assert [len(split.test) for split in splits] == [21] * 5


def test_splits_repeat_with_their_seed_and_differ_between_repeats():
    some = cases(10, 20)
    first, again, other = (patient_folds(some, folds=5, repeats=2, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(first, other, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(first[:5], first[5:], strict=True))


@pytest.mark.parametrize(("rarer", "folds"), [(6, 3), (7, 3), (8, 4), (9, 4), (10, 5), (100, 5)])
def test_folds_are_fewer_where_the_rarer_class_is_small(rarer, folds):
    assert possible_folds(cases(rarer, 100), folds=5, at_least=3) == folds
    assert possible_folds(cases(100, rarer), folds=5, at_least=3) == folds


def test_too_few_patients_of_a_class_are_refused_with_the_boundary():
    assert len(patient_folds(cases(6, 50), folds=5, repeats=1, seed=0, at_least=3)) == 3
    with pytest.raises(InputError, match=r"at least 6 patients of each class .* has 5 of 55"):
        patient_folds(cases(5, 50, each=4), folds=5, repeats=1, seed=0, at_least=3)
