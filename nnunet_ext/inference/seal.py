"""The seal of a network: the SHA-256 of its files as they were at the first use, beside them.

The archive of a checkpoint has a checksum of 32 bits for each part, and ``plans.json`` has none. A copy that was cut short, a
disk that lost a bit, or a file that somebody replaced gives other masks, mostly without an error.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json

SEAL = "ccrcc-seal.json"
"""In the model folder."""


def check_seal(folder: Path, hashes: Mapping[str, str]) -> None:
    """Compare the files of a network with its seal, if it has one.

    Args:
        folder: The model folder.
        hashes: SHA-256 of each file that is used, by its name in the folder.

    Raises:
        InputError: If a file is not what it was at the first use, or the seal is damaged.
    """
    known = _read(folder)
    changed = [name for name, value in hashes.items() if known.get(name, value) != value]
    if changed:
        found, sealed = (str(one[changed[0]])[:12] for one in (hashes, known))
        msg = (
            f"{changed[0]} in {folder} is not the file of its first use (SHA-256 {found}…, sealed {sealed}…): it is damaged "
            f"or was replaced. Copy it again; if it was trained anew, remove {SEAL}"
        )
        raise InputError(msg)


def write_seal(folder: Path, hashes: Mapping[str, str]) -> str | None:
    """Seal files that could be used, once.

    Returns:
        None, or a line that says why the folder could not be sealed: it is not ours to write.
    """
    known = _read(folder)
    if hashes.keys() <= known.keys():
        return None
    try:
        write_json(folder / SEAL, {"sha256": {**known, **hashes}})
    except OSError as error:
        return f"{folder} cannot be sealed ({error.strerror or 'not writable'}): a later change of its files will go unnoticed"
    return None


def _read(folder: Path) -> dict[str, str]:
    if not (folder / SEAL).is_file():
        return {}
    hashes = read_json_object(folder / SEAL).get("sha256")
    if not isinstance(hashes, dict) or not all(isinstance(value, str) for value in hashes.values()):
        msg = f"{SEAL} in {folder} is damaged: {json.dumps(hashes)[:60]}; compare the network with its source and remove it"
        raise InputError(msg)
    return hashes
