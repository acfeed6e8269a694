"""A Parquet file of ours: a table, what is said of it, and the hash of both.

Parquet checks nothing of what it holds unless it is asked to: one flipped bit is another number. So every page has a
checksum, and the file's metadata the SHA-256 of its content. The hash is over names, kinds, values and what is said of the
table, not over the file's bytes, so that neither a library's version nor its layout of pages changes it. It notices damage,
not forgery: whoever can write the table can write its hash.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nnunet_ext.documents.foreign_json import parse_json
from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import atomic_path

HASH = b"ccrcc_sha256"
"""Key of the content's hash in a file's metadata."""


def write_sealed(table: pa.Table, path: Path, *, key: bytes, about: Any) -> None:
    """Write a table with what is said of it, and its hash, atomically.

    Args:
        table: Columns of numbers, truth values or text.
        path: A ``.parquet`` file.
        key: Of ``about`` in the metadata; says what kind of table it is.
        about: JSON.
    """
    text = json.dumps(about, allow_nan=False).encode()
    metadata = {key: text, HASH: content_sha256(table, text).encode()}
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, write_page_checksum=True)


def read_sealed(path: Path, *, key: bytes, what: str, remedy: str) -> tuple[pa.Table, Any]:
    """Return a table that ``write_sealed`` wrote, and what is said of it.

    Args:
        path: The file.
        key: As it was written with.
        what: Such as ``"feature table"``, for messages.
        remedy: Such as ``"make one with `ccrcc extract`"``.

    Raises:
        InputError: If the file is missing, no file, no Parquet, none of this kind, or not what was written.
    """
    refuse_irregular(path, what)
    if not path.is_file():
        msg = f"No {what} at {path}; {remedy}"
        raise InputError(msg)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            metadata = dict(file.schema_arrow.metadata or {})
            table = file.read()
        table.validate(full=True)
    except Exception as error:  # whatever pyarrow makes of bytes that are no Parquet, or were once
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        msg = f"{path} is not a readable Parquet file: {reason}; {remedy}"
        raise InputError(msg) from error
    if key not in metadata:
        msg = f"{path} carries no {key.decode().removeprefix('ccrcc_')}, so it is no {what} of ours; {remedy}"
        raise InputError(msg)
    if HASH not in metadata:
        msg = f"{path} carries no hash of its content, so damage could not be recognised; {remedy}"
        raise InputError(msg)
    if metadata[HASH] != content_sha256(table, metadata[key]).encode():
        msg = (
            f"{path} was changed: its content does not match the SHA-256 that it was written with; copy it again, or {remedy}"
        )
        raise InputError(msg)
    try:
        return table.replace_schema_metadata(None), parse_json(metadata[key])
    except ValueError as error:
        msg = f"{path} is no {what}: what is said of it is unreadable, {error}; {remedy}"
        raise InputError(msg) from error


def content_sha256(table: pa.Table, about: bytes) -> str:
    """Return the SHA-256 of a table's names, kinds and values and of what is said of it, as hexadecimal."""
    digest = hashlib.sha256(b"ccrcc table 1\n")
    for part in _parts(table, about):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(table: pa.Table, about: bytes) -> Iterator[bytes]:
    yield about
    yield str(table.num_rows).encode()
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind, values = _column(column)
        yield name.encode(errors="surrogateescape")
        yield kind.encode()
        yield values


def _column(column: pa.ChunkedArray) -> tuple[str, bytes]:
    """Return a column's kind, and its values as bytes; a missing number is NaN, of one bit pattern."""
    if pa.types.is_floating(column.type):
        numbers = np.asarray(column.to_numpy(), dtype="<f8")
        return "number", np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes()
    if pa.types.is_integer(column.type) and not column.null_count:
        return "integer", np.asarray(column.to_numpy(), dtype="<i8").tobytes()
    kind = "boolean" if pa.types.is_boolean(column.type) else "text"
    return kind, json.dumps(column.to_pylist(), default=repr).encode()
