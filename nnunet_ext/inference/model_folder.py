"""The content of ``dataset.json`` and ``plans.json`` in a model folder, checked before nnU-Net uses it."""

import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import STRUCTURES

READERS = ("SimpleITKIO", "SimpleITKIOWithReorient", "NibabelIO", "NibabelIOWithReorient")
"""nnU-Net's readers of volumes with a place in space; its others read pictures, which have none."""

_STRUCTURE_OF_REGION = {"kidney_and_masses": "kidney", "masses": "cyst"}
"""What is left of a region that holds others: see ``nnunet_ext.convert.nnunet.class_regions``."""

_CT = re.compile(r"(?<![a-z])ct(?![a-z])", re.IGNORECASE)
"""In the name of a channel, such as ``CT`` or ``CT_portal``."""

_CHANNELS = "foreground_intensity_properties_per_channel"

_LIBRARIES = ("dynamic_network_architectures.", "torch.nn.")
"""Where the classes come from that the plans of stock networks name."""

_INTENSITIES = ("mean", "std", "percentile_00_5", "percentile_99_5")
"""What ``CTNormalization`` clips and scales by, in HU."""


def read_classes(folder: Path) -> dict[str, int]:
    """Return the network's class of each structure: its label or, if it learnt regions, the one that its region writes.

    Raises:
        InputError: If ``dataset.json`` is damaged, or the network was not trained on one CT channel, or on other labels than
            kidney, tumour and cyst, alone or as KiTS's regions.
    """
    content = read_json_object(folder / "dataset.json")
    _check_channels(content.get("channel_names", content.get("modality")), folder)
    if not isinstance(content.get("file_ending", ".nii.gz"), str):
        raise _damaged("dataset.json", folder, f"file_ending is {_short(content['file_ending'])}, not a text")
    labels = content.get("labels")
    if not isinstance(labels, dict):
        raise _damaged("dataset.json", folder, "it has no object `labels`")
    if not _is_int(labels.get("background", 0)) or labels.get("background", 0) != 0:
        raise _damaged("dataset.json", folder, f"background is {_short(labels['background'])}, not 0")
    found = {name: value for name, value in labels.items() if name != "background"}
    values = _class_values(found, content.get("regions_class_order"))
    structures = list(found)
    if any(isinstance(value, list) for value in found.values()) and ("masses" not in found or "tumour" in found):
        structures = [_STRUCTURE_OF_REGION.get(name, name) for name in found]  # masses without tumours are not cysts
    if values is None or not set(structures) <= set(STRUCTURES) or len(set(structures)) < len(structures):
        msg = (
            f"The model in {folder} segments {_short(found)}; wanted are labels of {', '.join(STRUCTURES)} numbered from 1, "
            "or the regions that `ccrcc convert --regions` writes"
        )
        raise InputError(msg)
    return dict(zip(structures, values, strict=True))


def read_plans(folder: Path) -> dict[str, Any]:
    """Return ``plans.json``, whose parts that every configuration shares were checked.

    Raises:
        InputError: If it is damaged, or lacks what nnU-Net takes from it.
    """
    plans = read_json_object(folder / "plans.json")
    configurations = plans.get("configurations")
    if not isinstance(configurations, dict) or not all(isinstance(one, dict) for one in configurations.values()):
        raise _damaged("plans.json", folder, "it has no object `configurations` of objects")
    for name in ("transpose_forward", "transpose_backward"):
        order = plans.get(name)
        if not isinstance(order, list) or not all(map(_is_int, order)) or sorted(order) not in ([0, 1, 2], [0, 1]):
            raise _damaged("plans.json", folder, f"{name} is {_short(order)}, not an order of the axes 0, 1 and 2")
    if plans.get("image_reader_writer") not in READERS:
        reader = _short(plans.get("image_reader_writer"))
        raise _damaged("plans.json", folder, f"image_reader_writer is {reader}; known ones are {', '.join(READERS)}")
    _check_intensities(plans, folder)
    return plans


def check_configuration(configuration: Mapping[str, Any], folder: Path) -> None:
    """Refuse a configuration of the plans, inheritance resolved, that is not of one 3-D volume.

    Raises:
        InputError: If its patch or spacing is not three positive numbers, or it lacks a key that is read later.
    """
    patch = configuration.get("patch_size")
    if (isinstance(patch, list) and len(patch) == len("yx")) or configuration.get("previous_stage") is not None:
        kind = "nnU-Net's 2-D configuration or a cascade's second stage"
        msg = f"The model in {folder} is {kind}; name another, or use nnUNetv2_predict"
        raise InputError(msg)
    for name, is_right, kind in (("patch_size", _is_int, "whole"), ("spacing", _is_number, "finite")):
        value = configuration.get(name)
        if not isinstance(value, list) or len(value) != len("zyx") or not all(is_right(one) and one > 0 for one in value):
            raise _damaged("plans.json", folder, f"{name} is {_short(value)}, not three positive {kind} numbers")
    for name, wanted, what in (("normalization_schemes", str, "name"), ("use_mask_for_norm", bool, "truth value")):
        value = configuration.get(name)
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], wanted):
            raise _damaged("plans.json", folder, f"{name} is {_short(value)}, not a list of one {what}")


def check_code(configuration: Mapping[str, Any], folder: Path) -> None:
    """Refuse plans whose network is of another library than nnU-Net's: it would be imported and called, whatever it is.

    Raises:
        InputError: If so.
    """
    architecture = configuration.get("architecture")
    if not isinstance(architecture, dict):
        return  # plans of an older form name a network of nnU-Net's own
    kwargs, imported = architecture.get("arch_kwargs"), architecture.get("_kw_requires_import")
    if not isinstance(kwargs, dict) or not isinstance(imported, list) or not all(isinstance(name, str) for name in imported):
        raise _damaged("plans.json", folder, f"the architecture is {_short(architecture)}")
    named = [architecture.get("network_class_name"), *(kwargs.get(name) for name in imported)]
    for name in (name for name in named if name is not None):
        if not isinstance(name, str) or not name.startswith(_LIBRARIES):
            msg = (
                f"plans.json in {folder} names {_short(name)}, which is none of {', '.join(_LIBRARIES)} and would run; if you "
                "trust the author, load it with --trust-checkpoint (trusted=True)"
            )
            raise InputError(msg)


def _check_channels(channels: Any, folder: Path) -> None:
    if not isinstance(channels, dict) or not all(isinstance(name, str) for name in channels.values()):
        raise _damaged("dataset.json", folder, "it has no object `channel_names` that names the network's input")
    if list(channels) != ["0"] or not _CT.search(channels["0"]):
        found = ", ".join(channels.values()) or "none"
        msg = f"The model in {folder} reads {len(channels)} channels ({found[:80]}); wanted is a model of one channel of CT"
        raise InputError(msg)


def _has_regions(labels: Mapping[str, Any]) -> bool:
    """Return whether the network learnt nested regions, by the same rule as nnU-Net."""
    return any(isinstance(value, list) and len(value) > 1 for value in labels.values())


def _class_values(labels: Mapping[str, Any], order: Any) -> list[int] | None:
    """Return the value that each label or region writes, None if they are not what nnU-Net trains on."""
    if not _has_regions(labels):
        values = [value[0] if isinstance(value, list) and value else value for value in labels.values()]
        is_right = values and all(map(_is_int, values)) and sorted(values) == list(range(1, len(values) + 1))
        return values if is_right else None
    held = [value if isinstance(value, list) else [value] for value in labels.values()]
    if not isinstance(order, list) or len(order) != len(held) or not all(map(_is_int, order)) or min(order) < 1:
        return None
    is_right = all(value in region for value, region in zip(order, held, strict=True)) and len(set(order)) == len(order)
    return order if is_right and all(_is_int(one) for region in held for one in region) else None


def _check_intensities(plans: Mapping[str, Any], folder: Path) -> None:
    channels = plans.get(_CHANNELS, plans.get("foreground_intensity_properties_by_modality"))
    known = channels.get("0") if isinstance(channels, dict) else None
    if not isinstance(known, dict):
        raise _damaged("plans.json", folder, f"it has no {_CHANNELS} of channel 0")
    mean, std, low, high = (known.get(name) for name in _INTENSITIES)
    if not all(map(_is_number, (mean, std, low, high))) or std <= 0 or low >= high:  # type: ignore[operator]
        found = {name: known.get(name) for name in _INTENSITIES}
        raise _damaged("plans.json", folder, f"the intensities of channel 0 are {_short(found)}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _short(value: Any, most: int = 100) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def _damaged(name: str, folder: Path, why: str) -> InputError:
    return InputError(f"{name} in {folder} is damaged: {why}")
