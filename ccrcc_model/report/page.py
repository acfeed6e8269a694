"""Builds ``report.html`` from a run folder, or from models and benchmarks in memory."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from ccrcc_model.models.model import Model
from ccrcc_model.plots.bars import group_dice
from ccrcc_model.report import benchmark_tables, external_tables, model_tables, tables
from ccrcc_model.report.environment import environment
from ccrcc_model.report.facts import facts
from ccrcc_model.report.features import extraction, write_presets, write_used
from ccrcc_model.report.figures import Picture, draw_figures
from ccrcc_model.report.limits import limits
from ccrcc_model.report.model_card import FOLDER as MODEL_CARDS
from ccrcc_model.report.model_card import write_model_cards
from ccrcc_model.report.run_folder import Run, RunRecord
from ccrcc_model.report.run_parts import RunParts
from ccrcc_model.report.sheets import Sheet, Status, write_sheets
from ccrcc_model.report.stages import stages_table
from ccrcc_model.report.summary import heading, in_words, summarise, title
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.result import BenchmarkResult
from ccrcc_model.validation.tables import write_tables
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.files import AnyPath, write_text

MOST_OVERLAYS = 6
_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}

Blocks = tuple[tuple[Picture, tuple[tables.Table, ...]], ...]
"""Figures of a benchmark, with the tables below each."""


@dataclass(frozen=True, slots=True)
class TargetSection:
    """What the page reports of one target.

    Args:
        result: Benchmark of the target.
        title: Heading of its parts.
        asked: What is predicted: a label, the sentence, and the rule if there is one.
        facts: Label and value of each fact about the model.
        blocks: Figures of the benchmark, with the tables below each.
        features: The features on which the model relies.
        comparators: Models that were fitted for comparison.
        by_centre: Each centre by a model of the others, where centres were left out.
        groups: Contributions by region, scale, filter and family.
    """

    result: BenchmarkResult | GradedResult
    title: str
    asked: tuple[str, str, str]
    facts: tuple[tuple[str, str], ...]
    blocks: Blocks
    features: Picture | None
    comparators: tables.Table | None
    by_centre: tables.Table | None
    groups: tables.Table | None


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the page and is named in it.

    Args:
        features: Tables of what was measured.
        cards: Names of the model cards' files.
        sheets: The guideline sheets.
    """

    features: tuple[tables.Table, ...] = ()
    cards: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()


def write_report(models: Sequence[Model], results: Sequence[BenchmarkResult | GradedResult], folder: AnyPath) -> Path:
    """Write the report of models and benchmarks in memory, ``report.html`` and what lies beside it; return the page's path.

    The guideline sheets point at files: of models that no run folder holds they leave the items to the author.

    Args:
        models: Locked models, one per target.
        results: Their benchmarks, one per target.
        folder: Folder of the report; the only one that is written to.

    Example:
        >>> import ccrcc_model as cc
        >>> model, result = cc.load_model("models/grade"), cc.BenchmarkResult.load("benchmark/grade")
        >>> cc.write_report([model], [result], "report").name
        'report.html'
    """
    out = Path(folder)
    by_target = {model.target.name: model for model in models}
    for result in results:
        result.save(out / "benchmark" / result.target)
    binary = tuple(result for result in results if isinstance(result, BenchmarkResult))
    graded = tuple(result for result in results if isinstance(result, GradedResult))
    parts = RunParts(
        out,
        out,
        benchmarks=tuple(out / "benchmark" / result.target for result in binary),
        graded=tuple(out / "benchmark" / result.target for result in graded),
    )
    record = RunRecord(command="ccrcc_model.write_report")
    return report_run(Run(record, benchmarks=binary, models=by_target, parts=parts, graded=graded))


def report_run(run: Run) -> Path:
    """Write the page of a run, and beside it figures, tables, model cards and guideline sheets; return the page's path.

    Args:
        run: As ``read_run`` reads it; its ``parts.report`` is the only folder that is written to.

    Raises:
        InputError: If a file that a guideline sheet points at is not what its name says.
    """
    folder = run.parts.report
    pictures = draw_figures(run, folder / "figures")
    for result in run.benchmarks:
        write_tables(result, folder / "benchmark" / result.target)
    if run.benchmarks:
        write_csv(folder / "tables" / "table_s2.csv", pd.concat([one.table_s2() for one in run.benchmarks]))
    measured = [*map(extraction, write_presets(run.models, folder / "tables")), write_used(run.models, folder / "tables")]
    cards = write_model_cards(run, folder / MODEL_CARDS)
    # Last, since they point at what the others wrote.
    sheets = write_sheets(run.parts, title=heading(run), synthetic=run.record.synthetic)
    beside = Beside(tuple(table for table in measured if table), tuple(path.name for path in cards), sheets)
    page = folder / "report.html"
    write_text(page, render(run, pictures, beside))
    return page


def render(run: Run, pictures: dict[str, Picture], beside: Beside | None = None) -> str:
    """Return the page as HTML that asks for nothing from anywhere.

    Args:
        run: What it reports.
        pictures: By name.
        beside: What was written beside it; nothing by default.
    """
    beside = beside or Beside()
    page = environment()
    page.filters["data_uri"] = data_uri
    page.filters["duration"] = duration
    page.filters["in_words"] = in_words
    return page.get_template("report.html.jinja").render(
        record=run.record,
        heading=heading(run),
        records=stages_table(run),
        settings={"seed": run.record.seed, **run.record.settings, **(run.record.model_extra or {})},
        total_s=sum(stage.seconds for stage in run.record.stages),
        answer=summarise(run),
        pictures=pictures,
        overlays=_overlays(run),
        n_overlays=len(run.overlays),
        indexes=[quote(Path(relpath(path, run.parts.report)).as_posix()) for path in run.parts.indexes],
        cohorts=[
            table
            for table in (
                tables.flow(run),
                external_tables.patients(run.benchmarks),
                tables.refusals(run),
                tables.acquisition(run),
            )
            if table
        ],
        overlap=tables.overlap(run),
        table_s2=benchmark_tables.table_s2(run.benchmarks) if run.benchmarks else None,
        targets=[
            *(_target(result, run, pictures, _blocks(result, pictures)) for result in run.benchmarks),
            *(_target(result, run, pictures, _graded_blocks(result, pictures)) for result in run.graded),
        ],
        best=benchmark_tables.best_possible(run),
        limits=limits(run),
        beside=beside,
        statuses=tuple(Status),
    )


def data_uri(path: Path) -> str:
    """Return the picture at ``path`` as a ``data:`` address."""
    return f"data:{_MEDIA[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def duration(seconds: float) -> str:
    """Return ``3 min 20 s``, or ``4.2 s`` below ten seconds."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _blocks(result: BenchmarkResult, pictures: dict[str, Picture]) -> Blocks:
    shown = {
        "roc": (
            benchmark_tables.discrimination(result),
            external_tables.across_cohorts(result),
            external_tables.intention_to_diagnose(result),
            external_tables.readers(result),
            external_tables.subgroups(result),
        ),
        "calibration": (benchmark_tables.calibration(result),),
        "decision": (benchmark_tables.operating_point(result), benchmark_tables.uncertainty(result)),
    }
    return tuple((pictures[f"{kind}_{result.target}"], tuple(one for one in below if one)) for kind, below in shown.items())


def _graded_blocks(result: GradedResult, pictures: dict[str, Picture]) -> Blocks:
    return ((pictures[f"concordance_{result.target}"], (benchmark_tables.graded(result),)),)


def _target(result: BenchmarkResult | GradedResult, run: Run, pictures: dict[str, Picture], blocks: Blocks) -> TargetSection:
    model = run.models.get(result.target)
    return TargetSection(
        result,
        title(result.target),
        _asked(result, model),
        facts(result, model),
        blocks,
        pictures.get(f"features_{result.target}"),
        model_tables.comparators(model) if model else None,
        model_tables.internal_external(model) if model else None,
        model_tables.explanation(model) if model else None,
    )


def _asked(result: BenchmarkResult | GradedResult, model: Model | None) -> tuple[str, str, str]:
    if isinstance(result, BenchmarkResult):
        return "Positive", result.sentence, result.rule
    return (
        ("Predicted", title(result.target), "") if model is None else ("Predicted", model.target.sentence, model.target.column)
    )


def _overlays(run: Run) -> list[Picture]:
    """Pictures of the first overlays, distinguished by cohort and Dice: no case is named."""
    overlap = run.tables.get("overlap")
    shown = []
    for number, path in enumerate(run.overlays[:MOST_OVERLAYS], start=1):
        words = ""
        if overlap is not None:
            cases = overlap[overlap["case_id"].astype(str) == path.stem]
            dice = ", ".join(f"{group.structure} Dice {group}" for group in group_dice(cases, by="structure"))
            words = f"{cases['cohort'].iloc[0]}. {dice[:1].upper()}{dice[1:]}." if len(cases) else ""
        alt = f"CT slice with the largest tumour area, reference contours solid, predicted dashed. {words}".strip()
        shown.append(Picture(f"overlay-{number}", path, words or f"Example {number}.", alt))
    return shown
