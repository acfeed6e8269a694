"""Whether a path names a file that can be read, found out without opening it: a FIFO would keep its reader waiting."""

import errno
import os
import stat
from pathlib import Path

from nnunet_ext.ground.errors import CaseRefused

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}

_ABSENT = {
    errno.ENOENT: "no {what} at {name}",
    errno.ENOTDIR: "no {what} at {name}: part of its path is a file, not a folder",
    errno.ELOOP: "no {what} at {name}: its symbolic links lead in a circle",
    errno.ENAMETOOLONG: "no {what} at {name}: the name is longer than the file system allows",
}
"""What it means that a path cannot be looked up. Any other error may pass, such as a share that is away."""

_LONGEST_NAME = 60
"""Letters of a file name that a message shows."""


def is_there(path: Path) -> bool:
    """Whether the path leads to anything; False also for a name that the system rejects, or a folder that it hides."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def check_file(path: Path, what: str, *, folders: bool = False) -> None:
    """Check that a path leads to a regular file.

    Args:
        path: May be any text that a case list holds.
        what: ``"image"`` or ``"mask"``, for the message.
        folders: Let a folder pass.

    Raises:
        CaseRefused: ``image-missing`` or ``mask-missing``; ``unreadable`` if there is something else than a file;
            ``io-error`` if the system does not report which.
    """
    name = short_name(path)
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except ValueError as error:
        raise CaseRefused(f"{what}-missing", f"no {what} at {name!r}: no file can have that name ({error})") from None
    except OSError as error:
        if error.errno in _ABSENT:
            absent = _ABSENT[error.errno].format(what=what, name=name)
            if error.errno == errno.ENOENT and path.is_symlink():
                absent += ": it is a symbolic link to a file that is not there"
            raise CaseRefused(f"{what}-missing", f"{absent}; check the case list and the data root") from None
        raise CaseRefused("io-error", f"the {what} {name} could not be looked up: {error.strerror}") from error
    if kind == stat.S_IFREG or (folders and kind == stat.S_IFDIR):
        if not os.access(path, os.R_OK):
            raise CaseRefused("io-error", f"the {what} {name} could not be opened: {os.strerror(errno.EACCES)}")
        return
    raise CaseRefused("unreadable", f"the {what} {name} is {_KINDS.get(kind, 'special')}, not a file; name a volume")


def check_data_file(file: Path, header: Path, what: str) -> None:
    """Check that the file of voxels that a header names is there.

    Raises:
        CaseRefused: As ``check_file``.
    """
    try:
        check_file(file, what)
    except CaseRefused as refused:
        reason = refused.reason.removesuffix("; check the case list and the data root")
        raise CaseRefused(refused.code, f"{reason}, where its header {header.name} says") from refused.__cause__


def short_name(path: Path) -> str:
    """Return the name of a file, its middle left out if it is very long."""
    name = path.name
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 :]}"
