"""Masks of software that segments many organs: the kidneys and their lesions of a folder of structures, or of one file."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.dicom_masks.structure_names import structure_name_of
from nnunet_ext.ground.case import Labels, label_values
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import STRUCTURES, Label, lesion_name
from nnunet_ext.volumes.nifti import write_nifti
from nnunet_ext.volumes.volume_file import read_volume

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Of the files of a folder of structures, such as ``kidney_left.nii.gz``."""

_ORDER = ("kidney", "cyst", "mass", "tumour")
"""Where structures overlap, the last one stays."""


def structure_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a folder that are named for one of our structures, by structure.

    The name states the structure by whole words, in any case: ``kidney_left`` and ``kidney_right`` are the kidneys,
    ``kidney_cyst_left`` is a cyst. Files of other organs are passed over.

    Raises:
        InputError: If there is none.
    """
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        suffix = next((one for one in SUFFIXES if file.name.casefold().endswith(one)), None)
        if suffix is None or file.name.startswith("."):
            continue
        structure = structure_name_of(file.name[: -len(suffix)])
        if structure is not None:
            found.setdefault(structure, []).append(file)
    if not found:
        msg = f"{folder} holds no mask that is named for a kidney, a tumour, a cyst or a mass, such as kidney_left.nii.gz"
        raise InputError(msg)
    return found


def write_organ_mask(source: Path, out: Path, labels: Labels) -> set[str]:
    """Write the mask of our structures with ``Label`` values, and nothing of other organs.

    Args:
        source: Folder of structures, or one file with a value for each organ.
        out: The mask to be written.
        labels: Values of our structures in a file; a folder has their names.

    Returns:
        The structures that the source can hold.

    Raises:
        CaseRefused: If a file cannot be read, or those of a folder do not lie on one grid.
        InputError: If a folder holds none of our structures.
    """
    parts = structure_files(source) if source.is_dir() else None
    image, values = _of_folder(parts) if parts is not None else _of_file(source, labels)
    mask = sitk.GetImageFromArray(values)
    mask.CopyInformation(image)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(mask, out)
    return set(parts if parts is not None else labels)


def _of_file(file: Path, labels: Labels) -> tuple[sitk.Image, npt.NDArray[np.uint8]]:
    image = read_volume(file, "mask").image
    stored = sitk.GetArrayViewFromImage(image)
    values = np.zeros(stored.shape, np.uint8)
    for name, drawn in labels.items():
        values[np.isin(stored, label_values(drawn))] = STRUCTURES[name]
    return image, values


def _of_folder(parts: Mapping[str, list[Path]]) -> tuple[sitk.Image, npt.NDArray[np.uint8]]:
    masses = lesion_name(parts) == "mass"
    first: sitk.Image | None = None
    values: npt.NDArray[np.uint8] | None = None
    for name, file in _in_order(parts):
        image = read_volume(file, "mask").image
        stored = sitk.GetArrayViewFromImage(image)
        if first is None or values is None:
            first, values = image, np.zeros(stored.shape, np.uint8)
        elif not _on_one_grid(image, first):
            reason = f"{file.name} lies on another grid than the other structures of its folder"
            raise CaseRefused("mask-shape", reason)
        values[stored > 0] = Label.MASS if masses and name != "kidney" else STRUCTURES[name]
    assert first is not None  # noqa: S101 - there is a file
    assert values is not None  # noqa: S101
    return first, values


def _in_order(parts: Mapping[str, list[Path]]) -> Iterator[tuple[str, Path]]:
    for name in _ORDER:
        for file in parts.get(name, ()):
            yield name, file


def _on_one_grid(image: sitk.Image, other: sitk.Image) -> bool:
    return image.GetSize() == other.GetSize() and all(
        np.allclose(getattr(image, get)(), getattr(other, get)(), atol=1e-3)
        for get in ("GetSpacing", "GetOrigin", "GetDirection")
    )
