"""A network that stock nnU-Net trained, as a value, and how it is loaded."""

import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.errors import InputError, last_line
from nnunet_ext.ground.files import sha256
from nnunet_ext.inference.checkpoint_choice import BEST, choose_checkpoint
from nnunet_ext.inference.devices import check_device
from nnunet_ext.inference.model_folder import check_configuration, read_classes, read_plans
from nnunet_ext.inference.network_labels import LabelMap, NetworkLabels
from nnunet_ext.inference.seal import check_seal, write_seal

if TYPE_CHECKING:
    from nnunet_ext.inference.checkpoint import Checkpoint

_DESCRIPTIONS = ("plans.json", "dataset.json")
"""What describes the network; its checkpoints come after them."""


@dataclass(frozen=True)
class TrainedModel:
    """A folder that ``nnUNetv2_train`` wrote, and how to predict with it.

    Args:
        folder: ``<trainer>__<plans>__<configuration>``, with ``plans.json``, ``dataset.json`` and ``fold_<n>``.
        folds: Networks whose logits are averaged.
        checkpoint: File in each fold's folder; ``checkpoint_best.pth`` by default or, where there is none,
            ``checkpoint_final.pth``.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        mirroring: Average over mirrored copies, eight times slower, where the training allows it.
        step: Window step as a fraction of the patch.
        trusted: Whether the checkpoints may execute code.
        labels: Structure of each class, where the names in ``dataset.json`` do not say so.
    """

    folder: Path
    folds: tuple[int | str, ...] = (0,)
    checkpoint: str | None = None
    device: str = "cpu"
    mirroring: bool = False
    step: float = 0.5
    trusted: bool = False
    labels: LabelMap | None = None

    def __post_init__(self) -> None:
        if not self.folds:
            msg = "Name at least one fold to predict with"
            raise InputError(msg)
        twice = [fold for fold in self.folds if self.folds.count(fold) > 1]
        if twice:
            msg = f"Fold {twice[0]} is named {self.folds.count(twice[0])} times; a network counts once in the average"
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
        if (self.folder / "plans.pkl").is_file():
            msg = (
                f"The model in {self.folder} is of nnU-Net v1, which cannot be read here; use its masks, or one of nnU-Net v2"
            )
            raise InputError(msg)
        checkpoint = choose_checkpoint(self.folder, self.folds, self.checkpoint)
        names = [*_DESCRIPTIONS, *(f"fold_{fold}/{checkpoint}" for fold in self.folds)]
        for name in names:
            if not (self.folder / name).is_file():
                folds = sorted(path.name for path in self.folder.glob("fold_*"))
                others = sorted(path.name for path in (self.folder / name).parent.glob("*.pth"))
                there = ", ".join(folds) + (f" with {', '.join(others)}" if others else "") if folds else "no fold"
                msg = f"Model folder {self.folder} lacks {name}; it holds {there}"
                raise InputError(msg)
        return {name: self.folder / name for name in names}

    def classes(self) -> NetworkLabels:
        """Return what the network's classes stand for, see ``read_classes``.

        Raises:
            InputError: If a file is missing, or as ``read_classes``.
        """
        self.files()
        return read_classes(self.folder, self.labels)

    def identity(self) -> dict[str, Any]:
        """Return what a prediction depends on: settings, the declared labels, and the SHA-256 of every file.

        The device is left out: it changes the digits of a logit that half precision or bfloat16 leave, no more.
        """
        declared = {} if self.labels is None else {"labels": str(self.labels)}
        settings = {"folds": list(self.folds), "mirroring": self.mirroring, "step": self.step}
        first = self.first_stage()
        before = {} if first is None else {"first_stage": first.hashes()}
        return {**settings, **declared, **before, "sha256": self.hashes()}

    def first_stage(self) -> "TrainedModel | None":
        """Return the model of a lower resolution whose masks a cascade's second stage sees, None for any other model.

        Raises:
            InputError: If it is not beside this one.
        """
        trained, _, configuration = self.folder.name.rpartition("__")
        own = read_plans(self.folder)["configurations"].get(configuration, {})
        if (first := own.get("previous_stage")) is None:
            return None
        folder = self.folder.with_name(f"{trained}__{first}")
        if not folder.is_dir():
            msg = f"The model in {self.folder} is the second stage of a cascade; its first, {folder.name}, is not beside it"
            raise InputError(msg)
        return replace(self, folder=folder)

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file that is used."""
        return {name: sha256(path) for name, path in self.files().items()}


def fold_numbers(folds: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return folds as nnU-Net names them: a number, or ``all``."""
    return tuple(int(fold) if str(fold).isdecimal() else fold for fold in folds)


@dataclass(frozen=True)
class Training:
    """What the first checkpoint says of its training."""

    trainer: str
    configuration: str


@dataclass(frozen=True)
class LoadedModel:
    """A trained model's networks on their device, with what nnU-Net knows about them.

    Args:
        networks: One per fold.
        device: Where they are.
        classes: What the network's classes stand for.
        labels: nnU-Net's ``LabelManager``.
        plans: nnU-Net's ``PlansManager``.
        configuration: nnU-Net's ``ConfigurationManager``.
        preprocessor: What nnU-Net prepares a scan with.
        patch: Voxels of a window (zyx).
        mirror_axes: Axes to average mirrored copies over.
        step: Window step as a fraction of the patch.
        training: What made the networks.
        first_stage: Of a cascade's second stage, whose classes its networks see.
        notes: Irregularities in the model's files that do not prevent reading, in one line each.
    """

    networks: tuple[Any, ...]
    device: Any
    classes: NetworkLabels
    labels: Any
    plans: Any
    configuration: Any
    preprocessor: Any
    patch: tuple[int, int, int]
    mirror_axes: tuple[int, ...]
    step: float
    training: Training
    first_stage: "LoadedModel | None" = None
    notes: tuple[str, ...] = ()

    @property
    def turns_scans(self) -> bool:
        """Whether nnU-Net turned every scan to RAS when it read it, in training and in prediction."""
        return str(self.plans.plans["image_reader_writer"]).endswith("WithReorient")


def load_model(model: TrainedModel) -> LoadedModel:
    """Load a model's networks, once per process. Output of nnU-Net is discarded.

    Raises:
        InputError: If nnU-Net is not installed or the model cannot be used.
    """
    return _load(model, tuple(path.stat().st_mtime_ns for path in model.files().values()))


@lru_cache(maxsize=1)
def _load(model: TrainedModel, _changed: tuple[int, ...]) -> LoadedModel:
    check_device(model.device)
    try:
        import nnunetv2  # noqa: F401, PLC0415 - an optional extra
    except ImportError as error:
        msg = "nnU-Net is not installed; pip install 'ccrcc-radiomics[nnunet]'"
        raise InputError(msg) from error
    from nnunet_ext.inference.checkpoint import not_loaded, read_checkpoint  # noqa: PLC0415 - needs PyTorch

    classes, plans = model.classes(), read_plans(model.folder)
    hashes = model.hashes()
    check_seal(model.folder, hashes)
    names = list(model.files())[len(_DESCRIPTIONS) :]
    checkpoints = [read_checkpoint(model.folder, name, trusted=model.trusted) for name in names]
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"):
            loaded = _build(model, classes, plans, checkpoints)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever nnU-Net makes of plans that describe no network
        raise not_loaded(model.folder, last_line(error)) from error
    unsealed = write_seal(model.folder, hashes)
    return replace(loaded, notes=(*_notes(model, classes, names), *((unsealed,) if unsealed else ()), *loaded.notes))


def _notes(model: TrainedModel, classes: NetworkLabels, checkpoints: Sequence[str]) -> list[str]:
    """Return what was chosen or left out without the user's word, in one line each."""
    notes = []
    if model.checkpoint is None and not checkpoints[0].endswith(BEST):
        notes.append(f"{model.folder.name} has no {BEST}; {Path(checkpoints[0]).name} is used")
    if classes.left_out:
        left = ", ".join(f"{value} = {name}" for value, name in list(classes.left_out.items())[:8])
        notes.append(f"{len(classes.left_out)} classes of {model.folder.name} count as background: {left}")
    notes += [f"The class {own} is taken as {name}, as declared" for name, own in classes.renamed.items()]
    return notes


def _build(
    model: TrainedModel, classes: NetworkLabels, plans: dict[str, Any], checkpoints: Sequence["Checkpoint"]
) -> LoadedModel:
    """Build the networks as nnU-Net's own predictor does, and fill them."""
    import torch  # noqa: PLC0415 - an optional extra
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager  # noqa: PLC0415

    from nnunet_ext.inference.architecture import build_network, check_code  # noqa: PLC0415 - needs PyTorch

    first = checkpoints[0]
    _check_folds(model, checkpoints)
    manager = PlansManager(plans)
    configuration = manager.get_configuration(first.configuration)
    check_configuration(configuration.configuration, model.folder)
    check_code(configuration.configuration, model.folder, trusted=model.trusted)
    dataset = read_json_object(model.folder / "dataset.json")
    labels, device = manager.get_label_manager(dataset), torch.device(model.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # windows of one shape: cuDNN looks once for the fastest convolutions
    stage = model.first_stage()
    before = None if stage is None else load_model(stage)
    n_channels = 1 if before is None else 1 + len(labels.foreground_labels)
    n_classes = labels.num_segmentation_heads
    network, note = build_network(first.trainer, manager, configuration, n_channels=n_channels, n_classes=n_classes)
    depth, height, width = (int(n) for n in configuration.patch_size)
    return LoadedModel(
        networks=tuple(_filled(network, checkpoint, device, model.folder) for checkpoint in checkpoints),
        device=device,
        classes=classes,
        labels=labels,
        plans=manager,
        configuration=configuration,
        preprocessor=configuration.preprocessor_class(verbose=False),
        patch=(depth, height, width),
        mirror_axes=first.mirror_axes if model.mirroring else (),
        step=model.step,
        training=Training(first.trainer, first.configuration),
        first_stage=before,
        notes=(*([note] if note else []), *(_note(checkpoint) for checkpoint in checkpoints if checkpoint.prefix)),
    )


def _check_folds(model: TrainedModel, checkpoints: Sequence["Checkpoint"]) -> None:
    kinds = {(one.trainer, one.configuration): one.name for one in checkpoints}
    if len(kinds) > 1:
        found = ", ".join(f"{name} of {trainer}, {configuration}" for (trainer, configuration), name in kinds.items())
        msg = f"The folds in {model.folder} are of several trainings ({found}); name folds of one"
        raise InputError(msg)


def _filled(network: Any, checkpoint: "Checkpoint", device: Any, folder: Path) -> Any:
    import torch  # noqa: PLC0415 - an optional extra

    from nnunet_ext.inference.checkpoint import check_weights  # noqa: PLC0415 - needs PyTorch

    check_weights(checkpoint, network.state_dict(), folder)
    network = deepcopy(network)
    network.load_state_dict(checkpoint.weights)
    network.to(device).eval()
    if device.type == "cpu":
        # oneDNN's 3-D convolutions are up to twice as fast in this layout.
        network.to(memory_format=torch.channels_last_3d)
    return network


def _note(checkpoint: "Checkpoint") -> str:
    return f"{checkpoint.name} has {checkpoint.prefix!r} before the name of every weight; it was taken off"
