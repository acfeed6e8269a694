"""The main job on a synthetic study: scans, masks, features, models, an external benchmark, a report.

It calls the same public functions as the single commands do, and trains nnU-Net through its stock command line.
"""

import atexit
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Protocol

import pandas as pd

from ccrcc_model.demo.flow import CaseFlow
from ccrcc_model.demo.plan import DEVELOPMENT_PATIENTS, EXTERNAL_PATIENTS, study_plan
from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.table import outcomes_of
from ccrcc_model.outcomes.target import GRADE, Target, ki67
from ccrcc_model.patient.predict import predict
from ccrcc_model.plots.overlay import save_overlay
from ccrcc_model.report import read_run, report_run
from ccrcc_model.report.summary import summarise
from ccrcc_model.validation.benchmark import benchmark
from nnunet_ext.cohort.acquisition import acquisition_table
from nnunet_ext.cohort.cards import CARD, load_cohort, save_cohort
from nnunet_ext.convert.nnunet import convert
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json
from nnunet_ext.ground.outputs import try_folder
from nnunet_ext.ground.progress import OnProgress
from nnunet_ext.ground.record import write_record
from nnunet_ext.mask_overlap import overlap
from nnunet_ext.phantom import best_possible_auc, write_study
from nnunet_ext.scans.geometry import check_cohort, read_scan
from nnunet_ext.segmentation import segment
from nnunet_ext.training import NnUNetFolders, prepare, train
from radiomics_cfg.extraction import extract
from radiomics_cfg.preset import load_preset
from radiomics_cfg.table import FeatureTable

DISK_BYTES = 1 << 30
"""Free space that a demo needs, nnU-Net's preprocessed data included. Ours."""

DATASET_ID = 501
TRAINING_SPACING_MM = 4.0
"""Coarser than the phantoms' 3 mm: a patch then holds most of the abdomen, and an epoch costs half as much."""
OVERLAYS_EACH = 2
"""Scans of each external cohort that the report shows."""

TARGETS: tuple[Target, ...] = (GRADE, ki67())


class Stages(Protocol):
    """Shows the stages of a run."""

    seconds: dict[str, float]
    """Of each stage that is done."""

    def stage(self, name: str) -> AbstractContextManager[OnProgress]:
        """Show a stage while the block runs."""


def run_demo(out: Path, *, seed: int, jobs: int, progress: Stages) -> tuple[str, ...]:
    """Run the whole pipeline on a synthetic study; what an earlier, interrupted run had done is kept.

    Args:
        out: Run folder; made if need be. Ends with ``run.json`` and ``report/report.html`` in it.
        seed: Seed of the study and of everything random after it.
        jobs: Processes, one core each.
        progress: Shows the stages.

    Returns:
        The lines that sum the run up, then the path of the report.

    Raises:
        InputError: If ``out`` holds a run with other settings.
    """
    settings = {"seed": seed, "development_patients": DEVELOPMENT_PATIENTS, "external_patients_each": EXTERNAL_PATIENTS}
    _claim(out, settings)
    _keep_bytecode()
    flow = CaseFlow()
    with progress.stage("Synthetic scans") as on_progress:
        plan = study_plan(development=DEVELOPMENT_PATIENTS, external=EXTERNAL_PATIENTS)
        cards = write_study(out / "study", plan, seed=seed, jobs=jobs, on_progress=on_progress)
    with progress.stage("Gate") as on_progress:
        listed = [load_cohort(card) for card in cards]
        development, *external = _pass_gate(listed, flow, on_progress)
    with progress.stage("nnU-Net training") as on_progress:
        network = _train(development, out / "nnunet", jobs, on_progress)
    with progress.stage("Segmentation") as on_progress:
        segmented = _segment(external, network, out / "masks", flow=flow, jobs=jobs, on_progress=on_progress)
    with progress.stage("Features") as on_progress:
        tables = _extract([development, *segmented], out / "features", flow=flow, jobs=jobs, on_progress=on_progress)
    with progress.stage("Models") as on_progress:
        models = _fit(tables[development.name], development, out / "models", seed=seed, jobs=jobs, on_progress=on_progress)
    with progress.stage("Patients") as on_progress:
        _answer(models, segmented, out, on_progress)
    with progress.stage("Benchmark and report"):
        _benchmark(models, listed[1:], tables, out / "benchmark")
        _write_run_tables(out / "tables", [development, *external], segmented, flow)
        _draw_overlays(out / "overlays", external, segmented)
    _write_record(out, settings, progress.seconds)
    run = read_run(out)
    return (*(str(line) for line in summarise(run)), f"Report: {report_run(run)}")


def _claim(out: Path, settings: Mapping[str, object]) -> None:
    """Refuse a folder that holds something else or takes nothing, and mark it as this run's."""
    try_folder(out, least_bytes=DISK_BYTES)
    mark = out / "demo.json"
    if mark.is_file() and _settings(mark) != settings:
        msg = f"{out} holds a demo with other settings; remove it, or choose another folder with --out"
        raise InputError(msg)
    if not mark.is_file() and out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out} exists and is not a demo's folder; choose another with --out"
        raise InputError(msg)
    write_json(mark, settings)


def _settings(mark: Path) -> object:
    """Return the content of a demo's mark, or None if it cannot be read."""
    try:
        return json.loads(mark.read_bytes())
    except (OSError, ValueError):
        return None


def _keep_bytecode() -> None:
    """Let the demo's processes share compiled modules where Python may not write them next to their sources.

    Each nnU-Net command, and each process that segments, would otherwise compile torch anew, which takes 20 s a time.
    """
    if sys.dont_write_bytecode:
        folder = mkdtemp(prefix="ccrcc-bytecode-")
        atexit.register(rmtree, folder, ignore_errors=True)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder


def _parts(on_progress: OnProgress, n_parts: int) -> Iterator[OnProgress]:
    """Yield a listener for each of several parts that take equally long, and that ``on_progress`` sees as one."""
    for part in range(n_parts):

        def on_part(done: int, total: int, /, part: int = part) -> None:
            on_progress(part * total + done, n_parts * total)

        yield on_part


def _pass_gate(cohorts: Sequence[Cohort], flow: CaseFlow, on_progress: OnProgress) -> list[Cohort]:
    passed = []
    for cohort, listener in zip(cohorts, _parts(on_progress, len(cohorts)), strict=True):
        good, refusals = check_cohort(cohort, on_progress=listener)
        flow.count(cohort, "listed", len(cohort.cases))
        flow.count(cohort, "passed", len(good.cases), refusals)
        if cohort.role is Role.DEVELOPMENT:
            flow.count(cohort, "segmented", len(good.cases))
        passed.append(good)
    return passed


def _train(development: Cohort, folder: Path, jobs: int, on_progress: OnProgress) -> Path:
    folders = NnUNetFolders.below(folder)
    dataset, _ = convert(development, DATASET_ID, raw_dir=folders.raw, preprocessed_dir=folders.preprocessed)
    plans = prepare(dataset.name, folders, spacing_mm=TRAINING_SPACING_MM, jobs=jobs)
    return train(dataset.name, folders, plans=plans, on_progress=on_progress)


def _segment(
    external: Sequence[Cohort], network: Path, folder: Path, *, flow: CaseFlow, jobs: int, on_progress: OnProgress
) -> list[Cohort]:
    """Segment the external cohorts together, so that their processes start once."""
    together = replace(external[0], name="external", cases=tuple(case for cohort in external for case in cohort.cases))
    found, refusals = segment(together, network, folder, jobs=jobs, on_progress=on_progress)
    segmented = []
    for cohort in external:
        listed = {case.id for case in cohort.cases}
        masked = replace(cohort, cases=tuple(case for case in found.cases if case.id in listed), labels=found.labels)
        save_cohort(masked, folder / cohort.name)
        flow.count(cohort, "segmented", len(masked.cases), [refusal for refusal in refusals if refusal.case_id in listed])
        segmented.append(masked)
    return segmented


def _extract(
    cohorts: Sequence[Cohort], folder: Path, *, flow: CaseFlow, jobs: int, on_progress: OnProgress
) -> dict[str, FeatureTable]:
    preset = load_preset("quick")
    tables = {}
    for cohort, listener in zip(cohorts, _parts(on_progress, len(cohorts)), strict=True):
        cache = folder / f"{cohort.name}.cases"
        table, refusals = extract(cohort, preset, cache_dir=cache, jobs=jobs, on_progress=listener)
        table.write(folder / f"{cohort.name}.parquet")
        flow.count(cohort, "extracted", table.rows["case_id"].nunique(), refusals)
        known = outcomes_of(cohort).dropna(subset=[target.column for target in TARGETS], how="all")
        flow.count(cohort, "modelled", int(table.rows["patient_id"].isin(known["patient_id"]).sum()))
        tables[cohort.name] = table
    return tables


def _fit(
    table: FeatureTable, development: Cohort, folder: Path, *, seed: int, jobs: int, on_progress: OnProgress
) -> list[Model]:
    study = Study(development, table)
    listeners = _parts(on_progress, len(TARGETS))
    return [
        fit(study, target, settings=Settings(seed=seed), out=folder / target.name, jobs=jobs, on_progress=listener)
        for target, listener in zip(TARGETS, listeners, strict=True)
    ]


def _answer(models: Sequence[Model], segmented: Sequence[Cohort], out: Path, on_progress: OnProgress) -> None:
    """Write the review page of every external patient, from the features that are there."""
    for cohort, listener in zip(segmented, _parts(on_progress, len(segmented)), strict=True):
        card = out / "masks" / cohort.name / CARD
        cache = out / "features" / f"{cohort.name}.cases"
        predict(models, card, out=out / "patients" / cohort.name, cache_dir=cache, on_progress=listener)


def _benchmark(models: Sequence[Model], listed: Sequence[Cohort], tables: Mapping[str, FeatureTable], folder: Path) -> None:
    """Score the external cohorts as their cards list them: patients who were lost on the way stay in the tables."""
    for model in models:
        benchmark(model, [Study(cohort, tables[cohort.name]) for cohort in listed]).save(folder / model.target.name)


def _write_run_tables(folder: Path, cohorts: Sequence[Cohort], segmented: Sequence[Cohort], flow: CaseFlow) -> None:
    agreement = []
    for found in segmented:
        reference = next(cohort for cohort in cohorts if cohort.name == found.name)
        table, _, refusals = overlap(reference, found)
        agreement.append(table)
        flow.refused += [{"cohort": found.name, **asdict(refusal)} for refusal in refusals]
    frames = {
        "acquisition": acquisition_table(cohorts),
        "flow": pd.DataFrame(list(flow.reached.values())),
        "quarantine": pd.DataFrame(flow.refused, columns=["cohort", "case_id", "stage", "code", "reason"]),
        "overlap": pd.concat(agreement, ignore_index=True),
    }
    for name, frame in frames.items():
        write_csv(folder / f"{name}.csv", frame)


def _draw_overlays(folder: Path, external: Sequence[Cohort], segmented: Sequence[Cohort]) -> None:
    for reference, found in zip(external, segmented, strict=True):
        predicted = {case.id: case for case in found.cases}
        shown = [case for case in reference.cases if case.id in predicted][:OVERLAYS_EACH]
        for case in shown:
            truth = read_scan(case, reference.labels)
            guess = read_scan(predicted[case.id], found.labels)
            save_overlay(folder / f"{case.id}.png", truth.image, reference=truth.mask, predicted=guess.mask)


def _write_record(out: Path, settings: Mapping[str, object], seconds: Mapping[str, float]) -> None:
    write_record(
        out / "run.json",
        f"ccrcc demo --seed {settings['seed']}",
        settings,
        title="Grade and Ki67 from CT: a synthetic multicentre study",
        synthetic=True,
        seed=settings["seed"],
        stages=[{"name": name, "seconds": round(taken, 1)} for name, taken in seconds.items()],
        best_possible_auc={target.name: round(best_possible_auc(target.name), 4) for target in TARGETS},
    )
