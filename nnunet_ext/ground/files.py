"""Files that are either whole or absent, and their hashes."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

AnyPath: TypeAlias = str | os.PathLike[str]
"""How a user names a file or a folder."""

TEMPORARY = ".writing-"
"""How the names of unfinished files and folders begin; readers pass over them."""


@contextmanager
def atomic_path(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Yield a temporary path next to ``path`` that takes its name once the block ends without an error.

    The temporary name keeps every suffix of ``path``, which writers such as SimpleITK choose their format by. A link is
    followed: the file that it leads to is replaced, not the link. The file is its owner's alone until it is whole, and gets
    ``mode`` then.

    Raises:
        OSError: If the file cannot be written; it names ``path``, not the temporary file.
    """
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, suffix="".join(path.suffixes), dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename in {None, name}:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def is_hidden(path: Path) -> bool:
    """Whether a file is no part of a folder's content: unfinished, or what a system leaves, such as ``.DS_Store``."""
    return path.name.startswith(".")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` atomically, indented, with keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path, *more: Path) -> str:
    """Return the SHA-256 of a file and of more after it, or of a folder's files in the order of their names; hexadecimal.

    Hidden files of a folder do not count: what a system or a killed run leaves there does not change a series.
    """
    digest = hashlib.sha256()
    of_folder = () if path.is_file() else (file for file in path.iterdir() if file.is_file() and not is_hidden(file))
    files = [path, *more] if path.is_file() else sorted(of_folder)
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
