"""What a run folder holds, read and checked: the only input of the report.

``run.json`` is required. Any other part may be absent, and the report says so: a site may have run only some stages.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ccrcc_model.models.folder import BINARY, MANIFEST, model_kind
from ccrcc_model.models.model import Model
from ccrcc_model.validation.graded_result import FILE as GRADED_FILE
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.result import FILE as BENCHMARK_FILE
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
_PNG = b"\x89PNG\r\n\x1a\n"


class Stage(BaseModel):
    """A stage of the run and how long it took."""

    name: str
    seconds: float = Field(ge=0, allow_inf_nan=False)


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
        graded: Benchmarks of graded targets, one per target.
    """

    record: RunRecord
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    overlays: tuple[Path, ...] = ()
    benchmarks: tuple[BenchmarkResult, ...] = ()
    models: dict[str, Model] = field(default_factory=dict)
    graded: tuple[GradedResult, ...] = ()

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
    benchmarks = tuple(BenchmarkResult.load(each) for each in scored)
    graded = [path.parent for path in sorted(folder.glob(f"benchmark/*/{GRADED_FILE}")) if not is_hidden(path.parent)]
    locked = [path.parent for path in sorted(folder.glob(f"models/*/{MANIFEST}")) if not is_hidden(path.parent)]
    folders = [each for each in locked if model_kind(each) == BINARY]
    models = {path.name: Model.load(path) for path in folders}
    for name, model in models.items():
        if model.target.name != name:
            msg = f"{folder / 'models' / name} holds a model of {model.target.name}; name the folder after its target"
            raise InputError(msg)
    for result in benchmarks:
        own = models.get(result.target)
        if own and result.model_id and own.id != result.model_id:
            msg = (
                f"{folder / 'benchmark' / result.target} was made with model {result.model_id[:12]}, but "
                f"{folder / 'models' / result.target} holds {own.id[:12]}; run `ccrcc benchmark` again"
            )
            raise InputError(msg)
    return Run(
        read_record(folder / "run.json"),
        {name: _read_table(path, COLUMNS[name]) for name, path in tables.items() if path.exists()},
        tuple(_picture(path) for path in sorted(folder.glob("overlays/*.png")) if not is_hidden(path)),
        benchmarks,
        models,
        tuple(GradedResult.load(each) for each in graded),
    )


def read_record(path: Path) -> RunRecord:
    """Read ``run.json``.

    Raises:
        InputError: If it is missing, is not JSON, or lacks a key.
    """
    refuse_irregular(path, "run record")
    if not path.is_file():
        msg = f"No run at {path.parent}: it has no run.json; `ccrcc demo` makes a run folder"
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


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    frame = inferred(read_csv(path))  # "N/A" is a word of Table S1, not a missing value; empty cells are
    if missing := [name for name in columns if name not in frame.columns]:
        msg = f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(columns)}"
        raise InputError(msg)
    _check_numbers(frame, path)
    if path.stem == "overlap":
        if unknown := set(frame["structure"]) - {*STRUCTURES, *REGIONS}:
            msg = f"{path} has the structure {min(unknown)!r}; known ones are {', '.join((*STRUCTURES, *REGIONS))}"
            raise InputError(msg)
        frame = frame[frame["structure"].isin(STRUCTURES)]  # the page shows what Fig. S1 shows
    return frame


def _check_numbers(frame: pd.DataFrame, path: Path) -> None:
    """Check that numbers are numbers.

    Raises:
        InputError: If a count is none, a Dice is outside of [0, 1], or another number is none.
    """
    for name in (*_COUNTS.get(path.stem, ()), *_NUMBERS.get(path.stem, ())):
        known = frame[name].dropna()
        numbers = pd.to_numeric(known, errors="coerce").astype("float64")
        wrong = ~np.isfinite(numbers)
        if name in _COUNTS.get(path.stem, ()):
            wrong |= (numbers < 0) | (numbers % 1 != 0)
        if name == "dice":
            wrong |= (numbers < 0) | (numbers > 1)
        if wrong.any():
            msg = f"{path}: {name} holds {known[wrong].iloc[0]!r:.60}, which it cannot; make the table again"
            raise InputError(msg)
