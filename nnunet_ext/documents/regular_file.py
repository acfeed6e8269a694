"""Files that can be read to their end: a pipe is waited for, a device never ends, a folder is none.

Lists, tables and cards are also small, and are read whole or refused in one line.
"""

import stat
from pathlib import Path

from nnunet_ext.ground.errors import InputError

LARGEST_BYTES = 1 << 26
"""64 MiB: a list of a million cases. A larger file is a scan, or an archive under another name."""

_SHOWN = 120
"""Letters of a path in a message; a longer one is cut in the middle."""


def refuse_irregular(path: Path, what: str) -> None:
    """Refuse what is there and is no regular file; what is absent is the caller's to refuse.

    Args:
        path: Links are followed.
        what: Such as ``"feature table"``, for the message.

    Raises:
        InputError: If it is a folder, a pipe, a socket or a device, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        msg = f"The {what} at {path!s:.200} cannot be read: {reason}"
        raise InputError(msg) from error
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        msg = f"The {what} at {path} is {kind}, not a file"
        raise InputError(msg)


def read_small(path: Path, what: str, *, if_missing: str, largest: int = LARGEST_BYTES) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: The file.
        what: Its kind, such as ``"case list"``, for the message.
        if_missing: What to do if it is not there, for the message.
        largest: Most bytes that are read.

    Raises:
        InputError: If it is not there, is no regular file (a pipe would be waited for), may not be read, or is larger.
    """
    try:
        _check(path, what, largest)
        with path.open("rb") as stream:
            return stream.read(largest)
    except FileNotFoundError as error:
        broken = " (a link to nothing)" if path.is_symlink() else ""
        msg = f"No {what} at {shown(path)}{broken}; {if_missing}"
        raise InputError(msg) from error
    except OSError as error:
        msg = f"The {what} {shown(path)} cannot be read: {(error.strerror or type(error).__name__).lower()}"
        raise InputError(msg) from error


def _check(path: Path, what: str, largest: int) -> None:
    if "\0" in str(path):
        msg = f"No {what} at {shown(path)!r}: no name holds a null character"
        raise InputError(msg)
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        msg = f"The {what} {shown(path)} is a folder, not a file"
        raise InputError(msg)
    if not stat.S_ISREG(found.st_mode):
        msg = f"The {what} {shown(path)} is a pipe or a device, not a regular file"
        raise InputError(msg)
    if found.st_size > largest:
        msg = f"The {what} {shown(path)} has {found.st_size / 1e6:.0f} MB; at most {largest / 1e6:.0f} MB are read"
        raise InputError(msg)


def shown(path: Path) -> str:
    """Return a path for a message, cut in the middle where it would fill the screen."""
    text = str(path)
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN:]}"
