"""Where the parts of a run lie: found by what they are, not by the names that a user gave them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from ccrcc_model.models.folder import MANIFEST
from ccrcc_model.validation.graded_result import FILE as GRADED_FILE
from ccrcc_model.validation.result import FILE as BENCHMARK_FILE
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import is_hidden

REPORT = "report"
"""Folder of the report in a run folder: the one place that the report writes to."""
RECORD = "run.json"

INDEX = "index.html"
"""An index of review pages, if ``_INDEX_MARK`` stands at its beginning."""
_INDEX_MARK = b'<meta name="generator" content="ccrcc index">'
_HEAD_BYTES = 4096

_DEPTHS = ("", "*/", "*/*/")
"""A part lies in the run folder, or one or two folders below it: ``models/grade``."""
_OVERLAP_HEAD = ("cohort", "case_id", "centre", "structure", "dice")
"""First columns of what ``ccrcc overlap`` writes."""


@dataclass(frozen=True)
class RunParts:
    """Places of a run.

    Args:
        folder: The run folder. What points at a file names it relative to this.
        report: Folder that the report writes to.
        models: Folders of locked models.
        benchmarks: Folders of benchmarks of a yes or no.
        graded: Folders of benchmarks of grades and percentages.
        overlaps: Tables of overlaps.
        records: ``run.json`` of the stages.
        indexes: Indexes of review pages.
    """

    folder: Path = Path()
    report: Path = Path(REPORT)
    models: tuple[Path, ...] = ()
    benchmarks: tuple[Path, ...] = ()
    graded: tuple[Path, ...] = ()
    overlaps: tuple[Path, ...] = ()
    records: tuple[Path, ...] = ()
    indexes: tuple[Path, ...] = ()

    def files(self, pattern: str) -> list[Path]:
        """Return the files of a pattern, such as ``models/*/manifest.json``, whatever the folders of models are called.

        Args:
            pattern: Of a model's or a benchmark's file, of the report's (``report/…``), or of any other in the run folder.
        """
        first, _, rest = pattern.partition("/")
        if first in {"models", "benchmark"}:
            folders = self.models if first == "models" else self.benchmarks
            return [path for folder in folders for path in sorted(folder.glob(rest.removeprefix("*/")))]
        if first == REPORT:
            return sorted(self.report.glob(rest))
        if pattern == RECORD:
            own = self.folder / RECORD
            return [own] if own.is_file() else list(self.records)
        return sorted(self.folder.glob(pattern))


def find_parts(folder: Path) -> RunParts:
    """Find the parts of a run.

    Raises:
        InputError: If there is no such folder, or nothing in it that a report could be written of.
    """
    own = folder / "tables" / "overlap.csv"
    overlaps = (own,) if own.exists() else tuple(path for path in _find(folder, "*.csv") if _is_overlap(path))
    parts = RunParts(
        folder,
        folder / REPORT,
        models=tuple(path.parent for path in _find(folder, MANIFEST)),
        benchmarks=tuple(path.parent for path in _find(folder, BENCHMARK_FILE)),
        graded=tuple(path.parent for path in _find(folder, GRADED_FILE)),
        overlaps=overlaps,
        records=tuple(dict.fromkeys((*_find(folder, RECORD), *_find(folder, f"*.{RECORD}")))),
        indexes=tuple(path for path in _find(folder, INDEX) if _is_index(path)),
    )
    if not (parts.models or parts.benchmarks or parts.graded or (folder / RECORD).exists()):
        msg = f"No run at {folder}: it holds no model of `ccrcc fit` and no benchmark of `ccrcc benchmark`"
        raise InputError(msg)
    return parts


def _find(folder: Path, name: str) -> list[Path]:
    """Return the files of a name at every depth, without hidden ones and without those of the report."""
    found = [path for depth in _DEPTHS for path in sorted(folder.glob(depth + name))]
    return [path for path in found if not _is_left_out(path.relative_to(folder))]


def _is_left_out(path: Path) -> bool:
    return path.parts[0] == REPORT or any(is_hidden(Path(part)) for part in path.parts)


def _is_index(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return _INDEX_MARK in stream.read(_HEAD_BYTES)
    except OSError:
        return False


def _is_overlap(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return tuple(next(csv.reader(stream), ()))[: len(_OVERLAP_HEAD)] == _OVERLAP_HEAD
    except (OSError, ValueError, csv.Error):
        return False
