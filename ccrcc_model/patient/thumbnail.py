"""A small picture of a case for the index: the slice of interest with contours."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from ccrcc_model.patient.grey_codes import decode_hu
from ccrcc_model.patient.shown_scan import ShownScan
from ccrcc_model.plots.overlay import WINDOW_HU
from nnunet_ext.ground.labels import ON_CT, STRUCTURES

WIDTH, HEIGHT = 168, 112
"""Pixels of a thumbnail."""

QUALITY = 70
"""Of the JPEG: five hundred thumbnails make an index of 3 MB."""


def thumbnail(shown: ShownScan) -> bytes:
    """Return a JPEG of the axial slice of interest, patient's right on the left, with the contours of the structures."""
    z = shown.slice_of_interest
    low, high = WINDOW_HU
    hu = decode_hu(shown.codes[min(z // shown.merged[2], len(shown.codes) - 1)])
    grey = np.clip((hu - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    x_mm, y_mm, _ = shown.spacing_mm
    rows, columns = shown.labels.shape[1:]
    scale = min(WIDTH / (columns * x_mm), HEIGHT / (rows * y_mm))
    size = max(round(columns * x_mm * scale), 1), max(round(rows * y_mm * scale), 1)
    picture = np.array(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB"))
    labels = np.array(Image.fromarray(shown.labels[z]).resize(size, Image.Resampling.NEAREST))
    for name, label in STRUCTURES.items():
        # The outline of the kidney includes its tumour and cysts, as on the page.
        region = labels > 0 if name == "kidney" else labels == label
        picture[_outline(region)] = [int(ON_CT[name][i : i + 2], 16) for i in (1, 3, 5)]
    framed = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    top, left = (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2
    framed[top : top + size[1], left : left + size[0]] = picture[:HEIGHT, :WIDTH]
    with io.BytesIO() as stream:
        Image.fromarray(framed).save(stream, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
        return stream.getvalue()


def _outline(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.asarray(region & ~ndimage.binary_erosion(region))
