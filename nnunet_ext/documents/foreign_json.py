"""JSON that someone else may have written: each key once, each number within the range of a float."""

import json
from math import isfinite
from pathlib import Path
from typing import Any

from nnunet_ext.documents.regular_file import read_small
from nnunet_ext.ground.errors import InputError


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    ``json.loads`` takes the last of two equal keys, NaN and Infinity, and reads a number that no float can hold as infinity.

    Raises:
        ValueError: In one line, if it is not JSON in UTF-8, a key is given twice, a number is none that a float can hold, or
            it is nested too deep.
    """
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text  # json itself would take UTF-16 too
        return json.loads(text, parse_constant=_constant, parse_float=_number, object_pairs_hook=_object)
    except RecursionError as error:
        msg = "it is nested too deep"
        raise ValueError(msg) from error
    except UnicodeDecodeError as error:
        msg = "it is not UTF-8"
        raise ValueError(msg) from error
    except json.JSONDecodeError as error:
        msg = f"it is not JSON ({error.msg} in line {error.lineno})"
        raise ValueError(msg) from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds, which may have been another program's or a full disk's meanwhile.

    Raises:
        InputError: If it is missing, no regular file, larger than ``regular_file.LARGEST_BYTES``, what ``parse_json`` refuses,
            or holds something other than an object.
    """
    text = read_small(path, "file", if_missing="copy the folder again")
    try:
        content = parse_json(text)
    except ValueError as error:
        msg = f"{path.name} in {path.parent} is damaged: {str(error)[:160]}"
        raise InputError(msg) from error
    if not isinstance(content, dict):
        kind = _KINDS.get(type(content), "value")
        msg = f"{path.name} in {path.parent} holds a {kind} where an object with keys is wanted"
        raise InputError(msg)
    return content


_KINDS = {list: "list", str: "text", int: "number", float: "number", bool: "truth value", type(None): "null"}


def _constant(name: str) -> None:
    msg = f"it holds {name}, which is no number"
    raise ValueError(msg)


def _number(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        msg = f"it holds {digits[:40]}, which no float can hold"
        raise ValueError(msg)
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        msg = f"it gives the key {next(key for key in keys if keys.count(key) > 1)!r} twice"
        raise ValueError(msg)
    return found
