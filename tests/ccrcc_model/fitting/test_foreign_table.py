"""A user's own table, made elsewhere, through fit, benchmark and audit: all of it works, and says what it cannot know."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.validation.benchmark import benchmark
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

VOLUME = "original_shape_MeshVolume"


def own_table(name: str, n: int, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients as PyRadiomics' batch script lists them, whose grade shows in texture, and their outcomes."""
    rng = np.random.default_rng(seed)
    high = np.arange(n) % 3 == 0
    ids = [f"{name}-{place}" for place in range(n)]
    features = {f"original_glcm_{feature}": high + rng.normal(size=n) for feature in ("Contrast", "Idm", "Imc1", "Id")}
    frame = pd.DataFrame({"ID": ids, VOLUME: np.exp(8 + 0.6 * high + rng.normal(size=n)), **features, "age": 60})
    return frame, pd.DataFrame({"patient_id": ids, "isup_grade": np.where(high, 3.0, 1.0)})


def taken(frame: pd.DataFrame, name: str, role: str = "development") -> FeatureTable:
    return FeatureTable.of(frame, patient="ID", volume=VOLUME, cohort=name, role=role)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Model:
    frame, outcomes = own_table("home", 60, seed=1)
    folder = tmp_path_factory.mktemp("models") / "grade"
    fit(Study(None, taken(frame, "home"), outcomes), GRADE, settings=Settings(3, 1, 1), out=folder)
    return Model.load(folder)


def test_a_model_is_fitted_and_says_that_the_preset_is_not_known(locked: Model) -> None:
    assert locked.manifest["preset"] == {"preset": "foreign", "preset_sha256": "0" * 64, "mode": None}
    assert f"tumour__foreign__{VOLUME}" in locked.columns
    assert all("age" not in column for column in locked.columns)


def test_it_is_benchmarked_and_audited_without_hashes_of_images(locked: Model) -> None:
    frame, outcomes = own_table("north", 30, seed=2)
    result = benchmark(locked, [Study(None, taken(frame, "north", "external"), outcomes)])
    assert result.groups[-1].model.n == 30
    assert any("0 have the same image" in answer.finding for answer in result.audit)
    assert all(answer.passed for answer in result.audit)


def test_a_scan_under_another_name_is_recognised_by_its_features(locked: Model) -> None:
    frame, outcomes = own_table("home", 60, seed=1)
    renamed, known = frame.assign(ID="again-" + frame["ID"]), outcomes.assign(patient_id="again-" + outcomes["patient_id"])
    result = benchmark(locked, [Study(None, taken(renamed, "north", "external"), known)])
    assert any("60 others nearly the same features" in answer.finding and not answer.passed for answer in result.audit)


def test_it_is_not_scored_on_features_of_a_known_preset(locked: Model) -> None:
    table = taken(own_table("north", 30, seed=2)[0], "north", "external")
    ours = FeatureTable(table.rows, {"preset": "quick", "preset_sha256": "0" * 64, "mode": "canonical", "cohorts": {}})
    with pytest.raises(InputError, match="features of preset foreign .*made elsewhere.* the table holds quick"):
        locked.predict(Study(None, ours, own_table("north", 30, seed=2)[1]))


def test_an_external_table_is_not_fitted_on(tmp_path: Path) -> None:
    frame, outcomes = own_table("north", 60, seed=1)
    with pytest.raises(InputError, match="cohort north of the table is external"):
        fit(Study(None, taken(frame, "north", "external"), outcomes), GRADE, out=tmp_path / "grade")
