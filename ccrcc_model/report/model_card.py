"""A model card for each locked model (Mitchell et al. 2019, doi:10.1145/3287560.3287596), from what the run recorded."""

import re
from dataclasses import replace
from pathlib import Path

from ccrcc_model.models.families_line import families_line
from ccrcc_model.models.model import Model
from ccrcc_model.report import benchmark_tables
from ccrcc_model.report.environment import environment
from ccrcc_model.report.facts import facts
from ccrcc_model.report.limits import limits
from ccrcc_model.report.run_folder import Run
from ccrcc_model.report.summary import title
from ccrcc_model.report.tables import Table
from ccrcc_model.statistics.evaluation import Scope
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.result import BenchmarkResult
from nnunet_ext.ground.files import write_text

FOLDER = "model_cards"
"""Next to ``models``: no file may be added to the folder of a locked model."""
AUTHOR = "*Author to complete.*"

_MARKUP = re.compile(r"([\\`*_\[\]|#])")


def write_model_cards(run: Run, folder: Path) -> tuple[Path, ...]:
    """Write ``<target>.md`` for each model of the run into ``folder``, and return the paths."""
    results = {result.target: result for result in run.results}
    paths = []
    for target, model in run.models.items():
        path = folder / f"{target}.md"
        write_text(path, model_card(run, model, results.get(target)))
        paths.append(path)
    return tuple(paths)


def model_card(run: Run, model: Model, result: BenchmarkResult | GradedResult | None) -> str:
    """Return the card as Markdown.

    Args:
        run: The run that contains the model.
        model: The model that the card describes.
        result: Its benchmark; None if the run has none.
    """
    page = environment()
    page.filters["text"] = as_text
    page.filters["table"] = as_table
    manifest = model.manifest
    card = page.get_template("model_card.md.jinja").render(
        name=title(model.target.name),
        model=model,
        manifest=manifest,
        synthetic=run.record.synthetic,
        facts=facts(result, model) if result else (),
        graded=model.target.kind != "binary",
        families=families_line(model.manifest["families"]),
        external=[one for one in result.contrasts if one.scope is Scope.EXTERNAL] if result else (),
        tables=_tables(result) if result else (),
        factors=_factors(result),
        audit=result.audit if result else (),
        limits=limits(_alone(run, result)),
        author=AUTHOR,
    )
    return card.rstrip() + "\n"


def _alone(run: Run, result: BenchmarkResult | GradedResult | None) -> Run:
    """Return the run as if this benchmark were its only one."""
    binary = (result,) if isinstance(result, BenchmarkResult) else ()
    graded = (result,) if isinstance(result, GradedResult) else ()
    return replace(run, benchmarks=binary, graded=graded)


def _factors(result: BenchmarkResult | GradedResult | None) -> tuple[str, ...]:
    """Return what the subgroups differ in; graded benchmarks have none."""
    return tuple(dict.fromkeys(one.factor for one in result.subgroups)) if isinstance(result, BenchmarkResult) else ()


def _tables(result: BenchmarkResult | GradedResult) -> tuple[Table, ...]:
    if isinstance(result, GradedResult):
        return (benchmark_tables.graded(result),)
    ranked, risks = benchmark_tables.discrimination(result), benchmark_tables.calibration(result)
    return ranked, benchmark_tables.table_s2([result]), risks


def as_text(value: object) -> str:
    """Return a value as Markdown that displays it literally, without markup or HTML, in one line."""
    escaped = _MARKUP.sub(r"\\\1", " ".join(str(value).split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_table(table: Table) -> str:
    """Return a table as Markdown, with its caption above and its note below."""
    lines = [
        f"**{as_text(table.caption)}**",
        "",
        "| " + " | ".join(map(as_text, table.columns)) + " |",
        "|" + " --- |" * len(table.columns),
        *("| " + " | ".join(map(as_text, row)) + " |" for row in table.rows),
    ]
    return "\n".join([*lines, "", as_text(table.note)] if table.note else lines)
