"""``ccrcc doctor``."""

from typing import Annotated

import typer

from ccrcc_model.commands.ending import run_to_its_end
from nnunet_ext.ground.errors import InputError

NOT_HELD = 1
"""Exit status if a fault was believed: this installation is not to be trusted with such files."""

_MARKS = {True: "held", False: "FAULT", None: "not tried"}


def doctor(
    ctx: typer.Context,
    faults: Annotated[
        bool,
        typer.Option("--faults", help="Meet every fault of the corpus: damaged files, masks in the wrong place, full disks."),
    ] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Meet only this fault; repeat for several.")] = None,
) -> None:
    """Check this installation.

    `--faults` makes small synthetic files, each with one fault that real ones have had, and reports of each whether it was
    read right or refused by its true name.
    """
    from ccrcc_model.commands.console import progress_bar, say
    from ccrcc_model.faults import in_this_process, meet_faults

    if not faults:
        msg = "Say what to check: --faults"
        raise InputError(msg)
    root = ctx.find_root().command
    command = in_this_process(lambda: run_to_its_end(root.main))
    with progress_bar("Meeting faults") as on_progress:
        verdicts = meet_faults(command, only or (), on_progress=on_progress)
    for verdict in verdicts:
        say(f"{_MARKS[verdict.held]:9}  {verdict.fault}: {verdict.said}")
    n_held, n_believed = (sum(verdict.held is wanted for verdict in verdicts) for wanted in (True, False))
    say(f"{n_held} of {len(verdicts)} faults held, {n_believed} not, {len(verdicts) - n_held - n_believed} not tried")
    raise typer.Exit(NOT_HELD if n_believed else 0)
