"""Small studies that commands are run on: phantoms with masks, and planted feature tables with a locked model."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from nnunet_ext.ground.case import Role
from nnunet_ext.phantom import CohortPlan, Grid, write_study
from radiomics_cfg.table import FeatureTable

SMALL_GRID = Grid(columns=84, rows=60, spacing_mm=4.0, z_extent_mm=192.0, minimum_slice_spacing_mm=4.0)


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An external cohort of two scans, in the folder `away`; never to be written to."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_study(folder, (CohortPlan("away", Role.EXTERNAL, ("centre-7",), 2),), SMALL_GRID, seed=3)
    return folder


@pytest.fixture
def away(phantoms: Path, tmp_path: Path) -> Path:
    """A copy of the external cohort that a test may spoil."""
    return Path(shutil.copytree(phantoms / "away", tmp_path / "away"))


@pytest.fixture(scope="session")
def tables(planted: Callable[..., tuple[FeatureTable, pd.DataFrame]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feature tables and outcomes of a development and an external cohort, and the external one's card.

    The session's locked model was fitted on the development table. Never to be written to.
    """
    folder = tmp_path_factory.mktemp("tables")
    for name, role, seed in (("home", "development", 0), ("away", "external", 2)):
        table, outcomes = planted(60, role=role, cohort=name, seed=seed)
        table.write(folder / f"{name}.parquet")
        outcomes.to_csv(folder / f"{name}.csv", index=False)
    (folder / "cases.csv").write_text(
        "case_id,patient_id,centre,image\naway-000-0,away-000,east,none.nii.gz\n", encoding="utf-8"
    )
    (folder / "away.yaml").write_text("name: away\nrole: external\ncases: cases.csv\noutcomes: away.csv\n", encoding="utf-8")
    return folder
