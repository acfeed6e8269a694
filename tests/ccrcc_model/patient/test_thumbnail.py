import io
from dataclasses import replace

import numpy as np
from PIL import Image
from two_kidneys import two_kidneys

from ccrcc_model.patient.shown_scan import show
from ccrcc_model.patient.thumbnail import HEIGHT, WIDTH, thumbnail


def picture(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


def test_a_thumbnail_is_small_and_shows_the_tumour_on_the_patients_left() -> None:
    content = thumbnail(show(two_kidneys()))
    pixels = picture(content)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert len(content) < 8000
    pink = (pixels[..., 0] - pixels[..., 1] > 60) & (pixels[..., 2] - pixels[..., 1] > 20)
    assert np.count_nonzero(pink) > 30
    assert np.nonzero(pink)[1].mean() > WIDTH / 2  # the patient's left is on the right


def test_without_labels_nothing_is_coloured() -> None:
    shown = show(two_kidneys())
    pixels = picture(thumbnail(replace(shown, labels=np.zeros_like(shown.labels))))
    assert np.ptp(pixels, axis=2).max() < 25
    assert pixels.std() > 20
