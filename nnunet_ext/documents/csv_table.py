"""The only reader and the only writer of CSV: what is read is what was written, and no cell is a formula to a spreadsheet.

``pandas.read_csv`` takes the first column for an index where a row is longer than the header, fills a shorter row with missing
values, and renames a column that is named twice. Here all three are refused with the line.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnunet_ext.documents.regular_file import read_small, shown
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import atomic_path

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What parts the cells of a row. Spreadsheets write semicolons where the comma is the decimal sign."""

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*%?\s*", re.ASCII)

_FORMULA = re.compile(r"['\s]*[=+\-@\uff0b\uff0d\uff1d\uff20\t\r]")
"""Starts a cell that a spreadsheet may run (OWASP, *CSV injection*), with or without apostrophes or blanks before it."""

_GUARDED = re.compile(r"'['\s]*[=+\-@\uff0b\uff0d\uff1d\uff20\t\r]")
"""Starts a cell that ``guard`` has changed."""

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))
"""Zero-width characters, which no reader sees."""


def guard(text: str) -> str:
    """Return a cell that no spreadsheet runs: an apostrophe before what would start a formula. Numbers stay as they are."""
    if len(text) > 1 and _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def unguard(cell: str) -> str:
    """Return the text that ``guard`` made ``cell`` of."""
    return cell[1:] if len(cell) > 2 and _GUARDED.match(cell) else cell


def visible(text: str) -> str:
    """Return a text in its composed Unicode form (NFC), without zero-width characters and blanks around it."""
    return unicodedata.normalize("NFC", text.translate(_INVISIBLE)).strip()


def likeness(text: str, *, fold: bool = True) -> str:
    """Return a name as a reader understands it: without blanks, in one form of Unicode, and of case where ``fold``."""
    bare = "".join(unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).split())
    return bare.casefold() if fold else bare


def read_csv(path: Path, what: str = "table", *, if_missing: str = "give the path of a CSV file") -> pd.DataFrame:
    """Read a CSV file, every cell as text, empty where nothing is written.

    Args:
        path: UTF-8, with or without a byte order mark; cells parted by commas, semicolons or tabs.
        what: Its kind, such as ``"case list"``, for the messages.
        if_missing: What to do if it is not there, for the message.

    Raises:
        InputError: If it cannot be read, is not UTF-8, has a column without a name or two of one name, a row longer than its
            header, or a shorter one that does not end in an empty cell, or a quote that does not end.
    """
    return parse_csv(_decoded(read_small(path, what, if_missing=if_missing), path), shown(path))


def parse_csv(text: str, name: str) -> pd.DataFrame:
    """Return the table that ``text`` is, as ``read_csv`` does.

    Args:
        text: Content of a CSV file.
        name: What the messages call it.

    Raises:
        InputError: As ``read_csv``.
    """
    lines, rows = _rows(text, _delimiter(text, name), name)
    if not rows:
        msg = f"{name} is empty"
        raise InputError(msg)
    columns = [unguard(cell).strip() for cell in rows[0]]
    check_columns(columns, name)
    for line, row in zip(lines[1:], rows[1:], strict=True):
        if row[-1] == "":  # some programs leave out empty cells at the end of a row
            row.extend([""] * (len(columns) - len(row)))
        if len(row) != len(columns):
            msg = f"{name}, line {line}: the row has {len(row)} cells, the header {len(columns)} columns"
            raise InputError(msg)
    frame = pd.DataFrame([[unguard(cell) for cell in row] for row in rows[1:]], columns=columns, dtype="str")
    return number_lines(frame, lines[1:])


def number_lines(frame: pd.DataFrame, lines: Sequence[int]) -> pd.DataFrame:
    """Remember which line of its file each row of a table stands on."""
    if list(lines) != list(range(2, len(frame) + 2)):
        frame.attrs["lines"] = list(lines)
    return frame


def line_of(frame: pd.DataFrame, faulty: Sequence[bool] | npt.NDArray[np.bool_] | pd.Series) -> int:
    """Return the line of its file that the first faulty row of a table stands on, from 1 with the header."""
    place = int(np.asarray(faulty, bool).argmax())
    return int(frame.attrs["lines"][place]) if "lines" in frame.attrs else place + 2


def check_columns(columns: Sequence[str], name: str) -> None:
    """Check that each column has a name of its own.

    Raises:
        InputError: If one has none, or two differ in blanks, case or Unicode form only.
    """
    seen: dict[str, str] = {}
    for place, column in enumerate(columns, start=1):
        key = likeness(column)
        if not key:
            msg = f"{name}: column {place} of the header has no name; name it, or remove it"
            raise InputError(msg)
        if seen.get(key) == column:
            msg = f"{name} has the column {column} twice; keep one"
            raise InputError(msg)
        if key in seen:
            msg = f"{name} has the columns {seen[key]!r} and {column!r}, which differ in blanks or case only"
            raise InputError(msg)
        seen[key] = column


def cleaned(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a list that people keep: every cell and column as ``visible`` gives it."""
    cells = {visible(str(column)): [visible(cell) for cell in frame[column]] for column in frame}
    return number_lines(pd.DataFrame(cells, dtype="str"), frame.attrs.get("lines", range(2, len(frame) + 2)))


def inferred(frame: pd.DataFrame, *, text: Sequence[str] = ()) -> pd.DataFrame:
    """Return a table of ``read_csv`` with numbers and truth values where a column holds nothing else; empty cells are missing.

    Args:
        frame: Every cell as text.
        text: Columns that stay as they are.
    """
    written = io.StringIO(frame.to_csv(index=False))
    typed = pd.read_csv(written, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(text, str))
    return typed.assign(**{name: frame[name] for name in text})


def write_csv(path: Path, frame: pd.DataFrame, *, mode: int = 0o644) -> None:
    """Write a table without its index to a CSV file of a mode, atomically, so that ``read_csv`` returns its texts again."""
    with atomic_path(path, mode=mode) as temporary:
        temporary.write_bytes(csv_text(frame).encode("utf-8", "backslashreplace"))


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table without its index as CSV; a text that a spreadsheet would run is guarded."""
    guarded = pd.DataFrame({place: _guarded(frame.iloc[:, place]) for place in range(frame.shape[1])}, index=frame.index)
    header = [guard(str(column)) for column in frame.columns]
    texts = [guarded[place] for place in guarded if guarded[place].dtype == object]
    # The least quoting would leave a blank before a cell, which is skipped, and a carriage return in it, which ends its row.
    fragile = any(isinstance(cell, str) and ("\r" in cell or cell.startswith(" ")) for column in texts for cell in column)
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if fragile else csv.QUOTE_MINIMAL
    return str(guarded.to_csv(index=False, header=header, lineterminator="\n", quoting=quoting))


def _guarded(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    cells = [guard(cell.replace("\0", "\ufffd")) if isinstance(cell, str) else cell for cell in column]
    return pd.Series(cells, index=column.index, dtype=object)


def _decoded(content: bytes, path: Path) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        msg = f"{shown(path)} is UTF-16 text; save it as CSV UTF-8"
        raise InputError(msg)
    if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x08"):
        msg = f"{shown(path)} is a spreadsheet or an archive, not CSV; save the sheet as CSV UTF-8"
        raise InputError(msg)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        msg = f"{shown(path)}, line {line}: the byte {content[error.start]:#04x} is not UTF-8 text; save it as CSV UTF-8"
        raise InputError(msg) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        msg = f"{shown(path)}, line {line}: a null character, so this is not UTF-8 text; save it as CSV UTF-8"
        raise InputError(msg)
    return text


def _delimiter(text: str, name: str) -> str:
    """Return the separator of the cells: the one in the header, and commas where it holds several and every row fits them."""
    header = _outside_quotes(text)
    held = [sign for sign in DELIMITERS if sign in header]
    if len(held) <= 1:
        return held[0] if held else ","
    for sign in held:
        try:
            _, rows = _rows(text, sign, name)
        except InputError:
            continue
        if all(len(row) == len(rows[0]) for row in rows):
            return sign
    msg = f"{name}: the header holds {' and '.join(DELIMITERS[sign] for sign in held)}; part the cells by commas alone"
    raise InputError(msg)


def _outside_quotes(text: str) -> str:
    """Return the header without its quoted parts."""
    kept, quoted = [], False
    for letter in text.lstrip("\r\n"):
        if letter == '"':
            quoted = not quoted
        elif letter in "\r\n" and not quoted:
            break
        elif not quoted:
            kept.append(letter)
    return "".join(kept)


def _rows(text: str, delimiter: str, name: str) -> tuple[list[int], list[list[str]]]:
    """Return the rows that are not blank, and the line that each ends on, from 1."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row and not (len(row) == 1 and not row[0].strip() and rows and len(rows[0]) > 1):
                lines.append(reader.line_num)
                rows.append(row)
    except csv.Error as error:
        msg = f"{name}, line {reader.line_num}: {error}; a quote inside a quoted cell is written twice"
        raise InputError(msg) from error
    return lines, rows
