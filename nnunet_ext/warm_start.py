"""Begin a training with the weights of another one, as far as they fit."""

from pathlib import Path

import torch

from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.checkpoint import read_checkpoint

VARIABLE = "CCRCC_WARM_START"

HEADS = ".seg_layers."
"""In the names of layers that give classes: they start anew, as another training's classes may mean something else."""

LEAST_SHARE = 0.5
"""Of a network's weights, below which a warm start would be one in name only. nnU-Net's own option wants all of them."""


def warm_start(network: torch.nn.Module, file: Path) -> str:
    """Copy the weights that have the name and the shape of the network's own, except those of its last layers.

    Args:
        network: Of the training, as nnU-Net built it.
        file: A checkpoint of nnU-Net. Weights are read and nothing is executed.

    Returns:
        A line about how much was taken.

    Raises:
        InputError: If the file is missing, damaged or holds more than weights, or if less than half of the network fits.
    """
    if not file.is_file():
        msg = f"{VARIABLE} names no file: {file}; give a checkpoint of nnU-Net, such as fold_0/checkpoint_best.pth"
        raise InputError(msg)
    found = read_checkpoint(file.parent, file.name, trusted=False).weights
    bare = _bare(network)
    own = {name: value for name, value in bare.state_dict().items() if HEADS not in name}
    taken = {name: found[name] for name, value in own.items() if name in found and found[name].shape == value.shape}
    share = sum(value.numel() for value in taken.values()) / sum(value.numel() for value in own.values())
    if share < LEAST_SHARE:
        what = f"{len(taken)} of {len(own)} tensors, {share:.0%} of the weights"
        msg = f"{file} is of another network: only {what} fit; plan with its architecture and patch, or unset {VARIABLE}"
        raise InputError(msg)
    bare.load_state_dict(taken, strict=False)
    return f"CCRCC: warm start, {len(taken)} of {len(own)} tensors ({share:.0%} of the weights) from {file}"


def _bare(network: torch.nn.Module) -> torch.nn.Module:
    """Return the network inside those that ``-num_gpus`` and ``torch.compile`` put around it."""
    while inner := getattr(network, "module", None) or getattr(network, "_orig_mod", None):
        network = inner
    return network
