"""The structure that each class of a network stands for, as its ``dataset.json`` names it or as the user declares it.

A network that does not distinguish tumours from cysts has masses, whatever its authors call them: ``lesion``, ``renal mass``.
Nothing is guessed. A name that is not understood by whole words is refused, and the user declares what it means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nnunet_ext.cohort.card_labels import check_labels
from nnunet_ext.dicom_masks.structure_names import structure_name_of, tokens
from nnunet_ext.dicom_masks.vocabulary import KIDNEY
from nnunet_ext.ground.case import Labels, label_values
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import STRUCTURES, Label

_NO_CLASS = ("background", "ignore")
"""Labels that nnU-Net's networks do not write."""


@dataclass(frozen=True)
class LabelMap:
    """The classes of a network that the user declares to be a structure; other classes are background.

    Args:
        values: Structure and its classes, in the order of ``STRUCTURES``.
    """

    values: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, labels: Labels) -> Self:
        """Return a declaration such as ``{"kidney": (2, 3), "mass": 4}``.

        Raises:
            InputError: As ``check_labels``.
        """
        known = check_labels(labels)
        return cls(tuple((name, label_values(known[name])) for name in STRUCTURES if name in known))

    def __str__(self) -> str:
        return ",".join(f"{name}={','.join(map(str, values))}" for name, values in self.values)


@dataclass(frozen=True)
class NetworkLabels:
    """The classes of a network.

    Args:
        names: The network's own name of each class that it writes, without the background.
        values: Classes of each structure.
    """

    names: Mapping[int, str]
    values: Mapping[str, tuple[int, ...]]

    @property
    def left_out(self) -> dict[int, str]:
        """Classes that no structure has: they count as background."""
        used = {value for values in self.values.values() for value in values}
        return {value: name for value, name in self.names.items() if value not in used}

    @property
    def renamed(self) -> dict[str, str]:
        """Structures that the user declared, and the network's own names where they read as another structure."""
        found = {name: [self.names[value] for value in values] for name, values in self.values.items()}
        return {
            name: ", ".join(own)
            for name, own in found.items()
            if any((reading := structure_name_of(one)) is not None and reading != name for one in own)
        }

    def canonical(self) -> npt.NDArray[np.uint8]:
        """Return the ``Label`` value of each class, shape ``(256,)``."""
        labels = np.full(256, Label.BACKGROUND, np.uint8)
        for name, values in self.values.items():
            labels[list(values)] = STRUCTURES[name]
        return labels


def read_labels(content: Mapping[str, Any], folder: Path, stated: LabelMap | None) -> NetworkLabels:
    """Return what the classes of a network stand for.

    A network that learnt labels writes them; one that learnt nested regions writes the value that ``regions_class_order`` has
    for each, so that a region is what is left of it once the regions written later are taken off.

    Args:
        content: Of ``dataset.json``, which has the object ``labels``.
        folder: Of the network, for messages.
        stated: The user's declaration, which is taken at its word.

    Raises:
        InputError: If the labels are not what nnU-Net trains on, one has a name that is not understood and the user declared
            none, or the user declared a class that the network does not have.
    """
    found = {name: value for name, value in content["labels"].items() if name not in _NO_CLASS}
    values = _class_values(found, content.get("regions_class_order"))
    if values is None:
        msg = f"The model in {folder} segments {_short(found)}; wanted are labels numbered from 1, or regions with their order"
        raise InputError(msg)
    names = dict(zip(values, found, strict=True))
    if stated is not None:
        return _declared(names, folder, stated)
    is_nested = any(isinstance(value, list) for value in found.values())
    read = _of_regions(found, values) if is_nested else {name: structure_name_of(name) for name in found}
    classes: dict[str, tuple[int, ...]] = {}
    for name, value in zip(found, values, strict=True):
        structure = read[name]
        if structure is None:
            raise _not_understood(names, name, folder)
        classes[structure] = (*classes.get(structure, ()), value)
    if "mass" in classes and ("tumour" in classes or "cyst" in classes):
        raise _not_understood(names, next(name for name in found if read[name] == "mass"), folder)
    return NetworkLabels(names, classes)


def _declared(names: Mapping[int, str], folder: Path, stated: LabelMap) -> NetworkLabels:
    for structure, values in stated.values:
        for value in values:
            if value not in names:
                msg = f"The model in {folder} has no class {value}, declared to be {structure}; it has {_listed(names)}"
                raise InputError(msg)
    return NetworkLabels(names, dict(stated.values))


def _not_understood(names: Mapping[int, str], name: str, folder: Path) -> InputError:
    return InputError(
        f"The model in {folder} segments {_listed(names)}; {name[:40]!r} is no name of a structure. Declare which classes are "
        "kidney, tumour and cyst, or mass where these two are not distinguished, such as --labels kidney=1,mass=2"
    )


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(f"{value} = {name[:40]}" for value, name in list(names.items())[:12]) + (", …" if len(names) > 12 else "")


def _of_regions(regions: Mapping[str, Any], values: Sequence[int]) -> dict[str, str | None]:
    """Return what is left of each region: the kidney of ``kidney_and_masses``, the cysts of ``masses`` around a tumour."""
    read = {name: "kidney" if _is_organ(name) else structure_name_of(name) for name in regions}
    if "mass" in read.values() and "tumour" in read.values():
        read = {name: "cyst" if structure == "mass" else structure for name, structure in read.items()}
    elif "mass" in read.values() and "cyst" in read.values():
        read = {name: "tumour" if structure == "mass" else structure for name, structure in read.items()}
    return read if len(set(values)) == len(regions) and len(set(read.values())) == len(read) else dict.fromkeys(regions)


def _is_organ(name: str) -> bool:
    """Return whether a region is named for the whole kidney, such as ``Kidney`` or ``kidney_and_masses``."""
    words = tokens(name)
    return bool(set(words) & KIDNEY) and (structure_name_of(name) == "kidney" or bool(set(words) & {"and", "with", "plus"}))


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
    return order if is_right and max(order) < 256 and all(_is_int(one) for region in held for one in region) else None


def _has_regions(labels: Mapping[str, Any]) -> bool:
    """Return whether the network learnt nested regions, by the same rule as nnU-Net."""
    return any(isinstance(value, list) and len(value) > 1 for value in labels.values())


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _short(value: Any, most: int = 100) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"
