from dataclasses import replace

import numpy as np

from ccrcc_model.fitting.inner import MAX_FEATURES, inner_folds
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.target import GRADE


def test_inner_folds_choose_features_on_their_training_part_alone(planted):
    cases = label(*planted(40, features=300), GRADE)
    before = inner_folds(cases, folds=3, repeats=1, seed=1)[0]
    tested = np.isin(cases.patient_id, before.test.patient_id)
    features = cases.features.copy()
    features[tested] = np.random.default_rng(0).normal(size=features[tested].shape) ** 2
    after = inner_folds(replace(cases, features=features), folds=3, repeats=1, seed=1)[0]
    assert after.chosen == before.chosen
    assert after.start == before.start
    assert len(before.chosen) == MAX_FEATURES
