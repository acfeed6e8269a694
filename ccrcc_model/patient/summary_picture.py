"""The summary of an answer as a picture, for archives whose viewers show neither segments nor structured reports."""

import io
import textwrap
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image

from ccrcc_model.patient.answer import Answer, LesionAnswer, Prediction
from ccrcc_model.patient.shown_prediction import percent
from ccrcc_model.patient.structured_report import STATEMENT
from ccrcc_model.plots.overlay import overlay_slice, plot_overlay
from ccrcc_model.plots.style import styled
from nnunet_ext.scans.geometry import Scan

WIDTH, HEIGHT = 1280, 720
"""Pixels."""

MOST_LESIONS = 6
"""That are listed; the report lists all."""

_DPI = 100
_COLUMN = 62
"""Characters of a line."""

_LINES = 30
_CAUTION = "#f2b134"


def summary_picture(answer: Answer, scan: Scan) -> npt.NDArray[np.uint8]:
    """Draw the axial slice through the largest tumour area with contours, and what was found; it does not name the patient.

    Args:
        answer: What is stated. Flags and abstentions come before any number.
        scan: Image and mask.

    Returns:
        RGB, shape ``(HEIGHT, WIDTH, 3)``.
    """
    with styled():
        figure = Figure((WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor="black")
        plot_overlay(overlay_slice(scan.image, None, scan.mask), figure.add_axes((0.01, 0.04, 0.52, 0.92)), zoom=True)
        for place, (line, colour, size) in enumerate(_lines(answer)):
            figure.text(0.55, 0.95 - place * 0.92 / _LINES, line, color=colour, fontsize=size, va="top")
        figure.text(0.55, 0.02, textwrap.fill(STATEMENT, _COLUMN), color="#b9c2cc", fontsize=9, va="bottom")
        with io.BytesIO() as stored:
            figure.savefig(stored, format="png", dpi=_DPI, facecolor="black")
            return np.array(Image.open(stored).convert("RGB"))


def _lines(answer: Answer) -> list[tuple[str, str, int]]:
    """Return lines with their colours and sizes, as many as there is room for."""
    found = [
        (line, colour, size)
        for text, colour, size in _texts(answer)
        for line in textwrap.wrap(text, _COLUMN, subsequent_indent="   ") or [""]
    ]
    most = _LINES - 3  # the statement is below
    return found if len(found) <= most else [*found[: most - 1], ("… more in the report", "white", 11)]


def _texts(answer: Answer) -> Iterator[tuple[str, str, int]]:
    yield "Kidney measurements and predictions (research)", "white", 14
    yield "", "white", 11
    for flag in answer.flags:
        if flag.severity != "note":
            yield f"{flag.severity.capitalize()}: {flag.text}", _CAUTION, 11
    for prediction in answer.predictions:
        yield _predicted(prediction), _CAUTION if prediction.abstained else "white", 12
    yield "", "white", 11
    for lesion in answer.lesions[:MOST_LESIONS]:
        yield _measured(lesion), "white", 11
    if (more := len(answer.lesions) - MOST_LESIONS) > 0:
        yield f"and {more} more", "white", 11
    for kidney in answer.kidneys:
        yield f"{kidney.side.capitalize()} kidney: {kidney.volume_ml:.0f} ml", "white", 11


def _predicted(one: Prediction) -> str:
    rule = one.rule or one.target
    if one.abstained:
        return f"{rule}: no prediction: {one.abstained_reason}"
    if one.probability is not None:
        return f"{rule}: probability {percent(one.probability)}"
    return f"{rule}: " + ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in one.values.items())


def _measured(lesion: LesionAnswer) -> str:
    size = " × ".join(f"{mm:.0f}" for mm in lesion.diameters_mm)
    return f"{lesion.label.capitalize()} {lesion.lesion}, {lesion.side}: {lesion.volume_ml:.1f} ml, {size} mm"
