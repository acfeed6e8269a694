"""Models of a table and its outcomes, with the settings as keywords."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from ccrcc_model.fitting import fit as module
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import ISUP, KI67_PERCENT, Target
from radiomics_cfg.table import FeatureTable

GRADED = {target.name: target for target in (ISUP, KI67_PERCENT)}
"""Targets that are no yes or no, by name."""

NAMES = {field.name for field in fields(Settings)}


def fit(
    table: FeatureTable, outcomes: pd.DataFrame, target: Target | str, *, out_dir: Path | None = None, **options: Any
) -> Model:
    """Fit a study without a card; options that are settings become the fit's settings."""
    settings = Settings(**{name: value for name, value in options.items() if name in NAMES})
    others = {name: value for name, value in options.items() if name not in NAMES}
    return module.fit(Study(None, table, outcomes), target, settings=settings, out=out_dir, **others)
