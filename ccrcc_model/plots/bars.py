"""Bars: Dice per structure (the supplement's Fig. S1) and the features on which a model relies."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccrcc_model.plots.style import (
    INK,
    MM_PER_INCH,
    MODEL,
    MUTED,
    STRUCTURE,
    WIDTH_MM,
    new_figure,
    save_figure,
    say,
    styled,
)

if TYPE_CHECKING:
    from ccrcc_model.models.explanation import Importance


@dataclass(frozen=True, eq=False)
class DiceGroup:
    """Dice of one structure in the cases of one cohort or centre.

    Args:
        group: Cohort or centre.
        structure: One of ``nnunet_ext.ground.labels.STRUCTURES``.
        dice: Values of shape ``(n_cases,)`` for at least one case, none missing.
    """

    group: str
    structure: str
    dice: npt.NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean over the cases."""
        return float(self.dice.mean())

    @property
    def sd(self) -> float | None:
        """Standard deviation over the cases (n - 1); None for one case."""
        return float(self.dice.std(ddof=1)) if len(self.dice) > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" + ("" if self.sd is None else f" ± {self.sd:.2f}")


def group_dice(overlap: pd.DataFrame, *, by: str = "cohort") -> tuple[DiceGroup, ...]:
    """Gather the Dice values of every cohort or centre and structure, in the order of their first occurrence.

    Args:
        overlap: One row per case and structure, with the columns ``structure``, ``dice`` and ``by``. Rows without a Dice
            value (the structure is in neither mask) are left out.
        by: ``"cohort"`` or ``"centre"``.
    """
    present = overlap.dropna(subset=["dice"])
    gathered: dict[tuple[str, str], list[float]] = {}
    for group, structure, dice in zip(present[by], present["structure"], present["dice"], strict=True):
        gathered.setdefault((str(group), str(structure)), []).append(float(dice))
    return tuple(DiceGroup(group, structure, np.array(dice)) for (group, structure), dice in gathered.items())


def draw_dice(groups: Sequence[DiceGroup]) -> Figure:
    """Return the supplement's Fig. S1: a figure with `plot_dice`, as wide as its groups need."""
    names = len({group.group for group in groups})
    figure, (ax,) = new_figure(min(WIDTH_MM, 60 + 34 * names), 78)
    plot_dice(groups, ax)
    return figure


def save_dice(overlap: pd.DataFrame, stem: Path) -> None:
    """Save the supplement's Fig. S1 of a table of ``overlap`` as PNG and SVG, with its data as CSV."""
    shown = overlap[overlap["structure"].isin(STRUCTURE)]
    with styled():
        save_figure(draw_dice(group_dice(shown)), stem, shown.drop(columns="case_id"))


def plot_dice(groups: Sequence[DiceGroup], ax: Axes) -> Axes:
    """Draw mean ± SD of Dice per group and structure, with one dot per case."""
    if not groups:
        return say(ax, "No case has a reference mask")
    names = list(dict.fromkeys(group.group for group in groups))
    structures = [name for name in STRUCTURE if any(group.structure == name for group in groups)]
    width = 0.8 / len(structures)
    for group in groups:
        x = names.index(group.group) + (structures.index(group.structure) - (len(structures) - 1) / 2) * width
        _dice_bar(ax, group, x, width)
    for name in structures:
        ax.bar(0, 0, color=STRUCTURE[name], alpha=0.5, label=name.capitalize())
    ax.set(ylim=(0, 1.19), ylabel="Dice (mean ± SD)", xlim=(-0.55, len(names) - 0.45))
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    ax.spines["left"].set_bounds(0, 1)
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(axis="x", length=0)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(structures))
    return ax


def _dice_bar(ax: Axes, group: DiceGroup, x: float, width: float) -> None:
    colour = STRUCTURE[group.structure]
    ax.bar(x, group.mean, width * 0.86, color=colour, alpha=0.22)
    ax.hlines(group.mean, x - width * 0.43, x + width * 0.43, color=colour, linewidth=1.6)
    jitter = np.random.default_rng(0).uniform(-0.28, 0.28, len(group.dice)) * width
    ax.plot(x + jitter, group.dice, ".", color=colour, markersize=3, alpha=0.55)
    if group.sd is not None:
        ax.vlines(x, group.mean - group.sd, group.mean + group.sd, color=INK, linewidth=0.9)
    ax.text(x, 1.1, str(group), ha="center", va="bottom", fontsize=7)
    ax.text(x, 1.045, f"n = {len(group.dice)}", ha="center", va="bottom", fontsize=6.5, color=MUTED)


def draw_features(features: Sequence["Importance"], *, top: int = 12, unit: str = "log-odds") -> Figure:
    """Return a figure with `plot_features`, tall enough for its bars, with the names in its left half."""
    height_mm = 16 + 8 * max(min(len(features), top), 1)
    figure = Figure(figsize=(WIDTH_MM / MM_PER_INCH, height_mm / MM_PER_INCH))
    ax = figure.add_axes((0.5, 12 / height_mm, 0.44, 1 - 14 / height_mm))
    plot_features(features, ax, top=top, unit=unit)
    return figure


def plot_features(features: Sequence["Importance"], ax: Axes, *, top: int = 12, unit: str = "log-odds") -> Axes:
    """Draw the ``top`` features by their effect on the score, with their names to the left of ``ax``.

    Args:
        features: The most important first, as in ``Model.importance``.
        ax: Axes on which to draw.
        top: Number of features to draw.
        unit: Unit of the score.
    """
    chosen = features[:top]
    if not chosen:
        return say(ax, "The model uses no feature")
    ax.barh(range(len(chosen)), [one.log_odds for one in chosen], height=0.5, color=MODEL)
    ax.set(ylim=(len(chosen) - 0.4, -0.6), yticks=[], xlabel=f"Mean |SHAP value| ({unit})")
    ax.spines["left"].set_visible(False)
    for place, one in enumerate(chosen):
        where, what = feature_label(one.feature)
        ax.text(one.log_odds, place, f" {one.log_odds:.2f}", va="center", fontsize=7, color=MUTED)
        left = ax.get_yaxis_transform()
        ax.text(-0.02, place - 0.2, what, transform=left, ha="right", va="center", fontsize=7.5)
        ax.text(-0.02, place + 0.2, where, transform=left, ha="right", va="center", fontsize=6.5, color=MUTED)
    return ax


def feature_label(name: str) -> tuple[str, str]:
    """Return the region and the description of a feature in readable form.

    ``shell_0_3mm_fat__1mm__log-sigma-3-0-mm-3D_glcm_Contrast`` becomes ``ring 0–3 mm, fat · 1 mm grid`` and
    ``LoG 3.0 mm, glcm Contrast``. Names of another form are returned unchanged.
    """
    region, _, rest = name.partition("__")
    scale, _, feature = rest.partition("__")
    if not feature:
        return "", name
    region = re.sub(r"^shell_(\d+(?:p\d+)?)_(\d+(?:p\d+)?)mm(?:_(\w+))?$", _ring, region)
    scale = re.sub(r"(?<=\d)mm$", " mm", scale)
    image, _, what = feature.partition("_")
    image = re.sub(r"^log-sigma-(\d+)-(\d+)-mm-3D$", r"LoG \1.\2 mm", image)
    return f"{region} · {scale} grid", f"{image}, {what.replace('_', ' ')}"


def _ring(found: re.Match[str]) -> str:
    inner, outer, side = found.groups()
    distance = f"ring {inner}–{outer} mm".replace("p", ".")
    return f"{distance}, {side}" if side else distance
