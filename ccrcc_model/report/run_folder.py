"""What a run folder holds, read and checked: the only input of the report.

``run.json`` is required. Any other part may be absent, and the report says so: a site may have run only some stages.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from ccrcc_model.benchmark import FILE as BENCHMARK_FILE
from ccrcc_model.benchmark import BenchmarkResult
from ccrcc_model.model import Model
from ccrcc_model.model_folder import BINARY, MANIFEST, model_kind
from nnunet_ext.csv_table import inferred, read_csv
from nnunet_ext.errors import InputError
from nnunet_ext.files import is_hidden
from nnunet_ext.labels import STRUCTURES
from nnunet_ext.overlap import REGIONS

COLUMNS = {
    "acquisition": ("cohort", "cases", "tube_voltage_kv", "tube_current_ma", "matrix", "slice_thickness_mm", "pitch"),
    "flow": ("cohort", "role", "listed", "passed", "segmented", "extracted", "modelled"),
    "quarantine": ("cohort", "case_id", "stage", "code", "reason"),
    "overlap": ("cohort", "centre", "case_id", "structure", "dice", "reference_ml", "predicted_ml", "relative_volume_error"),
}
"""Columns that each ``tables/<name>.csv`` must have; further ones are allowed, and the acquisition table's are printed."""


class Stage(BaseModel):
    """A stage of the run and how long it took."""

    name: str
    seconds: float


class RunRecord(BaseModel):
    """``run.json``. Keys that it does not name are kept and printed under the settings.

    Args:
        title: Heads the report.
        synthetic: Whether the patients are phantoms; the report then makes no clinical claim.
        command: What reproduces the run.
        seed: Of everything random.
        settings: Whatever else the run depends on.
        versions: Of Python, of this project, of the libraries.
        stages: In the order they ran.
        best_possible_auc: Per target, where the truth is known: what a perfect reader of the phantoms would reach.
    """

    model_config = ConfigDict(extra="allow")

    title: str
    synthetic: bool
    command: str
    seed: int | None = None
    settings: dict[str, Any] = {}
    versions: dict[str, str] = {}
    stages: list[Stage] = []
    best_possible_auc: dict[str, float] | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder in memory.

    Args:
        record: ``run.json``.
        tables: Those of ``COLUMNS`` that are there.
        overlays: Pictures of ``overlays/``, in the order of their names.
        benchmarks: One a target.
        models: The locked model of each target, where the folder holds it.
    """

    record: RunRecord
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    overlays: tuple[Path, ...] = ()
    benchmarks: tuple[BenchmarkResult, ...] = ()
    models: dict[str, Model] = field(default_factory=dict)

    @property
    def external_cohorts(self) -> frozenset[str] | None:
        """Names of the external cohorts; None if the run holds no flow of cases."""
        if "flow" not in self.tables:
            return None
        flow = self.tables["flow"]
        return frozenset(flow.loc[flow["role"] == "external", "cohort"])


def read_run(folder: Path) -> Run:
    """Read a run folder; graded models in it are no part of the page.

    Raises:
        InputError: If there is no ``run.json``, a file is there but is not what its name says, a model was changed, or a
            benchmark was made with another model than the run's.
    """
    tables = {name: folder / "tables" / f"{name}.csv" for name in COLUMNS}
    scored = [path.parent for path in sorted(folder.glob(f"benchmark/*/{BENCHMARK_FILE}")) if not is_hidden(path.parent)]
    benchmarks = tuple(BenchmarkResult.read(each) for each in scored)
    locked = [path.parent for path in sorted(folder.glob(f"models/*/{MANIFEST}")) if not is_hidden(path.parent)]
    folders = [each for each in locked if model_kind(each) == BINARY]
    models = {path.name: Model.load(path) for path in folders}
    for result in benchmarks:
        model = models.get(result.target)
        if model and result.model_id and model.id != result.model_id:
            msg = (
                f"{folder / 'benchmark' / result.target} was made with model {result.model_id[:12]}, but "
                f"{folder / 'models' / result.target} holds {model.id[:12]}; run `ccrcc benchmark` again"
            )
            raise InputError(msg)
    return Run(
        read_record(folder / "run.json"),
        {name: _read_table(path, COLUMNS[name]) for name, path in tables.items() if path.is_file()},
        tuple(path for path in sorted(folder.glob("overlays/*.png")) if not is_hidden(path)),
        benchmarks,
        models,
    )


def read_record(path: Path) -> RunRecord:
    """Read ``run.json``.

    Raises:
        InputError: If it is missing, is not JSON, or lacks a key.
    """
    if not path.is_file():
        msg = f"No run at {path.parent}: it has no run.json; `ccrcc demo` makes a run folder"
        raise InputError(msg)
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"{path} is not a run record: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        raise InputError(msg) from error


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    frame = inferred(read_csv(path))  # "N/A" is a word of Table S1, not a missing value; empty cells are
    if missing := [name for name in columns if name not in frame.columns]:
        msg = f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(columns)}"
        raise InputError(msg)
    if path.stem == "overlap":
        if unknown := set(frame["structure"]) - {*STRUCTURES, *REGIONS}:
            msg = f"{path} has the structure {min(unknown)!r}; known ones are {', '.join((*STRUCTURES, *REGIONS))}"
            raise InputError(msg)
        frame = frame[frame["structure"].isin(STRUCTURES)]  # the page shows what Fig. S1 shows
    return frame
