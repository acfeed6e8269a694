"""``ccrcc look``."""

from pathlib import Path
from typing import Annotated

import typer

from ccrcc_model.commands.options import Card, DataRoot, Jobs, OutFolder


def look(
    card: Card,
    out: OutFolder,
    data_root: DataRoot = None,
    reviews: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Reviews that readers exported; their verdicts become a column of a new case list."),
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """Write an index of a cohort's masks, and a page to review each.

    Pages open offline in any browser: images, contours, volumes and flags, to be sorted, filtered and marked.
    """
    from ccrcc_model.commands.console import finish, progress_bar
    from ccrcc_model.commands.output_kinds import LOOKED
    from ccrcc_model.patient.cohort_pages import look as look_at
    from ccrcc_model.patient.reviews import read_reviews
    from nnunet_ext.cohort.cards import load_cohort, save_cohort

    LOOKED.claim(out, inputs=[card])
    cohort = load_cohort(card, data_root)
    read = read_reviews(reviews) if reviews is not None else ()
    with LOOKED.marked(out), progress_bar(f"Looking at {cohort.name}") as on_progress:
        looked = look_at(cohort, out, reviews=read, jobs=jobs, on_progress=on_progress)
    line = f"{len(looked.cohort.cases)} of {len(cohort.cases)} masks, {looked.flagged} with a flag: {looked.index}"
    if reviews is not None and looked.cohort.cases:
        line += f"; card with the readers' verdicts: {save_cohort(looked.cohort, out)}"
    LOOKED.mark(out, cases=len(looked.cohort.cases), refused=len(looked.refusals), flagged=looked.flagged)
    raise typer.Exit(finish(line, looked.refusals, out / "quarantine.csv"))
