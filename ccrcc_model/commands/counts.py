"""``ccrcc counts``: what fits a printed row, as lines to read and as a table."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from ccrcc_model.commands.console import say
from ccrcc_model.commands.output_kinds import COUNTS
from ccrcc_model.published.counts import CORE, ESTIMATES, Fit, Row, find_counts, readings_alone
from ccrcc_model.published.printed_estimate import Printed, Reading, readings
from nnunet_ext.documents.csv_table import write_csv

MOST_PATIENTS = 2000
"""Where the number of patients is not known, so many are thought of at most."""

MOST_SHOWN = 40
"""So many fits are listed one by one; more are counted by reading."""


def run_counts(texts: Mapping[str, str | None], sizes: range, *, misprint: bool, out: Path | None) -> None:
    """Find the counts that fit a row as printed, say them, and write them to a CSV file if asked.

    Args:
        texts: Printed estimates by their names; None where one is missing.
        sizes: Patients in all that there may be.
        misprint: Whether to look for counts that fit all numbers but one, if nothing fits.
        out: File for all sets that fit, with every estimate as it would have been printed.
    """
    if out is not None:
        COUNTS.claim(out)
    row = {name: Printed.parse(text, name) for name, text in texts.items() if text is not None}
    fits = find_counts(row, sizes, misprint=misprint)
    for line in _shown(fits, row):
        say(line)
    if not fits:
        for name, alone in readings_alone(row, sizes).items():
            say(f"{name} {texts[name]} by itself: {_ways(alone)}")
    if out is not None:
        write_csv(out, counts_frame(fits, row))
    patients = f"n = {sizes[0]}" if len(sizes) == 1 else f"n up to {sizes[-1]}"
    say(_verdict(fits, patients) + (f": {out}" if out else ""))


def counts_frame(fits: Sequence[Fit], row: Row) -> pd.DataFrame:
    """Return a row a fit: its reading, its counts, and every estimate as that reading would have printed it."""
    decimals = _decimals(row)
    columns = ("method", "print_rule", "n", "true_positive", "false_negative", "true_negative", "false_positive", "prevalence")
    rows = [
        (
            *(fit.reading.method, fit.reading.print_rule, fit.n, *fit.cells.tolist(), fit.prevalence),
            *(fit.printed(name, decimals=decimals[name]) for name in ESTIMATES),
            fit.misprint,
        )
        for fit in fits
    ]
    return pd.DataFrame(rows, columns=[*columns, *ESTIMATES, "misprint"])


def _decimals(row: Row) -> dict[str, int]:
    """Decimals of each estimate; one that is not printed would have had as many as the one with most."""
    most = max(printed.decimals for printed in row.values())
    return {name: row[name].decimals if name in row else most for name in ESTIMATES}


def _shown(fits: Sequence[Fit], row: Row) -> list[str]:
    """Return the lines of the table; of many fits only how many there are by each reading."""
    if not fits:
        return []
    if len(fits) > MOST_SHOWN:
        return _summary(fits).to_string(index=False).splitlines()
    decimals = _decimals(row)
    missing = [name for name in CORE if name not in row]
    table = pd.DataFrame(
        {
            "method": fit.reading.method,
            "print rule": fit.reading.print_rule,
            "n": fit.n,
            "TP/FN/TN/FP": "/".join(map(str, fit.cells.tolist())),
            "prevalence": f"{fit.prevalence:.3f}",
            **{name: fit.printed(name, decimals=decimals[name]) for name in missing},
            "misprint": _misprint(fit, decimals),
        }
        for fit in fits
    )
    if not any(table["misprint"]):
        table = table.drop(columns="misprint")
    return table.to_string(index=False).splitlines()


def _misprint(fit: Fit, decimals: Mapping[str, int]) -> str:
    if fit.misprint is None:
        return ""
    return f"{fit.misprint} would be {fit.printed(fit.misprint, decimals=decimals[fit.misprint])}"


def _summary(fits: Sequence[Fit]) -> pd.DataFrame:
    def kind(fit: Fit) -> tuple[str, str, str]:
        return (fit.reading.method, fit.reading.print_rule, fit.misprint or "")

    rows = []
    for (method, rule, misprint), group in groupby(sorted(fits, key=kind), key=kind):
        patients = [fit.n for fit in group]
        rows.append((method, rule, misprint, len(patients), f"{min(patients)} to {max(patients)}"))
    table = pd.DataFrame(rows, columns=["method", "print rule", "misprint in", "sets", "n"])
    return table if any(table["misprint in"]) else table.drop(columns="misprint in")


def _ways(alone: Sequence[Reading], most: int = 4) -> str:
    if len(alone) > most:
        return f"fits by {len(alone)} of {len(readings(with_intervals=True))} ways to compute and print"
    return "; ".join(f"{reading.method}, {reading.print_rule}" for reading in alone) or "fits by no way to compute and print"


def _verdict(fits: Sequence[Fit], patients: str) -> str:
    if not fits:
        return f"Nothing fits ({patients}): no counts, by any method and print rule, give all of these numbers"
    sets = len({fit.counts for fit in fits})
    if sets == 1:
        return f"One set of counts fits ({patients})"
    return f"{sets} sets of counts fit ({patients}); the row does not tell which"
