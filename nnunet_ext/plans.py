"""Configurations that we add to nnU-Net's plans: ``python -m nnunet_ext.plans PLANS.json`` adds ``3d_cpu``."""

import json
import sys
from pathlib import Path
from typing import Any

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json

CPU_CONFIGURATION = "3d_cpu"
"""Name of the configuration that a CPU can train, as nnU-Net's commands take it."""


def add_cpu_configuration(plans_file: Path, *, parent: str = "3d_fullres", name: str = CPU_CONFIGURATION) -> None:
    """Add a configuration to a plans file that is small enough to train on a CPU.

    It inherits from ``parent`` (nnU-Net's documented ``inherits_from``) and shares its preprocessed data, so nothing has to be
    preprocessed again. The patch has 32 × 48 × 64 voxels (zyx), the batch two of them; the U-Net has four stages of 8, 16, 32
    and 64 features, with a single convolution where it works at full resolution. Adding it again changes nothing; the file is
    replaced atomically.

    Args:
        plans_file: What ``nnUNetv2_plan_experiment`` wrote, e.g. ``nnUNetPlans.json``.
        parent: 3-D configuration of that file whose preprocessed data are used.
        name: Name of the new configuration.

    Raises:
        InputError: If there is no such file or it has no configuration ``parent``, or another one called ``name``.
    """
    plans = _read(plans_file)
    known = plans["configurations"]
    if parent not in known:
        msg = f"{plans_file} has no configuration {parent!r} to inherit from; known ones are {', '.join(known)}"
        raise InputError(msg)
    small = {
        "inherits_from": parent,
        "batch_size": 2,
        "patch_size": [32, 48, 64],
        "batch_dice": True,
        "architecture": _plain_unet((8, 16, 32, 64)),
    }
    if known.get(name) == small:
        return
    if name in known:
        msg = f"{plans_file} already has another configuration {name!r}; remove it or choose another name"
        raise InputError(msg)
    known[name] = small
    write_json(plans_file, plans)


def _read(plans_file: Path) -> dict[str, Any]:
    if not plans_file.is_file():
        msg = f"No plans at {plans_file}; nnUNetv2_plan_experiment writes them"
        raise InputError(msg)
    try:
        plans = json.loads(plans_file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        msg = f"{plans_file} is not readable JSON: {error}"
        raise InputError(msg) from error
    if not isinstance(plans, dict) or not isinstance(plans.get("configurations"), dict):
        msg = f"{plans_file} is no plans file of nnU-Net: it has no configurations"
        raise InputError(msg)
    return plans


def _plain_unet(features: tuple[int, ...]) -> dict[str, Any]:
    """Return nnU-Net's plain 3-D U-Net with ``features`` per stage, as plans describe it."""
    stages = len(features)
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": list(features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
            "n_conv_per_stage": [1] + [2] * (stages - 1),
            "n_conv_per_stage_decoder": [2] * (stages - 2) + [1],
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


if __name__ == "__main__":
    try:
        add_cpu_configuration(Path(sys.argv[1]))
    except (InputError, IndexError) as error:
        sys.exit(f"{error if isinstance(error, InputError) else 'Name the plans file, such as nnUNetPlans.json'}")
