"""``run.json``: what made a result, to the last setting and version."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nnunet_ext.ground.files import write_json

DISTRIBUTION = "ccrcc-radiomics"

_LIBRARIES = (
    "nnunetv2",
    "torch",
    "pyradiomics",
    "SimpleITK",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "lightgbm",
    "optuna",
    "numba",
)


def versions() -> dict[str, str]:
    """Return the versions of Python, of this project and of the libraries that shape its numbers, where installed."""
    found = {"python": platform.python_version()}
    for name in (DISTRIBUTION, *_LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_record(path: Path, command: str, settings: Mapping[str, Any], **more: Any) -> None:
    """Write a run record atomically.

    Args:
        path: Usually ``run.json`` next to the result.
        command: The ``ccrcc`` command or function that made it.
        settings: Every setting that the result depends on, seed included; paths become text.
        more: Further facts of the run, such as ``stages`` with their seconds.
    """
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    write_json(path, {"command": command, "settings": plain, "versions": versions(), **more})
