import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from ccrcc_model.fitting.estimator import RadiomicsClassifier
from ccrcc_model.fitting.leak_audit import LeakAudit
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.target import GRADE

QUICK = RadiomicsClassifier(trials=1, inner_folds=2, inner_repeats=1)


def test_it_passes_the_checks_of_scikit_learn():
    # Ten cases, three of one class: the inner folds need four, and the message is about cases, not about features.
    expected = {"check_fit2d_1feature": "too few cases of one class"}
    results = check_estimator(QUICK, expected_failed_checks=expected, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 50


@pytest.fixture(scope="module")
def cases(planted):
    return label(*planted(160, features=20), GRADE)


def test_cross_val_score_finds_the_planted_signal(cases):
    scores = cross_val_score(QUICK, cases.features, cases.y, cv=3, scoring="roc_auc")
    assert scores.mean() > 0.7


def test_it_starts_from_the_volume_it_is_told(cases):
    with_volume = RadiomicsClassifier(0, trials=1, inner_folds=2, inner_repeats=1).fit(cases.features, cases.y)
    slopes = {one.family: one.start.volume.slope for one in with_volume.procedure_.members}
    assert slopes["offset"] > 0
    assert slopes["ridge"] > 0
    without = QUICK.fit(cases.features, cases.y)
    assert {one.start.volume.slope for one in without.procedure_.members if one.family != "volume"} == {0.0}


def test_labels_may_be_any_two_and_probabilities_add_up(cases):
    names = np.where(cases.y == 1, "high", "low")
    fitted = RadiomicsClassifier(trials=1, inner_folds=2, inner_repeats=1).fit(cases.features, names)
    probability = fitted.predict_proba(cases.features)
    assert fitted.classes_.tolist() == ["high", "low"]
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict(cases.features), fitted.classes_[probability.argmax(axis=1)])


def test_the_audit_of_pipelines_watches_it(cases):
    audit = LeakAudit()
    frame = pd.DataFrame(cases.features, index=cases.patient_id)
    watched = audit.watch(QUICK)
    cv = StratifiedGroupKFold(3)
    cross_val_predict(watched, frame, cases.y, groups=frame.index, cv=cv, method="predict_proba")
    assert not audit.findings()


@pytest.mark.parametrize("volume", [20, -21])
def test_a_volume_that_is_no_column_is_refused(cases, volume):
    with pytest.raises(ValueError, match=f"volume is column {volume} of X, which has 20 columns"):
        RadiomicsClassifier(volume).fit(cases.features, cases.y)
