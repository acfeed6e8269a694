"""The request of a fit: recognised if it is made again, and stated in the model's manifest."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np

from ccrcc_model.fitting.checks import refuse_other_content
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.domain import acquisition_range
from ccrcc_model.models.made_by import preset_of
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.cases import LabelledCases
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True)
class FitRequest:
    """One fit.

    Args:
        sha256: Of all that it depends on: cases, features, outcomes, settings, versions.
        about: Description of the request in the manifest.
    """

    sha256: str
    about: dict[str, Any]

    @classmethod
    def of(cls, table: FeatureTable, cases: LabelledCases, settings: Settings, *, recorded: Any, depends_on: Any) -> Self:
        """Describe a fit.

        Args:
            table: Features.
            cases: Cases of the table, with their outcomes.
            settings: Settings of the fit.
            recorded: Further settings that the manifest records, by name.
            depends_on: Whatever else the fit depends on, as JSON.
        """
        digest = hashlib.sha256()
        about = [cases.names, cases.patient_id.tolist(), cases.centre.tolist(), cases.y.tolist(), preset_of(table)]
        about += [asdict(acquisition_range(table, cases.patients)), asdict(settings), recorded, depends_on, versions()]
        digest.update(json.dumps(about).encode())
        digest.update(np.ascontiguousarray(cases.features).tobytes())
        sha256 = digest.hexdigest()
        return cls(
            sha256,
            {
                "request": sha256,
                "settings": asdict(settings) | recorded,
                "versions": versions(),
                "preset": preset_of(table),
                "cohorts": sorted(set(table.rows["cohort"].astype("str"))),
            },
        )

    def existing(self, out_dir: Path | None) -> Model | None:
        """Return the model of this request that a folder holds; None if it is empty, not there, or not asked for.

        Raises:
            InputError: If it holds anything else.
        """
        if out_dir is None:
            return None
        refuse_other_content(out_dir)
        if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
            return None
        model = Model.load(out_dir)
        if model.manifest["request"] != self.sha256:
            msg = f"{out_dir} holds another locked model ({model.id[:12]}); remove it or choose another folder"
            raise InputError(msg)
        return model


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a model depends on."""
    packages = ("ccrcc-radiomics", "lightgbm", "numpy", "optuna", "scikit-learn", "scipy")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}
