from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from nnunet_ext.ground.errors import InputError  # noqa: E402
from nnunet_ext.inference.network_grid import Box, NetworkGrid  # noqa: E402
from nnunet_ext.inference.seal import SEAL  # noqa: E402
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, load_model  # noqa: E402

SPACINGS = {
    "finer": (2.5, 3.1, 3.1),
    "coarser": (5.0, 4.7, 4.9),
    "thick-slices": (13.0, 3.0, 3.0),
    "thick-columns": (3.0, 3.0, 14.0),
    "the-networks": (4.0, 4.0, 4.0),
}


@pytest.fixture
def model(tiny_training: Any) -> LoadedModel:
    return load_model(TrainedModel(tiny_training.model))


def scan(*, empty_border: bool = False) -> np.ndarray:
    """Return CT numbers with a step beyond what the network's clipping keeps."""
    rng = np.random.default_rng(0)
    hu = rng.normal(40, 120, (23, 31, 37)).astype(np.int16)
    hu[5:9, 10:20, 10:20] = 1500
    if empty_border:
        hu[:3] = hu[:, -4:] = 0
    return hu


@pytest.mark.parametrize("empty_border", [False, True])
@pytest.mark.parametrize("spacing_mm", SPACINGS.values(), ids=SPACINGS)
def test_the_network_sees_what_nnunet_would_show_it(
    spacing_mm: tuple[float, float, float], empty_border: bool, model: LoadedModel
) -> None:
    hu = scan(empty_border=empty_border)
    properties = {"spacing": list(spacing_mm)}
    theirs, _, _ = model.preprocessor.run_case_npy(hu[None], None, properties, model.plans, model.configuration, {})
    grid = NetworkGrid.of(hu, spacing_mm, model.plans, model.configuration)
    ours = grid.to_network(hu, model.preprocessor, model.plans, model.configuration)
    assert ours.shape == theirs.shape
    assert np.abs(ours.numpy() - theirs).max() < 2e-5


def blocks(logits: "torch.Tensor", sizes: list[int]) -> Iterator["torch.Tensor"]:
    yield from torch.split(logits, sizes, dim=1)


@pytest.mark.parametrize("spacing_mm", SPACINGS.values(), ids=SPACINGS)
def test_logits_arrive_where_nnunet_would_put_them(spacing_mm: tuple[float, float, float], model: LoadedModel) -> None:
    hu = scan(empty_border=True)
    grid = NetworkGrid.of(hu, spacing_mm, model.plans, model.configuration)
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(3, *grid.shape)).astype(np.float32))
    cropped = [b - a for a, b in zip(grid.cropped.start, grid.cropped.end, strict=True)]
    theirs = model.configuration.resampling_fn_probabilities(logits, cropped, grid.spacing_mm, spacing_mm)
    ours = np.full((3, *cropped), np.nan, np.float32)
    depth = grid.shape[0]
    for where, planes in grid.to_scan(blocks(logits, [1, 2, depth - 3]), Box.whole(grid.shape)):
        ours[(slice(None), *where.slices)] = planes
    assert np.abs(ours - theirs).max() < 1e-5
    box = Box((1, 2, 3), (depth - 1, grid.shape[1], grid.shape[2] - 3))
    part = np.full_like(ours, np.nan)
    for where, planes in grid.to_scan(iter([logits[(slice(None), *box.slices)]]), box):
        part[(slice(None), *where.slices)] = planes
    seen = grid.scan_box(box)
    inside = (slice(None), *seen.slices)
    assert np.abs(part[inside] - theirs[inside]).max() < 1e-5
    assert np.isnan(part).sum() == part.size - part[inside].size


def test_a_box_at_the_volumes_face_goes_on_to_the_scans_face(model: LoadedModel) -> None:
    grid = NetworkGrid.of(scan()[..., :36], (2.0, 2.0, 2.0), model.plans, model.configuration)  # two of the scan's are one
    assert grid.scan_range(2, 0, 18) == (0, 36)
    assert grid.scan_range(2, 0, 5) == (0, 9), "the tenth lies behind the middle of the fifth"
    assert grid.scan_range(2, 5, 18) == (11, 36)


def test_classes_come_back_turned_and_uncropped(model: LoadedModel) -> None:
    hu = scan(empty_border=True)
    grid = NetworkGrid.of(hu, (4.0, 4.0, 4.0), model.plans, model.configuration)
    found = np.arange(20 * 27 * 37).reshape(20, 27, 37) % 3
    mask = grid.to_mask(found.astype(np.uint8))
    assert mask.shape == hu.shape
    assert np.array_equal(mask[3:, :-4], found)
    assert not mask[:3].any()
    assert not mask[:, -4:].any()


def test_plans_that_resample_otherwise_are_refused(tiny_training: Any, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(tiny_training.model, tmp_path / "model", ignore=shutil.ignore_patterns(SEAL)))
    plans = (folder / "plans.json").read_text(encoding="utf-8")
    assert '"resampling_fn_data": "resample_data_or_seg_to_shape"' in plans
    changed = plans.replace(
        '"resampling_fn_data": "resample_data_or_seg_to_shape"', '"resampling_fn_data": "no_resampling_hack"'
    )
    (folder / "plans.json").write_text(changed, encoding="utf-8")
    model = load_model(TrainedModel(folder))
    with pytest.raises(InputError, match="resample by no_resampling_hack .*nnUNetv2_predict"):
        NetworkGrid.of(scan(), (4.0, 4.0, 4.0), model.plans, model.configuration)
