"""``ccrcc pool``."""

from pathlib import Path
from typing import Annotated

import typer

from ccrcc_model.commands.options import OutFolder


def pool(
    files: Annotated[list[Path], typer.Argument(help="Result files of `ccrcc benchmark --share`, one of each cohort.")],
    out: OutFolder,
) -> None:
    """Merge sites' result files into one multicentre table.

    Counts are added up; AUC and calibration are also combined by random effects.
    """
    from ccrcc_model.commands.console import say
    from ccrcc_model.commands.output_kinds import POOL
    from ccrcc_model.multicentre.pool import pool as pool_results
    from ccrcc_model.multicentre.result_file import SiteResult
    from ccrcc_model.multicentre.tables import summary, write_pool

    POOL.claim(out, inputs=files)
    result = pool_results([SiteResult.read(path) for path in files])
    with POOL.marked(out):
        write_pool(result, out)
    for line in summary(result):
        say(line)
    say(f"Multicentre table: {out / 'multicentre.csv'}")
