# Also of: nnunet_ext.plugin_path.

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_ext.ground.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


TRAINERS = ("nnUNetTrainerCCRCC", "nnUNetTrainerCCRCCSmallTumours", "nnUNetTrainerCCRCCShort")


def training_transforms(trainer: str) -> list[Any]:
    from nnunet_ext import trainer as module

    return (
        getattr(module, trainer)
        .get_training_transforms(
            (32, 64, 64), (-0.5, 0.5), [[1, 1, 1], [0.5, 0.5, 0.5]], (0, 1, 2), False, use_mask_for_norm=[False]
        )
        .transforms
    )


def inner(transform: Any) -> Any:
    return getattr(transform, "transform", transform)


@pytest.fixture
def make_trainer(tiny_training: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Build a trainer of data set 7 as nnU-Net does, with an empty folder for its results."""
    from nnunet_ext import trainer as module

    for name, value in tiny_training.folders.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    for name in ("CCRCC_EPOCHS", "CCRCC_ITERATIONS", "CCRCC_SEED", "CCRCC_BF16", "CCRCC_WARM_START"):
        monkeypatch.delenv(name, raising=False)
    folder = tiny_training.folders.preprocessed / tiny_training.dataset.name

    def make(name: str) -> Any:
        plans = json.loads((folder / "nnUNetPlans.json").read_text(encoding="utf-8")) | {"continue_training": False}
        dataset_json = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        return getattr(module, name)(plans, "3d_cpu", 0, dataset_json, torch.device("cpu"))

    return make


@pytest.mark.parametrize("trainer", TRAINERS)
def test_augmentation_is_what_the_supplement_names_and_nothing_else(trainer: str) -> None:
    transforms = training_transforms(trainer)
    assert Counter(type(inner(one)).__name__ for one in transforms) == {
        "SpatialTransform": 1,
        "GaussianBlurTransform": 1,
        "MultiplicativeBrightnessTransform": 1,
        "ContrastTransform": 1,
        "GammaTransform": 2,
        "MirrorTransform": 1,
        "RemoveLabelTransform": 1,
        "DownsampleSegForDSTransform": 1,
    }
    spatial = next(one for one in transforms if type(one).__name__ == "SpatialTransform")
    assert (spatial.p_rotation, spatial.p_scaling, spatial.p_elastic_deform) == (0.2, 0, 0)
    gamma = [inner(one) for one in transforms if type(inner(one)).__name__ == "GammaTransform"]
    assert sorted(one.p_invert_image for one in gamma) == [0, 1]


def test_filtering_leaves_the_stock_trainer_alone() -> None:
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    training_transforms("nnUNetTrainerCCRCCShort")
    stock = nnUNetTrainer.get_training_transforms((32, 64, 64), (-0.5, 0.5), None, (0, 1, 2), False).transforms
    names = {type(inner(one)).__name__ for one in stock}
    assert {"GaussianNoiseTransform", "SimulateLowResolutionTransform"} <= names
    assert next(one for one in stock if type(one).__name__ == "SpatialTransform").p_scaling == 0.2


def test_the_papers_trainer_has_its_loss_length_and_stock_optimizer(make_trainer: Any) -> None:
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss

    trainer = make_trainer("nnUNetTrainerCCRCC")
    trainer.initialize()
    assert isinstance(trainer.loss.loss, DC_and_CE_loss)
    assert (trainer.loss.loss.weight_ce, trainer.loss.loss.weight_dice) == (1, 1)
    assert (trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch) == (1000, 250, 50)
    assert trainer.lr_scheduler.max_steps == 1000
    assert type(trainer.optimizer).__name__ == "SGD"
    assert trainer.optimizer.param_groups[0]["momentum"] == 0.99


def test_the_environment_sets_the_length_of_a_run(make_trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCRCC_EPOCHS", "3")
    monkeypatch.setenv("CCRCC_ITERATIONS", "10")
    trainer = make_trainer("nnUNetTrainerCCRCC")
    trainer.initialize()
    assert (trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch) == (3, 10, 2)
    assert trainer.lr_scheduler.max_steps == 3
    assert "CCRCC: 3 epochs of 10 iterations" in Path(trainer.log_file).read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5", "²"])
@pytest.mark.parametrize("variable", ["CCRCC_EPOCHS", "CCRCC_ITERATIONS", "CCRCC_SEED"])
def test_a_length_or_seed_that_is_no_positive_whole_number_is_refused(
    variable: str, value: str, make_trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=f"{variable} must be a whole number of at least 1; found '{value}'"):
        make_trainer("nnUNetTrainerCCRCC").initialize()


@pytest.mark.parametrize(("name", "seed"), [("nnUNetTrainerCCRCCShort", ""), ("nnUNetTrainerCCRCC", "3")])
def test_two_seeded_runs_end_in_the_same_network(
    name: str, seed: str, make_trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCRCC_EPOCHS", "1")
    monkeypatch.setenv("CCRCC_ITERATIONS", "3")
    monkeypatch.setenv("CCRCC_SEED", seed)
    networks = []
    for _ in range(2):
        trainer = make_trainer(name)
        trainer.run_training()
        networks.append({key: value.numpy().copy() for key, value in trainer.network.state_dict().items()})
    assert all(np.array_equal(networks[0][key], networks[1][key]) for key in networks[0])


def test_another_seed_is_another_run(make_trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = []
    for seed in ("3", "4"):
        monkeypatch.setenv("CCRCC_SEED", seed)
        trainer = make_trainer("nnUNetTrainerCCRCC")
        trainer.initialize()
        weights.append(next(trainer.network.parameters()).detach().numpy().copy())
    assert not np.array_equal(*weights)


def test_the_trainer_for_small_tumours_differs_by_patches_and_optimizer_alone(make_trainer: Any) -> None:
    paper, ours = make_trainer("nnUNetTrainerCCRCC"), make_trainer("nnUNetTrainerCCRCCSmallTumours")
    for trainer in (paper, ours):
        trainer.initialize()
    assert (paper.oversample_foreground_percent, paper.probabilistic_oversampling) == (0.33, False)
    assert (ours.oversample_foreground_percent, ours.probabilistic_oversampling) == (0.67, True)
    assert type(ours.loss.loss) is type(paper.loss.loss)
    assert (type(ours.optimizer).__name__, ours.initial_lr) == ("AdamW", 1e-3)
    assert ours.lr_scheduler.max_steps == paper.lr_scheduler.max_steps == 1000
    loader, _ = ours.get_dataloaders()
    assert loader.data_loader.oversample_foreground_percent == 0.67


def test_the_short_trainer_mirrors_in_training_only_and_draws_no_pictures(make_trainer: Any, tmp_path: Path) -> None:
    trainer = make_trainer("nnUNetTrainerCCRCCShort")
    trainer.initialize()
    mirrored = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()[3]
    assert mirrored == (0, 1, 2)
    assert trainer.inference_allowed_mirroring_axes is None
    trainer.logger.plot_progress_png(str(tmp_path))
    assert not list(tmp_path.glob("*.png"))


def test_nnunet_finds_the_trainers_in_their_real_module() -> None:
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    for name in TRAINERS:
        assert recursive_find_trainer_class_by_name(name).__module__ == "nnunet_ext.trainer"


def test_bfloat16_changes_the_first_loss_by_its_rounding(make_trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnunet_ext import trainer as module

    monkeypatch.setenv("CCRCC_SEED", "3")
    losses = []
    for flag in ("", "1"):
        monkeypatch.setenv("CCRCC_BF16", flag)
        monkeypatch.setattr(module, "has_bfloat16", lambda: True)  # where the CPU has none PyTorch emulates it
        trainer = make_trainer("nnUNetTrainerCCRCC")
        trainer.initialize()
        loader, _ = trainer.get_dataloaders()
        trainer.network.train()
        trainer.set_deep_supervision_enabled(True)
        losses.append(float(trainer.train_step(next(loader))["loss"]))
        assert {parameter.dtype for parameter in trainer.network.parameters()} == {torch.float32}
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_bfloat16_is_refused_where_the_cpu_has_none(make_trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnunet_ext import trainer as module

    monkeypatch.setattr(module, "has_bfloat16", lambda: False)
    monkeypatch.setenv("CCRCC_BF16", "1")
    with pytest.raises(InputError, match="CCRCC_BF16=1 asks for a CPU with bfloat16 instructions"):
        make_trainer("nnUNetTrainerCCRCC").initialize()
    monkeypatch.setenv("CCRCC_BF16", "yes")
    with pytest.raises(InputError, match="CCRCC_BF16 must be 0 or 1; found 'yes'"):
        make_trainer("nnUNetTrainerCCRCC").initialize()


def test_a_warm_start_begins_with_the_weights_of_another_training(
    make_trainer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = make_trainer("nnUNetTrainerCCRCC")
    first.initialize()
    first.save_checkpoint(str(tmp_path / "first.pth"))
    monkeypatch.setenv("CCRCC_WARM_START", str(tmp_path / "first.pth"))
    second = make_trainer("nnUNetTrainerCCRCCSmallTumours")
    second.initialize()
    ours, theirs = second.network.state_dict(), first.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs if ".seg_layers." not in name)
    heads = [name for name in theirs if ".seg_layers." in name and name.endswith("weight")]
    assert heads
    assert not any(torch.equal(ours[name], theirs[name]) for name in heads)


def test_nnunets_own_pretrained_weights_work_with_our_trainers(make_trainer: Any, tmp_path: Path) -> None:
    from nnunetv2.run.run_training import maybe_load_checkpoint

    first, second = make_trainer("nnUNetTrainerCCRCC"), make_trainer("nnUNetTrainerCCRCC")
    first.initialize()
    first.save_checkpoint(str(tmp_path / "first.pth"))
    maybe_load_checkpoint(second, False, False, str(tmp_path / "first.pth"))
    name = next(name for name in first.network.state_dict() if name.startswith("encoder"))
    assert torch.equal(first.network.state_dict()[name], second.network.state_dict()[name])


def test_the_second_epoch_says_how_long_the_run_will_take(make_trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("EPOCHS", "3"), ("ITERATIONS", "1")):
        monkeypatch.setenv(f"CCRCC_{name}", value)
    trainer = make_trainer("nnUNetTrainerCCRCCShort")
    trainer.run_training()
    log = Path(trainer.log_file).read_text(encoding="utf-8")
    said = [line for line in log.splitlines() if "at this pace" in line]
    assert len(said) == 1
    assert re.search(r"CCRCC: \d+:\d\d:\d\d \(h:min:s\) for the 1 epochs that are left", said[0])
