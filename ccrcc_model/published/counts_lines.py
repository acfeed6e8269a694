"""The counts that fit a printed row, as lines to read and as a table."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import pandas as pd

from ccrcc_model.published.counts import CORE, ESTIMATES, Fit, Row, readings_alone
from ccrcc_model.published.printed_estimate import Reading, readings

MOST_SHOWN = 40
"""So many fits are listed one by one; more are counted by reading."""


def lines_of(fits: Sequence[Fit], row: Row, sizes: range, texts: Mapping[str, str | None]) -> list[str]:
    """Return the fits as lines to read; where there is none, what each printed estimate fits by itself.

    Args:
        fits: Counts that fit the row.
        row: Printed estimates by their names.
        sizes: Numbers of patients that were considered.
        texts: The estimates as they are printed.
    """
    if fits:
        return _shown(fits, row)
    return [f"{name} {texts[name]} by itself: {_ways(alone)}" for name, alone in readings_alone(row, sizes).items()]


def counts_frame(fits: Sequence[Fit], row: Row) -> pd.DataFrame:
    """Return one row per fit: its reading, its counts, and every estimate as that reading would have printed it."""
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


def verdict(fits: Sequence[Fit], sizes: range) -> str:
    """Return in a line how many sets of counts fit, among these numbers of patients."""
    patients = f"n = {sizes[0]}" if len(sizes) == 1 else f"n up to {sizes[-1]}"
    if not fits:
        return f"Nothing fits ({patients}): no counts, by any method and print rule, give all of these numbers"
    sets = len({fit.counts for fit in fits})
    if sets == 1:
        return f"One set of counts fits ({patients})"
    return f"{sets} sets of counts fit ({patients}); the row does not determine which"
