"""The file of a benchmark, read back: it is foreign, so its types, its numbers and its figures are checked."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from nnunet_ext.documents.foreign_json import parse_json
from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.errors import InputError

Result = TypeVar("Result")


def read_result(path: Path, kind: type[Result], fault: Callable[[Result], str | None]) -> Result:
    """Read the result of a benchmark.

    Args:
        path: JSON file that ``save`` wrote.
        kind: Type of the result.
        fault: Returns why a result cannot be one of a benchmark; nothing if it can.

    Raises:
        InputError: If the file is missing, is not a benchmark, or holds figures that none can have.
    """
    refuse_irregular(path, "benchmark")
    if not path.is_file():
        msg = f"No benchmark at {path}; make one with `ccrcc benchmark`"
        raise InputError(msg)
    try:
        content = path.read_bytes()
        parse_json(content)  # which refuses what pydantic reads: a key twice, NaN, a number that is too large
        result = TypeAdapter(kind).validate_json(content, strict=True)
        found = fault(result)
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg']}"
    except (ValueError, OSError) as error:
        found = str(error)
    if found:
        msg = f"{path} is not a benchmark: {found}; make it again with `ccrcc benchmark`"
        raise InputError(msg)
    return result
