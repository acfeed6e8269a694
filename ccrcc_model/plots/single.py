"""One figure by itself, for a notebook: `BenchmarkResult.plot` hands back its axes."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from ccrcc_model.plots.curves import draw_panels, plot_calibration, plot_decision_curve, plot_roc
from ccrcc_model.plots.forest import draw_forest
from ccrcc_model.plots.style import styled
from ccrcc_model.statistics.evaluation import Contrast, GroupResult
from nnunet_ext.ground.errors import InputError

CURVES: dict[str, tuple[Callable[[GroupResult, Axes], Axes], float]] = {
    "roc": (plot_roc, 66.0),
    "calibration": (plot_calibration, 82.0),
    "decision": (plot_decision_curve, 66.0),
}
"""How each curve is drawn, and the height of its panel in mm."""


def draw_curve(kind: str, group: GroupResult) -> Axes:
    """Draw one curve of one group and return its axes.

    Raises:
        InputError: If the kind is not known.
    """
    if kind not in CURVES:
        msg = f"No figure {kind!r}; known ones are {', '.join((*CURVES, 'forest'))}"
        raise InputError(msg)
    plot, height_mm = CURVES[kind]
    with styled():
        return draw_panels([group], plot, height_mm=height_mm).axes[0]


def draw_single_forest(heading: str, contrasts: Sequence[Contrast]) -> Axes:
    """Draw the forest plot of one target and return its axes."""
    with styled():
        return draw_forest([(heading, contrasts)]).axes[0]
