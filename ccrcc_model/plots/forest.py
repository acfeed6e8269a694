"""By how much the model beats tumour volume, in every group of patients."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccrcc_model.plots.style import BASELINE, MM_PER_INCH, MODEL, MUTED, WIDTH_MM
from ccrcc_model.statistics.estimate import format_number
from ccrcc_model.validation.benchmark import BenchmarkResult, GroupResult, Scope

SHOWN = (Scope.INTERNAL, Scope.EXTERNAL, Scope.POOLED)


def forest_rows(results: Sequence[BenchmarkResult]) -> list[tuple[str, GroupResult | None]]:
    """Return the lines of the figure from top to bottom: a heading a target, then its groups but for single centres."""
    rows: list[tuple[str, GroupResult | None]] = []
    for result in results:
        rows.append((result.sentence, None))
        rows += [(group.name, group) for group in result.scope(*SHOWN)]
    return rows


def plot_forest(results: Sequence[BenchmarkResult], ax: Axes) -> Axes:
    """Draw the difference of the AUCs of model and tumour volume with its paired interval, one line a group.

    The names of the lines stand to the left of ``ax``, as wide as ``ax`` itself; `draw_forest` leaves that room.
    """
    rows = forest_rows(results)
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlabel="AUC of the model less AUC of tumour volume (95 % CI)")
    ax.axvline(0, color=BASELINE, linewidth=1)
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])
    for place, (name, group) in enumerate(rows):
        left = ax.get_yaxis_transform()
        if group is None:
            ax.text(-1.03, place + 0.1, name, transform=left, fontweight="bold", va="center")
            continue
        pooled = group.scope is Scope.POOLED
        ax.text(-1.03, place, name, transform=left, va="center", fontweight="bold" if pooled else "normal")
        ax.text(-0.4, place, f"{group.model.events} of {group.model.n}", transform=left, va="center", ha="right", color=MUTED)
        aucs = f"{format_number(group.model.auc.value)} against {format_number(group.baseline.auc.value)}"
        if group.model.auc.value is not None:
            ax.text(-0.05, place, aucs, transform=left, va="center", ha="right", fontsize=7.5)
        _line(ax, group, place)
    ends = [group.difference.estimate for _, group in rows if group is not None]
    reach = max((abs(end) for estimate in ends for end in (estimate.value, estimate.low, estimate.high) if end), default=0.0)
    reach = 1.08 * max(reach, 0.1)
    ax.set_xlim(-reach, reach)
    return ax


def draw_forest(results: Sequence[BenchmarkResult]) -> Figure:
    """Return a figure with `plot_forest`, high enough for its lines, the names on its left half."""
    height_mm = 16 + 5.2 * len(forest_rows(results))
    figure = Figure(figsize=(WIDTH_MM / MM_PER_INCH, height_mm / MM_PER_INCH))
    plot_forest(results, figure.add_axes((0.515, 12 / height_mm, 0.475, 1 - 13 / height_mm)))
    return figure


def _line(ax: Axes, group: GroupResult, place: int) -> None:
    estimate = group.difference.estimate
    if estimate.value is None:
        ax.text(0.5, place, "not estimable", transform=ax.get_yaxis_transform(), va="center", color=MUTED)
        return
    marker = "D" if group.scope is Scope.POOLED else "o"
    hollow = group.scope is Scope.INTERNAL
    if estimate.low is not None and estimate.high is not None:
        ax.plot([estimate.low, estimate.high], [place, place], color=MODEL, linewidth=1.3)
    ax.plot([estimate.value], [place], marker, color="white" if hollow else MODEL, markeredgecolor=MODEL, markersize=5.5)


def forest_data(results: Sequence[BenchmarkResult]) -> pd.DataFrame:
    """Return the numbers of the figure."""
    return pd.DataFrame(
        {
            "target": result.target,
            "group": group.name,
            "n": group.model.n,
            "events": group.model.events,
            "auc": group.model.auc.value,
            "baseline_auc": group.baseline.auc.value,
            "difference": group.difference.estimate.value,
            "low": group.difference.estimate.low,
            "high": group.difference.estimate.high,
        }
        for result in results
        for group in result.scope(*SHOWN)
    )
