"""JSON files that are read back: a person, a full disk or another program may have been at them meanwhile."""

import json
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from nnunet_ext.errors import InputError

LARGEST_MIB = 64
"""Of a JSON file that is read. Plans of nnU-Net take 0.1 MiB, a conversion of a thousand cases 0.2 MiB."""


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        InputError: If the file cannot be read, is larger than ``LARGEST_MIB``, is not UTF-8, is not JSON as the standard has
            it (which knows no NaN and no infinity), names a key twice, or holds something other than an object. The line
            begins with the file's name.
    """
    if not path.is_file():  # a pipe would be waited for
        raise _unusable(path, "is missing, or no regular file")
    try:
        size = path.stat().st_size
        if size > LARGEST_MIB << 20:
            raise _unusable(path, f"has {size >> 20} MiB; at most {LARGEST_MIB} are read")
        text = path.read_bytes().decode("utf-8")
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise _unusable(path, "is not text in UTF-8") from error
    except RecursionError as error:
        raise _unusable(path, "is nested too deeply") from error
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or error}") from error
    except InputError:
        raise
    except ValueError as error:
        raise _unusable(path, f"is damaged: {str(error)[:120]}") from error
    if not isinstance(content, dict):
        raise _unusable(path, f"holds a {_KINDS.get(type(content), 'value')} where an object with keys is wanted")
    return content


_KINDS = {list: "list", str: "text", int: "number", float: "number", bool: "truth value", type(None): "null"}


def _unusable(path: Path, why: str) -> InputError:
    return InputError(f"{path.name} in {path.parent} {why}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        msg = f"the key {next(name for name in names if names.count(name) > 1)[:40]!r} is there twice"
        raise ValueError(msg)
    return content


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        _no_number(digits)
    return value


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is not a number that JSON knows"
    raise ValueError(msg)
