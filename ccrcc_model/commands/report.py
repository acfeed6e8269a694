"""``ccrcc report``."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Folder that holds models and benchmarks, such as runs/demo.")],
) -> None:
    """Write the report of a run, one page that opens offline."""
    from ccrcc_model.commands.console import say
    from ccrcc_model.report import write_report
    from ccrcc_model.report.run_folder import read_record
    from nnunet_ext.ground.outputs import try_folder

    read_record(run / "run.json")
    try_folder(run, option="RUN")
    say(f"Report: {write_report(run)}")
