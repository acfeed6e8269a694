"""What is installed here and can be used: the machine, this package's extras, and nnU-Net's folders."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

EXTRAS = {"nnunet": "nnunetv2", "dicom": "highdicom", "pyradiomics": "pyradiomics", "cluster": "distributed"}
"""The package that each extra brings."""

NNUNET_FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
"""Variables that nnU-Net's own commands need; segmentation does without."""


@dataclass(frozen=True)
class Installation:
    """This machine and this Python.

    Args:
        system: Operating system and processor.
        cores: That this process may use.
        memory_bytes: Of the machine; None where it is not known.
        extras: Version of the package of each extra, None where it is not installed.
        nnunet_folders: Path of each variable, None where it is not set.
    """

    system: str
    cores: int
    memory_bytes: int | None
    extras: dict[str, str | None]
    nnunet_folders: dict[str, str | None]


def installation() -> Installation:
    """Return what is here, without importing any extra."""
    return Installation(
        system=f"{platform.system()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        extras={extra: _version(package) for extra, package in EXTRAS.items()},
        nnunet_folders={name: os.environ.get(name) for name in NNUNET_FOLDERS},
    )


def missing_folders(found: Installation) -> list[str]:
    """Return the variables of nnU-Net that name no folder."""
    return [name for name, path in found.nnunet_folders.items() if path is not None and not Path(path).is_dir()]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory_bytes() -> int | None:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
