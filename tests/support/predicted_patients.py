"""Small scans with a known lesion, and models of their preset that were fitted on values like theirs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml
from balls import write_ball
from fitted import fit

from ccrcc_model.models.made_by import made_by
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.target import Target
from nnunet_ext.ground.case import Case, Cohort, Role
from radiomics_cfg.preset import load_preset
from radiomics_cfg.runs.batch import Batch
from radiomics_cfg.runs.compaction import tabulate
from radiomics_cfg.table import KEYS, FeatureTable

N_PATIENTS = 60


def write_scan(folder: Path, name: str = "scan", *, tumour_mm: float = 15, seed: int = 0) -> Case:
    """Write ``<name>.nii.gz`` and ``<name>_mask.nii.gz``: a ball in a kidney of 30 mm radius."""
    folder.mkdir(parents=True, exist_ok=True)
    case = Case(name, name, "north", folder / f"{name}.nii.gz", folder / f"{name}_mask.nii.gz")
    return write_ball(case, seed=seed, side=32, tumour_mm=tumour_mm, kidney_mm=30)


def write_preset(folder: Path, *, bin_width: int = 25) -> Path:
    """Write a preset that measures a ball in a tenth of a second."""
    folder.mkdir(parents=True)
    (folder / "regions.yaml").write_text(yaml.safe_dump({"structures": ["tumour", "kidney"]}), encoding="utf-8")
    classes = {"shape": ["MeshVolume"], "firstorder": ["Mean", "Entropy"], "glcm": ["Contrast"]}
    setting = {"resampledPixelSpacing": [3, 3, 3], "binWidth": bin_width}
    parameters = {"setting": setting, "imageType": {"Original": {}}, "featureClass": classes}
    (folder / "3mm.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    return folder


def fit_like(scan: Case, preset: Path, target: Target | str, folder: Path, *, shift: float = 0.0) -> Model:
    """Fit a model on patients whose features scatter around those of a scan, ``shift`` of their spread away from them."""
    batch = Batch.of(Cohort("home", Role.DEVELOPMENT, (scan,)), load_preset(preset), folder.parent / "cases")
    table, _ = tabulate(batch, batch.measure(batch.find()))
    names = table.feature_names
    rng = np.random.default_rng(5)
    spread = 0.1 * np.abs(table.features.to_numpy()[0]) + 1e-3
    values = table.features.to_numpy()[0] + spread * (rng.normal(size=(N_PATIENTS, len(names))) + shift)
    high = values[:, 0] + values[:, 1] > np.median(values[:, 0] + values[:, 1])
    patients = [f"dev-{number:03d}" for number in range(N_PATIENTS)]
    keys = pd.DataFrame(dict.fromkeys(KEYS, "home"), index=range(N_PATIENTS)).assign(
        case_id=patients, patient_id=patients, lesion=1, side="left", centre=["east", "west"] * (N_PATIENTS // 2)
    )
    rows = pd.concat([keys, pd.DataFrame(values, columns=names)], axis=1)
    provenance = {"cohorts": {"home": "development"}, **made_by(batch.recipe.about())}
    grades, percent = np.where(high, 3.0, 2.0), np.where(high, 30.0, 5.0) + rng.normal(size=N_PATIENTS)
    outcomes = pd.DataFrame({"patient_id": patients, "isup_grade": grades, "ki67_percent": percent})
    options = {"folds": 3, "repeats": 1, "trials": 2, "seed": 1}
    return fit(FeatureTable(rows, provenance), outcomes, target, out_dir=folder, **options)


def without_tumour(case: Case) -> Case:
    """Replace the tumour of a mask by kidney."""
    mask = sitk.ReadImage(str(case.mask))
    sitk.WriteImage(sitk.Cast(mask > 0, sitk.sitkUInt8), str(case.mask))
    return replace(case)
