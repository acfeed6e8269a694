"""A model folder as nnU-Net leaves it, with a U-Net of random weights that is small enough to run in a second."""

import json
from pathlib import Path
from typing import Any

ARCHITECTURE: dict[str, Any] = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [4, 6, 8],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "n_conv_per_stage": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}
"""As plans describe it: stages of 4, 6 and 8 channels."""

DATASET: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "kidney": 1, "tumour": 2},
    "file_ending": ".nii.gz",
}

CHECKPOINT = Path("fold_0") / "checkpoint_best.pth"
"""In the model folder."""


def write_network(folder: Path, patch: tuple[int, int, int] = (16, 16, 16)) -> Path:
    """Write ``plans.json``, ``dataset.json`` and the checkpoint of fold 0, for voxels of 4 mm; return the folder."""
    import torch  # noqa: PLC0415 - an optional extra
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: PLC0415

    (folder / CHECKPOINT).parent.mkdir(parents=True)
    for name, content in (("plans", _plans(patch)), ("dataset", DATASET)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    built = (ARCHITECTURE["network_class_name"], ARCHITECTURE["arch_kwargs"], ARCHITECTURE["_kw_requires_import"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = get_network_from_plans(*built, 1, 3, deep_supervision=False)
    checkpoint = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": "tiny"},
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, folder / CHECKPOINT)
    return folder


def _plans(patch: tuple[int, int, int]) -> dict[str, Any]:
    intensities = {"mean": 100.0, "std": 80.0, "percentile_00_5": -150.0, "percentile_99_5": 300.0}
    return {
        "dataset_name": "Dataset999_Tiny",
        "plans_name": "tiny",
        "image_reader_writer": "SimpleITKIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"tiny": _configuration(patch)},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }


def _configuration(patch: tuple[int, int, int]) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "data_identifier": "tiny",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "spacing": [4.0, 4.0, 4.0],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": ARCHITECTURE,
        "batch_dice": False,
    }
    for what, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        options = {"is_seg": what == "seg", "order": order, "order_z": 0, "force_separate_z": None}
        configuration[f"resampling_fn_{what}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{what}_kwargs"] = options
    return configuration
