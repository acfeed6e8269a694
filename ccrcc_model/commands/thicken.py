"""``ccrcc thicken``."""

from typing import Annotated

import typer

from ccrcc_model.commands.options import Card, DataRoot, OutFolder


def thicken(
    card: Card,
    slice_mm: Annotated[
        float, typer.Option("--slice-mm", help="Thickness and distance of the new slices.", show_default=False)
    ],
    out: OutFolder,
    data_root: DataRoot = None,
) -> None:
    """Write a cohort as if its slices were thicker.

    Scans and masks are averaged along the patient's axis, to measure how far a result depends on the slice thickness.
    """
    from ccrcc_model.commands.console import finish, progress_bar
    from ccrcc_model.commands.output_kinds import THICKENED
    from nnunet_ext.cohort.cards import load_cohort, save_cohort
    from nnunet_ext.documents.quarantine import write_quarantine
    from nnunet_ext.thick_slices import thicken as make_thicker

    THICKENED.claim(out, inputs=[card])
    cohort = load_cohort(card, data_root)
    with progress_bar(f"Thickening {cohort.name}") as on_progress:
        thick, refusals = make_thicker(cohort, slice_mm, out, on_progress=on_progress)
    write_quarantine(out / "quarantine.csv", refusals)
    written = save_cohort(thick, out)
    THICKENED.mark(out, cases=len(thick.cases), refused=len(refusals))
    text = f"{len(thick.cases)} of {len(cohort.cases)} scans in slices of {slice_mm:g} mm; card: {written}"
    raise typer.Exit(finish(text, refusals))
