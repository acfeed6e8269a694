"""``ccrcc report``."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Folder that holds models and benchmarks, such as runs/demo.")],
) -> None:
    """Write the report of a run, one page that opens offline."""
    from ccrcc_model.commands.console import say
    from ccrcc_model.commands.output_kinds import REPORTED
    from ccrcc_model.commands.outputs import refuse_sealed
    from ccrcc_model.report import read_run, report_run
    from ccrcc_model.report.run_parts import REPORT

    refuse_sealed(run)
    REPORTED.claim(run / REPORT, option="RUN")
    page = report_run(read_run(run))
    REPORTED.mark(run / REPORT)
    say(f"Report: {page}")
