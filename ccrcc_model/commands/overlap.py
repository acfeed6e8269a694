"""``ccrcc overlap``."""

from pathlib import Path
from typing import Annotated

import typer

from ccrcc_model.commands.options import Card, DataRoot, OutFile


def overlap(
    card: Card,
    predicted: Annotated[Path, typer.Option(help="Card that `ccrcc segment` wrote.")],
    out: OutFile,
    data_root: DataRoot = None,
) -> None:
    """Compare predicted with reference masks.

    Writes Dice, surface Dice, HD95 and volumes to FILE, one row per case and structure; detected, missed and false positive
    lesions to FILE's name with .lesions, one row per case; and the supplement's Fig. S1 next to them.
    """
    from ccrcc_model.commands.console import finish, progress_bar, say
    from ccrcc_model.commands.output_kinds import OVERLAP
    from ccrcc_model.plots import save_dice
    from nnunet_ext.cohort.cards import load_cohort
    from nnunet_ext.documents.csv_table import write_csv
    from nnunet_ext.mask_overlap import overlap as compare_masks
    from nnunet_ext.mask_overlap import summarise, summarise_detection

    OVERLAP.claim(out, inputs=[card, predicted])
    with progress_bar("Comparing masks") as on_progress:
        cohorts = load_cohort(card, data_root), load_cohort(predicted)
        table, lesions, refusals = compare_masks(*cohorts, on_progress=on_progress)
    for path, frame in ((out, table), (out.with_suffix(f".lesions{out.suffix}"), lesions)):
        write_csv(path, frame)
    save_dice(table, out.with_name(f"{out.stem}_figure_s1"))
    OVERLAP.record(out, cases=table["case_id"].nunique(), refused=len(refusals))
    averages = summarise(table).drop(columns=["relative_volume_error_mean", "relative_volume_error_sd"])
    for summary in (averages, summarise_detection(lesions)):
        say(summary.to_string(index=False, float_format="{:.3f}".format))
    raise typer.Exit(finish(f"Dice of {table['case_id'].nunique()} cases: {out}", refusals))
