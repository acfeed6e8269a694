"""What a run folder holds, read and checked: the only input of the report.

A model or a benchmark is required. Any other part may be absent, and the report says so: a site may have run only some stages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ccrcc_model.models.model import Model
from ccrcc_model.report.run_parts import RECORD, RunParts, find_parts
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.result import BenchmarkResult
from nnunet_ext.documents.csv_table import inferred, read_csv
from nnunet_ext.documents.foreign_json import parse_json
from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import is_hidden
from nnunet_ext.ground.labels import STRUCTURES
from nnunet_ext.mask_overlap import REGIONS

COLUMNS = {
    "acquisition": ("cohort", "cases", "tube_voltage_kv", "tube_current_ma", "matrix", "slice_thickness_mm", "pitch"),
    "flow": ("cohort", "role", "listed", "passed", "segmented", "extracted", "modelled"),
    "quarantine": ("cohort", "case_id", "stage", "code", "reason"),
    "overlap": ("cohort", "centre", "case_id", "structure", "dice", "reference_ml", "predicted_ml", "relative_volume_error"),
}
"""Columns that each ``tables/<name>.csv`` must have; further ones are allowed, and the acquisition table's are printed."""

_COUNTS = {"flow": ("listed", "passed", "segmented", "extracted", "modelled")}
"""Columns of whole numbers from 0, or empty."""
_NUMBERS = {"overlap": ("dice", "reference_ml", "predicted_ml", "relative_volume_error")}
"""Columns of numbers, or empty."""
REPRODUCE = "ccrcc report RUN"
"""Command of a run whose stages were run one by one."""
_PNG = b"\x89PNG\r\n\x1a\n"


class Stage(BaseModel):
    """A stage of the run and how long it took."""

    name: str
    seconds: float = Field(ge=0, allow_inf_nan=False)


class RunRecord(BaseModel):
    """``run.json``. Keys that it does not name are kept and printed under the settings.

    Args:
        title: Heads the report; what it is of by default.
        synthetic: Whether the patients are phantoms; the report then makes no clinical claim.
        command: What reproduces the run.
        seed: Of everything random.
        settings: Whatever else the run depends on.
        versions: Of Python, of this project, of the libraries.
        stages: In the order they ran.
        best_possible_auc: Per target, where the truth is known: what a perfect reader of the phantoms would reach.
    """

    model_config = ConfigDict(extra="allow")

    title: str = ""
    synthetic: bool = False
    command: str
    seed: int | None = None
    settings: dict[str, Any] = {}
    versions: dict[str, str] = {}
    stages: list[Stage] = []
    best_possible_auc: dict[str, float] | None = None


Result = TypeVar("Result", BenchmarkResult, GradedResult)


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder in memory.

    Args:
        record: ``run.json``.
        tables: Those of ``COLUMNS`` that are there.
        overlays: Pictures of ``overlays/``, in the order of their names.
        benchmarks: Benchmarks of a yes or no, one per target.
        models: The locked model of each target, of any kind, where the folder holds it.
        parts: Where all of it lies.
        stages: Records of further stages, by their file.
        graded: Benchmarks of graded targets, one per target.
    """

    record: RunRecord
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    overlays: tuple[Path, ...] = ()
    benchmarks: tuple[BenchmarkResult, ...] = ()
    models: dict[str, Model] = field(default_factory=dict)
    parts: RunParts = field(default_factory=RunParts)
    stages: dict[str, RunRecord] = field(default_factory=dict)
    graded: tuple[GradedResult, ...] = ()

    @property
    def results(self) -> tuple[BenchmarkResult | GradedResult, ...]:
        """All benchmarks, those of graded targets last."""
        return (*self.benchmarks, *self.graded)

    @property
    def external_cohorts(self) -> frozenset[str] | None:
        """Names of the external cohorts; None if the run holds no flow of cases."""
        if "flow" not in self.tables:
            return None
        flow = self.tables["flow"]
        return frozenset(flow.loc[flow["role"] == "external", "cohort"])


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        InputError: If it holds neither model nor benchmark, a file is there but is not what its name says, a model was
            changed, a target has two models or benchmarks, or a benchmark was made with another model than the run's.
    """
    parts = find_parts(folder)
    benchmarks = _by_target({each: BenchmarkResult.load(each) for each in parts.benchmarks})
    graded = _by_target({each: GradedResult.load(each) for each in parts.graded})
    locked = {each: Model.load(each) for each in parts.models}
    models = {target: locked[each] for target, each in _models_of(locked, {**benchmarks, **graded}).items()}
    tables = {name: folder / "tables" / f"{name}.csv" for name in COLUMNS if name != "overlap"}
    read = {name: _read_table(path, name) for name, path in tables.items() if path.exists()}
    if parts.overlaps:
        read["overlap"] = pd.concat([_read_table(path, "overlap") for path in parts.overlaps], ignore_index=True)
    stages = _read_stages(parts)
    return Run(
        _own_record(folder, stages),
        read,
        tuple(_picture(path) for path in sorted(folder.glob("overlays/*.png")) if not is_hidden(path)),
        tuple(benchmarks.values()),
        models,
        replace(parts, records=tuple(folder / file for file in stages)),
        stages,
        tuple(graded.values()),
    )


def _own_record(folder: Path, stages: dict[str, RunRecord]) -> RunRecord:
    """Return the record of a whole run, or one that is made of what the folder holds."""
    path = folder / RECORD
    own = read_record(path) if path.exists() or path.is_symlink() else None
    if own is not None and own.title:
        return own
    synthetic = any(record.command.startswith("ccrcc phantom") for record in stages.values())
    return RunRecord(command=REPRODUCE, synthetic=synthetic)


def _read_stages(parts: RunParts) -> dict[str, RunRecord]:
    """Return the records of single stages by their file, those left out that no command of ours wrote."""
    found = {}
    for path in parts.records:
        try:
            record = read_record(path)
        except InputError:
            continue  # the run's own record is read, and refused, by itself
        if record.command.startswith("ccrcc ") and not record.title:
            found[path.relative_to(parts.folder).as_posix()] = record
    return found


def _by_target(results: dict[Path, Result]) -> dict[str, Result]:
    """Return the result of each target.

    Raises:
        InputError: If a target has two.
    """
    found: dict[str, Path] = {}
    for path, result in results.items():
        if result.target in found:
            both = f"{found[result.target].name} and {path.name}"
            msg = f"{path.parent} holds two benchmarks of {result.target}, {both}; move one away"
            raise InputError(msg)
        found[result.target] = path
    return {target: results[path] for target, path in found.items()}


def _models_of(locked: Mapping[Path, Model], benchmarks: Mapping[str, BenchmarkResult | GradedResult]) -> dict[str, Path]:
    """Return the folder of each target's model: of several, the one that its benchmark was made with.

    Raises:
        InputError: If a benchmark was made with none of them, or there are several without a benchmark.
    """
    found = {}
    for target in dict.fromkeys(model.target.name for model in locked.values()):
        own = [path for path, model in locked.items() if model.target.name == target]
        wanted = (benchmarks[target].model_id or "") if target in benchmarks else ""
        chosen = [path for path in own if locked[path].id == wanted] if wanted else own
        if not chosen:
            msg = (
                f"The benchmark of {target} was made with model {wanted[:12]}, but {own[0]} holds {locked[own[0]].id[:12]}; "
                "run `ccrcc benchmark` again"
            )
            raise InputError(msg)
        if len(chosen) > 1 and not wanted:
            msg = f"{chosen[1].parent} holds two models of {target} and no benchmark of either; move one away"
            raise InputError(msg)
        found[target] = chosen[0]
    return found


def read_record(path: Path) -> RunRecord:
    """Read ``run.json``.

    Raises:
        InputError: If it is missing, is not JSON, or lacks a key.
    """
    refuse_irregular(path, "run record")
    if not path.is_file():
        msg = f"No run record at {path}"
        raise InputError(msg)
    try:
        content = path.read_bytes()
        record = RunRecord.model_validate_json(content)
        parse_json(content)  # which refuses what pydantic reads: a key twice, NaN, a number that is too large
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"{path} is not a run record: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        raise InputError(msg) from error
    except (ValueError, OSError) as error:
        msg = f"{path} is not a run record: {error}"
        raise InputError(msg) from error
    return record


def _picture(path: Path) -> Path:
    """Return the path of a picture.

    Raises:
        InputError: If it is none, by its first bytes: the page would show a hole.
    """
    refuse_irregular(path, "picture")
    with path.open("rb") as stream:
        if stream.read(len(_PNG)) != _PNG:
            msg = f"{path} is no PNG picture; remove it, or make it again"
            raise InputError(msg)
    return path


def _read_table(path: Path, name: str) -> pd.DataFrame:
    columns = COLUMNS[name]
    frame = inferred(read_csv(path))  # "N/A" is a word of Table S1, not a missing value; empty cells are
    if missing := [column for column in columns if column not in frame.columns]:
        msg = f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(columns)}"
        raise InputError(msg)
    _check_numbers(frame, path, name)
    if name == "overlap":
        if unknown := set(frame["structure"]) - {*STRUCTURES, *REGIONS}:
            msg = f"{path} has the structure {min(unknown)!r}; known ones are {', '.join((*STRUCTURES, *REGIONS))}"
            raise InputError(msg)
        frame = frame[frame["structure"].isin(STRUCTURES)]  # the page shows what Fig. S1 shows
    return frame


def _check_numbers(frame: pd.DataFrame, path: Path, table: str) -> None:
    """Check that numbers are numbers.

    Raises:
        InputError: If a count is none, a Dice is outside of [0, 1], or another number is none.
    """
    for name in (*_COUNTS.get(table, ()), *_NUMBERS.get(table, ())):
        known = frame[name].dropna()
        numbers = pd.to_numeric(known, errors="coerce").astype("float64")
        wrong = ~np.isfinite(numbers)
        if name in _COUNTS.get(table, ()):
            wrong |= (numbers < 0) | (numbers % 1 != 0)
        if name == "dice":
            wrong |= (numbers < 0) | (numbers > 1)
        if wrong.any():
            msg = f"{path}: {name} holds {known[wrong].iloc[0]!r:.60}, which it cannot; make the table again"
            raise InputError(msg)
