"""How long one patient of 512 x 512 x 300 takes, whose mask is given: the answer, the page, and the memory of both.

    uv run python benchmarks/patient.py [--preset multiscale]

The scan is synthetic, of the size of a large one; the model is of as many features as the preset has, fitted on values that
scatter around the scan's. Each part runs ``RUNS`` times and the median counts. The objects that go to an archive are timed by
``patient_dicom.py``.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from patient_dicom import SIDE, SPACING_MM, kidneys

from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.made_by import made_by
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.patient.patient_files import PAGE, PatientFiles
from ccrcc_model.patient.predict import predict
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.scans.geometry import read_scan
from radiomics_cfg.preset import load_preset
from radiomics_cfg.runs.batch import Batch
from radiomics_cfg.runs.compaction import tabulate
from radiomics_cfg.table import KEYS, FeatureTable

RUNS = 3
N_PATIENTS = 60
ALLOWED_S = {"answer": 8.0, "page": 8.0}
"""On two cores."""


def write_scan(folder: Path) -> tuple[Path, Path]:
    """Write a body with two kidneys, a tumour and a cyst, and its mask; return both files."""
    labels, rng = kidneys(), np.random.default_rng(0)
    _, y, x = np.ogrid[: len(labels), :SIDE, :SIDE]
    body = ((x - 256) / 230) ** 2 + ((y - 256) / 170) ** 2 <= 1
    hu = np.where(body, np.choose(labels, [-60, 180, 120, 20]), -1000) + rng.normal(0, 15, labels.shape)
    files = []
    for name, values in (("scan", hu.astype(np.int16)), ("mask", labels)):
        image = sitk.GetImageFromArray(values)
        image.SetSpacing(SPACING_MM)
        files.append(folder / f"{name}.nii.gz")
        sitk.WriteImage(image, str(files[-1]))
    return files[0], files[1]


def model_like(scan: Path, mask: Path, preset_name: str, folder: Path) -> Model:
    """Return a model of a preset that was fitted on values that scatter around a scan's."""
    cohort = Cohort("home", Role.DEVELOPMENT, (Case("scan", "scan", "here", scan, mask),))
    batch = Batch.of(cohort, load_preset(preset_name), folder / "cases")
    table, _ = tabulate(batch, batch.measure({}))
    rng, own = np.random.default_rng(5), table.features.to_numpy()[0]
    values = own + (0.1 * np.abs(own) + 1e-3) * rng.normal(size=(N_PATIENTS, len(own)))
    patients = [f"dev-{number:03d}" for number in range(N_PATIENTS)]
    keys = pd.DataFrame(dict.fromkeys(KEYS, "home"), index=range(N_PATIENTS)).assign(
        case_id=patients, patient_id=patients, lesion=1, side="left", centre=["east", "west"] * (N_PATIENTS // 2)
    )
    rows = pd.concat([keys, pd.DataFrame(values, columns=table.feature_names)], axis=1)
    outcomes = pd.DataFrame({"patient_id": patients, "isup_grade": np.where(values[:, 0] > own[0], 3.0, 2.0)})
    known = FeatureTable(rows, {"cohorts": {"home": "development"}, **made_by(batch.recipe.about())})
    return fit(Study(None, known, outcomes), GRADE, settings=Settings(3, 1, 2, 1))


def median_s(call: Callable[[], object]) -> float:
    """Return the median seconds of ``RUNS`` calls."""
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> int:
    """Print a table; fail if a part takes longer than allowed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="multiscale")
    preset_name = parser.parse_args().preset
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan, mask = write_scan(folder)
        model = model_like(scan, mask, preset_name, folder)
        found = predict(model, scan, mask=mask, out=folder / "out")
        answer, own = found.answers[0], folder / "out" / "scan"
        rules = load_preset(preset_name).regions
        case = Case("scan", "scan", "here", scan, own / "mask.nii.gz")
        read = read_scan(case, {name: int(value) for name, value in answer.mask.labels.items()}, mask_required=True)
        taken = {
            "answer": median_s(lambda: predict(model, scan, mask=mask)),
            "page": median_s(lambda: PatientFiles().write(answer, read, source=scan, folder=own, rules=rules)),
        }
        print(f"preset   {preset_name}")
        for part, seconds in taken.items():
            print(f"{part:8} {seconds:5.1f} s, allowed {ALLOWED_S[part]:.0f} s")
        print(f"page     {(own / PAGE).stat().st_size / 1e6:5.1f} MB")
    print(f"memory   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:5.1f} GiB at most")
    return int(any(seconds > ALLOWED_S[part] for part, seconds in taken.items()))


if __name__ == "__main__":
    sys.exit(main())
