"""Fixtures that several packages' tests share."""

import json
import os
from pathlib import Path

import pytest
from offline import stay_here

stay_here()  # no test, and nothing that a test calls in this process, asks the world


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real masks, CTs and reference values; not part of the repository."""
    folder = Path(os.environ.get("CCRCC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data folder is not here; CCRCC_REAL_DATA names it")
    return folder


@pytest.fixture(scope="session")
def untrained_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as nnU-Net leaves it: a U-Net of stages of 4, 6 and 8 channels at 4 mm, with random weights."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("nnunetv2")
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    architecture = {
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
    resampling = {"order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "tiny",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [16, 16, 16],
        "spacing": [4.0, 4.0, 4.0],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": architecture,
        "batch_dice": False,
    }
    for what, options in (("data", {}), ("seg", {"order": 1}), ("probabilities", {"order": 1})):
        configuration[f"resampling_fn_{what}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{what}_kwargs"] = {"is_seg": what == "seg", **resampling, **options}
    intensities = {"mean": 100.0, "std": 80.0, "percentile_00_5": -150.0, "percentile_99_5": 300.0}
    plans = {
        "dataset_name": "Dataset999_Tiny",
        "plans_name": "tiny",
        "image_reader_writer": "SimpleITKIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"tiny": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }
    labels = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "kidney": 1, "tumour": 2}, "file_ending": ".nii.gz"}
    folder = tmp_path_factory.mktemp("untrained")
    for name, content in (("plans", plans), ("dataset", labels)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    torch.manual_seed(0)
    built = (architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"])
    network = get_network_from_plans(*built, 1, 3, deep_supervision=False)
    checkpoint = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": "tiny"},
        "inference_allowed_mirroring_axes": None,
    }
    (folder / "fold_0").mkdir()
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_best.pth")
    return folder
