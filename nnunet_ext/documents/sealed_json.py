"""JSON files of our own that state their hash: what was damaged or changed by hand is not used again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json

_SEAL = "seal"


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with the SHA-256 of its content under ``seal``."""
    write_json(path, {**content, _SEAL: _sha256(content)})


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Return what ``write_sealed`` wrote; None if the file is missing, or is no longer that."""
    if not path.is_file():
        return None
    try:
        content = read_json_object(path)
    except InputError:
        return None
    seal = content.pop(_SEAL, None)
    return content if seal == _sha256(content) else None


def _sha256(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
