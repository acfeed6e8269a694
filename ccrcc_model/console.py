"""What a person at the terminal sees: progress with time left, refusals, the last line of a command."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from nnunet_ext.case import Refusal
from nnunet_ext.progress import OnProgress

QUARANTINED = 3
"""Exit status of a command that did its work, but not for every case."""


@contextmanager
def progress_bar(title: str) -> Iterator[OnProgress]:
    """Show a bar with the time left on standard error while the block runs; a line at its end where that is no terminal."""
    console = Console(stderr=True)
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("·"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)

        def show(done: int, total: int, /) -> None:
            progress.update(task, completed=done, total=total)

        yield show
    console.print(f"{title}: {time.monotonic() - started:.0f} s", highlight=False)


def say(line: str) -> None:
    """Print one line of result to standard output."""
    sys.stdout.write(f"{line}\n")


def finish(line: str, refusals: Sequence[Refusal], quarantine: Path | None = None) -> int:
    """Print the last line of a command, and before it what was refused.

    Args:
        line: Says where the result is.
        refusals: Cases that the command could not use.
        quarantine: File that lists all of them, if one was written.

    Returns:
        The exit status: 0, or ``QUARANTINED`` if a case was refused.
    """
    if refusals:
        _show_refusals(refusals, quarantine)
    say(line)
    return QUARANTINED if refusals else 0


def _show_refusals(refusals: Sequence[Refusal], quarantine: Path | None, most: int = 20) -> None:
    table = Table("case", "stage", "code", "reason", title=f"{len(refusals)} refused", title_justify="left")
    for refusal in refusals[:most]:
        table.add_row(refusal.case_id, refusal.stage, refusal.code, refusal.reason)
    console = Console(stderr=True)
    console.print(table)
    if len(refusals) > most:
        console.print(f"and {len(refusals) - most} more" + (f" in {quarantine}" if quarantine else ""))
