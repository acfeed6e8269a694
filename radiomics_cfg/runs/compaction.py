"""From the result files of cases to one wide table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath, write_json
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.cases.features import CaseContent, read_case_file
from radiomics_cfg.cases.result_file import KeptRows, Outcome
from radiomics_cfg.modes import ORIENTATIONS, Mode
from radiomics_cfg.preset import Preset, as_preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND, Batch
from radiomics_cfg.table import KEYS, FeatureTable

NOT_EXTRACTED = "not-extracted"
"""Code of a case without a result, where a table was asked for without it."""


def compact(
    cohort: Cohort,
    preset: Preset | AnyPath,
    *,
    cache_dir: AnyPath,
    backend: str = DEFAULT_BACKEND,
    mode: Mode = "canonical",
    partial: bool = False,
    on_progress: OnProgress = silent,
) -> tuple[FeatureTable, tuple[Refusal, ...]]:
    """Make the table of a cohort from result files, whichever runs and machines they come from. Nothing is measured.

    Args:
        cohort: Cases with masks.
        preset: What was measured.
        cache_dir: Folder with the result files.
        backend: Name of what computed the features.
        mode: How the images had been filtered.
        partial: Make a table even if cases have no result; they are refused as ``not-extracted``.
        on_progress: Called after each case that was looked up.

    Returns:
        The table, with the rows in the order of the cohort, and the refusals.

    Raises:
        InputError: If a case has no result and ``partial`` is not set, or no case has rows.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> from radiomics_cfg import extract
        >>> dev = load_cohort("dev/card.yaml")
        >>> table, _ = extract(dev, "small", cache_dir="dev.cases")
        >>> again, refused = compact(dev, "small", cache_dir="dev.cases")
        >>> again.rows.equals(table.rows)
        True
    """
    batch = Batch.of(cohort, as_preset(preset), Path(cache_dir), backend=backend, mode=mode)
    found = batch.find(on_progress)
    absent = [case.id for case in cohort.cases if case.id not in found]
    if absent and not partial:
        msg = (
            f"{len(absent)} of {len(cohort.cases)} cases of cohort {cohort.name} have no result in {cache_dir}, the first is "
            f"{absent[0]}; run `ccrcc extract` for them, or make a partial table (--partial)"
        )
        raise InputError(msg)
    reason = "no run has measured this case with these files, this preset and these versions"
    refused: dict[str, Outcome] = {case_id: Refusal(case_id, "extract", NOT_EXTRACTED, reason) for case_id in absent}
    return tabulate(batch, found | refused)


def tabulate(batch: Batch, outcomes: Mapping[str, Outcome]) -> tuple[FeatureTable, tuple[Refusal, ...]]:
    """Put a batch's rows together, and its refusals.

    Args:
        batch: Names the cases, and how they were measured.
        outcomes: What came of each case.

    Raises:
        InputError: If no case has rows, or a result file is gone.
    """
    cohort = batch.cohort
    _, _, refusals = batch.parted(outcomes)
    kept = [(case, outcome) for case in cohort.cases if isinstance(outcome := outcomes[case.id], KeptRows)]
    columns = batch.recipe.columns()
    values = np.empty((sum(rows.n_rows for _, rows in kept), len(columns)))
    keys: list[dict[str, str | int]] = []
    sources: dict[str, dict[str, Any]] = {}
    for case, rows in kept:
        content = _read(rows, len(columns))
        values[len(keys) : len(keys) + rows.n_rows] = content.rows.values
        keys += _keys(cohort, case, content)
        sources[case.id] = {
            "image_sha256": content.image_sha256,
            "mask_sha256": content.mask_sha256,
            "missing": list(content.rows.missing),
            "mask_flags": case.flags,
            "acquisition": _acquisition(batch, case, content),
        }
    names = pd.DataFrame(
        {key: pd.Series([row[key] for row in keys], dtype="int64" if key == "lesion" else "str") for key in KEYS}
    )
    table = pd.concat([names, pd.DataFrame(values, columns=columns)], axis=1)
    return FeatureTable(table, _provenance(batch, sources)), refusals


def _read(kept: KeptRows, n_columns: int) -> CaseContent:
    content = read_case_file(kept.file)
    if content is None or content.rows.values.shape != (kept.n_rows, n_columns):
        msg = f"The result file {kept.file} was changed meanwhile; run `ccrcc extract` again"
        raise InputError(msg)
    return content


def _keys(cohort: Cohort, case: Case, content: CaseContent) -> list[dict[str, str | int]]:
    """Return the key columns of a case's rows."""
    common = {"cohort": cohort.name, "case_id": case.id, "patient_id": case.patient_id, "centre": case.centre}
    return [{**common, **row} for row in content.rows.keys]


def _acquisition(batch: Batch, case: Case, content: CaseContent) -> dict[str, str | float]:
    """Return how a case was scanned: the slice spacing that was measured, and what is stated of the rest."""
    measured = {} if content.slice_spacing_mm is None else {"slice_spacing_mm": round(content.slice_spacing_mm, 4)}
    return {**measured, **batch.acquisition.get(case.id, {})}


def _provenance(batch: Batch, sources: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the provenance of the table: the same on whatever machines, in whatever order its cases were measured."""
    recipe = batch.recipe
    return {
        "preset": recipe.preset.name,
        "preset_sha256": recipe.preset.sha256,
        "mode": recipe.mode,
        "orientation": ORIENTATIONS[recipe.mode],
        "versions": dict(recipe.versions),
        **({"lesions": recipe.lesions} if recipe.lesions == "mass" else {}),
        "cohorts": {batch.cohort.name: str(batch.cohort.role)},
        "cases": sources,
    }


def write_table(table: FeatureTable, file: Path) -> None:
    """Write a table as ``.parquet``, or as ``.csv`` with its provenance in a ``.provenance.json`` next to it.

    A CSV file is for other programs: no command of ours reads it, and it has no place for a hash of its own.
    """
    if file.suffix == ".csv":
        write_json(file.with_suffix(".provenance.json"), table.provenance)
    table.write(file)
