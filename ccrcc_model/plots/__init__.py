"""Figures: each is a function of a named result that draws on given axes and returns them; one style, one way to save."""

from ccrcc_model.plots.bars import DiceGroup, draw_dice, draw_features, group_dice, plot_dice, plot_features, save_dice
from ccrcc_model.plots.curves import draw_panels, plot_calibration, plot_decision_curve, plot_roc
from ccrcc_model.plots.flow import plot_flow
from ccrcc_model.plots.forest import draw_forest, plot_forest
from ccrcc_model.plots.overlay import Slice, overlay_slice, plot_overlay, save_overlay
from ccrcc_model.plots.style import new_figure, save_figure, styled

__all__ = [
    "DiceGroup",
    "Slice",
    "draw_dice",
    "draw_features",
    "draw_forest",
    "draw_panels",
    "group_dice",
    "new_figure",
    "overlay_slice",
    "plot_calibration",
    "plot_decision_curve",
    "plot_dice",
    "plot_features",
    "plot_flow",
    "plot_forest",
    "plot_overlay",
    "plot_roc",
    "save_dice",
    "save_figure",
    "save_overlay",
    "styled",
]
