"""Every centre is judged by a model of the others, and one that cannot be judged is named."""

from dataclasses import replace

import numpy as np
import pytest

from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.folds import centre_folds
from ccrcc_model.fitting.settings import Settings, outer_folds
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.report.model_tables import internal_external
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.meta_analysis import meta_analysis
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

CENTRES = np.repeat(["east", "north", "south", "west"], [30, 30, 26, 4])


@pytest.fixture(scope="module")
def model(planted) -> Model:
    """Of four centres, the last of which has four patients of one class."""
    table, outcomes = planted(90, features=12)
    outcomes.loc[86:, "isup_grade"] = 2.0
    study = Study(None, FeatureTable(table.rows.assign(centre=CENTRES), table.provenance), outcomes)
    return fit(study, GRADE, settings=Settings("centre", trials=1, inner_folds=2, inner_repeats=1))


def test_centres_are_combined_by_random_effects(model: Model) -> None:
    content = model.manifest["internal_external"]
    assert [(one["centre"], one["n_patients"]) for one in content["centres"]] == [
        ("east", 30),
        ("north", 30),
        ("south", 26),
        ("west", 4),
    ]
    areas = [Estimate(**one["model"]) for one in content["centres"]]
    again = meta_analysis(areas, scale="logit")
    assert content["over_centres"]["model"]["mean"]["value"] == pytest.approx(again.mean.value)
    assert content["over_centres"]["model"]["prediction"]["low"] == pytest.approx(again.prediction.low)
    sloped = [one for one in content["centres"] if one["slope"]["value"] is not None]
    assert content["over_centres"]["slope"]["centres"] == len(sloped) == 2
    assert all(min(one["n_high"], one["n_patients"] - one["n_high"]) >= 10 for one in sloped)


def test_a_centre_of_one_class_is_named_and_every_patient_is_scored(model: Model) -> None:
    west = model.manifest["internal_external"]["centres"][-1]
    assert west["model"]["value"] is None
    assert any(
        line.startswith("FC010: 1 of 4 centres") and "first west (0 of 4 high)" in line for line in model.manifest["cautions"]
    )
    assert len(model.out_of_fold) == 90
    assert model.manifest["audit"]["no_leak"]


def test_the_report_shows_the_centres(model: Model) -> None:
    table = internal_external(model)
    assert table is not None
    assert [row[0] for row in table.rows] == ["east", "north", "south", "west", *[row[0] for row in table.rows[4:]]]
    assert "not estimable" in table.rows[3][3]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_each_fold_tests_one_centre_and_a_patient_is_of_the_first(planted) -> None:
    cases = label(*planted(40, cases_each=2), GRADE)
    moved = cases.centre.copy()
    moved[1] = "elsewhere"  # the second case of the first patient
    folds = centre_folds(replace(cases, centre=moved))
    assert len(folds) == 2
    for fold in folds:
        assert not set(cases.patient_id[fold.train]) & set(cases.patient_id[fold.test])


def test_one_centre_and_too_few_patients_elsewhere_are_refused(planted) -> None:
    cases = label(*planted(40), GRADE)
    with pytest.raises(InputError, match="FC011: to leave out a centre at a time needs two"):
        centre_folds(replace(cases, centre=np.full(40, "east")))

    def elsewhere(n: int) -> LabelledCases:
        positive = np.flatnonzero(cases.y == 1)
        centre = np.full(40, "east ")
        centre[positive[:n]] = "west"
        centre[np.flatnonzero(cases.y == 0)[:10]] = "west"
        return replace(cases, centre=centre)

    assert len(centre_folds(elsewhere(4))) == 2
    with pytest.raises(InputError, match="FC011: without centre east  the rarer class has 3 patients"):
        centre_folds(elsewhere(3))


def test_outer_folds_are_a_number_or_centre() -> None:
    assert outer_folds("4") == 4
    assert outer_folds("centre") == "centre"
    for text in ("centres", "2.5", "-3", ""):
        with pytest.raises(InputError, match="a number or 'centre'"):
            outer_folds(text)
    with pytest.raises(InputError, match="a number or 'centre'"):
        Settings("center")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="folds of at least 3"):
        Settings(2)
