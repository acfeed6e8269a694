"""The result of a benchmark of a graded target: grades in their order, or a percentage."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from ccrcc_model.models.headline import verdict_of
from ccrcc_model.outcomes.finding import Finding
from ccrcc_model.statistics.estimate import Comparison, format_estimate
from ccrcc_model.statistics.evaluation import Contrast, Scope
from ccrcc_model.statistics.graded import GRADING, calibrate_high, compare_graded
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from ccrcc_model.validation.cautions import cautions
from ccrcc_model.validation.coverage import Coverage
from ccrcc_model.validation.faults import graded_fault
from ccrcc_model.validation.result_file import read_result
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath, write_text
from nnunet_ext.ground.notebook import as_html, counted

if TYPE_CHECKING:  # drawn only when asked for
    from matplotlib.axes import Axes

FILE = "graded_benchmark.json"
TABLE = "graded_figures.csv"


@dataclass(frozen=True, eq=False)
class GradedGroup:
    """Model and tumour volume in one group of patients.

    Args:
        name: Of the group.
        n: Patients.
        figures: By name, see ``compare_graded``.
        calibration_of_high: Of the probability of a high grade; empty for a percentage.
    """

    name: str
    n: int
    figures: dict[str, Comparison]
    calibration_of_high: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, model: GradedPredictions, baseline: GradedPredictions) -> "GradedGroup":
        """Evaluate predictions of the same patients, in the same order."""
        return cls(model.cohort, len(model.outcome), compare_graded(model, baseline), calibrate_high(model, baseline))


@dataclass(frozen=True, eq=False, repr=False)
class GradedResult:
    """A graded model in every group of patients: its development, out-of-fold, then each external cohort.

    It answers to the same names as `BenchmarkResult`, with the figures of its own kind.

    Args:
        model_id: SHA-256 of the locked model's manifest.
        target: Name of the target.
        groups: The development first.
        audit: Whether a scan stands under two names.
        coverage: Of each cohort whose card was given, which patients could not be scored.
    """

    model_id: str
    target: str
    groups: tuple[GradedGroup, ...]
    audit: tuple[Finding, ...] = ()
    coverage: tuple[Coverage, ...] = ()

    @property
    def headline(self) -> GradedGroup:
        """The first external cohort, or else the development."""
        return self.groups[1] if len(self.groups) > 1 else self.groups[0]

    @property
    def cautions(self) -> tuple[Finding, ...]:
        """What a reader has to know before any figure."""
        return cautions(self.audit, self.coverage)

    @property
    def lines(self) -> tuple[str, ...]:
        """What the command reports: every caution, then one sentence for each external cohort."""
        of = f"{self.target} in"
        return (
            *map(str, self.cautions),
            *(f"{of} {group.name} (n = {group.n}) {verdict_of(group.figures['concordance'])}" for group in self.groups[1:]),
        )

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Concordance of model and tumour volume in each cohort."""
        scopes = [Scope.INTERNAL, *[Scope.EXTERNAL] * (len(self.groups) - 1)]
        return tuple(
            Contrast(group.name, scope, group.n, None, GRADING["concordance"].title, group.figures["concordance"])
            for group, scope in zip(self.groups, scopes, strict=True)
        )

    def table_s2(self) -> pd.DataFrame:
        """Return one row per group, each figure of the model and of tumour volume as ``0.81(0.64-0.93)``."""
        return pd.DataFrame(
            {
                "target": self.target,
                "group": group.name,
                "n": group.n,
                **{name: format_estimate(found.model) for name, found in group.figures.items()},
                **{f"baseline_{name}": format_estimate(found.baseline) for name, found in group.figures.items()},
            }
            for group in self.groups
        )

    def table(self) -> pd.DataFrame:
        """Return one row per group and figure: model, baseline and difference with their bounds."""
        return pd.DataFrame(
            {
                "target": self.target,
                "group": group.name,
                "n": group.n,
                "figure": figure,
                **{
                    f"{which}{suffix}": getattr(getattr(found, which), key)
                    for which in ("model", "baseline", "difference")
                    for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high"))
                },
            }
            for group in self.groups
            for figure, found in group.figures.items()
        )

    def plot(self, kind: str) -> "Axes":
        """Draw the ``"forest"`` plot of the concordances and return its axes.

        Raises:
            InputError: If it is another kind: a graded model has no curve.
        """
        from ccrcc_model.plots.single import draw_single_forest  # noqa: PLC0415 - matplotlib only when asked for

        if kind != "forest":
            msg = f"A graded model has no figure {kind!r}; known ones are forest"
            raise InputError(msg)
        return draw_single_forest(self.target, self.contrasts)

    def save(self, folder: AnyPath) -> None:
        """Write ``graded_benchmark.json``, which `load` reads, and ``graded_figures.csv``."""
        write_text(Path(folder) / FILE, json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")
        write_csv(Path(folder) / TABLE, self.table())

    @classmethod
    def load(cls, folder: AnyPath) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: If the file is missing, is not a benchmark, or holds figures that none can have.
        """
        return read_result(Path(folder) / FILE, cls, _fault)

    def __repr__(self) -> str:
        group = self.headline
        external = len(self.groups) - 1
        return (
            f"Benchmark of {self.target} by model {self.model_id[:12]}\n"
            f"{group.name}: {verdict_of(group.figures['concordance'])}\n"
            f"{counted(group.n, 'patient')}; {counted(external, 'external cohort')}; cautions: {len(self.cautions)}"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self))


def _fault(result: GradedResult) -> str | None:
    return graded_fault([(group.name, group.n, group.figures) for group in result.groups])
