from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from nnunet_ext.inference.examination import examine
from nnunet_ext.inference.trained_model import TrainedModel


def test_an_estimate_is_windows_times_the_seconds_of_one(untrained_network: Path) -> None:
    found = examine(TrainedModel(untrained_network))
    # Windows of 64 mm at steps of 32 mm: 7 x 10 x 12 of a scan; boxes of kidneys 170 x 120 x 120 mm, of 5 x 3 x 3 each; and
    # for the search 4 x 6 x 7 side by side.
    assert found.everywhere_seconds / found.window_seconds == pytest.approx(7 * 10 * 12)
    assert found.kidneys_seconds / found.window_seconds == pytest.approx(2 * 5 * 3 * 3 + 4 * 6 * 7)
    assert found.parameters > 1000
    assert found.structures == {"kidney": (1,), "tumour": (2,)}
