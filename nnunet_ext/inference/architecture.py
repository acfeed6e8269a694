"""The network that a training built: by its trainer where that is installed, else as ``plans.json`` describes it."""

from collections.abc import Mapping
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any

from nnunet_ext.ground.errors import InputError

LIBRARIES = ("dynamic_network_architectures.", "torch.nn.", "nnunet_mednext.")
"""Where the classes come from that plans name: stock networks (ResEnc and Primus too), and MedNeXt's own package."""


def build_network(trainer: str, plans: Any, configuration: Any, *, n_channels: int, n_classes: int) -> tuple[Any, str | None]:
    """Return a network without weights, and a line if it was not its own trainer that built it.

    Args:
        trainer: Name of the trainer's class, as the checkpoint has it.
        plans: nnU-Net's ``PlansManager``.
        configuration: nnU-Net's ``ConfigurationManager``.
        n_channels: Of the input.
        n_classes: Of the output.
    """
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: PLC0415 - an optional extra
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name  # noqa: PLC0415

    note = None
    try:
        build = recursive_find_trainer_class_by_name(trainer).build_network_architecture
    except RuntimeError:
        build = nnUNetTrainer.build_network_architecture
        note = (
            f"The trainer {trainer:.80} is not installed here; its network is built as plans.json describes it, and all "
            "weights fit. Whether that trainer changed what has no weights, such as the activation, cannot be seen"
        )
    if "plans_manager" in signature(build).parameters:
        return build(plans, configuration, n_channels, n_classes, enable_deep_supervision=False), note
    architecture = (
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
    )
    return build(*architecture, n_channels, n_classes, enable_deep_supervision=False), note


def check_code(configuration: Mapping[str, Any], folder: Path, *, trusted: bool) -> None:
    """Refuse plans whose network cannot be built here, or is of an unknown library: it would be imported and called.

    Args:
        configuration: Of the plans, inheritance resolved.
        folder: Of the model, for messages.
        trusted: Whether any library may be imported.

    Raises:
        InputError: If so.
    """
    architecture = configuration.get("architecture")
    if not isinstance(architecture, dict):
        return  # plans of an older form name a network of nnU-Net's own
    kwargs, imported = architecture.get("arch_kwargs"), architecture.get("_kw_requires_import")
    if not isinstance(kwargs, dict) or not isinstance(imported, list) or not all(isinstance(name, str) for name in imported):
        found = repr(architecture)[:100]
        msg = f"plans.json in {folder} is damaged: the architecture is {found}"
        raise InputError(msg)
    named = [architecture.get("network_class_name"), *(kwargs.get(name) for name in imported)]
    for name in (name for name in named if name is not None):
        if not trusted and (not isinstance(name, str) or not name.startswith(LIBRARIES)):
            msg = (
                f"plans.json in {folder} names {repr(name)[:100]}, which is none of {', '.join(LIBRARIES)} and would run; if "
                "you trust the author, load it with --trust-checkpoint (trusted=True)"
            )
            raise InputError(msg)
        _check_installed(str(name), folder)


def _check_installed(name: str, folder: Path) -> None:
    package = name.partition(".")[0]
    if package.isidentifier() and find_spec(package) is None:
        msg = f"The network in {folder} is {name:.100}, and the package {package} is not installed here; install it first"
        raise InputError(msg)
    found: object
    try:
        found = locate(name)
    except ErrorDuringImport as error:
        msg = f"The network in {folder} is {name:.100}, which cannot be imported here: {str(error.value)[:100]}"
        raise InputError(msg) from error
    if found is None and not _has_moved(name):
        msg = f"The network in {folder} is {name:.100}, which the installed {package} does not have; another version may"
        raise InputError(msg)


def _has_moved(name: str) -> bool:
    """Return whether nnU-Net would find a class of this name elsewhere in its library, as for plans of older versions."""
    import dynamic_network_architectures  # noqa: PLC0415 - an optional extra
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class  # noqa: PLC0415

    package = "dynamic_network_architectures.architectures"
    place = str(Path(dynamic_network_architectures.__path__[0]) / "architectures")
    return recursive_find_python_class(place, name.rpartition(".")[2], package) is not None
