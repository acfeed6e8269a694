"""ROC, calibration and decision curves of a benchmark."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ccrcc_model.plots.style import BASELINE, INK, MODEL, MUTED, RULE, new_figure, say
from ccrcc_model.statistics.estimate import Estimate, Proportion, format_number
from ccrcc_model.statistics.evaluation import Evaluation, GroupResult, Scope

PANEL_MM = 58
MOST_COLUMNS = 3
DASHED = (0, (4, 1.5))


def draw_panels(groups: Sequence[GroupResult], plot: Callable[[GroupResult, Axes], Axes], *, height_mm: float = 66) -> Figure:
    """Draw one panel per group with ``plot``, in even rows of at most three, titled with the group and its numbers."""
    rows = -(-len(groups) // MOST_COLUMNS)
    columns = -(-len(groups) // rows)
    figure, axes = new_figure(PANEL_MM * columns, height_mm * rows, rows=rows, columns=columns)
    legend: dict[str, Artist] = {}
    for group, ax in zip(groups, axes, strict=False):
        plot(group, ax).set_title(f"{group.name}\n")
        how = ", out-of-fold" if group.scope is Scope.INTERNAL else ""
        text = f"{group.model.events} positive of {group.model.n}{how}"
        ax.text(0, 1.02, text, transform=ax.transAxes, color=MUTED, fontsize=7.5)
        handles, labels = ax.get_legend_handles_labels()
        legend |= dict(zip(labels, handles, strict=True))
    for ax in axes[len(groups) :]:
        ax.set_axis_off()
    if legend:
        # Filled column by column, so that the order reads along the rows.
        ncols = min(len(legend), columns + 1)
        names = [name for start in range(ncols) for name in list(legend)[start::ncols]]
        figure.legend([legend[name] for name in names], names, loc="outside lower center", ncols=ncols)
    return figure


def plot_roc(group: GroupResult, ax: Axes) -> Axes:
    """Draw the ROC curves of model and tumour volume, each with its operating point at the locked threshold."""
    ax.set(xlim=(-0.015, 1), ylim=(0, 1.015), aspect="equal", xlabel="1 − specificity", ylabel="Sensitivity")
    ax.set_xticks([0, 0.5, 1])
    ax.set_yticks([0, 0.5, 1])
    if group.model.roc is None:
        return say(ax, f"Not estimable:\n{group.model.auc.reason}")
    ax.plot([0, 1], [0, 1], color=RULE, linewidth=0.8)
    predictors = ((group.model, MODEL, "Model", "-"), (group.baseline, BASELINE, "Tumour volume", DASHED))
    for place, (evaluation, colour, name, line) in enumerate(predictors):
        if evaluation.roc is None:
            continue
        rate, sensitivity = evaluation.roc.false_positive_rate, evaluation.roc.sensitivity
        ax.plot(rate, sensitivity, color=colour, linestyle=line, label=name, clip_on=False, zorder=3 - place)
        x, y = _operating_point(evaluation)
        ax.plot(x, y, "o", color=colour, markersize=5, markeredgecolor="white", markeredgewidth=0.8, zorder=5, clip_on=False)
        text = f"AUC {_interval(evaluation.auc)}"
        ax.text(1, 0.1 - 0.08 * place, text, ha="right", fontsize=7, color=colour, transform=ax.transAxes)
    return ax


def plot_calibration(group: GroupResult, ax: Axes) -> Axes:
    """Draw observed against predicted risk of the model: smoothed, and in groups with exact intervals, above a histogram."""
    evaluation = group.model
    ax.set(xlim=(0, 1), ylim=(0, 1), ylabel="Observed proportion")
    ax.set_xticks([0, 0.5, 1], [])
    ax.set_yticks([0, 0.5, 1])
    ax.plot([0, 1], [0, 1], color=RULE, linewidth=0.8)
    curve = evaluation.curve
    if len(curve.predicted):
        ax.plot(curve.predicted, curve.observed, color=MODEL)
    if curve.group_observed:
        _error_bars(ax, curve.group_predicted, curve.group_observed)
    _histogram(ax, evaluation)
    return ax


def plot_decision_curve(group: GroupResult, ax: Axes) -> Axes:
    """Draw the net benefit of model and tumour volume with pointwise bands, and that of treating all and of treating none."""
    ax.set(xlabel="Threshold probability", ylabel="Net benefit per patient")
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    model, baseline = group.model.decision, group.baseline.decision
    if model is None or baseline is None:
        return say(ax, "Not estimable:\nno patients")
    top = max(float(model.model.max()), float(baseline.model.max()), group.model.events / group.model.n, 0.02)
    ax.set_ylim(-0.25 * top, 1.12 * top)
    ax.set_xlim(max(float(model.threshold[0]) - 0.01, 0), min(float(model.threshold[-1]) + 0.01, 1))
    for curve, colour in ((baseline, BASELINE), (model, MODEL)):
        if len(curve.low):
            ax.fill_between(curve.threshold, curve.low, curve.high, color=colour, alpha=0.13, linewidth=0)
    ax.plot(model.threshold, model.model, color=MODEL, label="Model", zorder=4)
    ax.plot(baseline.threshold, baseline.model, color=BASELINE, linestyle=DASHED, label="Tumour volume", zorder=3)
    ax.plot(model.threshold, model.treat_all, color=MUTED, linewidth=1, linestyle=(0, (1, 1.2)), label="Treat all")
    ax.axhline(0, color=INK, linewidth=0.8, label="Treat none")
    if model.threshold[0] <= group.model.threshold <= model.threshold[-1]:
        ax.axvline(group.model.threshold, color=MODEL, linewidth=0.7, linestyle=(0, (2, 2)), label="Locked threshold")
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    return ax


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return format_number(estimate.value)
    value, low, high = (format_number(number).replace("-", "−") for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})" if "−" in low + high else f"{value} ({low}–{high})"


def _operating_point(evaluation: Evaluation) -> tuple[float, float]:
    specificity, sensitivity = evaluation.counts.specificity.value, evaluation.counts.sensitivity.value
    return 1 - (specificity or 0.0), sensitivity or 0.0


def _error_bars(ax: Axes, predicted: np.typing.NDArray[np.float64], observed: Sequence[Proportion]) -> None:
    rows = [(x, share.value, share.low, share.high) for x, share in zip(predicted, observed, strict=True)]
    x, value, low, high = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    ax.vlines(x, low, high, color=MODEL, linewidth=0.7, alpha=0.7)
    ax.plot(x, value, "o", color="white", markeredgecolor=MODEL, markersize=4, markeredgewidth=1)


def _histogram(ax: Axes, evaluation: Evaluation) -> None:
    strip = ax.inset_axes((0, -0.24, 1, 0.2))
    curve = evaluation.curve
    edges = np.linspace(0, 1, len(curve.positives) + 1)
    strip.bar(edges[:-1], curve.positives, width=0.045, align="edge", color=MODEL)
    strip.bar(edges[:-1], -curve.negatives, width=0.045, align="edge", color=MUTED, alpha=0.55)
    strip.axhline(0, color=MUTED, linewidth=0.5)
    tallest = max(float(curve.positives.max(initial=0)), float(curve.negatives.max(initial=0)), 1.0)
    strip.set(xlim=(0, 1), ylim=(-1.1 * tallest, 1.1 * tallest), yticks=[])
    fitted = evaluation.calibration
    figures = (
        f"slope {_interval(fitted.slope)}\nintercept {_interval(fitted.intercept)}\nICI {format_number(fitted.ici.value)}"
    )
    strip.set_xlabel(f"Predicted risk\n{figures}", linespacing=1.35)
    strip.set_xticks([0, 0.5, 1])
    strip.spines[["left", "bottom"]].set_visible(False)
    strip.text(1, 0.95, "positive", transform=strip.transAxes, ha="right", va="top", fontsize=6.5, color=MODEL)
    strip.text(1, 0.05, "negative", transform=strip.transAxes, ha="right", va="bottom", fontsize=6.5, color=MUTED)
