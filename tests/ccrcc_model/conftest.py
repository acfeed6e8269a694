"""Feature tables with a planted signal, and a model fitted on one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from radiomics_cfg.table import FeatureTable

Planted = Callable[..., tuple[FeatureTable, pd.DataFrame]]

VOLUME = "tumour__1mm__original_shape_MeshVolume"


def _planted(
    n: int,
    *,
    features: int = 40,
    informative: int = 8,
    seed: int = 0,
    strength: float = 2.0,
    volume_strength: float = 0.7,
    role: str = "development",
    cohort: str = "home",
    cases_each: int = 1,
) -> tuple[FeatureTable, pd.DataFrame]:
    """A table whose first features and volume tell the grade through noise, and its outcomes; Ki67 follows the grade.

    Patients are named after the cohort; every fifth has no Ki67.
    """
    rng = np.random.default_rng(seed)
    texture, volume = rng.normal(size=(2, n))
    high = strength * texture + volume_strength * volume + rng.logistic(size=n) > 0
    patients = [f"{cohort}-{place:03d}" for place in range(n)]
    rows = np.repeat(np.arange(n), cases_each)
    values = rng.normal(size=(len(rows), features))
    values[:, :informative] += 1.5 * texture[rows, None]
    values[:, 0] = np.exp(10 + volume[rows] + 0.05 * values[:, 0])
    names = [VOLUME, *(f"tumour__1mm__original_glcm_F{place}" for place in range(1, features))]
    keys = pd.DataFrame(
        {
            "cohort": cohort,
            "case_id": [f"{patients[row]}-{place % cases_each}" for place, row in enumerate(rows)],
            "patient_id": [patients[row] for row in rows],
            "centre": [("east", "west")[row % 2] for row in rows],
            "lesion": 1,
            "side": "left",
        }
    )
    table = pd.concat([keys, pd.DataFrame(values, columns=names)], axis=1)
    provenance = {"cohorts": {cohort: role}, "preset": "test", "preset_sha256": "0123456789", "mode": "canonical"}
    ki67 = np.where(high, 30.0, 5.0)
    ki67[::5] = np.nan
    outcomes = pd.DataFrame({"patient_id": patients, "isup_grade": np.where(high, 3.0, 2.0), "ki67_percent": ki67})
    return FeatureTable(table, provenance), outcomes


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Makes a table with a planted signal and its outcomes."""
    return _planted


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A locked model of grade, fitted on 60 planted patients; never to be written to."""
    from ccrcc_model.fit import fit
    from ccrcc_model.targets import GRADE

    folder = tmp_path_factory.mktemp("locked") / "grade"
    fit(*_planted(60), GRADE, out_dir=folder, folds=3, repeats=1, trials=3, seed=7)
    return folder
