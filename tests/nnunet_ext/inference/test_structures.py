"""The classes of networks with other people's plans, against nnU-Net's own predictor."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from stock_networks import KITS23, RES_ENC, write_stock_network  # noqa: E402

from ccrcc_model.faults.network import ARCHITECTURE  # noqa: E402
from nnunet_ext.ground.errors import InputError  # noqa: E402
from nnunet_ext.ground.labels import Label  # noqa: E402
from nnunet_ext.inference.structures import find_structures  # noqa: E402
from nnunet_ext.inference.trained_model import TrainedModel, load_model  # noqa: E402

SPACING_MM = (4.0, 4.0, 5.0)


@pytest.fixture
def image() -> sitk.Image:
    noise = np.random.default_rng(0).normal(50, 120, (20, 24, 28)).round().astype(np.int16)
    made = sitk.GetImageFromArray(noise)
    made.SetSpacing(SPACING_MM)
    return made


def stock_classes(folder: Path, image: sitk.Image, before: np.ndarray | None = None) -> np.ndarray:
    """Return the classes of ``nnUNetPredictor`` without mirroring, shape zyx."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(folder), (0,), "checkpoint_final.pth")
    hu = sitk.GetArrayFromImage(image)[None].astype(np.float32)
    seen = None if before is None else before[None].astype(np.int16)
    found: Any = predictor.predict_single_npy_array(hu, {"spacing": list(SPACING_MM[::-1])}, seen)
    return np.asarray(found)


@pytest.fixture
def nnunets_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setattr(f"nnunetv2.paths.{name}", str(tmp_path))


@pytest.mark.usefixtures("nnunets_folders")
@pytest.mark.parametrize(
    ("labels", "order", "architecture", "canonical"),
    [
        ({"kidney": 1, "renal mass": 2}, None, RES_ENC, [0, Label.KIDNEY, Label.MASS]),
        ({"Kidney": 1, "Tumor": 2, "Cyst": 3}, None, RES_ENC, [0, 1, 2, 3]),
        (*KITS23, ARCHITECTURE, [0, Label.KIDNEY, Label.TUMOUR, Label.CYST]),
    ],
)
def test_masks_are_those_of_nnunets_own_predictor(
    labels: dict[str, Any],
    order: list[int] | None,
    architecture: dict[str, Any],
    canonical: list[int],
    image: sitk.Image,
    tmp_path: Path,
) -> None:
    folder = write_stock_network(
        tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres", labels=labels, order=order, architecture=architecture
    )
    found = find_structures(load_model(TrainedModel(folder)), image, whole_scan=True).mask
    wanted = np.array(canonical)[stock_classes(folder, image)]
    assert len(np.unique(wanted)) > 1, "a uniform mask shows nothing"
    assert np.mean(found != wanted) < 0.01, "half precision decides between the near classes of random weights"


@pytest.mark.usefixtures("nnunets_folders")
def test_the_second_stage_of_a_cascade_sees_the_classes_of_the_first(image: sitk.Image, tmp_path: Path) -> None:
    labels = {"kidney": 1, "tumour": 2}
    trained = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_lowres"
    low = write_stock_network(trained, labels=labels, spacing_mm=6.0)
    high = write_stock_network(
        trained.with_name("nnUNetTrainer__nnUNetPlans__3d_cascade_fullres"), labels=labels, previous_stage="3d_lowres", seed=1
    )
    found = find_structures(load_model(TrainedModel(high)), image, whole_scan=True).mask
    wanted = stock_classes(high, image, stock_classes(low, image))
    blind = stock_classes(high, image, np.zeros_like(wanted))
    assert np.mean(blind != wanted) > 0.1, "the first stage matters"
    assert np.mean(found != wanted) < 0.02
    assert "first_stage" in TrainedModel(high).identity()
    low.rename(tmp_path / "elsewhere")
    with pytest.raises(
        InputError, match="second stage of a cascade; its first, nnUNetTrainer__nnUNetPlans__3d_lowres, is not"
    ):
        TrainedModel(high).identity()
