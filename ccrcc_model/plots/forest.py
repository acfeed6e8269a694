"""By how much the model beats tumour volume, in every group of patients."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccrcc_model.plots.style import BASELINE, MM_PER_INCH, MODEL, MUTED, WIDTH_MM
from ccrcc_model.statistics.estimate import format_number
from ccrcc_model.statistics.evaluation import Contrast, Scope

Section = tuple[str, Sequence[Contrast]]
"""A heading, such as what is predicted, and the lines under it."""


def forest_rows(sections: Sequence[Section]) -> list[tuple[str, Contrast | None]]:
    """Return the lines of the figure from top to bottom: the heading of a section, then its groups."""
    rows: list[tuple[str, Contrast | None]] = []
    for heading, contrasts in sections:
        rows.append((heading, None))
        rows += [(contrast.name, contrast) for contrast in contrasts]
    return rows


def plot_forest(sections: Sequence[Section], ax: Axes) -> Axes:
    """Draw the difference (model − tumour volume) of a figure such as the AUC with its paired interval, one line per group.

    The names of the lines stand to the left of ``ax``, as wide as ``ax`` itself; `draw_forest` leaves that room.
    """
    rows = forest_rows(sections)
    figure = _figure(sections)
    ax.set(
        ylim=(len(rows) - 0.4, -0.6),
        xlabel=f"Difference of {figure}, model − tumour volume (95% CI)",
    )
    ax.axvline(0, color=BASELINE, linewidth=1)
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])
    for place, (name, group) in enumerate(rows):
        left = ax.get_yaxis_transform()
        if group is None:
            ax.text(-1.03, place + 0.1, name, transform=left, fontweight="bold", va="center")
            continue
        pooled = group.scope is Scope.ACROSS
        ax.text(-1.03, place, name, transform=left, va="center", fontweight="bold" if pooled else "normal")
        ax.text(-0.4, place, _numbers(group), transform=left, va="center", ha="right", color=MUTED)
        aucs = f"{format_number(group.found.model.value)} vs {format_number(group.found.baseline.value)}"
        if group.found.model.value is not None:
            ax.text(-0.05, place, aucs, transform=left, va="center", ha="right", fontsize=7.5)
        _line(ax, group, place)
    ends = [group.found.difference for _, group in rows if group is not None]
    reach = max((abs(end) for estimate in ends for end in (estimate.value, estimate.low, estimate.high) if end), default=0.0)
    reach = 1.08 * max(reach, 0.1)
    ax.set_xlim(-reach, reach)
    return ax


def draw_forest(sections: Sequence[Section]) -> Figure:
    """Return a figure with `plot_forest`, high enough for its lines, the names on its left half."""
    height_mm = 16 + 5.2 * len(forest_rows(sections))
    figure = Figure(figsize=(WIDTH_MM / MM_PER_INCH, height_mm / MM_PER_INCH))
    plot_forest(sections, figure.add_axes((0.515, 12 / height_mm, 0.475, 1 - 13 / height_mm)))
    return figure


def _line(ax: Axes, group: Contrast, place: int) -> None:
    estimate = group.found.difference
    if estimate.value is None:
        ax.text(0.5, place, "not estimable", transform=ax.get_yaxis_transform(), va="center", color=MUTED)
        return
    marker = "D" if group.scope is Scope.ACROSS else "o"
    hollow = group.scope is Scope.INTERNAL
    if estimate.low is not None and estimate.high is not None:
        ax.plot([estimate.low, estimate.high], [place, place], color=MODEL, linewidth=1.3)
    ax.plot([estimate.value], [place], marker, color="white" if hollow else MODEL, markeredgecolor=MODEL, markersize=5.5)


def _figure(sections: Sequence[Section]) -> str:
    """Title of the figure that is compared; of several sections they are the same."""
    return next((contrast.figure for _, contrasts in sections for contrast in contrasts), "AUC")


def _numbers(group: Contrast) -> str:
    return str(group.n) if group.events is None else f"{group.events} of {group.n}"
