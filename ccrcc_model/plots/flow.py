"""How many cases each stage took in, per cohort."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ccrcc_model.plots.style import BASELINE, MODEL, MUTED, RULE, say

STAGES = {
    "listed": "Listed",
    "passed": "Passed the gate",
    "segmented": "Segmented",
    "extracted": "Features extracted",
    "modelled": "Modelled",
}


def plot_flow(flow: pd.DataFrame, ax: Axes) -> Axes:
    """Draw one row a cohort and one box a stage, with the cases lost between two boxes on the arrow.

    Args:
        flow: Columns cohort, role, listed, passed, segmented, extracted, modelled (whole numbers).
        ax: Where to draw; its frame is taken away.
    """
    ax.set_axis_off()
    if flow.empty:
        return say(ax, "No cohort")
    ax.set(xlim=(-1.35, len(STAGES) - 0.55), ylim=(len(flow) - 0.45, -0.75))
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
            before = cases
    return ax


def _arrow(ax: Axes, place: int, row: int, *, lost: int) -> None:
    ax.annotate("", (place - 0.26, row), (place - 0.74, row), arrowprops={"arrowstyle": "->", "color": MUTED, "lw": 0.7})
    if lost > 0:
        ax.text(place - 0.5, row - 0.1, f"−{lost:,}", ha="center", va="bottom", fontsize=7.5, color=BASELINE)
