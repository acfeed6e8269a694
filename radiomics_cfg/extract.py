"""From a cohort with masks to its feature table, one small result file a case on the way."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import SimpleITK as sitk
from threadpoolctl import threadpool_limits

from nnunet_ext.case import Case, Cohort, Refusal
from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.files import atomic_path, sha256
from nnunet_ext.geometry import read_scan
from nnunet_ext.progress import OnProgress, silent
from radiomics_cfg.backend import MODE, Backend, load_backend
from radiomics_cfg.measure import feature_columns, measure_case
from radiomics_cfg.preset import Preset
from radiomics_cfg.table import KEYS, FeatureTable

VERSION = 2
"""Of the way from scan to values in this package. Raised by whoever changes a value, so that kept results are not reused."""


@dataclass(frozen=True)
class _Task:
    """Everything that a worker needs besides the case."""

    labels: dict[str, int]
    preset: Preset
    backend: str
    cache_dir: Path


@dataclass(frozen=True)
class _Result:
    """Where a case's values are, and where they come from."""

    file: Path
    image_sha256: str
    mask_sha256: str


def extract(
    cohort: Cohort,
    preset: Preset,
    *,
    cache_dir: Path,
    jobs: int = 1,
    backend: str = "pyradiomics",
    on_progress: OnProgress = silent,
) -> tuple[FeatureTable, tuple[Refusal, ...]]:
    """Extract the features of every case that has a tumour in its mask.

    Each case is kept in ``cache_dir`` under a key made from its files, the preset and all versions, so a run that was cut off
    goes on where it stopped. Values depend neither on ``jobs`` nor on which cases were kept.

    Args:
        cohort: Cases with masks.
        preset: What to measure.
        cache_dir: Folder for one result file a case.
        jobs: Number of processes, each with one thread.
        backend: Name of what computes the features.
        on_progress: Told after each case.

    Returns:
        The table, with a row for each case that was not refused, and the refusals: the gate's codes, ``tumour-absent``,
        ``too-thin``, and ``failed`` where a library gave up on a case.

    Raises:
        InputError: If every case is refused, ``jobs`` is below 1, or the backend is unknown or not installed.
    """
    if jobs < 1:
        msg = f"jobs must be at least 1; found {jobs}"
        raise InputError(msg)
    engine = load_backend(backend)
    columns = feature_columns(preset, engine)
    task = _Task(dict(cohort.labels), preset, backend, cache_dir)
    outcomes: list[_Result | Refusal] = []
    on_progress(0, len(cohort.cases))
    for outcome in _outcomes(cohort, task, jobs):
        outcomes.append(outcome)
        on_progress(len(outcomes), len(cohort.cases))
    refusals = tuple(outcome for outcome in outcomes if isinstance(outcome, Refusal))
    pairs = zip(cohort.cases, outcomes, strict=True)
    results = {case: outcome for case, outcome in pairs if isinstance(outcome, _Result)}
    if not results:
        first = refusals[0]
        msg = f"No case of cohort {cohort.name} could be used; the first was refused as {first.code}: {first.reason}"
        raise InputError(msg)
    return _table(cohort, preset, engine, columns=columns, results=results), refusals


def _outcomes(cohort: Cohort, task: _Task, jobs: int) -> Iterator[_Result | Refusal]:
    """Yield one outcome a case, in the order of the cohort."""
    if jobs == 1:
        yield from (_extract_case(case, task) for case in cohort.cases)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator", batch_size=1, pre_dispatch="2*n_jobs")
        yield from parallel(joblib.delayed(_extract_case)(case, task) for case in cohort.cases)


def _extract_case(case: Case, task: _Task) -> _Result | Refusal:
    """Extract one case, or find it in the cache."""
    try:
        with _one_thread():
            return _cached_case(case, task)
    except CaseRefused as refused:
        return Refusal(case.id, "extract", refused.code, refused.reason)
    except (MemoryError, RuntimeError, np.linalg.LinAlgError) as error:
        # What ITK and LAPACK raise over one case's voxels must not end a batch of thousands.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Refusal(case.id, "extract", "failed", reason)


def _cached_case(case: Case, task: _Task) -> _Result:
    if case.mask is None or not case.mask.exists() or not case.image.exists():
        read_scan(case, task.labels, mask_required=True)  # which knows the code
    image_sha256, mask_sha256 = sha256(case.image), sha256(case.mask) if case.mask else ""
    engine = load_backend(task.backend)
    content = {
        "image": image_sha256,
        "mask": mask_sha256,
        "labels": task.labels,
        "preset": task.preset.sha256,
        "backend": task.backend,
        "versions": _versions(engine),
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    result = _Result(task.cache_dir / f"{key}.npz", image_sha256, mask_sha256)
    if not _is_whole(result.file):
        scan = read_scan(case, task.labels, mask_required=True)
        rows = measure_case(scan, task.preset, engine)
        with atomic_path(result.file) as temporary:
            np.savez(
                temporary, values=rows.values, keys=np.array(json.dumps(rows.keys)), missing=np.array(json.dumps(rows.missing))
            )
    return result


def _is_whole(file: Path) -> bool:
    """Tell whether a result is there; a damaged one counts as absent and is written again."""
    try:
        with file.open("rb") as stream, np.load(stream) as stored:
            return {"values", "keys", "missing"} <= set(stored) and stored["values"].ndim == 2
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False


def _table(
    cohort: Cohort, preset: Preset, engine: Backend, *, columns: list[str], results: dict[Case, _Result]
) -> FeatureTable:
    """Put the kept results of a cohort together."""
    values = np.empty((len(results), len(columns)))
    sources: dict[str, dict[str, Any]] = {}
    for row, (case, result) in enumerate(results.items()):
        with np.load(result.file) as stored:
            values[row] = stored["values"]
            (missing,) = json.loads(str(stored["missing"]))
        sources[case.id] = {"image_sha256": result.image_sha256, "mask_sha256": result.mask_sha256, "missing": missing}
    keys = pd.DataFrame(
        [(cohort.name, case.id, case.patient_id, case.centre) for case in results], columns=list(KEYS), dtype="str"
    )
    provenance = {
        "preset": preset.name,
        "preset_sha256": preset.sha256,
        "mode": MODE,
        "versions": _versions(engine),
        "cohorts": {cohort.name: str(cohort.role)},
        "cases": sources,
    }
    return FeatureTable(pd.concat([keys, pd.DataFrame(values, columns=columns)], axis=1), provenance)


def _versions(engine: Backend) -> dict[str, str]:
    return {**engine.versions, "extraction": str(VERSION)}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run on one thread: sums then have one order, and as many processes as there are cores do not get in each other's way."""
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
