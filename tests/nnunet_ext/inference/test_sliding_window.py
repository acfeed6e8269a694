from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: E402

from nnunet_ext.inference import sliding_window as module  # noqa: E402
from nnunet_ext.inference.sliding_window import FoldAgreement, Windows, classes_of  # noqa: E402
from nnunet_ext.inference.trained_model import TrainedModel, load_model  # noqa: E402

PATCH = (32, 48, 64)


def windows(step: float = 0.5, mirror_axes: tuple[int, ...] = ()) -> Windows:
    return Windows(PATCH, 3, torch.device("cpu"), step, mirror_axes)


@pytest.mark.parametrize("shape", [(40, 50, 70), (90, 48, 64), (20, 60, 30)], ids=["several", "a-column", "smaller-than-one"])
@pytest.mark.parametrize("mirror_axes", [(), (0, 2)])
def test_logits_are_those_of_nnunets_own_window(
    shape: tuple[int, int, int], mirror_axes: tuple[int, ...], tiny_training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "has_bfloat16", lambda: False)
    trained = TrainedModel(tiny_training.model)
    loaded = load_model(trained)
    volume = torch.from_numpy(np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32))
    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(trained.folder), trained.folds, "checkpoint_best.pth")
    predictor.use_mirroring, predictor.allowed_mirroring_axes = bool(mirror_axes), mirror_axes
    theirs = predictor.predict_sliding_window_return_logits(volume).float()
    planes = list(windows(mirror_axes=mirror_axes).predict(loaded.networks, volume))
    ours = torch.cat(planes, dim=1)
    assert ours.shape == (3, *shape)
    # nnU-Net adds in half precision, which leaves of a window's corners, where weights are 1e-7, one digit or none.
    inner = (
        slice(None),
        *(slice(side // 4, n - side // 4) if n >= side else slice(None) for n, side in zip(shape, PATCH, strict=True)),
    )
    assert float((ours - theirs)[inner].abs().max()) < 4e-3 * float(theirs.abs().max())
    assert len(planes) == (1 if shape[0] <= PATCH[0] else 2 if shape[0] == 40 else 5)


def test_bfloat16_changes_a_logit_by_its_own_rounding(tiny_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = load_model(TrainedModel(tiny_training.model)).networks
    volume = torch.from_numpy(np.random.default_rng(0).normal(size=(1, *PATCH)).astype(np.float32))
    exact, short = (
        torch.cat(list(windows().predict(networks, volume)), dim=1)
        for has in (False, True)
        if monkeypatch.setattr(module, "has_bfloat16", lambda has=has: has) is None
    )
    assert 0 < float((exact - short).abs().max()) < 0.05 * float(exact.abs().max())


class Constant(torch.nn.Module):
    """Logits that say one class everywhere, or in the part at low z only."""

    def __init__(self, value: int, planes: int) -> None:
        super().__init__()
        self.value, self.planes = value, planes

    def forward(self, window: "torch.Tensor") -> "torch.Tensor":
        logits = torch.zeros((1, 3, *window.shape[2:]))
        logits[:, self.value, : self.planes] = 1.0
        return logits


class Labels:
    has_regions = False

    @staticmethod
    def convert_logits_to_segmentation(logits: "torch.Tensor") -> "torch.Tensor":
        return logits.argmax(0)


def agreement_of(*networks: Constant) -> dict[str, float]:
    agreement = FoldAgreement(Labels(), {"kidney": 1, "tumour": 2})
    list(windows().predict(networks, torch.zeros((1, *PATCH)), agreement))
    return agreement.dice()


def test_folds_logits_are_averaged() -> None:
    (planes,) = windows().predict([Constant(1, 32), Constant(2, 32)], torch.zeros((1, *PATCH)))
    assert torch.allclose(planes[1:], torch.tensor(0.5))


def test_agreement_of_folds_is_their_mean_pairwise_dice() -> None:
    # The middle half of the window is planes 8 to 23: kidney in 16 planes by the first, in 8 by the second.
    both = agreement_of(Constant(1, 32), Constant(1, 16))
    assert both["kidney"] == pytest.approx(2 * 8 / (16 + 8))
    assert np.isnan(both["tumour"])
    three = agreement_of(Constant(1, 32), Constant(1, 16), Constant(2, 32))
    assert three["kidney"] == pytest.approx((2 * 8 / 24 + 0 + 0) / 3)
    assert three["tumour"] == 0.0
    assert np.isnan(agreement_of(Constant(1, 32))["kidney"]), "one fold agrees with nothing"


def test_classes_are_found_where_the_logits_are(tiny_training: Any) -> None:
    labels = load_model(TrainedModel(tiny_training.model)).labels
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 4, 5, 6)).astype(np.float32))
    assert torch.equal(classes_of(labels, logits), logits.argmax(dim=0))
    # As a GPU's memory, that of "meta" is none that NumPy could read.
    assert classes_of(labels, logits.to("meta")).shape == (4, 5, 6)
