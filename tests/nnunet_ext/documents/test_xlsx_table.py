import datetime
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pytest

from nnunet_ext.documents.csv_table import line_of
from nnunet_ext.documents.xlsx_table import read_xlsx
from nnunet_ext.ground.errors import InputError


def workbook(
    folder: Path, change: Callable[[Any], object], rows: tuple[tuple[object, ...], ...] = (("id", "x"), ("a", 1))
) -> Path:
    """Write a workbook of one sheet, changed."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book)
    book.save(folder / "t.xlsx")
    return folder / "t.xlsx"


def unchanged(book: Any) -> None:
    """Leave the workbook as it is."""


def test_cells_are_the_text_that_they_show(tmp_path: Path) -> None:
    def formats(book: Any) -> None:
        sheet = book.active
        sheet["A2"].number_format = "000"
        sheet["E2"].number_format = "0%"
        sheet.row_dimensions[2].hidden = True
        book.create_sheet("empty")

    values = (7, "012", 12.0, 0.25, 0.15, True, datetime.datetime(2024, 3, 4, tzinfo=None), None, " b\u200b ")
    path = workbook(tmp_path, formats, (tuple("abcdefghi"), values))
    assert read_xlsx(path).iloc[0].tolist() == ["007", "012", "12", "0.25", "15%", "TRUE", "2024-03-04T00:00:00", "", "b"]


def test_empty_rows_are_left_out_and_lines_are_those_of_the_sheet(tmp_path: Path) -> None:
    frame = read_xlsx(workbook(tmp_path, unchanged, (("id", "x"), (None, None), ("a", 1), (None, None), ("b", 2))))
    assert frame["id"].tolist() == ["a", "b"]
    assert line_of(frame, frame["id"] == "b") == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda book: book.create_sheet("other").append(["id"]), "2 sheets, 'Sheet', 'other'; keep one"),
        (lambda book: book.active.merge_cells("A2:A3"), "A2:A3 are merged"),
        (lambda book: book.active.__setitem__("B2", "=1+1"), "B2 holds a formula without a value"),
        (lambda book: book.active.__setitem__("B2", "#N/A"), "B2 holds the error #N/A"),
        (lambda book: book.active.__setitem__("B1", "ID"), "'id' and 'ID', which differ in"),
        (lambda book: book.active.__setitem__("B1", "id"), "column id twice"),
        (lambda book: book.active.__setitem__("C2", "beyond"), "column 3 of the header has no name"),
        (lambda book: book.active.delete_rows(1, 2), "is empty"),
        (lambda book: book.active.__setitem__("XFD1048576", "far"), "at most 5000000 cells"),
    ],
)
def test_what_a_sheet_does_not_show_plainly_is_refused(tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_xlsx(workbook(tmp_path, change))


def bomb() -> bytes:
    """A small zip file that unpacks to 300 MB."""
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive, archive.open("xl/sharedStrings.xml", "w") as member:
        for _ in range(300):
            member.write(bytes(10**6))
    return packed.getvalue()


def test_what_is_no_workbook_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = workbook(tmp_path, unchanged).read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 255
    faulty = (
        (b"", "not a readable table"),
        (b"id,x\na,1\n", "not a readable table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old .xls, or locked by a password"),
        (whole[: len(whole) // 2], "not a readable table"),
        (bytes(damaged), "not a readable table"),
        (bomb(), "unpacks to 300 MB"),
    )
    for content, message in faulty:
        (tmp_path / "t.xlsx").write_bytes(content)
        with pytest.raises(InputError, match=message) as refused:
            read_xlsx(tmp_path / "t.xlsx")
        assert "\n" not in str(refused.value)
