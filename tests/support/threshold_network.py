"""A network without a training: a U-Net whose weights call what is bright kidney, and what is less bright tumour."""

import json
from pathlib import Path

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from ccrcc_model.faults.network import ARCHITECTURE, CHECKPOINT, write_network

KIDNEY_HU, TUMOUR_HU = 130.0, 40.0
"""Kidney from the first on, tumour between the two."""

_STAGES = {
    "n_stages": 2,
    "features_per_stage": [2, 2],
    "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [2, 2, 2]],
    "n_conv_per_stage": [1, 1],
    "n_conv_per_stage_decoder": [1],
    "norm_op": None,
    "norm_op_kwargs": None,
}


def write_threshold_network(folder: Path, *, labels: dict[str, int] | None = None) -> Path:
    """Write a model folder as nnU-Net leaves it, for voxels of 4 mm and windows of 32 x 40 x 48; return it.

    ``labels`` are the names of both classes, where they are not ``kidney`` and ``tumour``.

    With ``x`` for normalised HU the classes score 0, ``4 (x - kidney) + kidney - tumour`` and ``min(x, kidney) - tumour``: the
    last is the largest between both thresholds, the second above the higher one.
    """
    write_network(folder, (32, 40, 48))
    if labels is not None:
        dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        (folder / "dataset.json").write_text(json.dumps({**dataset, "labels": {"background": 0, **labels}}), encoding="utf-8")
    plans = json.loads((folder / "plans.json").read_text(encoding="utf-8"))
    architecture = {**ARCHITECTURE, "arch_kwargs": {**ARCHITECTURE["arch_kwargs"], **_STAGES}}
    architecture["_kw_requires_import"] = ["conv_op", "dropout_op", "nonlin"]
    plans["configurations"]["tiny"]["architecture"] = architecture
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    intensities = plans["foreground_intensity_properties_per_channel"]["0"]
    kidney, tumour = ((hu - intensities["mean"]) / intensities["std"] for hu in (KIDNEY_HU, TUMOUR_HU))
    checkpoint = torch.load(folder / CHECKPOINT, weights_only=False)
    checkpoint["network_weights"] = _weights(architecture, kidney, tumour)
    torch.save(checkpoint, folder / CHECKPOINT)
    return folder


def _weights(architecture: dict, kidney: float, tumour: float) -> dict[str, torch.Tensor]:
    """All zero but what passes the skip connection; a constant of ten keeps a feature clear of the leaky rectifier."""
    built = (architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"])
    network = get_network_from_plans(*built, 1, 3, deep_supervision=False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        entry = network.encoder.stages[0][0].convs[0].conv
        entry.weight[:, 0, 1, 1, 1] = 1
        entry.bias.copy_(torch.tensor([10, -kidney]))  # x + 10, and what x is above the kidney's threshold
        skip = network.decoder.stages[0].convs[0].conv
        skip.weight[0, 2, 1, 1, 1] = skip.weight[1, 3, 1, 1, 1] = 1
        skip.bias[1] = 10
        score = network.decoder.seg_layers[0]
        score.weight[1:, :, 0, 0, 0] = torch.tensor([[4.0, 0.0], [1.0, -1.0]])
        score.bias.copy_(torch.tensor([0.0, -40 - 4 * kidney + kidney - tumour, -tumour]))
    return network.state_dict()
