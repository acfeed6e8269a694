"""``ccrcc counts``."""

from pathlib import Path
from typing import Annotated

import typer

from nnunet_ext.ground.errors import InputError

MOST_PATIENTS = 2000
"""Largest number of patients that is considered where it is not known."""

PrintedEstimate = Annotated[str | None, typer.Option(help="As printed, such as 0.81(0.64-0.93).")]


def counts(
    sensitivity: PrintedEstimate = None,
    specificity: PrintedEstimate = None,
    accuracy: PrintedEstimate = None,
    ppv: PrintedEstimate = None,
    npv: PrintedEstimate = None,
    f1: Annotated[str | None, typer.Option(help="As printed, without an interval.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=2, max=10_000, help="Patients in all, if known.")] = None,
    max_n: Annotated[
        int | None,
        typer.Option("--max-n", min=2, max=10_000, help="Largest number of patients, if unknown; 2000 by default."),
    ] = None,
    misprint: Annotated[bool, typer.Option("--misprint", help="If nothing fits, let one number be wrong.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="CSV for all sets that fit.")] = None,
) -> None:
    """Find the counts that a published row was made from.

    Takes two or three of sensitivity, specificity and accuracy as a paper prints them; lists every set of true and false
    positives and negatives that gives these numbers, by interval method and print rule.
    """
    from ccrcc_model.commands.console import say
    from ccrcc_model.commands.output_kinds import COUNTS
    from ccrcc_model.published.counts import find_counts
    from ccrcc_model.published.counts_lines import counts_frame, lines_of, verdict
    from ccrcc_model.published.printed_estimate import Printed
    from nnunet_ext.documents.csv_table import write_csv

    if n is not None and max_n is not None:
        msg = f"--n {n} states the number of patients, and --max-n {max_n} that it is not known; give one of them"
        raise InputError(msg)
    if out is not None:
        COUNTS.claim(out)
    texts = {"sensitivity": sensitivity, "specificity": specificity, "accuracy": accuracy, "ppv": ppv, "npv": npv, "f1": f1}
    row = {name: Printed.parse(text, name) for name, text in texts.items() if text is not None}
    sizes = range(2, (max_n or MOST_PATIENTS) + 1) if n is None else range(n, n + 1)
    fits = find_counts(row, sizes, misprint=misprint)
    for line in lines_of(fits, row, sizes, texts):
        say(line)
    if out is not None:
        write_csv(out, counts_frame(fits, row))
        COUNTS.record(out, sets=len(fits))
    say(verdict(fits, sizes) + (f": {out}" if out else ""))
