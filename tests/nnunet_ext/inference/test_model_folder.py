# Also of: nnunet_ext.inference.architecture, nnunet_ext.inference.checkpoint_choice.

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccrcc_model.faults.network import CHECKPOINT
from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.devices import check_device, devices
from nnunet_ext.inference.seal import SEAL
from nnunet_ext.inference.trained_model import TrainedModel, fold_numbers, load_model

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")


@pytest.fixture
def folder(untrained_network: Path, tmp_path: Path) -> Path:
    """A model folder that a test may damage."""
    return Path(shutil.copytree(untrained_network, tmp_path / "model", ignore=shutil.ignore_patterns(SEAL)))


def change(folder: Path, name: str, **keys: Any) -> None:
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **keys}), encoding="utf-8")


def change_configuration(folder: Path, **keys: Any) -> None:
    known = json.loads((folder / "plans.json").read_text(encoding="utf-8"))["configurations"]["tiny"]
    change(folder, "plans.json", configurations={"tiny": {**known, **keys}})


def change_checkpoint(folder: Path, **keys: Any) -> None:
    file = folder / CHECKPOINT
    torch.save({**torch.load(file, weights_only=True), **keys}, file)


def change_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    weights = torch.load(folder / CHECKPOINT, weights_only=True)["network_weights"]
    change_checkpoint(folder, network_weights=change(dict(weights)))


def the_line(folder: Path, **settings: Any) -> str:
    """Return the one line with which a model is refused."""
    with pytest.raises(InputError) as failure:
        load_model(TrainedModel(folder, **settings))
    line = str(failure.value)
    assert "\n" not in line
    assert len(line) < 450 + len(str(folder))
    return line


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"labels": ["kidney"]}, "no object `labels`"),
        ({"labels": {"background": 1, "kidney": 2}}, "background is 1, not 0"),
        ({"channel_names": {"0": "T2"}}, "reads 1 channels"),
        ({"channel_names": {"0": "CT", "1": "CT"}}, "reads 2 channels"),
        ({"channel_names": {}}, "reads 0 channels"),
        ({"channel_names": ["CT"]}, "no object `channel_names`"),
        ({"channel_names": {"0": 3}}, "no object `channel_names`"),
        ({"file_ending": 3}, "file_ending is 3"),
    ],
)
def test_a_data_set_that_is_not_of_ct_is_refused(keys: dict[str, Any], why: str, folder: Path) -> None:
    change(folder, "dataset.json", **keys)
    assert why in the_line(folder)


@pytest.mark.parametrize("name", ["CT", "ct", "CT_portal", "portal CT"])
def test_a_channel_of_ct_may_have_any_name_with_ct_in_it(name: str, folder: Path) -> None:
    change(folder, "dataset.json", channel_names={"0": name})
    assert load_model(TrainedModel(folder)).classes.values == {"kidney": (1,), "tumour": (2,)}


@pytest.mark.parametrize("name", ["dataset.json", "plans.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_object_is_named(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)
    assert name in the_line(folder)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"configurations": []}, "no object `configurations`"),
        ({"configurations": {"tiny": 3}}, "no object `configurations`"),
        ({"configurations": {}}, "cannot be loaded"),
        ({"transpose_forward": [0, 1, 1]}, "transpose_forward is"),
        ({"transpose_backward": "012"}, "transpose_backward is"),
        ({"image_reader_writer": "NaturalImage2DIO"}, "image_reader_writer is 'NaturalImage2DIO'"),
        ({"foreground_intensity_properties_per_channel": {}}, "of channel 0"),
        ({"foreground_intensity_properties_per_channel": {"0": {"mean": 1}}}, "intensities of channel 0"),
    ],
)
def test_plans_that_lack_or_twist_a_key_are_refused(keys: dict[str, Any], why: str, folder: Path) -> None:
    change(folder, "plans.json", **keys)
    assert why in the_line(folder)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"patch_size": [16, 16]}, "2-D configuration"),
        ({"patch_size": [16, 16, 16.5]}, "patch_size is [16, 16, 16.5]"),
        ({"patch_size": "16", "spacing": 4}, "patch_size is '16'"),
        ({"spacing": [4.0, 0.0, 4.0]}, "spacing is [4.0, 0.0, 4.0]"),
        ({"spacing": [4.0, "4", 4.0]}, "spacing is [4.0, '4', 4.0]"),
        ({"normalization_schemes": []}, "normalization_schemes is []"),
        ({"use_mask_for_norm": ["no"]}, "use_mask_for_norm is ['no']"),
        ({"architecture": None}, "cannot be loaded"),
        ({"preprocessor_name": "NoSuchPreprocessor"}, "cannot be loaded"),
    ],
)
def test_a_configuration_that_is_not_of_one_volume_is_refused(keys: dict[str, Any], why: str, folder: Path) -> None:
    change_configuration(folder, **keys)
    assert why in the_line(folder)


def test_an_architecture_that_is_not_installed_is_not_called_a_missing_nnunet(folder: Path) -> None:
    architecture = json.loads((folder / "plans.json").read_text(encoding="utf-8"))["configurations"]["tiny"]["architecture"]
    change_configuration(
        folder, architecture={**architecture, "network_class_name": "dynamic_network_architectures.NoSuchNetwork"}
    )
    line = the_line(folder)
    assert (
        "dynamic_network_architectures.NoSuchNetwork, which the installed dynamic_network_architectures does not have" in line
    )


def test_an_architecture_of_a_package_that_is_not_installed_names_the_package(folder: Path) -> None:
    architecture = json.loads((folder / "plans.json").read_text(encoding="utf-8"))["configurations"]["tiny"]["architecture"]
    change_configuration(folder, architecture={**architecture, "network_class_name": "nnunet_mednext.MedNeXt"})
    assert "nnunet_mednext.MedNeXt, and the package nnunet_mednext is not installed here" in the_line(folder)


def test_a_normalisation_that_is_not_known_is_named(folder: Path) -> None:
    change_configuration(folder, normalization_schemes=["RGBTo01Normalization"])
    assert "normalises by RGBTo01Normalization; known for CT are CTNormalization, ZScore" in the_line(folder)


def test_a_trainer_that_is_not_installed_leaves_the_network_to_the_plans(folder: Path) -> None:
    change_checkpoint(folder, trainer_name="nnUNetTrainerElsewhere")
    (note,) = load_model(TrainedModel(folder)).notes
    assert note.startswith("The trainer nnUNetTrainerElsewhere is not installed here")
    change_weights(folder, without_first)
    (folder / SEAL).unlink()
    assert "1 are missing" in the_line(folder)


def test_the_final_checkpoint_stands_in_for_the_best_and_is_told_of(folder: Path) -> None:
    (folder / CHECKPOINT).rename(folder / CHECKPOINT.with_name("checkpoint_final.pth"))
    assert load_model(TrainedModel(folder)).notes == ("model has no checkpoint_best.pth; checkpoint_final.pth is used",)
    assert load_model(TrainedModel(folder, checkpoint="final")).notes == ()
    assert "lacks fold_0/checkpoint_best.pth; it holds fold_0 with checkpoint_final.pth" in the_line(folder, checkpoint="best")
    assert "--checkpoint names a file in the folder of each fold" in the_line(folder, checkpoint="../checkpoint_best.pth")


def test_folds_are_averaged_from_checkpoints_of_one_kind(folder: Path) -> None:
    shutil.copytree(folder / "fold_0", folder / "fold_1")
    shutil.copy(folder / CHECKPOINT, folder / CHECKPOINT.with_name("checkpoint_final.pth"))
    (folder / "fold_1" / CHECKPOINT.name).rename(folder / "fold_1" / "checkpoint_final.pth")
    assert TrainedModel(folder).files().keys() >= {"fold_0/checkpoint_best.pth"}
    both = TrainedModel(folder, folds=(0, 1)).files().keys()
    assert both >= {"fold_0/checkpoint_final.pth", "fold_1/checkpoint_final.pth"}


def prefixed(prefix: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda weights: {prefix + name: value for name, value in weights.items()}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_prefix_of_every_name_is_taken_off_and_told(prefix: str, folder: Path) -> None:
    plain = load_model(TrainedModel(folder)).networks[0].state_dict()
    change_weights(folder, prefixed(prefix))
    (folder / SEAL).unlink()
    model = load_model(TrainedModel(folder))
    assert all(torch.equal(value, plain[name]) for name, value in model.networks[0].state_dict().items())
    assert model.notes == (f"{CHECKPOINT.as_posix()} has {prefix!r} before the name of every weight; it was taken off",)


def without_first(weights: dict[str, Any]) -> dict[str, Any]:
    return dict(list(weights.items())[1:])


def with_first(make: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(weights: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(weights))
        return {**weights, name: make(weights[name])}

    return change


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _: {}, "holds no weights"),
        (lambda _: [1], "holds no weights"),
        (without_first, "1 are missing (the first is encoder."),
        (lambda weights: {**weights, "extra": torch.ones(1)}, "1 are unknown (the first is extra)"),
        (lambda weights: {**prefixed("module.")(weights), "extra": torch.ones(1)}, "are missing"),
        (prefixed("net."), "are missing"),
        (with_first(lambda value: value[:1]), "1 have another shape"),
        (with_first(lambda value: value.to(torch.int32)), "1 hold another kind of number"),
        (with_first(lambda value: value * float("nan")), "hold values that are not finite numbers"),
        (with_first(lambda value: value + float("inf")), "hold values that are not finite numbers"),
        (with_first(lambda _: 3), "that are no tensors"),
    ],
)
def test_weights_of_another_network_are_refused_in_a_short_line(damage: Any, why: str, folder: Path) -> None:
    change_weights(folder, damage)
    assert why in the_line(folder)


@pytest.mark.parametrize(
    "keys",
    [
        {"init_args": {}},
        {"init_args": None},
        {"trainer_name": 3},
        {"init_args": {"configuration": "other"}},
        {"inference_allowed_mirroring_axes": (3,)},
        {"inference_allowed_mirroring_axes": "z"},
    ],
)
def test_a_checkpoint_that_lacks_or_twists_a_key_is_refused(keys: dict[str, Any], folder: Path) -> None:
    change_checkpoint(folder, **keys)
    assert "cannot be loaded" in the_line(folder)


def test_a_checkpoint_that_is_no_dictionary_is_refused(folder: Path) -> None:
    torch.save([1, 2], folder / CHECKPOINT)
    assert "is no checkpoint of nnU-Net" in the_line(folder)


@pytest.mark.parametrize("keep", [0, 1000, -10])
def test_a_checkpoint_cut_short_is_refused(keep: int, folder: Path) -> None:
    file = folder / CHECKPOINT
    file.write_bytes(file.read_bytes()[:keep])
    assert "is cut short, damaged, or no file that PyTorch wrote" in the_line(folder)


def test_one_bit_of_the_weights_is_noticed(folder: Path) -> None:
    file = folder / CHECKPOINT
    weights = torch.load(file, weights_only=True)["network_weights"]
    stored = max(weights.values(), key=lambda value: value.numel()).numpy().tobytes()
    content = bytearray(file.read_bytes())
    content[content.index(stored) + len(stored) // 2] ^= 1
    file.write_bytes(content)
    assert "does not have its checksum" in the_line(folder)


def test_folds_of_several_trainings_are_not_averaged(folder: Path) -> None:
    shutil.copytree(folder / "fold_0", folder / "fold_1")
    change_checkpoint(folder, trainer_name="nnUNetTrainerNoMirroring")
    assert "of several trainings" in the_line(folder, folds=(0, 1))


def test_a_fold_or_checkpoint_that_is_not_there_names_what_is(folder: Path) -> None:
    assert "lacks fold_7/checkpoint_best.pth; it holds fold_0" in the_line(folder, folds=(7,))
    assert "it holds fold_0 with checkpoint_best.pth" in the_line(folder, checkpoint="checkpoint_final.pth")


def test_a_fold_counts_once_in_the_average(folder: Path) -> None:
    with pytest.raises(InputError, match="Fold 0 is named 2 times"):
        TrainedModel(folder, fold_numbers(["0", "00"]))


def test_folds_are_numbers_or_names() -> None:
    assert fold_numbers(["0", 1, "all", "²"]) == (0, 1, "all", "²")


def test_a_device_that_is_not_here_is_named_beside_those_that_are(folder: Path) -> None:
    assert devices()[0] == "cpu"
    check_device("cpu")
    for name in ("gpu", "cuda:99", "CPU", "", "tpu"):
        with pytest.raises(InputError, match=rf"No device '{name}' here; .* have cpu"):
            check_device(name)
    assert the_line(folder, device="cuda:99").startswith("No device 'cuda:99' here")


@pytest.mark.parametrize(
    "keys",
    [
        {"network_class_name": "os.system", "arch_kwargs": {"command": "true"}, "_kw_requires_import": []},
        {"arch_kwargs": {"nonlin": "subprocess.run"}, "_kw_requires_import": ["nonlin"]},
    ],
)
def test_plans_that_would_run_other_code_are_refused_unless_the_author_is_trusted(keys: dict[str, Any], folder: Path) -> None:
    known = json.loads((folder / "plans.json").read_text(encoding="utf-8"))["configurations"]["tiny"]["architecture"]
    change_configuration(folder, architecture={**known, **keys})
    assert "would run" in the_line(folder)
    assert "would run" not in the_line(folder, trusted=True)  # another line, as that is no network


def test_a_network_of_nnunet_v1_is_called_so(folder: Path) -> None:
    (folder / "plans.pkl").touch()
    assert "is of nnU-Net v1" in the_line(folder)
