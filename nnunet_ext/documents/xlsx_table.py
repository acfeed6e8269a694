"""Spreadsheets (XLSX) as tables of text: what their reader sees in the cells, or a refusal that names the cell."""

import datetime
import io
import re
import warnings
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import pandas as pd

from nnunet_ext.documents.csv_table import check_columns, cleaned, number_lines
from nnunet_ext.documents.regular_file import read_small, shown
from nnunet_ext.ground.errors import InputError

SUFFIXES = (".xlsx", ".xlsm")

LARGEST_UNPACKED = 1 << 28
"""256 MiB, four times the largest file that is read: XML packs well, but a bomb packs a thousandfold."""

MOST_CELLS = 5_000_000

_ZEROS = re.compile(r"0+")
"""Number format that shows leading zeros."""


def read_xlsx(path: Path, what: str = "table", *, if_missing: str = "give the path of an XLSX file") -> pd.DataFrame:
    """Read the one sheet of a workbook, every cell as the text that it shows, empty where nothing is written.

    Hidden rows and columns are read as any other; a formula is read as the value that was kept of it.

    Args:
        path: The workbook.
        what: Its kind, such as ``"outcomes file"``, for the messages.
        if_missing: What to do if it is not there, for the message.

    Raises:
        InputError: If it cannot be read, holds several sheets, merged cells, a formula without a value or an error, or has a
            column without a name or two of one name.
    """
    content, name = read_small(path, what, if_missing=if_missing), shown(path)
    shows, holds = _sheet(content, name, values=True), _sheet(content, name, values=False)
    if shows.merged_cells.ranges:
        msg = f"{name}: the cells {sorted(map(str, shows.merged_cells.ranges))[0]} are merged; part them, and fill each"
        raise InputError(msg)
    rows: list[list[str]] = []
    lines: list[int] = []
    for cells, formulae in zip(shows.iter_rows(), holds.iter_rows(), strict=True):
        row = [_text(cell, formula, name) for cell, formula in zip(cells, formulae, strict=True)]
        if any(row):
            rows.append(row)
            lines.append(cells[0].row)
    if not rows:
        msg = f"{name} is empty"
        raise InputError(msg)
    return _table(rows, lines, name)


def _table(rows: list[list[str]], lines: list[int], name: str) -> pd.DataFrame:
    width = max(place for row in rows for place, cell in enumerate(row, start=1) if cell)
    columns = rows[0][:width]
    check_columns(columns, name)
    frame = pd.DataFrame([row[:width] for row in rows[1:]], columns=columns, dtype="str")
    return cleaned(number_lines(frame, lines[1:]))


def _sheet(content: bytes, name: str, *, values: bool) -> Any:
    """Return the worksheet that holds something."""
    book = _open(content, name, values=values)
    filled = [sheet for sheet in book.worksheets if sheet.max_row > 1 or sheet.max_column > 1 or sheet["A1"].value is not None]
    if len(filled) > 1:
        titles = ", ".join(repr(sheet.title) for sheet in filled)
        msg = f"{name} holds {len(filled)} sheets, {titles}; keep one, or save the right one as CSV"
        raise InputError(msg)
    if not filled:
        msg = f"{name} is empty"
        raise InputError(msg)
    if filled[0].max_row * filled[0].max_column > MOST_CELLS:
        msg = f"{name} spans {filled[0].max_row} rows and {filled[0].max_column} columns; at most {MOST_CELLS} cells are read"
        raise InputError(msg)
    return filled[0]


def _open(content: bytes, name: str, *, values: bool) -> Any:
    try:
        import openpyxl  # noqa: PLC0415 - half a second that only a workbook needs
    except ImportError as error:
        msg = f"Reading {name} needs the package openpyxl, which is not installed; save the sheet as CSV instead"
        raise InputError(msg) from error
    if content[:4] == b"\xd0\xcf\x11\xe0":
        msg = f"{name} is not a readable table: it is an old .xls, or locked by a password; save it as open .xlsx or CSV"
        raise InputError(msg)
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            _refuse_bomb(archive, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that no cell depends on
            return openpyxl.load_workbook(io.BytesIO(content), data_only=values)
    except InputError:
        raise
    except (BadZipFile, OSError, EOFError) as error:
        msg = f"{name} is not a readable table: it is no XLSX workbook, or a damaged one"
        raise InputError(msg) from error
    except Exception as error:  # whatever the XML holds: openpyxl checks little of it
        msg = f"{name} is not a readable table: the workbook is damaged ({type(error).__name__})"
        raise InputError(msg) from error


def _refuse_bomb(archive: ZipFile, name: str) -> None:
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > LARGEST_UNPACKED:
        msg = f"{name} unpacks to {unpacked / 1e6:.0f} MB; at most {LARGEST_UNPACKED / 1e6:.0f} MB are read"
        raise InputError(msg)


def _text(cell: Any, formula: Any, name: str) -> str:
    """Return the text of a cell, as far as it determines the meaning."""
    value = cell.value
    where = f"{name}, cell {cell.coordinate}"
    if value is None:
        if formula.data_type == "f":
            msg = f"{where} holds a formula without a value; open the file, save it, or write the value there"
            raise InputError(msg)
        return ""
    if cell.data_type == "e":
        msg = f"{where} holds the error {value}"
        raise InputError(msg)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | float):
        return _number(value, str(cell.number_format))
    return str(value)


def _number(value: float, shown_as: str) -> str:
    if shown_as.endswith("%"):
        return f"{value * 100:.10g}%"
    whole = isinstance(value, int) or value.is_integer()
    if whole and _ZEROS.fullmatch(shown_as):
        return f"{int(value):0{len(shown_as)}d}"
    return str(int(value)) if whole and abs(value) < 1e15 else repr(float(value))  # beyond it a float is no longer exact
