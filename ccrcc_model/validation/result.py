"""The result of a benchmark of a binary target: its Table S2, its figures, and the folder that it is kept in."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pandas as pd
from pydantic import TypeAdapter

from ccrcc_model.outcomes.finding import Finding
from ccrcc_model.statistics.estimate import format_difference, format_number
from ccrcc_model.statistics.evaluation import Contrast, Scope
from ccrcc_model.validation import tables
from ccrcc_model.validation.cautions import cautions
from ccrcc_model.validation.faults import fault
from ccrcc_model.validation.headline import OWN
from ccrcc_model.validation.result_file import read_result
from ccrcc_model.validation.scored import Scored
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath, write_text
from nnunet_ext.ground.notebook import as_html, counted

if TYPE_CHECKING:  # drawn only when asked for
    from matplotlib.axes import Axes

FILE = "benchmark.json"
SHOWN = (Scope.INTERNAL, Scope.EXTERNAL)
"""Groups of the forest plot: all but single centres and the pooled cohorts, whose figures stand beside the combined ones."""


@dataclass(frozen=True, eq=False, repr=False)
class BenchmarkResult(Scored):
    """One binary target in every group of patients; see `Scored` for what it holds.

    Example:
        >>> import ccrcc_model as cc
        >>> result = cc.BenchmarkResult.load("benchmark/grade")
        >>> len(result.table_s2()), result.plot("roc").get_ylabel()
        (..., 'Sensitivity')
    """

    @property
    def cautions(self) -> tuple[Finding, ...]:
        """What a reader has to know before any figure."""
        return cautions(self.audit, self.coverage, self.groups)

    @property
    def lines(self) -> tuple[str, ...]:
        """What the command reports: every caution."""
        return tuple(map(str, self.cautions))

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Model and tumour volume in each cohort, and over the external cohorts."""
        own = tuple(group.contrast for group in self.scope(*SHOWN))
        return own if self.across is None else (*own, self.across.contrast)

    def table_s2(self) -> pd.DataFrame:
        """Return Table S2 of the supplement: one row per group, each share as ``0.81(0.64-0.93)`` with its raw counts."""
        return tables.table_s2(self)

    def plot(self, kind: str, *, group: str | None = None) -> "Axes":
        """Draw one figure and return its axes; ``axes.figure`` is the whole figure.

        Args:
            kind: ``"roc"``, ``"calibration"`` or ``"decision"`` of one group, or ``"forest"`` of all of them.
            group: Name of the group; all external patients where it is left out.

        Raises:
            InputError: If the kind or the group is not known.
        """
        from ccrcc_model.plots.single import draw_curve, draw_single_forest  # noqa: PLC0415 - matplotlib only when asked for

        if kind == "forest":
            return draw_single_forest(self.sentence, self.contrasts)
        chosen = [one for one in self.groups if one.name == group] if group else [self.everyone]
        if not chosen:
            msg = f"No group {group!r}; known ones are {', '.join(one.name for one in self.groups)}"
            raise InputError(msg)
        return draw_curve(kind, chosen[0])

    def save(self, folder: AnyPath) -> None:
        """Write ``benchmark.json``, which `load` reads, and every table as CSV in the same folder."""
        write_text(Path(folder) / FILE, TypeAdapter(type(self)).dump_json(self, indent=1).decode() + "\n")
        tables.write_tables(self, Path(folder))

    @classmethod
    def load(cls, folder: AnyPath) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: If the file is missing, is not a benchmark, or holds figures that none can have.
        """
        return read_result(Path(folder) / FILE, cls, fault)

    def __repr__(self) -> str:
        first = self.headline
        external = len(self.scope(Scope.EXTERNAL))
        who = "out-of-fold" if first.scope is Scope.INTERNAL else counted(external, "external cohort")
        how = "" if first.by == OWN else f" by {first.by}"
        return (
            f"Benchmark of {self.target} ({self.rule}){f' by model {self.model_id[:12]}' if self.model_id else ''}\n"
            f"{first.name}: AUC {first.auc} against {format_number(first.baseline_auc.value)} of tumour volume alone, "
            f"difference {format_difference(first.difference)}{how}\n"
            f"{first.n} patients, {first.events} of them positive, {who}; cautions: {len(self.cautions)}"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self))
