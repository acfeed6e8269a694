"""What is fuzzed: how to make each kind of file whole, and what reads it."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from damage import damaged_bytes, damaged_json, damaged_text

from ccrcc_model.faults.dicom_files import new_seg, outlines, write_ct, write_rtstruct
from ccrcc_model.faults.identities import cohort
from ccrcc_model.faults.scans import as_image, small_scan, write_card
from nnunet_ext.ground.case import Case, Role


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Args:
        name: Of the kind.
        make: Writes what is needed into an empty folder, and returns the bytes that are damaged.
        read: Reads the folder.
        damage: Draws damaged bytes.
        put: Writes the damaged bytes where they belong.
        examples: Damaged files in all; None for the usual number.
    """

    name: str
    make: Callable[[Path], bytes]
    read: Callable[[Path], object]
    damage: Callable[[bytes], Any]
    put: Callable[[Path, bytes], None]
    examples: int | None = None


def at(name: str) -> Callable[[Path, bytes], None]:
    """Put the bytes into a file of this name."""
    return lambda folder, content: (folder / name).write_bytes(content) and None


def made(name: str, write: Callable[[Path], object]) -> Callable[[Path], bytes]:
    """Let ``write`` fill the folder; the file of this name is damaged."""

    def make(folder: Path) -> bytes:
        write(folder)
        return (folder / name).read_bytes()

    return make


def write_nifti(name: str) -> Callable[[Path], object]:
    return lambda folder: sitk.WriteImage(as_image(small_scan()[0]), str(folder / name))


def read_image(name: str) -> Callable[[Path], object]:
    from nnunet_ext.scans.geometry import read_scan

    return lambda folder: read_scan(Case("a", "p", "north", folder / name), {"kidney": 1, "tumour": 2})


def read_image_and_mask(folder: Path) -> object:
    from nnunet_ext.scans.geometry import read_scan

    return read_scan(Case("a", "p", "north", folder / "a.nii.gz", folder / "mask.nii"), {"kidney": 1, "tumour": 2})


def write_image_and_mask(folder: Path) -> None:
    hu, mask = small_scan()
    sitk.WriteImage(as_image(hu), str(folder / "a.nii.gz"))
    sitk.WriteImage(as_image(mask), str(folder / "mask.nii"))


def import_folder(folder: Path) -> object:
    from nnunet_ext.convert.dicom import import_dicom

    out = folder.parent / f"{folder.name}-out"
    shutil.rmtree(out, ignore_errors=True)
    return import_dicom(folder, out, name="small", role=Role.DEVELOPMENT, centre="north")


def write_slices(folder: Path) -> None:
    for slice_, number in zip(write_ct(folder), range(99), strict=False):
        slice_.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    for path in folder.glob("*-*.dcm"):
        path.unlink()


def write_slices_and_seg(folder: Path) -> None:
    slices = write_ct(folder)
    new_seg(slices, small_scan()[1]).save_as(folder / "seg.dcm")


def write_slices_and_contours(folder: Path) -> None:
    write_rtstruct(folder / "rt.dcm", write_ct(folder), {"Kidney": outlines(1), "Tumour": outlines(2)})


def read_card(folder: Path) -> object:
    from nnunet_ext.cohort.cards import load_cohort

    return load_cohort(folder / "card.yaml")


def write_cohort(folder: Path) -> None:
    write_card(folder, "a,p,north,a.nii.gz,a_mask.nii.gz\nb,q,south,b.nii.gz,\nc,r,south,c.nii.gz,\n")


def read_outcomes(folder: Path) -> object:
    from ccrcc_model.outcomes.table import read_outcomes as read

    return read(folder / "outcomes.csv")


def write_outcomes(folder: Path) -> None:
    cohort("north", Role.DEVELOPMENT, seed=1)[1].to_csv(folder / "outcomes.csv", index=False)


def read_acquisition(folder: Path) -> object:
    from nnunet_ext.cohort.acquisition import read_acquisition as read

    return read(folder / "scans.csv")


def write_acquisition(folder: Path) -> None:
    known = {"tube_voltage_kv": [120, 100], "tube_current_ma": [200, 210.5], "rows": 512, "columns": 512}
    known |= {"slice_thickness_mm": [1.5, 5], "pitch": [0.9, 1], "kernel": ["B30f", ""]}
    pd.DataFrame({"case_id": ["a", "b"], **known}).to_csv(folder / "scans.csv", index=False)


def write_preset(folder: Path) -> None:
    source = Path(__file__).parents[2] / "radiomics_cfg" / "presets" / "quick"
    for path in source.iterdir():
        shutil.copy(path, folder / path.name)
    (folder / "1mm.yaml").write_bytes(next(source.glob("*mm.yaml")).read_bytes())
    for path in folder.glob("*mm.yaml"):
        if path.name != "1mm.yaml":
            path.unlink()


def read_preset(folder: Path) -> object:
    from radiomics_cfg.preset import load_preset

    return load_preset(folder)


def write_table(folder: Path) -> None:
    cohort("north", Role.DEVELOPMENT, seed=1)[0].write(folder / "table.parquet")


def read_table(folder: Path) -> object:
    from radiomics_cfg.table import FeatureTable

    return FeatureTable.read(folder / "table.parquet")


def write_model(folder: Path) -> None:
    from fitted import fit

    from ccrcc_model.outcomes.target import GRADE

    fit(*cohort("north", Role.DEVELOPMENT, seed=1), GRADE, out_dir=folder / "model", folds=3, repeats=1, trials=1)


def read_model(folder: Path) -> object:
    from ccrcc_model.models.model import Model

    return Model.load(folder / "model")


def sealed(name: str) -> Callable[[Path, bytes], None]:
    """Put a damaged file into a model's folder and seal it again, as a forger would."""

    def put(folder: Path, content: bytes) -> None:
        model = folder / "model"
        if name != "manifest.json":
            (model / name).write_bytes(content)
            manifest = json.loads((model / "manifest.json").read_bytes())
            manifest["files"][name] = hashlib.sha256(content).hexdigest()
            content = json.dumps(manifest).encode()
        (model / "manifest.json").write_bytes(content)
        (model / "manifest.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}\n", encoding="utf-8")

    return put


def in_model(name: str, damage: Callable[[bytes], Any], examples: int = 200) -> Target:
    return Target(f"model-{name}", made(f"model/{name}", write_model), read_model, damage, sealed(name), examples)


def write_predictions(folder: Path) -> None:
    frame = pd.DataFrame({"cohort": "north", "target": "grade", "patient_id": list("abcdef"), "centre": "x"})
    frame = frame.assign(y_true=[0, 1] * 3, y_prob=np.linspace(0.1, 0.9, 6))
    frame.to_csv(folder / "predictions.csv", index=False)


def read_predictions(folder: Path) -> object:
    from ccrcc_model.statistics.predictions import Predictions

    return Predictions.read(folder / "predictions.csv")


def write_benchmark(folder: Path) -> None:
    from ccrcc_model.outcomes.target import GRADE
    from ccrcc_model.statistics.evaluation import Pair
    from ccrcc_model.statistics.predictions import Predictions
    from ccrcc_model.validation.groups import assemble

    def predictions(name: str) -> Predictions:
        truth, probability = np.arange(20) % 2, np.linspace(0.05, 0.95, 20)
        return Predictions(name, "grade", np.array([f"{name}{i}" for i in range(20)]), np.full(20, "x"), truth, probability)

    pairs = [Pair(predictions(name), predictions(name)) for name in ("home", "north")]
    assemble(pairs[0], pairs[1:], target=GRADE, threshold=0.5, baseline_threshold=0.5, replicates=100).save(folder)


def read_benchmark(folder: Path) -> object:
    from ccrcc_model.validation.result import BenchmarkResult

    return BenchmarkResult.load(folder)


def write_journal(folder: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(folder / "studies.log"))), study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)


def read_journal(folder: Path) -> object:
    from ccrcc_model.fitting.studies import open_studies

    return open_studies(str(folder / "studies.log")).get_all_studies()


def gzip_of(name: str) -> Callable[[Path, bytes], None]:
    """Damage what is inside a gzip stream that is itself whole."""
    return lambda folder, content: (folder / name).write_bytes(gzip.compress(content, 1)) and None


def inside_gzip(folder: Path) -> bytes:
    write_nifti("a.nii.gz")(folder)
    return gzip.decompress((folder / "a.nii.gz").read_bytes())


TARGETS = (
    Target("nifti", made("a.nii", write_nifti("a.nii")), read_image("a.nii"), damaged_bytes, at("a.nii")),
    Target("nifti-inside-gzip", inside_gzip, read_image("a.nii.gz"), damaged_bytes, gzip_of("a.nii.gz")),
    Target("nifti-gzip", made("a.nii.gz", write_nifti("a.nii.gz")), read_image("a.nii.gz"), damaged_bytes, at("a.nii.gz")),
    Target("nrrd", made("a.nrrd", write_nifti("a.nrrd")), read_image("a.nrrd"), damaged_bytes, at("a.nrrd")),
    Target("metaimage", made("a.mha", write_nifti("a.mha")), read_image("a.mha"), damaged_bytes, at("a.mha")),
    Target("mask", made("mask.nii", write_image_and_mask), read_image_and_mask, damaged_bytes, at("mask.nii")),
    Target("dicom-slice", made("005.dcm", write_slices), import_folder, damaged_bytes, at("005.dcm"), 120),
    Target("dicom-seg", made("seg.dcm", write_slices_and_seg), import_folder, damaged_bytes, at("seg.dcm"), 120),
    Target("dicom-rtstruct", made("rt.dcm", write_slices_and_contours), import_folder, damaged_bytes, at("rt.dcm"), 120),
    Target("card", made("card.yaml", write_cohort), read_card, damaged_text, at("card.yaml"), 500),
    Target("case-list", made("cases.csv", write_cohort), read_card, damaged_text, at("cases.csv"), 500),
    Target("outcomes", made("outcomes.csv", write_outcomes), read_outcomes, damaged_text, at("outcomes.csv"), 500),
    Target("acquisition", made("scans.csv", write_acquisition), read_acquisition, damaged_text, at("scans.csv"), 500),
    Target("preset", made("1mm.yaml", write_preset), read_preset, damaged_text, at("1mm.yaml")),
    Target("feature-table", made("table.parquet", write_table), read_table, damaged_bytes, at("table.parquet")),
    in_model("manifest.json", damaged_json),
    in_model("decisions.json", damaged_json),
    in_model("pipeline.json", damaged_json),
    in_model("explanation.json", damaged_json),
    in_model("applicability.json", damaged_json),
    in_model("scans.json", damaged_json),
    in_model("out_of_fold.csv", damaged_text),
    in_model("member_00.txt", damaged_text),
    Target("predictions", made("predictions.csv", write_predictions), read_predictions, damaged_text, at("predictions.csv")),
    Target("benchmark", made("benchmark.json", write_benchmark), read_benchmark, damaged_json, at("benchmark.json")),
    Target("journal", made("studies.log", write_journal), read_journal, damaged_text, at("studies.log")),
)
