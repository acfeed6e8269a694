import datetime
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import openpyxl
import pytest

from ccrcc_model.outcomes.table import check_outcomes, read_outcomes
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError


def csv(folder: Path, text: str) -> Path:
    path = folder / "outcomes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_outcomes_keep_names_as_text_and_missing_cells_missing(tmp_path):
    frame = read_outcomes(csv(tmp_path, "\ufeffpatient_id,isup_grade,ki67_percent,age\n007, 3,\n NA ,n/a,15.5,61\n8,4.0,-,\n"))
    assert frame["patient_id"].tolist() == ["007", "NA", "8"]
    np.testing.assert_array_equal(frame["isup_grade"], [3, np.nan, 4])
    np.testing.assert_array_equal(frame["ki67_percent"], [np.nan, 15.5, np.nan])


@pytest.mark.parametrize(
    ("column", "accepted", "refused"),
    [
        ("isup_grade", "1", "0"),
        ("isup_grade", "4", "5"),
        ("isup_grade", "2.0", "2.5"),
        ("ki67_percent", "0", "-0.1"),
        ("ki67_percent", "100", "100.1"),
        ("ki67_percent", "15.5", "15,5"),
        ("ki67_percent", "1e1", "inf"),
        ("isup_grade", "", "high"),
    ],
)
def test_outcomes_hold_only_allowed_values(tmp_path, column, accepted, refused):
    assert len(read_outcomes(csv(tmp_path, f'patient_id,{column}\na,"{accepted}"\n'))) == 1
    with pytest.raises(InputError, match=f"{column} must be .* the first is row 3 with '{refused}'"):
        read_outcomes(csv(tmp_path, f'patient_id,{column}\na,"{accepted}"\nb,"{refused}"\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient_id,isup_grade\na,1\nb,2\na ,2\n", "one row per patient; 1 patients have several: a"),
        ("patient,isup_grade\na,1\n", "needs the column patient_id; it has patient, isup_grade"),
        ("patient_id,isup_grade\n,1\n", "1 rows have no patient_id"),
        ("", "is empty"),
        ("patient_id,isup_grade\na,1\nb,1,2,3\n", "line 3: the row has 4 cells, the header 2"),
    ],
)
def test_outcomes_that_cannot_be_joined_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_outcomes(csv(tmp_path, text))


def test_outcomes_that_are_no_text_or_not_there_are_refused(tmp_path):
    with pytest.raises(InputError, match="No outcomes file"):
        read_outcomes(tmp_path / "outcomes.csv")
    (tmp_path / "outcomes.csv").write_bytes(b"patient_id\n\xff\xfe\x00\n")
    with pytest.raises(InputError, match="line 2: the byte 0xff is not UTF-8"):
        read_outcomes(tmp_path / "outcomes.csv")
    for content in (b"no workbook", b"PK\x03\x04 cut"):
        (tmp_path / "outcomes.xlsx").write_bytes(content)
        with pytest.raises(InputError, match="not a readable table"):
            read_outcomes(tmp_path / "outcomes.xlsx")


def test_a_workbook_without_openpyxl_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with ZipFile(tmp_path / "outcomes.xlsx", "w") as workbook:
        workbook.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(InputError, match="openpyxl, which is not installed; save the sheet as CSV"):
        read_outcomes(tmp_path / "outcomes.xlsx")


def test_outcomes_of_a_cohort_must_hold_its_patients(tmp_path):
    cases = tuple(Case(f"c{name}", name, "east", tmp_path / "x.nii.gz") for name in "ab")
    cohort = Cohort("home", Role.DEVELOPMENT, cases)
    check_outcomes(cohort)
    path = csv(tmp_path, "patient_id,isup_grade\na,1\n")
    with pytest.raises(InputError, match="1 patients of cohort home have no row in the outcomes: b"):
        check_outcomes(replace(cohort, outcomes=path))
    check_outcomes(replace(cohort, outcomes=csv(tmp_path, "patient_id,isup_grade\na,1\nb,\n")))


@pytest.mark.parametrize("cell", ["Grade 3", "III", "3-4", "TRUE", "\u0663", "0x3", "1_0"])
def test_a_grade_is_read_only_where_it_is_a_plain_number(tmp_path, cell):
    with pytest.raises(InputError, match="isup_grade must be 1, 2, 3 or 4, or empty; 1 rows are not, the first is row 3"):
        read_outcomes(csv(tmp_path, f"patient_id,isup_grade\na,3\nb,{cell}\n"))


@pytest.mark.parametrize("cell", [">15", "10-20", "15 %%", "1_5", "nan%", "101%"])
def test_ki67_is_read_only_where_it_is_a_plain_number(tmp_path, cell):
    with pytest.raises(InputError, match="ki67_percent must be a number from 0 to 100"):
        read_outcomes(csv(tmp_path, f"patient_id,ki67_percent\na,3\nb,{cell}\n"))


def test_ki67_may_have_its_sign_and_a_decimal_comma_is_named(tmp_path):
    assert read_outcomes(csv(tmp_path, "patient_id,ki67_percent\na,15%\nb,20\n"))["ki67_percent"].tolist() == [15, 20]
    with pytest.raises(InputError, match="write a decimal point, not a comma"):
        read_outcomes(csv(tmp_path, "patient_id;ki67_percent\na;15,5\n"))


@pytest.mark.parametrize(("largest", "refused"), [("1", True), ("0.15", True), ("1.1", False), ("0", False), ("1%", False)])
def test_ki67_that_may_be_fractions_is_refused(tmp_path, largest, refused):
    path = csv(tmp_path, f"patient_id,ki67_percent\na,0\nb,{largest}\n")
    if not refused:
        read_outcomes(path)
        return
    with pytest.raises(InputError, match="no ki67_percent exceeds 1 .* may be fractions"):
        read_outcomes(path)


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ("7,1\n", "1 match except for leading zeros"),
        ("007.0,1\n", "1 match except for leading zeros"),
        ("0 07,1\n", "1 match except for blanks"),
        ("8,1\n", "add them, cells may be empty"),
    ],
)
def test_ids_that_a_spreadsheet_changed_are_said_to_be(tmp_path, outcomes, reason):
    cases = (Case("c", "007", "east", tmp_path / "x.nii.gz"),)
    cohort = Cohort("home", Role.DEVELOPMENT, cases, outcomes=csv(tmp_path, f"patient_id,isup_grade\n{outcomes}"))
    with pytest.raises(InputError, match=reason):
        check_outcomes(cohort)


def test_composed_and_decomposed_ids_are_one_patient(tmp_path):
    cases = (Case("c", "caf\u00e9", "east", tmp_path / "x.nii.gz"),)
    check_outcomes(
        Cohort("home", Role.DEVELOPMENT, cases, outcomes=csv(tmp_path, "patient_id,isup_grade\ncafe\u0301\u200b ,1\n"))
    )
    with pytest.raises(InputError, match="patient_id: 'p 1' and 'p1' differ in blanks"):
        read_outcomes(csv(tmp_path, "patient_id\np 1\np1\n"))


def test_a_column_that_is_almost_called_an_outcome_is_refused(tmp_path):
    with pytest.raises(InputError, match="has the column ISUP_Grade; it is called isup_grade"):
        read_outcomes(csv(tmp_path, "patient_id,ISUP_Grade\na,1\n"))


def test_a_workbook_is_read_as_it_shows_and_a_date_is_no_id(tmp_path):
    book = openpyxl.Workbook()
    for row in (("patient_id", "isup_grade", "ki67_percent"), (7, 3, 0.155), ("012", None, 0.02)):
        book.active.append(row)
    book.active["A2"].number_format = "000"
    book.active["C2"].number_format = book.active["C3"].number_format = "0.0%"
    book.save(tmp_path / "outcomes.xlsx")
    frame = read_outcomes(tmp_path / "outcomes.xlsx")
    assert frame["patient_id"].tolist() == ["007", "012"]
    np.testing.assert_array_equal(frame["isup_grade"], [3, np.nan])
    np.testing.assert_allclose(frame["ki67_percent"], [15.5, 2])
    book.active["A3"] = datetime.date(2024, 3, 4)
    book.save(tmp_path / "outcomes.xlsx")
    with pytest.raises(InputError, match="row 3: patient_id holds a date"):
        read_outcomes(tmp_path / "outcomes.xlsx")
