import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ccrcc_model
import nnunet_ext
import radiomics_cfg
from nnunet_ext.documents.csv_table import (
    csv_text,
    guard,
    inferred,
    likeness,
    parse_csv,
    read_csv,
    unguard,
    visible,
    write_csv,
)
from nnunet_ext.ground.errors import InputError

CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
"""Any text but a null character, which no text file holds."""

STARTS = st.tuples(st.text("'= +-@\t\r\n\uff1d", max_size=4), CELLS).map("".join)
"""Texts that start as formulae do, with apostrophes and blanks before them."""


@given(CELLS | STARTS)
def test_a_guarded_text_comes_back(text: str) -> None:
    assert unguard(guard(text)) == text


@given(st.lists(st.tuples(CELLS | STARTS, CELLS | STARTS), max_size=5))
def test_a_table_of_texts_comes_back(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype="str")
    pd.testing.assert_frame_equal(parse_csv(csv_text(frame), "it"), frame)


@given(STARTS)
def test_no_cell_of_several_letters_starts_as_a_formula(text: str) -> None:
    cell = guard(text)
    runs = cell.strip()[:1] in {"=", "@"} or cell[:1] in {"=", "@", "\t", "\r"}
    assert len(text) == 1 or not runs or cell.strip().rstrip("%").strip().lstrip("+-").replace(".", "").isdigit()


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1+1", "-x", "'=1", "-inf"])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert guard(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+5.25", "-1e-3", "-.5", "-12 %", "-", "+", "", "a=b", "'tis", "3-4"])
def test_a_number_or_a_plain_text_stays_as_it_is(text: str) -> None:
    assert guard(text) == unguard(text) == text


def test_negative_numbers_stay_numbers_and_a_feature_may_be_called_as_a_formula() -> None:
    frame = pd.DataFrame({"=HYPERLINK(1)": [-1.5, 2.0], "n": [-1, 3], "text": ["-1", "=1"]})
    assert csv_text(frame) == "'=HYPERLINK(1),n,text\n-1.5,-1,-1\n2.0,3,'=1\n"
    assert list(parse_csv(csv_text(frame), "it").columns) == list(frame.columns)


def test_what_holds_no_formula_is_written_as_pandas_writes_it() -> None:
    frame = pd.DataFrame(
        {"a": ["x", "y,z", None], "b": [0.1, float("nan"), 1e-9], "c": [True, False, True], "d": [1, None, "q"]}
    )
    assert csv_text(frame) == frame.to_csv(index=False, lineterminator="\n")


def test_written_files_are_whole_and_read_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"patient": ["007", "=1"], "note": ["", " a\r\nb"]}, dtype="str")
    write_csv(tmp_path / "t.csv", frame)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), frame)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"\xef\xbb\xbfa,b\r\n1,2\r\n",
        b"a;b\n1;2\n",
        b"a\tb\r\n1\t2",
        b"\na, b\n\n1, 2\n   \n",
        b'"a","b"\n"1","2"\n',
        b"a,b\r1,2\r",
    ],
)
def test_one_table_in_every_dialect(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert read_csv(tmp_path / "t.csv").to_dict("records") == [{"a": "1", "b": "2"}]


def test_empty_cells_at_the_end_of_a_row_may_be_left_out() -> None:
    assert parse_csv("a,b,c,d\n1,2,\n", "it").to_dict("records") == [{"a": "1", "b": "2", "c": "", "d": ""}]


def test_a_sign_in_a_column_name_parts_no_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,stage (I;II)\n1,2\n", encoding="utf-8")
    assert list(read_csv(tmp_path / "t.csv").columns) == ["a", "stage (I;II)"]
    (tmp_path / "t.csv").write_text("a;share (0,1)\n1;0,5\n2;1\n", encoding="utf-8")
    assert read_csv(tmp_path / "t.csv")["share (0,1)"].tolist() == ["0,5", "1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n1,2,3\n", "line 3: the row has 3 cells, the header 2"),
        (b"a,b\n1,2,\n", "line 2: the row has 3 cells"),
        (b"a,b\n1\n", "line 2: the row has 1 cells"),
        (b"a,b,c\n1,\n1,2\n", "line 3: the row has 2 cells"),
        (b'a,b\n"1\n2",3\n4\n', "line 4: the row has 1 cells"),
        (b"a,b;c\n1,2,3\n", "commas and semicolons"),
        (b"a,a\n1,2\n", "column a twice"),
        (b"a,b,A \n1,2,3\n", "'a' and 'A', which differ in"),
        ("caf\u00e9,cafe\u0301\n1,2\n".encode(), "which differ in"),
        (b"a,,b\n1,2,3\n", "column 2 of the header has no name"),
        (b",a\n0,1\n", "column 1 of the header has no name"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        ("a,b\n\u00e9,1\n".encode("latin-1"), r"line 2: the byte 0xe9 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "line 1: a null character"),
        (b"a,b\n1,\x00\n", "line 2: a null character"),
        (b"PK\x03\x04....", "spreadsheet or an archive"),
        (b'a,b\n1,"2\n3,4\n', "line 3: unexpected end"),
        (b'a,b\n1,"2"x\n', "line 2: ',' expected"),
    ],
)
def test_what_is_not_read_as_it_is_written_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        read_csv(tmp_path / "t.csv")
    assert "\n" not in str(refused.value)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nothing")
    for name, message in (
        ("pipe", "a pipe or a device"),
        ("link", "a link to nothing"),
        ("none", "No list at"),
        (".", "a folder"),
    ):
        with pytest.raises(InputError, match=message):
            read_csv(tmp_path / name, "list")
    with pytest.raises(InputError, match="file name too long") as refused:
        read_csv(tmp_path / ("z" * 300), "list")
    assert len(str(refused.value)) < 350
    with pytest.raises(InputError, match="null"):
        read_csv(tmp_path / "a\0b", "list")


def test_numbers_are_inferred_and_empty_cells_are_missing() -> None:
    frame = inferred(parse_csv("a,b,c,d\n1,x,007,True\n,y,08,False\n", "it"), text=("c",))
    assert frame["a"].iloc[0] == 1
    assert frame["a"].isna().tolist() == [False, True]
    assert frame["c"].tolist() == ["007", "08"]
    assert frame["d"].tolist() == [True, False]


def test_likeness_is_what_a_reader_sees() -> None:
    assert visible("\ufeff caf\u0065\u0301\u200b\u00a0") == "caf\u00e9"
    assert likeness("Nord \u200bA") == likeness("nord a") == likeness("norda") != likeness("nordb")


def test_nothing_else_reads_or_writes_csv() -> None:
    for package in (nnunet_ext, radiomics_cfg, ccrcc_model):
        for file in Path(package.__path__[0]).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if file.name != "csv_table.py":
                assert not any(call in text for call in (".to_csv(", "read_csv(path, dtype", "pd.read_csv(", "read_excel(")), (
                    file
                )
