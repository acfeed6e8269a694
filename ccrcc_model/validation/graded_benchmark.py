"""A locked graded model and tumour volume alone on patients of other hospitals: nothing is fitted here."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ccrcc_model.models.graded_model import GradedModel, verdict_of
from ccrcc_model.statistics.graded import Comparison, calibrate_high, compare_graded
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from ccrcc_model.validation.audit import AuditAnswer, scan_answers
from ccrcc_model.validation.coverage import Coverage, coverage
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_text
from radiomics_cfg.table import FeatureTable

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


@dataclass(frozen=True, eq=False)
class GradedBenchmark:
    """A graded model in every group of patients: its development, out-of-fold, then each external cohort."""

    model_id: str
    target: str
    groups: tuple[GradedGroup, ...]
    audit: tuple[AuditAnswer, ...] = ()
    coverage: tuple[Coverage, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What a reader has to know before any figure, then one sentence for each external cohort."""
        of = f"{self.target} in"
        return (
            *(f"Leak audit failed: {answer.question} {answer.finding}" for answer in self.audit if not answer.passed),
            *(line for covered in self.coverage for line in covered.lines),
            *(f"{of} {group.name} (n = {group.n}) {verdict_of(group.figures['concordance'])}" for group in self.groups[1:]),
        )

    def table(self) -> pd.DataFrame:
        """One row a group and figure: model, baseline and difference with their bounds."""
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

    def write(self, folder: Path) -> None:
        """Write ``graded_benchmark.json`` and ``graded_figures.csv``."""
        write_text(folder / FILE, json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")
        write_csv(folder / TABLE, self.table())


def benchmark_graded(
    model: GradedModel, cohorts: Sequence[tuple[FeatureTable, pd.DataFrame]], *, cards: Sequence[Cohort] = ()
) -> GradedBenchmark:
    """Score a locked graded model and tumour volume alone on external cohorts; nothing is refitted.

    Args:
        model: From ``GradedModel.load`` or ``fit_graded``.
        cohorts: Feature table and outcomes (as ``read_outcomes`` gives them) of each external cohort.
        cards: The cohorts in the same order, to count the patients without features; may be left out.

    Raises:
        InputError: If two cohorts have one name, or a cohort cannot be predicted: see ``GradedModel.score``.
    """
    external = [model.score(table, outcomes) for table, outcomes in cohorts]
    names = [of_model.cohort for of_model, _ in external]
    if repeated := {name for name in names if names.count(name) > 1}:
        msg = f"Two external cohorts are named {min(repeated)}; give each its own name in its card"
        raise InputError(msg)
    pairs = [(model.out_of_fold, model.baseline_out_of_fold), *external]
    return GradedBenchmark(
        model.id,
        model.target.name,
        tuple(GradedGroup.of(*pair) for pair in pairs),
        audit=scan_answers(model.scans, [table for table, _ in cohorts]),
        coverage=tuple(coverage(card, *cohort, model.target) for card, cohort in zip(cards, cohorts, strict=False)),
    )
