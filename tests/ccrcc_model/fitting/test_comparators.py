# Also of: ccrcc_model.fitting.covariates, ccrcc_model.fitting.rivals.

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fitted import fit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ccrcc_model.fitting.comparators import comparator_line, compare_with_rivals
from ccrcc_model.fitting.controls import run_controls
from ccrcc_model.fitting.covariates import clinical_covariates
from ccrcc_model.fitting.filter import FeatureFilter
from ccrcc_model.fitting.folds import Folds
from ccrcc_model.fitting.ordering import FoldScores
from ccrcc_model.fitting.rivals import Rival, ablation_steps, rivals_of
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.contour_stability import PerturbedValues

VOLUME = "tumour__1mm__original_shape_MeshVolume"
NAMES = (
    VOLUME,
    "tumour__1mm__original_glcm_A",
    "tumour__1mm__wavelet-LLH_glcm_A",
    "kidney__1mm__original_glcm_A",
    "shell_0_3mm_fat__1mm__original_glcm_A",
    "tumour__5mm__original_glcm_A",
)
SETTINGS = Settings(folds=3, repeats=2, trials=2, seed=1, inner_folds=3, inner_repeats=1)


def test_the_ablation_adds_regions_then_filters_and_leaves_out_the_whole_model():
    assert ablation_steps(NAMES) == {
        "tumour": [VOLUME, "tumour__1mm__original_glcm_A"],
        "+ kidney": [VOLUME, "tumour__1mm__original_glcm_A", "kidney__1mm__original_glcm_A"],
        "+ rings": [
            VOLUME,
            "tumour__1mm__original_glcm_A",
            "kidney__1mm__original_glcm_A",
            "shell_0_3mm_fat__1mm__original_glcm_A",
        ],
        "+ filtered images": [VOLUME, *NAMES[1:5]],
    }
    assert list(ablation_steps(NAMES[:2])) == [], "nothing to leave out"


@pytest.fixture(scope="module")
def study(planted):
    table, outcomes = planted(60)
    high = outcomes["isup_grade"] == 3
    rng = np.random.default_rng(0)
    age = np.where(high, 70, 50) + rng.normal(size=60)
    sex = np.where(rng.random(60) < 0.5, "f", "m")
    sex[3] = ""
    return label(table, outcomes, GRADE), outcomes.assign(age=[f"{one:.1f}" for one in age], sex=sex)


def compared(cases, rivals, *, jobs=1):
    folds = Folds.of(cases, SETTINGS)
    patients = [cases.take(split.test).patients for split in folds.splits]
    nothing = FoldScores(patients, [np.zeros(len(each)) for each in patients], folds.repeats)
    return compare_with_rivals(cases, GRADE, nothing, rivals, folds=folds, jobs=jobs)


def score_of_age(cases, clinical):
    return clinical["age"].reindex(cases.patients).to_numpy()


def test_clinical_covariates_go_through_the_same_folds(study):
    cases, outcomes = study
    clinical = clinical_covariates(outcomes, ["age", "sex"], target_column="isup_grade")
    assert clinical["age"].dtype == np.float64
    assert clinical["sex"].iloc[3] == "unknown"
    rivals = rivals_of(cases, GRADE, SETTINGS, clinical=clinical)
    assert [one.name for one in rivals] == ["clinical: age, sex", "logistic regression, its own 30 features"]
    found = compared(cases, rivals)
    by_age = Predictions(
        "x", "grade", cases.patients, cases.patient_centre, cases.patient_y, score_of_age(cases, clinical) / 200
    )
    assert found[0].figure.value == pytest.approx(auc(by_age).value, abs=0.02)
    assert found[0].model_less_it.value == pytest.approx(0.5 - found[0].figure.value)
    assert found[1].figure.value > 0.6
    assert len(Folds.of(cases, SETTINGS).splits) == 6


def test_the_result_does_not_depend_on_the_number_of_processes(study):
    cases, _ = study
    rivals = rivals_of(cases, GRADE, SETTINGS)
    one, two = (compared(cases, rivals, jobs=jobs) for jobs in (1, 2))
    assert one == two


def test_the_diameter_stands_beside_the_model_where_it_was_measured(planted):
    table, outcomes = planted(40)
    rows = table.rows.rename(columns={"tumour__1mm__original_glcm_F5": "tumour__1mm__original_shape_Maximum3DDiameter"})
    cases = label(type(table)(rows, table.provenance), outcomes, GRADE)
    diameter = rivals_of(cases, GRADE, SETTINGS)[0]
    assert diameter.name == "tumour diameter"
    # Where small tumours are positive it is no better for it: a larger one means worse, whatever the training part holds.
    column = "tumour__1mm__original_shape_Maximum3DDiameter"
    turned = replace(cases, y=(cases.columns([column])[:, 0] < np.nanmedian(cases.columns([column]))).astype(int))
    score = diameter.fit(turned, 0)(turned)
    known = turned.columns([column])[:, 0] > 0
    assert np.array_equal(np.argsort(score[known]), np.argsort(turned.columns([column])[known, 0]))


def test_the_model_folder_tells_what_stood_beside_it(study, planted, tmp_path):
    _, outcomes = study
    model = fit(
        planted(60)[0], outcomes, GRADE, out_dir=tmp_path / "m", folds=3, repeats=1, trials=2, clinical=["age"], ablation=True
    )
    names = [one["name"] for one in model.manifest["comparators"]]
    assert names[:2] == ["clinical: age", "logistic regression, its own 30 features"]
    assert all(0 <= one["auc"]["value"] <= 1 for one in model.manifest["comparators"])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("weight", "no column weight; they have patient_id"),
        ("isup_grade", "isup_grade is no covariate of isup_grade"),
        ("empty", "The covariate empty holds no value"),
    ],
)
def test_a_covariate_that_cannot_be_used_is_refused(study, column, message):
    with pytest.raises(InputError, match=message):
        clinical_covariates(study[1].assign(empty=pd.Series("", index=range(60))), [column], target_column="isup_grade")


def test_logistic_regression_on_noise_is_penalised_to_nothing():
    ids = np.array([f"p{place:02d}" for place in range(60)])
    cases = LabelledCases(
        tuple(f"f{place}" for place in range(600)),
        np.random.default_rng(3).normal(size=(60, 600)),
        ids,
        ids,
        np.arange(60) % 2,
    )
    (rival,) = rivals_of(cases, GRADE, SETTINGS)
    # What choosing features on the judged patients too would make of it: the penalty then looks needless.
    ridge = GridSearchCV(LogisticRegression(max_iter=2000), {"C": np.logspace(-4, 2, 7)}, cv=5, scoring="neg_log_loss")
    leaky = make_pipeline(FeatureFilter(30), StandardScaler(), ridge).fit(cases.features, cases.y)
    assert np.std(rival.fit(cases, 0)(cases)) < 0.5 * np.std(leaky.decision_function(cases.features))


def test_the_ablation_goes_through_the_stability_filter(study):
    cases, _ = study
    names = (*cases.names, "kidney__1mm__original_glcm_A")
    wider = replace(cases, names=names, features=np.column_stack([cases.features, cases.features[:, 3] ** 2]))
    few = PerturbedValues(names, cases.patients[:9], np.ones((9, 2, len(names))))
    ablation = next(one for one in rivals_of(wider, GRADE, SETTINGS, ablation=True, perturbed=few) if "ablation" in one.name)
    with pytest.raises(InputError, match="at least 10 cases"):
        ablation.fit(wider, 0)
    with pytest.raises(InputError, match="at least 10 cases"):
        run_controls(wider, GRADE, SETTINGS, folds=Folds.of(wider, SETTINGS), perturbed=few)


def test_a_step_of_the_ablation_that_cannot_be_fitted_says_why(study):
    cases, _ = study

    def impossible(_train, _seed):
        msg = "None of the 3 features is stable"
        raise InputError(msg)

    (found,) = compared(cases, [Rival("ablation: tumour", impossible)])
    assert comparator_line(found.to_json()) == "Comparator ablation: tumour: not estimable, None of the 3 features is stable"


@pytest.mark.parametrize("cell", ["63,5", ">90", ">= 90", "61 y", "15%", "~60"])
def test_a_covariate_that_is_almost_a_number_is_refused(cell):
    outcomes = pd.DataFrame({"patient_id": ["a", "b", "c"], "age": ["61", cell, ""]})
    with pytest.raises(InputError, match="age holds numbers and 1 cells that are almost numbers"):
        clinical_covariates(outcomes, ["age"], target_column="isup_grade")


def test_a_stage_is_a_category_also_where_some_are_numbers():
    outcomes = pd.DataFrame({"patient_id": ["a", "b", "c"], "t_stage": ["1a", "2", "3"]})
    assert clinical_covariates(outcomes, ["t_stage"], target_column="isup_grade")["t_stage"].tolist() == ["1a", "2", "3"]
