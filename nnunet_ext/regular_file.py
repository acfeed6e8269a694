"""Files that can be read to their end: a pipe is waited for, a device never ends, a folder is none."""

import stat
from pathlib import Path

from nnunet_ext.errors import InputError


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
