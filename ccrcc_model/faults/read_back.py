"""Files of ours that are read back: tables, models, kept results, journals, benchmarks. Each is foreign when it comes back."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ccrcc_model.faults.fault import NotHeld, ccrcc, expect, fault
from ccrcc_model.faults.scans import write_card, write_scan
from nnunet_ext.documents.csv_table import write_csv
from radiomics_cfg.table import FeatureTable

KIND = "what is read back is believed"
VOLUME = "tumour__1mm__original_shape_MeshVolume"
N_PATIENTS = 24


def _table(folder: Path, name: str, *, role: str) -> tuple[Path, Path]:
    """Write a feature table of one cohort and its outcomes; return their paths."""
    rng = np.random.default_rng(len(name))
    high = np.arange(N_PATIENTS) % 2
    values = rng.normal(size=(N_PATIENTS, 6)) + high[:, None]
    keys = {"cohort": name, "case_id": [f"{name}{place}" for place in range(N_PATIENTS)]}
    rows = pd.DataFrame(keys).assign(patient_id=lambda frame: frame["case_id"], centre="east", lesion=1, side="left")
    rows[VOLUME] = np.exp(values[:, 0])
    for place in range(1, 6):
        rows[f"tumour__1mm__original_glcm_F{place}"] = values[:, place]
    about = {"cohorts": {name: role}, "preset": "made-up", "preset_sha256": "0123", "mode": "canonical"}
    FeatureTable(rows, about).write(folder / f"{name}.parquet")
    outcomes = folder / f"{name}.csv"
    write_csv(outcomes, pd.DataFrame({"patient_id": rows["patient_id"], "isup_grade": 2 + high}))
    return folder / f"{name}.parquet", outcomes


def _fit(folder: Path, *more: object) -> tuple[int, str]:
    table, outcomes = folder / "home.parquet", folder / "home.csv"
    settings = ("--target", "grade", "--trials", 1, "--folds", 3, "--repeats", 1, "--out", folder / "model")
    ran = ccrcc("fit", table, "--outcomes", outcomes, *settings, *more)
    return ran.status, ran.said.strip()


def _refused(status: int, said: str, *words: str) -> str:
    """Return the line of a refusal, if it is one line and has these words."""
    lines = said.splitlines()
    return expect(status == 2 and len(lines) == 1 and all(word in said for word in words), f"status {status}: {said[-300:]}")


@fault(KIND)
def table_with_one_number_moved(folder: Path) -> str:
    """The last bit of one value of a feature table is another; nothing else is. The table is refused."""
    path, _ = _table(folder, "home", role="development")
    table = pq.read_table(path)
    moved = np.nextafter(table[VOLUME].to_numpy(), np.inf)
    pq.write_table(table.set_column(table.column_names.index(VOLUME), table.schema.field(VOLUME), pa.array(moved)), path)
    return _refused(*_fit(folder), "SHA-256")


@fault(KIND)
def table_of_another_role(folder: Path) -> str:
    """The provenance of an external cohort's table is changed to development, so that it could be fitted on. It is refused."""
    path, _ = _table(folder, "home", role="external")
    table = pq.read_table(path)
    key = b"ccrcc_provenance"
    about = table.schema.metadata[key].replace(b'"external"', b'"development"')
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, key: about}), path)
    return _refused(*_fit(folder), "SHA-256")


@fault(KIND)
def table_that_is_a_pipe(folder: Path) -> str:
    """The path of a table is a named pipe, which a reader would wait for without end. It is refused at once."""
    _table(folder, "home", role="development")
    (folder / "home.parquet").unlink()
    os.mkfifo(folder / "home.parquet")
    return _refused(*_fit(folder), "a pipe")


@fault(KIND)
def journal_that_is_a_picture(folder: Path) -> str:
    """The journal of studies is a PNG of one line, to which Optuna would append. It is refused and stays as it is."""
    _table(folder, "home", role="development")
    content = b"\x89PNG\r" + bytes(range(128, 256))
    (folder / "studies.log").write_bytes(content)
    line = _refused(*_fit(folder, "--studies", folder / "studies.log"), "none of Optuna's")
    return expect((folder / "studies.log").read_bytes() == content, line)


@fault("the end of a process is taken for the end of its file")
def journal_that_was_torn(folder: Path) -> str:
    """A process was killed in the middle of a line of the journal. The line is cut off, and later ones are read."""
    from ccrcc_model.fitting.studies import open_studies  # noqa: PLC0415 - needs Optuna

    path = folder / "studies.log"
    open_studies(str(path)).create_new_study([], "first")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    open_studies(str(path)).create_new_study([], "second")
    names = [study.study_name for study in open_studies(str(path)).get_all_studies()]
    return expect(names == ["first", "second"], f"studies after a torn line: {', '.join(names)}")


@cache
def _fitted() -> dict[str, bytes]:
    """Fit a model, and return its files; one will do for all faults, as it takes seconds."""
    with tempfile.TemporaryDirectory(prefix="ccrcc-fault-") as name:
        folder = Path(name)
        _table(folder, "home", role="development")
        if _fit(folder)[0]:
            msg = "no model was fitted"
            raise NotHeld(msg)
        return {path.name: path.read_bytes() for path in (folder / "model").iterdir()}


def _sealed(folder: Path, file: str, change: Callable[[str], str]) -> tuple[int, str]:
    """Change one of a model's files, seal its folder again, and benchmark it."""
    model = folder / "model"
    model.mkdir()
    for name, content in _fitted().items():
        (model / name).write_bytes(content)
    (model / file).write_text(change((model / file).read_text(encoding="utf-8")), encoding="utf-8")
    manifest: dict[str, Any] = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in manifest["files"]}
    (model / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (model / "manifest.sha256").write_text(
        hashlib.sha256((model / "manifest.json").read_bytes()).hexdigest() + "\n", encoding="utf-8"
    )
    table, _ = _table(folder, "away", role="external")
    card = "name: away\nrole: external\ncases: cases.csv\noutcomes: away.csv\n"
    rows = "".join(f"away{place},away{place},east,x.nii.gz\n" for place in range(N_PATIENTS))
    write_card(folder, rows, header="case_id,patient_id,centre,image\n", text=card)
    ran = ccrcc("benchmark", model, "--cohort", folder / "card.yaml", "--table", table, "--out", folder / "b")
    return ran.status, ran.said.strip()


@fault(KIND)
def sealed_trees_that_run_in_a_circle(folder: Path) -> str:
    """The trees of a model that was sealed again never reach a leaf: LightGBM would not return. They are refused before it."""

    def circle(text: str) -> str:
        return re.sub(r"left_child=-1\b", "left_child=00", text, count=1)  # as long, so that sizes still add up

    return _refused(*_sealed(folder, "member_00.txt", circle), "member_00.txt", "no tree")


@fault(KIND)
def sealed_calibration_of_another_model(folder: Path) -> str:
    """The calibration is sound in itself, and not the one that the out-of-fold predictions were made with. It is refused."""

    def other(text: str) -> str:
        decisions = json.loads(text)
        decisions["model"] |= {"calibration": "logistic", "slope": 0.5, "intercept": 2.0}
        return json.dumps(decisions)

    return _refused(*_sealed(folder, "decisions.json", other), "does not follow")


@fault(KIND)
def sealed_weights_without_a_number(folder: Path) -> str:
    """A weight of the pipeline is Infinity, which Python reads as JSON. It is refused."""

    def infinite(text: str) -> str:
        return re.sub(r'"weight": [^\s,}]+', '"weight": Infinity', text, count=1)

    return _refused(*_sealed(folder, "pipeline.json", infinite), "pipeline.json", "Infinity")


@fault(KIND)
def kept_result_of_another_case(folder: Path) -> str:
    """The kept result of one case has the name of another's. Its case is measured again, and the command reports this."""
    write_scan(folder, "a")
    write_scan(folder, "b")
    rows = "".join(f"{name},{name},north,{name}.nii.gz,{name}_mask.nii.gz\n" for name in "ab")
    card = write_card(folder, rows)
    preset = folder / "preset"
    preset.mkdir()
    (preset / "regions.yaml").write_text("lesions: index\nstructures: [tumour]\n", encoding="utf-8")
    (preset / "4mm.yaml").write_text(
        "setting: {resampledPixelSpacing: [4, 4, 4], binWidth: 25}\nimageType: {Original: {}}\n"
        "featureClass: {shape: [MeshVolume], firstorder: [Mean]}\n",
        encoding="utf-8",
    )
    _shrunken_mask(folder / "a_mask.nii.gz", folder / "b_mask.nii.gz")
    words = ("extract", card, "--preset", preset, "--out", folder / "t.parquet")
    ccrcc(*words)
    volumes = FeatureTable.read(folder / "t.parquet").features.iloc[:, 0].tolist()
    first, second = sorted((folder / "t.cases").glob("*.npz"))
    first.write_bytes(second.read_bytes())
    said = ccrcc(*words).said
    again = FeatureTable.read(folder / "t.parquet").features.iloc[:, 0].tolist()
    held = again == volumes and len(set(volumes)) == 2 and "1 kept results are damaged" in said
    return expect(held, f"volumes {volumes}, then {again}")


def _shrunken_mask(source: Path, target: Path) -> None:
    """Write a mask with one slice of the tumour fewer."""
    import SimpleITK as sitk  # noqa: PLC0415 - this fault alone needs it here

    mask = sitk.ReadImage(str(source))
    labels = sitk.GetArrayFromImage(mask)
    tumour = np.flatnonzero((labels == 2).any(axis=(1, 2)))
    labels[tumour[0]][labels[tumour[0]] == 2] = 0
    smaller = sitk.GetImageFromArray(labels)
    smaller.CopyInformation(mask)
    sitk.WriteImage(smaller, str(target))
