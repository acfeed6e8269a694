"""A user's own table of PyRadiomics' columns, from `ccrcc fit` to the page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import ccrcc_here, mistake_here

VOLUME = "original_shape_MeshVolume"


def write_own(folder: Path, name: str, n: int, *, seed: int) -> None:
    """Patients as PyRadiomics' batch script lists them, whose grade shows in texture, and their outcomes."""
    rng = np.random.default_rng(seed)
    high = np.arange(n) % 3 == 0
    ids = [f"{name}-{place}" for place in range(n)]
    features = {f"original_glcm_{feature}": high + rng.normal(size=n) for feature in ("Contrast", "Idm", "Imc1", "Id")}
    frame = pd.DataFrame({"ID": ids, VOLUME: np.exp(8 + 0.6 * high + rng.normal(size=n)), **features})
    frame.to_csv(folder / f"{name}.csv", index=False)
    pd.DataFrame({"patient_id": ids, "isup_grade": np.where(high, 3, 1)}).to_csv(folder / f"{name}_outcomes.csv", index=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hospitals' tables, a model of the first, its benchmark on the second."""
    folder = tmp_path_factory.mktemp("own")
    for name, n, seed in (("home", 60, 1), ("north", 40, 2)):
        write_own(folder, name, n, seed=seed)
    fit = ("fit", folder / "home.csv", "--outcomes", folder / "home_outcomes.csv", "--target", "grade", "--patient", "ID")
    settings = ("--folds", 3, "--repeats", 1, "--trials", 1)
    scored = ("--table", folder / "north.csv", "--outcomes", folder / "north_outcomes.csv", "--patient", "ID")
    for words in (
        (*fit, *settings, "--out", folder / "run" / "model"),
        ("benchmark", folder / "run" / "model", *scored, "--replicates", 100, "--out", folder / "run" / "scores"),
        ("report", folder / "run"),
    ):
        ran = ccrcc_here(*words)
        assert ran.status == 0, ran.said
    return folder


def test_a_table_of_ones_own_is_fitted_scored_and_reported(folder: Path) -> None:
    groups = pd.read_csv(folder / "run" / "scores" / "discrimination.csv").set_index("group")
    assert groups.loc["home", "n"] == 60
    assert groups.loc["north", "n"] == 40
    assert groups.loc["north", "auc"] > 0.6
    assert "foreign" in (folder / "run" / "report" / "report.html").read_text(encoding="utf-8")


def test_columns_of_an_own_table_need_its_patients(folder: Path, tmp_path: Path) -> None:
    words = (
        "fit",
        folder / "home.csv",
        "--outcomes",
        folder / "home_outcomes.csv",
        "--target",
        "grade",
        "--out",
        tmp_path / "m",
    )
    assert "--volume is of a table of your own; name its column of patients by --patient" in mistake_here(
        *words, "--volume", VOLUME
    )
    assert "has no column 'patient'" in mistake_here(*words, "--patient", "patient")


def test_outcomes_come_from_cards_or_from_files(folder: Path, tmp_path: Path) -> None:
    words = (
        "benchmark",
        folder / "run" / "model",
        "--table",
        folder / "north.csv",
        "--patient",
        "ID",
        "--out",
        tmp_path / "b",
    )
    outcomes = ("--outcomes", folder / "north_outcomes.csv")
    assert "--cohort names the outcomes in its card" in mistake_here(*words, *outcomes, "--cohort", folder / "card.yaml")
    assert "got 2 of --outcomes and 1 tables" in mistake_here(*words, *outcomes, *outcomes)
    assert "got 0 of --cohort and 1 tables" in mistake_here(*words)
