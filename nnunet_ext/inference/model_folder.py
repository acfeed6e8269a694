"""The content of ``dataset.json`` and ``plans.json`` in a model folder, checked before nnU-Net uses it."""

import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.network_labels import LabelMap, NetworkLabels, read_labels

READERS = ("SimpleITKIO", "SimpleITKIOWithReorient", "NibabelIO", "NibabelIOWithReorient")
"""nnU-Net's readers of volumes with a place in space; its others read pictures, which have none."""

NORMALISATIONS = ("CTNormalization", "ZScoreNormalization", "RescaleTo01Normalization", "NoNormalization")
"""nnU-Net's ways to prepare grey values that work on HU."""

_CT = re.compile(r"(?<![a-z])ct(?![a-z])", re.IGNORECASE)
"""In the name of a channel, such as ``CT`` or ``CT_portal``."""

_CHANNELS = "foreground_intensity_properties_per_channel"

_INTENSITIES = ("mean", "std", "percentile_00_5", "percentile_99_5")
"""What ``CTNormalization`` clips and scales by, in HU."""


def read_classes(folder: Path, stated: LabelMap | None = None) -> NetworkLabels:
    """Return what the classes of a network stand for, see ``read_labels``.

    Raises:
        InputError: If ``dataset.json`` is damaged, or the network was not trained on one CT channel, or as ``read_labels``.
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
    return read_labels(content, folder, stated)


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
        InputError: If its patch or spacing is not three positive numbers, it lacks a key that is read later, or it prepares
            grey values in an unknown way.
    """
    patch = configuration.get("patch_size")
    if isinstance(patch, list) and len(patch) == len("yx"):
        msg = f"The model in {folder} is nnU-Net's 2-D configuration; name a 3-D one, or use nnUNetv2_predict"
        raise InputError(msg)
    for name, is_right, kind in (("patch_size", _is_int, "whole"), ("spacing", _is_number, "finite")):
        value = configuration.get(name)
        if not isinstance(value, list) or len(value) != len("zyx") or not all(is_right(one) and one > 0 for one in value):
            raise _damaged("plans.json", folder, f"{name} is {_short(value)}, not three positive {kind} numbers")
    for name, wanted, what in (("normalization_schemes", str, "name"), ("use_mask_for_norm", bool, "truth value")):
        value = configuration.get(name)
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], wanted):
            raise _damaged("plans.json", folder, f"{name} is {_short(value)}, not a list of one {what}")
    if (scheme := configuration["normalization_schemes"][0]) not in NORMALISATIONS:
        msg = f"The model in {folder} normalises by {scheme:.80}; known for CT are {', '.join(NORMALISATIONS)}"
        raise InputError(msg)


def _check_channels(channels: Any, folder: Path) -> None:
    if not isinstance(channels, dict) or not all(isinstance(name, str) for name in channels.values()):
        raise _damaged("dataset.json", folder, "it has no object `channel_names` that names the network's input")
    if list(channels) != ["0"] or not _CT.search(channels["0"]):
        found = ", ".join(channels.values()) or "none"
        msg = f"The model in {folder} reads {len(channels)} channels ({found[:80]}); wanted is a model of one channel of CT"
        raise InputError(msg)


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
