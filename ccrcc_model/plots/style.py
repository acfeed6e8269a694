"""The common style of all figures, and the one way to save them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.files import atomic_path

INK = "#1d2733"
MUTED = "#5f6b78"
RULE = "#cfd6dd"
# Blue and orange, and green and magenta, can be distinguished in the common forms of colour blindness and in grey.
MODEL = "#0b5a8f"
BASELINE = "#d0640f"
STRUCTURE = {"kidney": "#1b8a7a", "tumour": "#b0307c", "cyst": "#b98a00", "mass": "#c4561b"}

MM_PER_INCH = 25.4
DPI = 160
WIDTH_MM = 174
"""Width of a figure that spans the page."""

STYLE: Any = {  # matplotlib types its settings by a literal of 400 names
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure looks the same everywhere
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "ccrcc",  # the same figure gives the same bytes
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the project's style within the block; draw and save figures inside it."""
    with mpl.rc_context(STYLE):
        yield


def new_figure(width_mm: float, height_mm: float, *, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with ``rows`` × ``columns`` axes, listed row by row; call it inside `styled`."""
    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def save_figure(figure: Figure, stem: Path, data: pd.DataFrame) -> None:
    """Write ``<stem>.png`` (160 dpi), ``<stem>.svg``, and ``<stem>.csv`` with the numbers that the figure shows."""
    figure.dpi = DPI
    with styled():
        # The writers of the canvases draw once each, whereas ``savefig`` draws twice and repeats the layout.
        with atomic_path(stem.with_name(f"{stem.name}.png")) as temporary:
            FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})  # type: ignore[no-untyped-call]
        figure.set_layout_engine("none")
        with atomic_path(stem.with_name(f"{stem.name}.svg")) as temporary:
            FigureCanvasSVG(figure).print_svg(temporary, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    write_csv(stem.with_name(f"{stem.name}.csv"), data)


def say(ax: Axes, text: str) -> Axes:
    """Write into empty axes the reason why nothing is drawn."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=MUTED, wrap=True)
    return ax
