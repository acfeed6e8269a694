"""``ccrcc check``."""

from pathlib import Path
from typing import Annotated

import typer

from ccrcc_model.commands.options import Card, DataRoot


def check(
    card: Card,
    data_root: DataRoot = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="CSV for the refused cases.")] = None,
) -> None:
    """Read every scan of a cohort; list what fails and why."""
    from ccrcc_model.commands.console import finish, progress_bar, say
    from ccrcc_model.commands.output_kinds import REFUSALS
    from ccrcc_model.outcomes.table import check_outcomes
    from nnunet_ext.cohort.acquisition import check_acquisition
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.documents.quarantine import write_quarantine
    from nnunet_ext.scans.geometry import check_cohort

    if out is not None:
        _claim(out, card)
    cohort = load_cohort(card, data_root)
    check_outcomes(cohort)
    notes: list[str] = []
    if strangers := check_acquisition(cohort):
        say(f"The acquisition file holds {strangers} cases that the case list does not; they are left out")
    with progress_bar(f"Checking {cohort.name}") as on_progress:
        passed, refusals = check_cohort(cohort, on_progress=on_progress, on_note=notes.append)
    if out is not None:
        write_quarantine(out, refusals)
        REFUSALS.record(out, passed=len(passed.cases), refused=len(refusals))
    for note in notes:
        say(note)
    counted = f", {len(notes)} note{'s' * (len(notes) > 1)}" if notes else ""
    raise typer.Exit(finish(f"{cohort.name}: {len(passed.cases)} of {len(cohort.cases)} cases pass{counted}", refusals, out))


def _claim(out: Path, card: Path) -> None:
    from ccrcc_model.commands.output_kinds import REFUSALS
    from ccrcc_model.commands.outputs import refuse_quarantine

    REFUSALS.claim(out, inputs=[card])
    refuse_quarantine(out, REFUSALS.commands)
