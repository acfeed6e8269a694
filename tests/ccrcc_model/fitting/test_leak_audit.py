"""Five pipelines that leak, each found; and the clean one, which passes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ccrcc_model.fitting.leak_audit import LeakAudit
from ccrcc_model.models.threshold import youden_threshold
from nnunet_ext.ground.errors import InputError

N_PATIENTS = 60


@pytest.fixture
def features() -> pd.DataFrame:
    """Two scans of each patient, whose features say nothing."""
    values = np.random.default_rng(0).normal(size=(2 * N_PATIENTS, 200))
    return pd.DataFrame(values, index=np.repeat([f"p{n}" for n in range(N_PATIENTS)], 2)).add_prefix("f")


@pytest.fixture
def y() -> np.ndarray:
    return np.repeat(np.random.default_rng(1).permutation(np.arange(N_PATIENTS) % 2), 2)


@pytest.fixture
def audit() -> LeakAudit:
    return LeakAudit()


GROUPED = StratifiedGroupKFold(5)


def out_of_fold(pipeline: object, features: pd.DataFrame, y: np.ndarray, cv: object = GROUPED) -> np.ndarray:
    groups = features.index.to_numpy() if cv is GROUPED else None
    return cross_val_predict(pipeline, features, y, groups=groups, cv=cv, method="predict_proba")[:, 1]


def model() -> object:
    return make_pipeline(StandardScaler(), SelectKBest(k=5), LogisticRegression())


def codes(audit: LeakAudit) -> set[str]:
    return {finding.code for finding in audit.findings()}


def test_a_clean_pipeline_passes(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    scores = out_of_fold(audit.watch(model()), features, y)
    assert np.array_equal(scores, out_of_fold(model(), features, y)), "watching changes nothing"
    assert audit.findings() == []
    assert audit.proof() == "10 steps were recorded; 60 patients were scored. None of them had been seen by what scored them."


def test_copies_of_patients_under_other_ids_are_found(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    copies = features.iloc[:18:2] * (1 + 1e-12)
    twice = pd.concat([features, copies.rename(index=lambda name: f"again-{name}")])
    out_of_fold(audit.watch(model()), twice, np.concatenate([y, y[:18:2]]))
    assert codes(audit) == {"LA003"}
    assert "patients have nearly the same features as another" in audit.proof()


def test_a_search_inside_the_folds_passes(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    search = GridSearchCV(model(), {"selectkbest__k": [2, 5]}, cv=StratifiedKFold(2))
    out_of_fold(audit.watch(search), features, y)
    assert audit.findings() == []


def test_1_features_selected_before_the_split(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    selected = audit.watch(SelectKBest(k=5)).fit_transform(features, y)
    out_of_fold(audit.watch(LogisticRegression()), selected, y)
    assert codes(audit) == {"LA001"}
    assert "12 of 12 patients" in audit.findings()[0].finding


def test_2_scans_of_one_patient_on_both_sides(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    out_of_fold(audit.watch(model()), features, y, cv=KFold(5, shuffle=True, random_state=0))
    assert codes(audit) == {"LA001"}


def test_3_an_external_cohort_harmonised_with_itself(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    development, external = features.iloc[:80], features.iloc[80:]
    harmoniser = audit.watch(StandardScaler(), "harmonisation").fit(features)
    classifier = audit.watch(LogisticRegression()).fit(harmoniser.transform(development), y[:80])
    classifier.predict_proba(harmoniser.transform(external))
    assert codes(audit) == {"LA001"}


def test_4_a_threshold_chosen_on_those_it_calls(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    scores = out_of_fold(audit.watch(model()), features, y)
    assert 0 < youden_threshold(scores, y) < 1
    audit.record("threshold", fitted_on=features.index, scored=features.index)
    leak = "threshold: 60 of 60 patients that it scored were seen when it was fitted"
    assert [finding.finding for finding in audit.findings()] == [leak]
    assert audit.proof().endswith(f"\nLA001 failed: No step scored a patient whom it had seen. {leak}")


def test_5_the_outcome_among_the_features(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    grade = 1 + 2 * y + np.random.default_rng(2).integers(0, 2, len(y))  # 1 and 2 are low, 3 and 4 are high
    out_of_fold(audit.watch(model()), features.assign(isup_grade=grade), y)
    assert codes(audit) == {"LA002"}
    assert "'isup_grade'" in audit.findings()[0].finding


def test_a_threshold_chosen_on_others_passes(audit: LeakAudit) -> None:
    audit.record("threshold", fitted_on=["p1", "p2"], scored=["p3"])
    assert audit.findings() == []


def test_rows_without_patients_are_refused(audit: LeakAudit, features: pd.DataFrame, y: np.ndarray) -> None:
    with pytest.raises(InputError, match="index of a DataFrame; LogisticRegression was given ndarray"):
        audit.watch(LogisticRegression()).fit(features.to_numpy(), y)
