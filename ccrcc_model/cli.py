"""The ``ccrcc`` command: each subcommand reads files, calls one public function, writes files.

Stage modules are imported inside the commands, so that ``ccrcc --help`` does not wait for them.
"""

from collections.abc import Callable
from typing import Annotated

import typer

from ccrcc_model.commands.benchmark import benchmark
from ccrcc_model.commands.check import check
from ccrcc_model.commands.compact import compact
from ccrcc_model.commands.convert import convert
from ccrcc_model.commands.counts import counts
from ccrcc_model.commands.deep import deep
from ccrcc_model.commands.demo import demo
from ccrcc_model.commands.doctor import doctor
from ccrcc_model.commands.ending import Commands, run_to_its_end
from ccrcc_model.commands.extract import extract
from ccrcc_model.commands.fit import fit
from ccrcc_model.commands.imports import imports
from ccrcc_model.commands.look import look
from ccrcc_model.commands.overlap import overlap
from ccrcc_model.commands.phantom import phantom
from ccrcc_model.commands.pool import pool
from ccrcc_model.commands.predict import predict
from ccrcc_model.commands.record import RecordedCommand
from ccrcc_model.commands.report import report
from ccrcc_model.commands.segment import segment
from ccrcc_model.commands.size import size
from ccrcc_model.commands.spread import spread
from ccrcc_model.commands.stability import stability
from ccrcc_model.commands.thicken import thicken

COMMANDS: tuple[Callable[..., None], ...] = (
    demo,
    phantom,
    check,
    thicken,
    convert,
    segment,
    overlap,
    look,
    extract,
    compact,
    deep,
    stability,
    fit,
    benchmark,
    predict,
    counts,
    size,
    spread,
    pool,
    report,
    doctor,
)
"""In the order of the help."""

app = typer.Typer(
    name="ccrcc",
    cls=Commands,
    help="From a contrast CT of the kidney to WHO/ISUP grade and Ki67: masks, radiomics, models, external benchmarks.",
    epilog="Research software, not a medical device. nnU-Net's own nnUNetv2_* commands find our trainers by themselves.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line, and end with an exit status: 0, 2 for a user's mistake, 3 where cases were quarantined."""
    run_to_its_end(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from nnunet_ext.ground.record import DISTRIBUTION

        typer.echo(f"{DISTRIBUTION} {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Take the options that come before a command."""


for command in COMMANDS:
    app.command(cls=RecordedCommand)(command)
app.add_typer(imports, name="import")
