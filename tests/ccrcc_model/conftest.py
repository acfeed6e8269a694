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


def _graded_planted(n: int, *, strength: float = 2.0, seed: int = 0, **others: object) -> tuple[FeatureTable, pd.DataFrame]:
    """A planted table whose texture tells all four grades and the Ki67 percentage through noise, volume a little of both.

    Every fifth patient has no Ki67, every seventh from the second on no grade.
    """
    table, outcomes = _planted(n, seed=seed, **others)
    rows = table.rows.groupby("patient_id", sort=False).first()
    rng = np.random.default_rng([seed, 1])
    texture = rows[[f"tumour__1mm__original_glcm_F{place}" for place in range(1, 8)]].mean(axis=1).to_numpy() / 1.5
    latent = strength * texture + 0.5 * (np.log(rows[VOLUME].to_numpy()) - 10)
    grade = 1.0 + (latent[:, None] + rng.logistic(size=(n, 1)) > [-2.5, 0.0, 2.5]).sum(axis=1)
    percent = np.clip(np.expm1(2 + 0.4 * latent + 0.4 * rng.normal(size=n)), 0, 100).round(1)
    grade[1::7] = np.nan
    percent[::5] = np.nan
    return table, outcomes.assign(isup_grade=grade, ki67_percent=percent)


@pytest.fixture(scope="session")
def graded_planted() -> Planted:
    """Makes a table with planted grades and percentages."""
    return _graded_planted


@pytest.fixture(scope="session")
def graded_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Locked models of ISUP grade and Ki67 percentage, in folders named after them; never to be written to."""
    from fitted import GRADED, fit

    folder = tmp_path_factory.mktemp("graded")
    for name, target in GRADED.items():
        fit(*_graded_planted(90), target, out_dir=folder / name, folds=3, repeats=1, trials=3, seed=7, controls=True)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A locked model of grade, fitted on 60 planted patients; never to be written to."""
    from fitted import fit

    from ccrcc_model.outcomes.target import GRADE

    folder = tmp_path_factory.mktemp("locked") / "grade"
    fit(*_planted(60), GRADE, out_dir=folder, folds=3, repeats=1, trials=3, seed=7)
    return folder
