"""Output at the terminal: progress with time left, refusals, the last line of a command."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from ccrcc_model.commands.ending import silence
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.progress import OnProgress


class ErrorConsole(Console):
    """Standard error, which may lose its reader: rich would end the command with status 1, in the midst of its work."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Go on without a word."""
        self.quiet = True
        silence(sys.stderr)


QUARANTINED = 3
"""Exit status of a command that did its work, but not for every case."""


@contextmanager
def progress_bar(title: str) -> Iterator[OnProgress]:
    """Show a bar with the time left on standard error while the block runs; a line at its end where that is no terminal."""
    console = ErrorConsole()
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("· {task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None, left="")
        first: list[tuple[int, float]] = []

        def show(done: int, total: int, /) -> None:
            now = time.monotonic()
            first[:] = first or [(done, now)]
            done_before, began = first[0]
            left = time_left_s(done, total, done_before=done_before, running_s=now - began)
            progress.update(task, completed=done, total=total, left="" if left is None else f"{_minutes(left)} left")

        yield show
    console.print(f"{title}: {time.monotonic() - started:.0f} s", highlight=False)


def time_left_s(done: int, total: int, *, done_before: int, running_s: float) -> float | None:
    """Return the seconds left at the mean pace of this run; None before it has one.

    Items that an earlier run had done carry no information on the pace. Nor is it taken from the last half minute only, as
    rich does, in which not one scan may end.
    """
    if done <= done_before:
        return None
    return running_s / (done - done_before) * (total - done)


FASTEST_PACE = 0.5
"""A run is never taken to be more than twice as fast as expected: stages that an earlier run had
done carry no information on it."""


class StageProgress:
    """Progress of a run of several stages: names the stage, and estimates the time left of the whole run.

    Args:
        expected_s: Seconds that each stage took on the reference machine, in order. Only their ratios matter once a stage is
            done: what is left is scaled by how fast this machine has been so far.
    """

    def __init__(self, expected_s: Mapping[str, float]) -> None:
        self.seconds: dict[str, float] = {}
        self._expected_s = dict(expected_s)
        self._console = ErrorConsole()

    @contextmanager
    def stage(self, name: str) -> Iterator[OnProgress]:
        """Show the stage ``name`` while the block runs, and record its seconds."""
        number = list(self._expected_s).index(name) + 1
        title = f"[{number}/{len(self._expected_s)}] {name}"
        started = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
        if not self._console.is_terminal:
            left = _minutes(self._left_s(name, 0.0, 0.0))
            self._console.print(f"{title} ({left} left in all)", highlight=False, markup=False)
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as progress:
            task = progress.add_task(escape(title), total=None, left="")

            def show(done: int, total: int, /) -> None:
                left = self._left_s(name, done / max(total, 1), time.monotonic() - started)
                progress.update(task, completed=done, total=total, left=f"{_minutes(left)} left in all")

            yield show
        self.seconds[name] = time.monotonic() - started
        self._console.print(f"{title}: {self.seconds[name]:.0f} s", highlight=False, markup=False)

    def _left_s(self, name: str, share: float, running_s: float) -> float:
        """Return the seconds left in all, with ``share`` of the stage ``name`` done after ``running_s`` seconds of it."""
        names = list(self._expected_s)
        expected_done = sum(self._expected_s[done] for done in self.seconds) + share * self._expected_s[name]
        taken = sum(self.seconds.values()) + running_s
        pace = max(taken / expected_done, FASTEST_PACE) if expected_done > 0 and taken > 0 else 1.0
        later = sum(self._expected_s[later] for later in names[names.index(name) + 1 :])
        return pace * (later + (1 - share) * self._expected_s[name])


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def say(line: str) -> None:
    """Print one line of result to standard output; once nobody reads it, as after ``| head``, the work goes on without."""
    try:
        sys.stdout.write(f"{line}\n")
    except BrokenPipeError:
        silence(sys.stdout)


def note(line: str) -> None:
    """Print one line to standard error that a user should know, and that does not end the command."""
    try:
        sys.stderr.write(f"note: {line}\n")
    except BrokenPipeError:
        silence(sys.stderr)


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
    console = ErrorConsole()
    console.print(table)
    if len(refusals) > most:
        console.print(f"and {len(refusals) - most} more" + (f" in {quarantine}" if quarantine else ""))
