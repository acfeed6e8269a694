"""Checks of the place of a result: made before hours of work, so that a wrong path or a full disk does not end them."""

import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import TEMPORARY

TABLE_BYTES = 1 << 20
"""Free space that a small table needs. Ours: a disk with less is full for all practical purposes."""

RESULT_BYTES = 50 << 20
"""Free space that a model, a report or a folder of tables needs. Ours; the largest model folder of the tests has 2 MB."""

_PROBE_BYTES = 4096
"""Written to see whether the disk takes anything: a block, since a quota may leave the free space of the disk unchanged."""

_LONGEST_NAME = 255
"""Bytes in a name where the system does not say; that of ext4, XFS, NTFS and APFS."""

_STALE_S = 86_400
"""Age from which the unfinished file of a run that was killed is removed. No file of ours takes a day to be written."""


def try_file(path: Path, *, option: str = "--out", beside: Sequence[str] = (), least_bytes: int = TABLE_BYTES) -> None:
    """Try whether a file can be written, and leave nothing behind.

    Args:
        path: Of the file; it may exist, and its folder need not.
        option: That named it.
        beside: Names of the files that are written next to it.
        least_bytes: That have to be free on its disk.

    Raises:
        InputError: If there is a folder, a device or a protected file of that name, a name is too long, the disk is full or
            read-only, or the folder cannot be made.
    """
    _check_text(path, option)
    try:
        target = _target(path, option)
        if target.is_dir():
            raise _refused(path, option, "it is a folder; name a file in it")
        if target.exists() and not target.is_file():
            raise _refused(path, option, "it is a device or a pipe, not a file")
        if target.exists() and not target.stat().st_mode & stat.S_IWUSR:
            raise _refused(path, option, "the file that is there is write-protected")
        unfinished = f"{TEMPORARY}12345678{''.join(target.suffixes)}"
        _try_names(target, [target.name, unfinished, *beside], option)
        _try_writing(target.parent, path, option, least_bytes)
    except OSError as error:
        raise _refused(path, option, error.strerror or str(error)) from error


def try_folder(path: Path, *, option: str = "--out", least_bytes: int = RESULT_BYTES) -> None:
    """Try whether files can be written to a folder, which is not made yet.

    Args:
        path: Of the folder.
        option: That named it.
        least_bytes: That have to be free on its disk.

    Raises:
        InputError: As ``try_file``.
    """
    _check_text(path, option)
    try:
        target = _target(path, option)
        if target.exists() and not target.is_dir():
            raise _refused(path, option, "there is a file of that name, not a folder")
        _try_writing(target, path, option, least_bytes)
    except OSError as error:
        raise _refused(path, option, error.strerror or str(error)) from error


def _refused(path: Path, option: str, reason: str) -> InputError:
    text = str(path) if len(str(path)) <= 200 else f"{str(path)[:80]}…{str(path)[-80:]}"
    return InputError(f"Nothing can be written to {option} {text!r}: {reason}; choose another place, or make room there")


def _check_text(path: Path, option: str) -> None:
    """Refuse a path that cannot name a file."""
    if "\0" in str(path):
        raise _refused(path, option, "a name holds no NUL byte")
    if not str(path).strip():
        raise _refused(path, option, "it is empty")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        msg = f"The path of {option} is not UTF-8 text, so no record could state it; choose another name"
        raise InputError(msg) from error


def _target(path: Path, option: str) -> Path:
    """Return where a link leads, or the path itself."""
    if not path.is_symlink():
        return path
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise _refused(path, option, "it is a link that leads nowhere") from error


def _try_names(path: Path, names: Sequence[str], option: str) -> None:
    longest = _longest_name(_existing(path.parent))
    for name in names:
        if len(os.fsencode(name)) > longest:
            raise _refused(path, option, f"the name of a file there would be longer than {longest} bytes")


def _try_writing(folder: Path, path: Path, option: str, least_bytes: int) -> None:
    """Write a block to the folder, or to the nearest one above it that exists, and look at what room it has."""
    place = _existing(folder)
    if not place.is_dir():
        raise _refused(path, option, f"{place.name} is a file, not a folder")
    _try_names(path, [part.name for part in _missing(folder)], option)
    remove_unfinished(place)
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=place)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(b"\0" * _PROBE_BYTES)
            stream.flush()
            os.fsync(stream.fileno())
    finally:
        Path(name).unlink(missing_ok=True)
    room = shutil.disk_usage(place)
    if room.total and room.free < least_bytes:
        raise _refused(path, option, f"its disk has {room.free / 1e6:.0f} MB free, and {least_bytes / 1e6:.0f} MB are needed")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest thing above it that exists."""
    while not folder.exists() and folder != folder.parent:
        if folder.is_symlink():
            raise OSError(0, "a link above it leads nowhere", str(folder))
        folder = folder.parent
    return folder


def _missing(folder: Path) -> Iterator[Path]:
    while not folder.exists() and folder != folder.parent:
        yield folder
        folder = folder.parent


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return _LONGEST_NAME


@contextmanager
def reserve(folder: Path, n_bytes: int = RESULT_BYTES) -> Iterator[None]:
    """Hold room on a disk while the block runs, so that its result can be written after it even if the disk fills.

    The file has no name where the system allows it: whatever ends the process gives the room back.

    Args:
        folder: There already.
        n_bytes: To be held.

    Raises:
        InputError: If there is no such room.
    """
    with tempfile.TemporaryFile(prefix=TEMPORARY, dir=folder) as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:  # a file system that holds nothing in advance
                why = f"{n_bytes / 1e6:.0f} MB cannot be held there: {error.strerror}"
                raise _refused(folder, "--out", why) from error
        yield


def remove_unfinished(folder: Path) -> None:
    """Remove unfinished files that a killed run left in a folder more than a day ago; younger ones may be another run's."""
    for file in folder.glob(f"{TEMPORARY}*"):
        try:
            if file.is_file() and time.time() - file.stat().st_mtime > _STALE_S:
                file.unlink()
        except OSError:  # another run's, or another's; readers pass over it
            continue
