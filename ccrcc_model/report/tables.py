"""What a table of the page is, and the tables of cohorts, cases and masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ccrcc_model.plots.bars import group_dice
from ccrcc_model.plots.flow import STAGES
from ccrcc_model.report.run_folder import Run
from ccrcc_model.statistics.estimate import format_number


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page.

    Args:
        name: Its anchor in the page.
        caption: Above it.
        columns: Headings; the first column heads its rows.
        rows: Text cells; as many as there are columns.
        texts: Places of the columns that are words and stand left; the first always does.
        note: Under it.
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: tuple[int, ...] = ()
    note: str = ""


def acquisition(run: Run) -> Table | None:
    """Table S1 of the supplement: how the scans of each cohort were acquired."""
    headings = {
        "cohort": "Cohort",
        "centre": "Centre",
        "cases": "Cases",
        "tube_voltage_kv": "Tube voltage (kV)",
        "tube_current_ma": "Tube current (mA)",
        "matrix": "Matrix",
        "slice_thickness_mm": "Slice thickness (mm)",
        "pitch": "Pitch",
        "kernel": "Kernel",
    }
    frame = run.tables.get("acquisition")
    if frame is None:
        return None
    shown = [name for name in headings if name in frame.columns]
    caption = "Table S1. Acquisition of the CT images of each cohort"
    rows = [[cell(value) for value in row] for row in frame[shown].itertuples(index=False)]
    words = tuple(place for place, name in enumerate(shown) if name in {"centre", "kernel"})
    note = "N/A: not stated. Several values of a parameter are joined by “or”."
    return Table("table-s1", caption, [headings[name] for name in shown], rows, words, note)


def flow(run: Run) -> Table | None:
    """Cases of each cohort after each stage."""
    frame = run.tables.get("flow")
    if frame is None:
        return None
    rows = [
        [str(row["cohort"]), str(row["role"]), *(f"{int(row[stage]):,}" for stage in STAGES)] for _, row in frame.iterrows()
    ]
    return Table("table-flow", "Cases after each stage", ["Cohort", "Role", *STAGES.values()], rows, (1,))


def refusals(run: Run) -> Table | None:
    """Refused cases by cohort, stage and code; no case is named."""
    frame = run.tables.get("quarantine")
    if frame is None or frame.empty:
        return None
    grouped = frame.groupby(["cohort", "stage", "code"], sort=True)["reason"].agg(["size", "first"]).reset_index()
    rows = [[cell(value) for value in row] for row in grouped.itertuples(index=False)]
    columns = ["Cohort", "Stage", "Code", "Cases", "Reason (of the first)"]
    return Table(
        "table-refusals", "Refused cases", columns, rows, (1, 2, 4), "Every case with its reason: tables/quarantine.csv."
    )


def overlap(run: Run) -> Table | None:
    """Dice and volume error per structure, of each cohort and of each of its centres."""
    frame = run.tables.get("overlap")
    if frame is None:
        return None
    rows = []
    for cohort, cases in frame.groupby("cohort", sort=False):
        by_centre = list(cases.groupby("centre", sort=True))
        parts = [(f"{cohort}", cases)]
        parts += [(f"{cohort}: {centre}", part) for centre, part in by_centre] if len(by_centre) > 1 else []
        for name, part in parts:
            for group in group_dice(part, by="structure"):
                errors = part.loc[part["structure"] == group.structure, "relative_volume_error"].dropna()
                error = f"{100 * errors.median():+.0f}%".replace("-", "−") if len(errors) else "not estimable"
                low = format_number(float(pd.Series(group.dice).quantile(0.1)))
                median = format_number(float(pd.Series(group.dice).median()))
                rows.append([name, group.structure, str(len(group.dice)), str(group), median, low, error])
    columns = ["Cohort", "Structure", "Cases", "Dice, mean ± SD", "Median", "10th percentile", "Volume error, median"]
    return Table("table-overlap", "Predicted versus reference masks", columns, rows, (1,))


def cell(value: object) -> str:
    """Return a cell as text; N/A where it is missing."""
    if value is None or value != value:  # noqa: PLR0124 - a missing cell is the one value that differs from itself
        return "N/A"
    return f"{value:g}" if isinstance(value, float) else str(value)
