"""A synthetic multicentre study on disk, in the layout that every later stage reads."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import yaml

from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json, write_text
from nnunet_ext.ground.labels import PARTED
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.phantom.anatomy import draw_anatomy
from nnunet_ext.phantom.biology import Biology, best_possible_auc, draw_biology, volume_auc
from nnunet_ext.phantom.render import render
from nnunet_ext.phantom.scanner import CENTRES, DEMO_GRID, Centre, Grid, Phase, Protocol, draw_protocol
from nnunet_ext.volumes.nifti import write_nifti

GENERATOR_VERSION = 2
"""Raised whenever the same seed gives other voxels, so that a half-written older study is not continued."""
_SECOND_SCAN_EVERY = 7
"""Of the patients of a development cohort, one in so many is scanned in both phases."""


@dataclass(frozen=True)
class CohortPlan:
    """One cohort of a synthetic study.

    Args:
        name: Names the cohort, its folder and its cases.
        role: Development or external.
        centres: Names of ``CENTRES``; patients are dealt out to them in turn.
        n_patients: At least one.
    """

    name: str
    role: Role
    centres: tuple[str, ...]
    n_patients: int

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            msg = f"Cohort name {self.name!r} names files: letters, digits, '.', '_' and '-' only"
            raise InputError(msg)
        if self.n_patients < 1:
            msg = f"Cohort {self.name!r} was planned with {self.n_patients} patients; plan at least 1"
            raise InputError(msg)
        known = [centre.name for centre in CENTRES]
        unknown = [name for name in self.centres if name not in known]
        if unknown or not self.centres:
            msg = f"Cohort {self.name!r} names {unknown or 'no centre'}; known centres are {', '.join(known)}"
            raise InputError(msg)


@dataclass(frozen=True)
class _Patient:
    id: str
    centre: Centre
    biology: Biology
    age: int
    sex: str
    of_anatomy: np.random.SeedSequence
    of_scans: np.random.SeedSequence


@dataclass(frozen=True)
class _PlannedScan:
    case_id: str
    patient: _Patient
    protocol: Protocol
    seed: int


def write_study(
    out_dir: Path,
    cohorts: tuple[CohortPlan, ...],
    grid: Grid = DEMO_GRID,
    *,
    seed: int,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> tuple[Path, ...]:
    """Write a synthetic study whose truth is known.

    Each cohort gets a folder with ``card.yaml``, ``cases.csv``, ``outcomes.csv``, ``acquisition.csv``, ``images``, ``masks``.
    ``truth.json`` holds the best possible AUCs and every patient's latent biology. An interrupted study continues where it
    stopped. The voxels depend on nothing but ``cohorts``, ``grid`` and ``seed``.

    Args:
        out_dir: Folder of the study; made if need be.
        cohorts: At least one, names unique.
        grid: Voxel grid of every scan.
        seed: Of everything random.
        jobs: Processes.
        on_progress: Receives the number of scans written and the total.

    Returns:
        The cohort cards, in the order of ``cohorts``.

    Raises:
        InputError: If there is no cohort, two share a name, ``jobs`` or ``seed`` is too low, or ``out_dir`` holds
                another study.
    """
    names = [plan.name for plan in cohorts]
    if not names or len(set(names)) < len(names):
        msg = f"A study needs cohorts with different names; got {', '.join(names) or 'none'}"
        raise InputError(msg)
    if jobs < 1:
        msg = f"A study was to be written by {jobs} processes; give at least 1"
        raise InputError(msg)
    if seed < 0:
        msg = f"The seed is {seed}; give a whole number of 0 or more"
        raise InputError(msg)
    patients = {plan.name: _plan_patients(plan, seed, index) for index, plan in enumerate(cohorts)}
    scans = {plan.name: [scan for one in patients[plan.name] for scan in _plan_scans(one, plan, grid)] for plan in cohorts}
    _write_truth(out_dir / "truth.json", _truth(cohorts, grid, seed, patients))
    work = [(scan, out_dir / name) for name in names for scan in scans[name]]
    calls = (joblib.delayed(_write_case)(scan, folder, grid) for scan, folder in work)
    on_progress(0, len(work))
    for done, _ in enumerate(joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(calls), start=1):
        on_progress(done, len(work))
    return tuple(_write_tables(out_dir / plan.name, plan, patients[plan.name], scans[plan.name], grid) for plan in cohorts)


def _plan_patients(plan: CohortPlan, seed: int, cohort_index: int) -> tuple[_Patient, ...]:
    by_name = {centre.name: centre for centre in CENTRES}
    patients = []
    for index in range(plan.n_patients):
        of_biology, of_anatomy, of_scans = np.random.SeedSequence(seed, spawn_key=(cohort_index, index)).spawn(3)
        rng = np.random.default_rng(of_biology)
        patients.append(
            _Patient(
                id=f"{plan.name}-{index + 1:03d}",
                centre=by_name[plan.centres[index % len(plan.centres)]],
                biology=draw_biology(rng),
                age=int(np.clip(rng.normal(60, 11), 25, 88)),
                sex="M" if rng.random() < 0.65 else "F",
                of_anatomy=of_anatomy,
                of_scans=of_scans,
            )
        )
    return tuple(patients)


def _plan_scans(patient: _Patient, plan: CohortPlan, grid: Grid) -> Iterator[_PlannedScan]:
    rng = np.random.default_rng(patient.of_scans)
    protocol = draw_protocol(patient.centre, grid, rng)
    yield _PlannedScan(f"{patient.id}-a", patient, protocol, int(rng.integers(2**32)))
    number = int(patient.id.rpartition("-")[2])
    if plan.role is Role.DEVELOPMENT and number % _SECOND_SCAN_EVERY == 3:
        other = next(phase for phase in Phase if phase is not protocol.phase)
        protocol = draw_protocol(patient.centre, grid, rng, phase=other)
        yield _PlannedScan(f"{patient.id}-b", patient, protocol, int(rng.integers(2**32)))


def _write_case(planned: _PlannedScan, folder: Path, grid: Grid) -> None:
    """Write the mask, then the image: where the image stands, the case is complete."""
    image, mask = (folder / kind / f"{planned.case_id}.nii.gz" for kind in ("images", "masks"))
    if image.is_file() and mask.is_file():
        return
    patient = planned.patient
    anatomy = draw_anatomy(patient.biology, np.random.default_rng(patient.of_anatomy))
    scan = render(anatomy, patient.centre, planned.protocol, grid, seed=planned.seed)
    for volume, path in ((scan.mask, mask), (scan.image, image)):
        write_nifti(volume, path)


def _truth(
    cohorts: tuple[CohortPlan, ...], grid: Grid, seed: int, patients: dict[str, tuple[_Patient, ...]]
) -> dict[str, Any]:
    return {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "grid": asdict(grid),
        "cohorts": [asdict(plan) for plan in cohorts],
        "best_possible_auc": {"grade": round(best_possible_auc("grade"), 4), "ki67": round(best_possible_auc("ki67"), 4)},
        "volume_auc": {"grade": round(volume_auc("grade"), 4), "ki67": round(volume_auc("ki67"), 4)},
        "patients": {one.id: one.biology.to_json() for group in patients.values() for one in group},
    }


def _write_truth(path: Path, truth: dict[str, Any]) -> None:
    """Write the truth before the first scan, so that a run that continues the study can check that it is the same one."""
    if path.is_file():
        if _read_json(path) != json.loads(json.dumps(truth)):
            msg = f"{path.parent} already holds another synthetic study (its truth.json differs); name another folder"
            raise InputError(msg)
        return
    write_json(path, truth)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _write_tables(
    folder: Path, plan: CohortPlan, patients: tuple[_Patient, ...], scans: list[_PlannedScan], grid: Grid
) -> Path:
    """Write the cohort's tables and, last, its card."""
    _write_csv(folder / "cases.csv", [_case_row(scan) for scan in scans])
    _write_csv(folder / "outcomes.csv", [_outcome_row(patient) for patient in patients])
    _write_csv(folder / "acquisition.csv", [_acquisition_row(scan, grid) for scan in scans])
    card = {
        "name": plan.name,
        "role": plan.role.value,
        "licence": "CC0-1.0 (synthetic)",
        "labels": {name: int(label) for name, label in PARTED.items()},
        "cases": "cases.csv",
        "outcomes": "outcomes.csv",
        "acquisition": "acquisition.csv",
    }
    write_text(folder / "card.yaml", yaml.safe_dump(card, sort_keys=False))
    return folder / "card.yaml"


def _case_row(scan: _PlannedScan) -> dict[str, object]:
    return {
        "case_id": scan.case_id,
        "patient_id": scan.patient.id,
        "centre": scan.patient.centre.name,
        "image": f"images/{scan.case_id}.nii.gz",
        "mask": f"masks/{scan.case_id}.nii.gz",
        "phase": scan.protocol.phase.value,
    }


def _outcome_row(patient: _Patient) -> dict[str, object]:
    return {
        "patient_id": patient.id,
        "isup_grade": patient.biology.isup_grade,
        "ki67_percent": patient.biology.ki67_percent,
        "age": patient.age,
        "sex": patient.sex,
    }


def _acquisition_row(scan: _PlannedScan, grid: Grid) -> dict[str, object]:
    centre = scan.patient.centre
    return {
        "case_id": scan.case_id,
        "tube_voltage_kv": centre.tube_voltage_kv if centre.reported else None,
        "tube_current_ma": scan.protocol.tube_current_ma if centre.reported else None,
        "rows": grid.rows,
        "columns": grid.columns,
        "slice_thickness_mm": scan.protocol.slice_thickness_mm,
        "pitch": centre.pitch if centre.reported else None,
        "kernel": centre.kernel if centre.reported else None,
    }


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    write_csv(path, pd.DataFrame(rows))
