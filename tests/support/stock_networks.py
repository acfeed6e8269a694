"""Model folders as stock nnU-Net leaves them, with the plans and label schemes of public networks and random weights."""

import json
from pathlib import Path
from typing import Any

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from ccrcc_model.faults.network import ARCHITECTURE, CHECKPOINT, write_network

RES_ENC = {
    **ARCHITECTURE,
    "network_class_name": "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
    "arch_kwargs": {
        **{name: value for name, value in ARCHITECTURE["arch_kwargs"].items() if name != "n_conv_per_stage"},
        "n_blocks_per_stage": [1, 2, 2],
    },
}
"""ResEnc plans (``nnUNetPlannerResEncL``) name this class; a tiny one of them."""

KITS23 = {"kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2}, [1, 3, 2]
"""Labels and order of nnU-Net's own ``Dataset220_KiTS2023``."""


def write_stock_network(
    folder: Path,
    *,
    labels: dict[str, Any],
    order: list[int] | None = None,
    architecture: dict[str, Any] = ARCHITECTURE,
    checkpoint: str = "checkpoint_final.pth",
    trainer: str = "nnUNetTrainer",
    spacing_mm: float = 4.0,
    previous_stage: str | None = None,
    seed: int = 0,
) -> Path:
    """Write a training's folder, whose name ends with its configuration; return it."""
    configuration = folder.name.rpartition("__")[2]
    write_network(folder)
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    dataset |= {"labels": {"background": 0, **labels}} | ({} if order is None else {"regions_class_order": order})
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    plans = json.loads((folder / "plans.json").read_text(encoding="utf-8"))
    own = plans["configurations"].pop("tiny") | {"architecture": architecture, "spacing": [spacing_mm] * 3}
    own |= {} if previous_stage is None else {"previous_stage": previous_stage}
    plans["configurations"][configuration] = own
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    built = (architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"])
    n_channels = 1 if previous_stage is None else 1 + len(labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = get_network_from_plans(*built, n_channels, len(labels) + (order is None), deep_supervision=False)
    content = torch.load(folder / CHECKPOINT, weights_only=True)
    content |= {
        "network_weights": network.state_dict(),
        "trainer_name": trainer,
        "init_args": {"configuration": configuration},
    }
    (folder / CHECKPOINT).unlink()
    torch.save(content, folder / CHECKPOINT.with_name(checkpoint))
    return folder
