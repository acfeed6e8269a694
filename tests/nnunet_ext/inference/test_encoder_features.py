from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from nnunet_ext.ground.errors import InputError  # noqa: E402
from nnunet_ext.inference.encoder_features import EncodedScan, Encoder, owned_windows  # noqa: E402
from nnunet_ext.inference.network_grid import Box  # noqa: E402
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, load_model  # noqa: E402

SHAPE = (24, 28, 36)


class InputAndItsBlocks(torch.nn.Module):
    """In place of an encoder: the window as it is, and the means of its blocks of 2 x 2 x 2 voxels."""

    strides = ([1, 1, 1], [2, 2, 2])
    output_channels = (1, 1)

    def __init__(self) -> None:
        super().__init__()
        self.windows = 0

    def forward(self, window: "torch.Tensor") -> list["torch.Tensor"]:
        self.windows += 1
        return [window, torch.nn.functional.avg_pool3d(window, 2)]


class Network(torch.nn.Module):
    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder


def with_encoder(folder: Path, encoder: torch.nn.Module, patch: tuple[int, int, int]) -> LoadedModel:
    return replace(load_model(TrainedModel(folder)), networks=(Network(encoder),), patch=patch)


def noise(shape: tuple[int, int, int] = SHAPE, *, spacing_mm: float = 4.0) -> sitk.Image:
    hu = np.random.default_rng(0).normal(90, 60, shape).astype(np.int16)
    hu[hu == 0] = 1  # nnU-Net drops a border of zeros
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((spacing_mm,) * 3)
    return image


def ball(shape: tuple[int, int, int], centre: tuple[float, float, float], radius: float) -> np.ndarray:
    z, y, x = np.indices(shape)
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2


def weighted(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    mean = np.average(values, weights=weights)
    return mean, np.sqrt(np.average((values - mean) ** 2, weights=weights))


def blocks(values: np.ndarray) -> np.ndarray:
    z, y, x = (n // 2 for n in values.shape)
    return values.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))


@pytest.mark.parametrize("patch", [SHAPE, (16, 8, 8)], ids=["one-window", "many"])
def test_an_encoder_that_returns_its_input_gives_mean_and_deviation_under_the_mask(
    untrained_network: Path, patch: tuple[int, int, int]
) -> None:
    encoder = InputAndItsBlocks()
    scan = EncodedScan.of(with_encoder(untrained_network, encoder, patch), noise())
    mask = ball(SHAPE, (11, 13, 17), 9.5)
    found = scan.pool({"ball": mask}, Box.whole(SHAPE))["ball"]
    seen = scan.volume[0].numpy().astype(float)
    assert (encoder.windows > 1) == (patch != SHAPE)
    for stage, (values, weights) in zip(found, ((seen, mask), (blocks(seen), blocks(mask))), strict=True):
        mean, std = weighted(values, weights)
        assert stage.mean == pytest.approx([mean], abs=1e-6)
        assert stage.std == pytest.approx([std], abs=1e-6)


def test_a_mask_finer_than_the_network_counts_by_the_part_of_a_cell_that_it_fills(untrained_network: Path) -> None:
    shape = (32, 32, 32)
    scan = EncodedScan.of(with_encoder(untrained_network, InputAndItsBlocks(), (16, 16, 16)), noise(shape, spacing_mm=2.0))
    assert scan.voxels_for_one == 1 / 8
    mask = ball(shape, (15, 14, 16.5), 7)
    found = scan.pool({"ball": mask}, Box.whole(shape))["ball"][0]
    mean, std = weighted(scan.volume[0].numpy().astype(float), blocks(mask))
    assert found.mean == pytest.approx([mean], abs=1e-6)
    assert found.std == pytest.approx([std], abs=1e-6)


def test_a_region_is_pooled_the_same_whatever_other_regions_there_are(untrained_network: Path) -> None:
    scan = EncodedScan.of(load_model(TrainedModel(untrained_network)), noise())
    where = Box((4, 3, 6), (22, 25, 33))
    mask, other = ball(where.shape, (8, 9, 12), 6), ball(where.shape, (9, 12, 20), 4)
    alone, beside = scan.pool({"a": mask}, where)["a"], scan.pool({"b": other, "a": mask}, where)["a"]
    assert [len(stage.mean) for stage in alone] == [4, 6, 8]
    for one, two in zip(alone, beside, strict=True):
        assert np.array_equal(one.mean, two.mean)
        assert np.array_equal(one.std, two.std)


def test_channels_that_do_not_vary_have_a_deviation_of_nought_over_several_windows(untrained_network: Path) -> None:
    class Ones(InputAndItsBlocks):
        def forward(self, window: "torch.Tensor") -> list["torch.Tensor"]:
            return [torch.full_like(one, 1000.1) for one in super().forward(window)]

    scan = EncodedScan.of(with_encoder(untrained_network, Ones(), (8, 8, 8)), noise())
    for stage in scan.pool({"ball": ball(SHAPE, (11, 13, 17), 9.5)}, Box.whole(SHAPE))["ball"]:
        assert stage.mean == pytest.approx([1000.1])
        assert stage.std < 1e-9


def test_a_gpu_would_multiply_in_full_precision_meanwhile(untrained_network: Path) -> None:
    class Asks(InputAndItsBlocks):
        def forward(self, window: "torch.Tensor") -> list["torch.Tensor"]:
            asked.append((torch.backends.cudnn.allow_tf32, torch.is_autocast_enabled("cpu")))
            return super().forward(window)

    asked: list[tuple[bool, bool]] = []
    before = torch.backends.cudnn.allow_tf32
    scan = EncodedScan.of(with_encoder(untrained_network, Asks(), SHAPE), noise())
    scan.pool({"ball": ball(SHAPE, (11, 13, 17), 5)}, Box.whole(SHAPE))
    assert asked == [(False, False)]
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.parametrize(("first", "end", "count"), [(40, 56, 1), (40, 57, 2), (0, 100, 12), (90, 100, 1), (3, 41, 4)])
def test_windows_cover_a_range_and_each_voxel_is_taken_from_one(first: int, end: int, count: int) -> None:
    windows = owned_windows(first, end, patch=16, n_voxels=100, cell=4)
    assert len(windows) == count
    starts, own_starts, own_ends = zip(*windows, strict=True)
    assert min(starts) >= 0
    assert max(starts) + 16 <= 100
    assert own_starts[0] <= first
    assert own_ends[-1] >= end
    assert own_starts[1:] == own_ends[:-1]
    for start, own_start, own_end in windows:
        assert start <= own_start < own_end <= start + 16
        assert (own_start - start) % 4 == (own_end - start) % 4 == 0


def test_a_volume_smaller_than_a_window_lies_in_its_middle(untrained_network: Path) -> None:
    assert owned_windows(0, 10, patch=16, n_voxels=10, cell=4) == [(-3, -3, 13)]
    shape = (10, 12, 14)
    scan = EncodedScan.of(with_encoder(untrained_network, InputAndItsBlocks(), (16, 16, 16)), noise(shape))
    everything = np.ones(shape, bool)
    found = scan.pool({"all": everything}, Box.whole(shape))["all"][0]
    assert found.mean == pytest.approx([scan.volume.mean().item()], abs=1e-6)


def test_axes_that_the_plans_turn_are_turned_in_the_mask_too(untrained_network: Path, tmp_path: Path) -> None:
    for name in ("dataset.json", "fold_0"):
        (tmp_path / name).symlink_to(untrained_network / name)
    plans = (untrained_network / "plans.json").read_text(encoding="utf-8")
    turned = plans.replace('"transpose_forward": [0, 1, 2]', '"transpose_forward": [2, 0, 1]')
    (tmp_path / "plans.json").write_text(
        turned.replace('"transpose_backward": [0, 1, 2]', '"transpose_backward": [1, 2, 0]'), encoding="utf-8"
    )
    where = Box((2, 4, 6), (20, 22, 30))
    mask = ball(where.shape, (5, 9, 14), 4)
    straight, other = (
        EncodedScan.of(with_encoder(folder, InputAndItsBlocks(), SHAPE[:1] * 3), noise()).pool({"ball": mask}, where)["ball"]
        for folder in (untrained_network, tmp_path)
    )
    assert other[0].mean == pytest.approx(straight[0].mean, abs=1e-9)
    assert other[0].std == pytest.approx(straight[0].std, abs=1e-9)


def test_a_network_without_a_known_encoder_is_refused(untrained_network: Path) -> None:
    model = load_model(TrainedModel(untrained_network))
    with pytest.raises(InputError, match="encoder of one of nnU-Net's U-Nets; the network is a Identity"):
        Encoder.of(replace(model, networks=(torch.nn.Identity(),)))
    with pytest.raises(InputError, match=r"window of \(16, 16, 18\) voxels is no whole number .* of \(4, 4, 4\)"):
        Encoder.of(replace(model, patch=(16, 16, 18)))
