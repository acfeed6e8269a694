"""A checkpoint of nnU-Net: complete, holding weights only, and of the network that the plans describe.

A pickled checkpoint is code: stock nnU-Net reads it with ``weights_only=False``, which executes whatever is in it.
Here only weights and plain values are read, unless the user states that the author is trusted.
"""

import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import scalar
from torch.serialization import safe_globals

from nnunet_ext.ground.errors import InputError, last_line

PREFIXES = ("module.", "_orig_mod.")
"""What other tools put before every name of a weight: PyTorch's data-parallel training, and ``torch.compile``."""


@dataclass(frozen=True)
class Checkpoint:
    """The result of the training of one fold.

    Args:
        name: Of the file, in its model folder.
        weights: Tensors by the network's own names.
        prefix: What stood before each of these names in the file, empty if nothing did.
        trainer: Name of the trainer's class.
        configuration: Of the plans.
        mirror_axes: Axes that training mirrored along.
    """

    name: str
    weights: Mapping[str, torch.Tensor]
    prefix: str
    trainer: str
    configuration: str
    mirror_axes: tuple[int, ...]


def read_checkpoint(folder: Path, name: str, *, trusted: bool) -> Checkpoint:
    """Read a checkpoint.

    Args:
        folder: The model folder.
        name: Of the file in it, such as ``fold_0/checkpoint_best.pth``.
        trusted: Whether it may execute code.

    Raises:
        InputError: If it is damaged (each part of the archive has a checksum), holds more than weights, lacks what nnU-Net
            reads, or holds weights that are not finite.
    """
    _check_archive(folder / name, name, folder)
    content = _load(folder / name, name, folder, trusted=trusted)
    try:
        weights, trainer = content["network_weights"], content["trainer_name"]
        configuration, axes = content["init_args"]["configuration"], content.get("inference_allowed_mirroring_axes")
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise not_loaded(folder, f"{name} is no checkpoint of nnU-Net: it lacks {str(error)[:60]}") from error
    axes = () if axes is None else axes
    is_right = isinstance(trainer, str) and isinstance(configuration, str) and isinstance(axes, tuple | list)
    if not is_right or not all(axis in range(3) for axis in axes):
        raise not_loaded(folder, f"{name} is no checkpoint of nnU-Net: trainer, configuration or mirroring axes are none")
    bare, prefix = _without_prefix(_tensors(weights, name, folder))
    return Checkpoint(name, bare, prefix, trainer, configuration, tuple(axes))


def check_weights(checkpoint: Checkpoint, wanted: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Refuse weights of another network than the one that the plans describe, in a line that says how much differs.

    Args:
        checkpoint: Whose weights.
        wanted: The network's own ``state_dict``.
        folder: The model folder, for the message.

    Raises:
        InputError: If names, shapes or kinds of numbers differ.
    """
    found = checkpoint.weights
    kinds = {
        "are missing": [name for name in wanted if name not in found],
        "are unknown": [name for name in found if name not in wanted],
        "have another shape": [name for name in wanted if name in found and wanted[name].shape != found[name].shape],
        "hold another kind of number": [
            name for name in wanted if name in found and wanted[name].is_floating_point() != found[name].is_floating_point()
        ],
    }
    differing = [f"{len(names)} {kind} (the first is {names[0][:80]})" for kind, names in kinds.items() if names]
    if differing:
        what = f"{checkpoint.name} holds the weights of another network than plans.json and dataset.json describe"
        raise not_loaded(folder, f"{what}: of {len(wanted)} tensors {'; '.join(differing)}")


def not_loaded(folder: Path, why: str) -> InputError:
    """Return the error of a model that cannot be loaded."""
    return InputError(f"The model in {folder} cannot be loaded: {why}")


def _check_archive(file: Path, name: str, folder: Path) -> None:
    """PyTorch writes a zip archive with a checksum for each part, and does not look at it when it reads."""
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError, OSError) as error:
        raise not_loaded(folder, f"{name} is cut short, damaged, or no file that PyTorch wrote; copy it again") from error
    if damaged is not None:
        raise not_loaded(folder, f"{name} is damaged: {damaged[:80]} in it does not have its checksum; copy it again")


def _load(file: Path, name: str, folder: Path, *, trusted: bool) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"), _known_values(trusted=trusted):
            return torch.load(file, map_location="cpu", weights_only=not trusted)
    except UnpicklingError as error:
        if trusted:
            raise not_loaded(folder, f"{name} is damaged: {str(error)[:120]}") from error
        msg = (
            f"A checkpoint in {folder} holds more than weights, or is damaged. Loading it would run its author's code; "
            "if you trust the author, load it with --trust-checkpoint (trusted=True)"
        )
        raise InputError(msg) from error
    except MemoryError:
        raise
    except Exception as error:  # a pickle can raise anything
        raise not_loaded(folder, f"{name} cannot be read: {last_line(error)}") from error


def _known_values(*, trusted: bool) -> AbstractContextManager[Any]:
    """Let ``torch.load`` read the NumPy numbers of nnU-Net's log besides weights and plain values."""
    if trusted:
        return nullcontext()
    numbers = [np.dtype, np.dtypes.Float32DType, np.dtypes.Float64DType]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return safe_globals([*numbers, *names])


def _tensors(weights: Any, name: str, folder: Path) -> dict[str, torch.Tensor]:
    if not isinstance(weights, Mapping) or not weights:
        raise not_loaded(folder, f"{name} holds no weights")
    odd = [key for key, value in weights.items() if not isinstance(key, str) or not isinstance(value, torch.Tensor)]
    if odd:
        raise not_loaded(folder, f"{name} holds {len(odd)} weights that are no tensors (the first is {str(odd[0])[:80]})")
    endless = [key for key, value in weights.items() if not _is_finite(value)]
    if endless:
        what = f"{len(endless)} of {len(weights)} tensors hold values that are not finite numbers"
        raise not_loaded(folder, f"{name}: {what} (the first is {endless[0][:80]}); name another checkpoint")
    return dict(weights)


def _is_finite(values: torch.Tensor) -> bool:
    return values.layout is torch.strided and not values.is_quantized and bool(torch.isfinite(values).all())


def _without_prefix(weights: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], str]:
    """Take off what stands before every name; nothing if any name lacks it."""
    prefix, names = "", list(weights)
    while step := _common(names):
        prefix, names = prefix + step, [name.removeprefix(step) for name in names]
    return dict(zip(names, weights.values(), strict=True)), prefix


def _common(names: Sequence[str]) -> str:
    return next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in names)), "")
