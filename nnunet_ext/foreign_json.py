"""JSON that someone else may have written: each key once, each number one that a float can hold."""

import json
from math import isfinite
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    ``json.loads`` takes the last of two equal keys, NaN and Infinity, and reads a number that no float can hold as infinity.

    Raises:
        ValueError: In one line, if it is not JSON in UTF-8, a key is given twice, a number is none that a float can hold, or
            it is nested too deep.
    """
    try:
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
