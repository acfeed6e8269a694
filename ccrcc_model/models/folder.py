"""A folder that is whole and unchanged, or is refused: every file's SHA-256 is checked before anything is parsed.

``manifest.json`` lists the hashes of all other files, ``manifest.sha256`` holds its own. Together they notice damage, not
forgery: whoever can write the folder can write both. The hash of the manifest is the model's id; a report that prints it
names exactly one model.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_ext.documents.foreign_json import parse_json
from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.errors import InputError

FORMAT = 5
"""Version of the folder's layout; any other is refused."""
MODEL_BYTES = 20 << 20
"""Room that a fit holds for the model on its disk, ten times that of a usual one."""
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
BINARY = "binary"
"""Kind of a model that answers yes or no; its manifest need not say so."""
KINDS = (BINARY, "ordinal", "regression")


def seal(files: Mapping[str, str], manifest: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """Return the model's id, its manifest as it is read back, and the content of every file of its folder.

    Args:
        files: Text of each file by name.
        manifest: Further content of the manifest.
    """
    contents = {name: text.encode() for name, text in files.items()}
    sealed = {"format": FORMAT, **manifest, "files": {name: _digest(content) for name, content in contents.items()}}
    contents[MANIFEST] = (json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    model_id = _digest(contents[MANIFEST])
    contents[SEAL] = f"{model_id}\n".encode()
    return model_id, json.loads(contents[MANIFEST]), contents


def write_model_folder(folder: Path, files: Mapping[str, str], manifest: Mapping[str, Any]) -> None:
    """Write a sealed folder that appears whole or not at all.

    Args:
        folder: Must not exist, or be empty.
        files: Text of each file by name.
        manifest: Further content of the manifest.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        for name, content in seal(files, manifest)[2].items():
            (temporary / name).write_bytes(content)
        temporary.chmod(0o755)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_model_folder(folder: Path) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Read a sealed folder.

    Args:
        folder: As ``write_model_folder`` wrote it.

    Returns:
        The model's id, its manifest, and the text of every file by name.

    Raises:
        InputError: If a file is missing, changed, or not one of the model's, if a newer version wrote the folder, or if it
            is of an unknown kind.
    """
    manifest_id, manifest = _read_manifest(folder)
    version = manifest.get("format")
    if version != FORMAT:
        remedy = "update the software" if isinstance(version, int) and version > FORMAT else "fit it again"
        msg = f"The model in {folder} has format {version}, this version reads {FORMAT}: {remedy}"
        raise InputError(msg)
    _refuse_unknown_kind(folder, manifest)
    hashes = _hashes(folder, manifest)
    present = {path.name for path in folder.iterdir()} - {MANIFEST, SEAL}
    if missing := sorted(set(hashes) - present):
        msg = f"The model in {folder} is not whole: {missing[0]} is missing ({len(missing)} files in all); copy it again"
        raise InputError(msg)
    if extra := sorted(present - set(hashes)):
        msg = f"The model in {folder} holds {extra[0]}, which is not part of it ({len(extra)} files in all); remove it"
        raise InputError(msg)
    contents = {name: _read(folder / name) for name in hashes}
    changed = [name for name, content in contents.items() if _digest(content) != hashes[name]]
    if changed:
        msg = f"The model in {folder} was changed: {changed[0]} differs from what was locked; copy the model again"
        raise InputError(msg)
    return manifest_id, manifest, {name: _text(folder / name, content) for name, content in contents.items()}


def _refuse_unknown_kind(folder: Path, manifest: Mapping[str, Any]) -> None:
    if (kind := manifest.get("kind", BINARY)) not in KINDS:
        msg = f"The model in {folder} is of the kind {kind!r:.40}; known ones are {', '.join(KINDS)}"
        raise InputError(msg)


def _read_manifest(folder: Path) -> tuple[str, dict[str, Any]]:
    for name in (MANIFEST, SEAL):
        refuse_irregular(folder / name, "model's file")
        if not (folder / name).is_file():
            msg = f"No model at {folder}: {name} is missing; make a model with `ccrcc fit`"
            raise InputError(msg)
    content, seal = _read(folder / MANIFEST), _read(folder / SEAL)
    manifest_id = _digest(content)
    if seal != f"{manifest_id}\n".encode():
        msg = f"The model in {folder} was changed: {MANIFEST} and {SEAL} do not match; copy the model again"
        raise InputError(msg)
    try:
        manifest = parse_json(content)
    except ValueError as error:
        msg = f"The model in {folder} is damaged: {MANIFEST} is not JSON; copy the model again ({error})"
        raise InputError(msg) from error
    if not isinstance(manifest, dict):
        msg = f"The model in {folder} is damaged: {MANIFEST} is no manifest; copy the model again"
        raise InputError(msg)
    return manifest_id, manifest


def _hashes(folder: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of each file, where the manifest holds what could be one."""
    hashes = manifest.get("files")
    if not isinstance(hashes, dict) or not all(_is_file_name(name) and isinstance(one, str) for name, one in hashes.items()):
        msg = f"The model in {folder} is damaged: {MANIFEST} does not list its files; copy the model again"
        raise InputError(msg)
    return hashes


def _is_file_name(name: str) -> bool:
    return Path(name).name == name and name not in (MANIFEST, SEAL)


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        msg = f"{path} is part of no model of ours: it is not UTF-8; copy the model again"
        raise InputError(msg) from error


def _read(path: Path) -> bytes:
    refuse_irregular(path, "model's file")
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise InputError(msg) from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
