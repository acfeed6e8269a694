"""Flow of cases: how many reached each stage, per cohort."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ccrcc_model.plots.style import BASELINE, MODEL, MUTED, RULE, say

STAGES = {
    "listed": "Screened",
    "passed": "Passed the gate",
    "segmented": "Segmented",
    "extracted": "Features extracted",
    "modelled": "With an outcome",
}

_REFUSED_BY = {"check": "passed", "gate": "passed", "segment": "segmented", "extract": "extracted"}
"""The stage that a refused case did not reach, by the stage that refused it."""
MOST_CODES = 3
"""Number of codes shown under one arrow; further ones are summed."""


def refusal_codes(refusals: pd.DataFrame | None) -> dict[tuple[str, str], tuple[tuple[str, int], ...]]:
    """Return the codes and their numbers of refused cases, most frequent first, by cohort and the stage that was not reached.

    Args:
        refusals: Columns cohort, stage, code, one row per case; None if there are none.
    """
    if refusals is None or refusals.empty:
        return {}
    placed = refusals.assign(reached=refusals["stage"].map(_REFUSED_BY)).dropna(subset=["reached"])
    counted = placed.groupby(["cohort", "reached", "code"]).size().reset_index(name="cases")
    codes: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in counted.to_dict("records"):
        codes.setdefault((str(row["cohort"]), str(row["reached"])), []).append((str(row["code"]), int(row["cases"])))
    return {place: tuple(sorted(found, key=lambda one: (-one[1], one[0]))) for place, found in codes.items()}


def plot_flow(flow: pd.DataFrame, ax: Axes, *, refusals: pd.DataFrame | None = None) -> Axes:
    """Draw one row per cohort and one box per stage; arrows show the cases lost between two boxes, with their codes below.

    Args:
        flow: Columns cohort, role, listed, passed, segmented, extracted, modelled (integers).
        ax: Axes on which to draw; its frame is removed.
        refusals: Columns cohort, stage, code, one row per refused case; without them no code is shown.
    """
    ax.set_axis_off()
    if flow.empty:
        return say(ax, "No cohort")
    ax.set(xlim=(-1.35, len(STAGES) - 0.55), ylim=(len(flow) - 0.3, -0.75))
    codes = refusal_codes(refusals)
    for place, title in enumerate(STAGES.values()):
        ax.text(place, -0.58, title, ha="center", va="center", fontsize=7.5, color=MUTED)
    for row, cohort in enumerate(flow.itertuples()):
        ax.text(-1.35, row - 0.08, str(cohort.cohort), va="center", fontsize=8.5, fontweight="bold")
        ax.text(-1.35, row + 0.15, str(cohort.role), va="center", fontsize=7, color=MUTED)
        before = None
        for place, stage in enumerate(STAGES):
            cases = int(getattr(cohort, stage))
            box = FancyBboxPatch(
                (place - 0.24, row - 0.25), 0.48, 0.5, boxstyle="round,pad=0,rounding_size=0.08", fc="white", ec=RULE, lw=0.9
            )
            ax.add_patch(box)
            ax.text(place, row, f"{cases:,}", ha="center", va="center", fontsize=10, color=MODEL, fontweight="bold")
            if before is not None:
                _arrow(ax, place, row, lost=before - cases)
                _codes(ax, place, row, codes.get((str(cohort.cohort), stage), ()))
            before = cases
    return ax


def _arrow(ax: Axes, place: int, row: int, *, lost: int) -> None:
    ax.annotate("", (place - 0.26, row), (place - 0.74, row), arrowprops={"arrowstyle": "->", "color": MUTED, "lw": 0.7})
    if lost > 0:
        ax.text(place - 0.5, row - 0.1, f"−{lost:,}", ha="center", va="bottom", fontsize=7.5, color=BASELINE)


def _codes(ax: Axes, place: int, row: int, codes: tuple[tuple[str, int], ...]) -> None:
    if not codes:
        return
    lines = [f"{cases:,} {code}" for code, cases in codes[:MOST_CODES]]
    if rest := sum(cases for _, cases in codes[MOST_CODES:]):
        lines[-1] += f", {rest:,} other"
    ax.text(place - 0.5, row + 0.3, "\n".join(lines), ha="center", va="top", fontsize=6, linespacing=1.1, color=BASELINE)
