"""A network that stock nnU-Net trained, as a value, and how it is loaded.

A pickled checkpoint is code: stock nnU-Net reads it with ``weights_only=False``, which runs whatever its author put into it.
Here only weights and plain values are read, unless the user says that the author is trusted.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from nnunet_ext.errors import InputError
from nnunet_ext.files import sha256
from nnunet_ext.labels import STRUCTURES

_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""PyTorch's own variable: nnU-Net asks for ``weights_only=False``."""

_STRUCTURE_OF_REGION = {"kidney_and_masses": "kidney", "masses": "cyst"}
"""What is left of a region that holds others: see ``nnunet_ext.convert.nnunet.class_regions``."""


@dataclass(frozen=True)
class TrainedModel:
    """A folder that ``nnUNetv2_train`` wrote, and how to predict with it.

    Args:
        folder: ``<trainer>__<plans>__<configuration>``, with ``plans.json``, ``dataset.json`` and ``fold_<n>``.
        folds: Networks whose logits are averaged.
        checkpoint: File in each fold's folder.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        mirroring: Average over mirrored copies, eight times slower, where the training allows it.
        step: Window step as a fraction of the patch.
        trusted: Let the checkpoints run code.
    """

    folder: Path
    folds: tuple[int | str, ...] = (0,)
    checkpoint: str = "checkpoint_best.pth"
    device: str = "cpu"
    mirroring: bool = False
    step: float = 0.5
    trusted: bool = False

    def __post_init__(self) -> None:
        if not self.folds:
            msg = "Name at least one fold to predict with"
            raise InputError(msg)
        if not 0 < self.step <= 1:
            msg = f"The window step is a fraction of the patch, inside (0, 1]; asked for {self.step:g}"
            raise InputError(msg)

    def files(self) -> dict[str, Path]:
        """Return the files that make the prediction, by their name in the folder.

        Raises:
            InputError: If one is missing.
        """
        if not self.folder.is_dir():
            msg = f"No model folder at {self.folder}; nnUNetv2_train writes one below nnUNet_results"
            raise InputError(msg)
        names = ["plans.json", "dataset.json", *(f"fold_{fold}/{self.checkpoint}" for fold in self.folds)]
        for name in names:
            if not (self.folder / name).is_file():
                there = ", ".join(sorted(path.name for path in self.folder.glob("fold_*"))) or "no fold"
                msg = f"Model folder {self.folder} lacks {name}; it holds {there}"
                raise InputError(msg)
        return {name: self.folder / name for name in names}

    def classes(self) -> dict[str, int]:
        """Return the network's class of each structure: its label or, if it learnt regions, the one that its region writes.

        Raises:
            InputError: If it was not trained on kidney, tumour and cyst, as labels or as KiTS's regions.
        """
        try:
            content = json.loads(self.files()["dataset.json"].read_text(encoding="utf-8"))
            labels = {str(name): value for name, value in content["labels"].items() if name != "background"}
            order = content.get("regions_class_order")
            classes = {name: _STRUCTURE_OF_REGION.get(name, name) for name in labels}
        except (json.JSONDecodeError, KeyError, AttributeError) as error:
            msg = f"dataset.json in {self.folder} is damaged: {error}"
            raise InputError(msg) from error
        values = list(labels.values()) if order is None else order
        if (
            not labels
            or not set(classes.values()) <= set(STRUCTURES)
            or len(values) != len(labels)
            or not all(isinstance(one, int) for one in values)
        ):
            msg = (
                f"The model in {self.folder} segments {labels}; wanted are labels of {', '.join(STRUCTURES)}, or the regions "
                "that `ccrcc convert --regions` writes"
            )
            raise InputError(msg)
        return dict(zip(classes.values(), values, strict=True))

    def identity(self) -> dict[str, Any]:
        """Return what a prediction depends on: settings, and the SHA-256 of every file.

        The device is left out: it changes the digits of a logit that half precision or bfloat16 leave, no more.
        """
        hashes = {name: sha256(path) for name, path in self.files().items()}
        return {"folds": list(self.folds), "mirroring": self.mirroring, "step": self.step, "sha256": hashes}


@dataclass(frozen=True)
class LoadedModel:
    """A trained model's networks on their device, with what nnU-Net knows about them.

    Args:
        networks: One a fold.
        device: Where they are.
        classes: The value that the network's class of each structure has.
        labels: nnU-Net's ``LabelManager``.
        plans: nnU-Net's ``PlansManager``.
        configuration: nnU-Net's ``ConfigurationManager``.
        preprocessor: What nnU-Net prepares a scan with.
        patch: Voxels of a window (zyx).
        mirror_axes: Axes to average mirrored copies over.
        step: Window step as a fraction of the patch.
    """

    networks: tuple[Any, ...]
    device: Any
    classes: dict[str, int]
    labels: Any
    plans: Any
    configuration: Any
    preprocessor: Any
    patch: tuple[int, int, int]
    mirror_axes: tuple[int, ...]
    step: float

    @property
    def turns_scans(self) -> bool:
        """Whether nnU-Net turned every scan to RAS when it read it, in training and in prediction."""
        return str(self.plans.plans["image_reader_writer"]).endswith("WithReorient")


def load_model(model: TrainedModel) -> LoadedModel:
    """Load a model's networks, once a process. What nnU-Net says meanwhile goes nowhere.

    Raises:
        InputError: If nnU-Net is not installed or the model cannot be used.
    """
    return _load(model, tuple(path.stat().st_mtime_ns for path in model.files().values()))


@lru_cache(maxsize=1)
def _load(model: TrainedModel, _changed: tuple[int, ...]) -> LoadedModel:
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"), _weights_only(off=model.trusted):
            predictor = _predictor(model)
            networks = tuple(_network(predictor, weights) for weights in predictor.list_of_parameters)
    except ImportError as error:
        msg = "nnU-Net is not installed; pip install 'ccrcc-radiomics[nnunet]'"
        raise InputError(msg) from error
    except UnpicklingError as error:
        if model.trusted:
            raise _not_loaded(model, error) from error
        msg = (
            f"A checkpoint in {model.folder} holds more than weights, or is damaged. Loading it would run its author's code; "
            "if you trust the author, load it with --trust-checkpoint (trusted=True)"
        )
        raise InputError(msg) from error
    except (RuntimeError, KeyError, TypeError, AssertionError, EOFError, IndexError, ValueError) as error:
        raise _not_loaded(model, error) from error
    configuration = predictor.configuration_manager
    if len(configuration.patch_size) != len("zyx") or configuration.previous_stage_name is not None:
        kind = "nnU-Net's 2-D configuration or a cascade's second stage"
        msg = f"The model in {model.folder} is {kind}; name another, or use nnUNetv2_predict"
        raise InputError(msg)
    depth, height, width = (int(n) for n in configuration.patch_size)
    return LoadedModel(
        networks=networks,
        device=predictor.device,
        classes=model.classes(),
        labels=predictor.label_manager,
        plans=predictor.plans_manager,
        configuration=configuration,
        preprocessor=configuration.preprocessor_class(verbose=False),
        patch=(depth, height, width),
        mirror_axes=tuple(predictor.allowed_mirroring_axes or ()) if model.mirroring else (),
        step=model.step,
    )


def _predictor(model: TrainedModel) -> Any:
    """Return nnU-Net's own predictor, which knows how to build a network from a model folder."""
    import torch  # noqa: PLC0415 - an optional extra
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415

    on_gpu = model.device == "cuda"
    predictor = nnUNetPredictor(perform_everything_on_device=on_gpu, device=torch.device(model.device), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model.folder), model.folds, model.checkpoint)
    return predictor


def _network(predictor: Any, weights: Any) -> Any:
    import torch  # noqa: PLC0415 - an optional extra

    network = deepcopy(predictor.network)
    network.load_state_dict(weights)
    network.to(predictor.device).eval()
    if predictor.device.type == "cpu":
        # oneDNN's 3-D convolutions are up to twice as fast in this layout.
        network.to(memory_format=torch.channels_last_3d)
    return network


def _not_loaded(model: TrainedModel, error: Exception) -> InputError:
    return InputError(f"The model in {model.folder} cannot be loaded: {last_line(error)}")


@contextmanager
def _weights_only(*, off: bool) -> Iterator[None]:
    """Let ``torch.load`` read weights, plain values and the NumPy numbers of nnU-Net's log alone, whatever it is asked for."""
    if off:
        yield
        return
    import numpy as np  # noqa: PLC0415 - with torch
    from numpy._core.multiarray import scalar  # noqa: PLC0415
    from torch.serialization import safe_globals  # noqa: PLC0415

    numbers = [np.dtype, np.dtypes.Float32DType, np.dtypes.Float64DType]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        with safe_globals([*numbers, *names]):
            yield
    finally:
        os.environ.pop(_FORCE)
        if before is not None:
            os.environ[_FORCE] = before


def last_line(error: BaseException) -> str:
    """Return the kind of ``error`` and the last line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip()}" if lines else type(error).__name__
