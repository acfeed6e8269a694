"""A CT slice through the tumour with the contours of reference and prediction."""

from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ccrcc_model.plots.style import DPI, new_figure, styled
from nnunet_ext.ground.files import atomic_path
from nnunet_ext.ground.labels import ON_CT, STRUCTURES, Label

WINDOW_HU = (-120.0, 280.0)
"""Level 80, width 400: contrast-enhanced soft tissue."""
ZOOM_MARGIN_MM = 25.0


@dataclass(frozen=True, eq=False)
class Slice:
    """One axial slice in radiological orientation: rows run to posterior, columns to the patient's left.

    Args:
        image_hu: Shape ``(rows, columns)``.
        reference: Label values on the same grid; None if there is no reference.
        predicted: Label values on the same grid; None if there is no prediction.
        spacing_mm: Of rows and of columns.
        position_mm: Height of the slice in the patient (z of its centre, LPS).
    """

    image_hu: npt.NDArray[np.float64]
    reference: npt.NDArray[np.uint8] | None
    predicted: npt.NDArray[np.uint8] | None
    spacing_mm: tuple[float, float]
    position_mm: float


def overlay_slice(image: sitk.Image, reference: sitk.Image | None, predicted: sitk.Image | None) -> Slice:
    """Return the axial slice with the largest tumour area of the reference, or of the prediction if there is no reference.

    Without any tumour it is the slice with the largest kidney area, and without any kidney the middle one.

    Args:
        image: CT in HU, 3-D.
        reference: Canonical label values on the grid of ``image``.
        predicted: Canonical label values on the grid of ``image``.
    """
    image = sitk.DICOMOrient(image, "LPS")
    masks = [
        None if mask is None else sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "LPS")) for mask in (reference, predicted)
    ]
    depth = image.GetSize()[2]
    best = depth // 2
    for labels in ((Label.TUMOUR, Label.MASS), (Label.KIDNEY, Label.CYST)):
        areas = [np.isin(mask, labels).sum(axis=(1, 2)) for mask in masks if mask is not None]
        filled = [area for area in areas if area.any()]
        if filled:
            best = int(filled[0].argmax())
            break
    volume = sitk.GetArrayViewFromImage(image)
    column_mm, row_mm, _ = image.GetSpacing()
    size = image.GetSize()
    centre = image.TransformIndexToPhysicalPoint((size[0] // 2, size[1] // 2, best))
    slices = [None if mask is None else mask[best].astype(np.uint8) for mask in masks]
    return Slice(volume[best].astype(np.float64), slices[0], slices[1], (row_mm, column_mm), float(centre[2]))


def plot_overlay(view: Slice, ax: Axes, *, zoom: bool = False) -> Axes:
    """Draw the slice with solid reference contours and dashed predicted contours, in the colours of the structures.

    Args:
        view: Slice from `overlay_slice`.
        ax: Axes on which to draw.
        zoom: Show only the surroundings of the tumour; the contours are drawn in either case.
    """
    row_mm, column_mm = view.spacing_mm
    ax.imshow(
        view.image_hu, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], aspect=row_mm / column_mm, interpolation="bilinear"
    )
    ax.set_axis_off()
    for mask, style, width in ((view.reference, "solid", 1.3), (view.predicted, "dashed", 1.1)):
        if mask is not None:
            _contours(ax, mask, style=style, width=width)
    if zoom and (box := zoom_box(view)):
        top, bottom, left, right = box
        ax.set(xlim=(left - 0.5, right + 0.5), ylim=(bottom + 0.5, top - 0.5))
    ax.text(0.02, 0.5, "R", transform=ax.transAxes, color="white", fontsize=8, va="center")
    ax.text(0.98, 0.5, "L", transform=ax.transAxes, color="white", fontsize=8, va="center", ha="right")
    return ax


def zoom_box(view: Slice) -> tuple[int, int, int, int] | None:
    """Return first and last row and column of a square around the tumour (or the kidneys), with a margin of 25 mm.

    Without a mask there is none.
    """
    masks = [mask for mask in (view.reference, view.predicted) if mask is not None]
    for labels in ((Label.TUMOUR, Label.MASS), (Label.KIDNEY, Label.CYST)):
        found = [np.isin(mask, labels) for mask in masks]
        found = [mask for mask in found if mask.any()]
        if not found:
            continue
        rows, columns = np.nonzero(found[0])
        row_mm, column_mm = view.spacing_mm
        half_mm = max(np.ptp(rows) * row_mm, np.ptp(columns) * column_mm) / 2 + ZOOM_MARGIN_MM
        height, width = view.image_hu.shape
        middle_row, middle_column = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
        reach_row, reach_column = half_mm / row_mm, half_mm / column_mm
        return (
            max(floor(middle_row - reach_row), 0),
            min(ceil(middle_row + reach_row), height - 1),
            max(floor(middle_column - reach_column), 0),
            min(ceil(middle_column + reach_column), width - 1),
        )
    return None


def save_overlay(path: Path, image: sitk.Image, *, reference: sitk.Image | None = None, predicted: sitk.Image | None) -> None:
    """Write a PNG with the whole slice on the left and the surroundings of the tumour on the right.

    Args:
        path: Ends with ``.png``; its name must not identify the patient.
        image: CT in HU, 3-D.
        reference: Canonical label values on the grid of ``image``, if there is a reference.
        predicted: Those of the prediction, likewise.
    """
    view = overlay_slice(image, reference, predicted)
    with styled():
        figure, (whole, near) = new_figure(150, 84, columns=2)
        plot_overlay(view, whole)
        plot_overlay(view, near, zoom=True)
        if box := zoom_box(view):
            top, bottom, left, right = box
            whole.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec="white", lw=0.6, ls=(0, (3, 3))))
        shown = [mask for mask in (view.reference, view.predicted) if mask is not None]
        present = [name for name, label in STRUCTURES.items() if any((mask == label).any() for mask in shown)]
        handles = [Line2D([], [], color=ON_CT[name], lw=2, label=name.capitalize()) for name in present]
        if view.reference is not None:
            handles.append(Line2D([], [], color="white", lw=1.3, label="reference"))
        if view.predicted is not None:
            handles.append(Line2D([], [], color="white", lw=1.1, ls="dashed", label="predicted"))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles) or 1, labelcolor="white")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=DPI, facecolor="black", metadata={"Software": None})


def _contours(ax: Axes, mask: npt.NDArray[np.uint8], *, style: str, width: float) -> None:
    # The outline of the kidney includes its tumour and cysts, as a reader of the scan sees it.
    lesions = {name: mask == label for name, label in STRUCTURES.items() if name != "kidney"}
    regions = {"kidney": mask > 0, **lesions}
    for name, region in regions.items():
        if region.any() and not region.all():
            ax.contour(region.astype(float), levels=[0.5], colors=[ON_CT[name]], linewidths=width, linestyles=style)
