from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from nnunet_ext.cohort.acquisition import (
    acquisition_table,
    available,
    check_acquisition,
    read_acquisition,
    slice_spacing_mm,
    stated_acquisition,
)
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError

HEADER = "case_id,tube_voltage_kv,tube_current_ma,rows,columns,slice_thickness_mm,pitch,kernel\n"


def cohort_of(acquisition: Path | None) -> Cohort:
    cases = tuple(Case(f"c{n}", f"p{n}", "north", Path("x")) for n in range(3))
    return Cohort("riverside", Role.EXTERNAL, cases, acquisition=acquisition)


def test_several_values_are_printed_as_the_supplement_prints_them(tmp_path: Path) -> None:
    file = tmp_path / "acquisition.csv"
    file.write_text(HEADER + "c0,120,,512,512,5,0.98,B30f\nc1,120,,512,512,2,0.98,\nc2,120,,512,512,5,,\n", encoding="utf-8")
    (row,) = acquisition_table([cohort_of(file)]).to_dict("records")
    assert row == {
        "cohort": "riverside",
        "centre": "north",
        "cases": 3,
        "tube_voltage_kv": "120",
        "tube_current_ma": "N/A",
        "matrix": "512 × 512",
        "slice_thickness_mm": "2 or 5",
        "pitch": "0.98",
        "kernel": "B30f",
    }


def test_thickness_is_ordered_as_a_number(tmp_path: Path) -> None:
    file = tmp_path / "acquisition.csv"
    file.write_text(HEADER + "c0,,,,,10,,\nc1,,,,,0.625,,\nc2,,,,,5,,\n", encoding="utf-8")
    assert acquisition_table([cohort_of(file)])["slice_thickness_mm"].item() == "0.625 or 5 or 10"


def test_a_number_is_one_value_however_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "acquisition.csv"
    file.write_text(HEADER + "c0,120,,,,0.625,,\nc1,120.0,,,,0.6250,,\nc2,120.00,,,,.625,,\n", encoding="utf-8")
    row = acquisition_table([cohort_of(file)]).iloc[0]
    assert (row["tube_voltage_kv"], row["slice_thickness_mm"]) == ("120", "0.625")


def test_a_cohort_without_an_acquisition_file_is_not_available() -> None:
    row = acquisition_table([cohort_of(None)]).iloc[0]
    assert (row["cases"], row["matrix"], row["pitch"]) == (3, "N/A", "N/A")


def test_a_faulty_acquisition_file_gets_one_plain_line(tmp_path: Path) -> None:
    file = tmp_path / "acquisition.csv"
    file.write_text(HEADER.replace(",pitch", ""), encoding="utf-8")
    with pytest.raises(InputError, match="lacks the column pitch"):
        read_acquisition(file)
    file.write_text(HEADER + "c0,,,,,,,\nc0,,,,,,,\n", encoding="utf-8")
    with pytest.raises(InputError, match="case c0 is listed twice"):
        read_acquisition(file)


def test_what_is_stated_of_a_scan_is_kept_by_case_and_the_rest_is_absent(tmp_path: Path) -> None:
    file = tmp_path / "acquisition.csv"
    file.write_text(HEADER + "c0,120,,512,512,5,,B30f\nc1,,,,, ,,\nelsewhere,80,,,,,,\n", encoding="utf-8")
    cohort = cohort_of(file)
    first, *others = cohort.cases
    stated = stated_acquisition(cohort.with_cases([replace(first, phase="excretory"), *others]))
    assert stated == {
        "c0": {
            "phase": "excretory",
            "tube_voltage_kv": "120",
            "rows": "512",
            "columns": "512",
            "slice_thickness_mm": "5",
            "kernel": "B30f",
        },
        "c1": {},
        "c2": {},
    }
    assert stated_acquisition(cohort_of(None)) == {"c0": {}, "c1": {}, "c2": {}}


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ((1, 0, 0, 0, 1, 0, 0, 0, 1), 5.0),
        ((0, 0, 1, 0, 1, 0, -1, 0, 0), 0.7),
        ((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), 5.0),
    ],
    ids=["axial", "stored with its slices first", "gantry tilted by 37 degrees"],
)
def test_slices_follow_each_other_from_head_to_feet(direction: tuple[float, ...], expected: float) -> None:
    image = sitk.Image(4, 4, 4, sitk.sitkInt16)
    image.SetSpacing((0.7, 0.8, 5.0))
    image.SetDirection(direction)
    assert slice_spacing_mm(image) == expected


@pytest.mark.parametrize(
    ("cell", "held"), [("0.625", True), ("N/A", True), ("", True), ("1e1", True), ("0", False), ("-1", False), ("5 mm", False)]
)
def test_a_thickness_is_a_number_above_0(tmp_path: Path, cell: str, held: bool) -> None:
    file = tmp_path / "acquisition.csv"
    file.write_text(HEADER + f"c0,,,,,1,,\nc1,,,,,{cell},,\n", encoding="utf-8")
    if held:
        assert len(read_acquisition(file)) == 2
        return
    with pytest.raises(InputError, match=f"line 3: slice_thickness_mm must be a number above 0, or empty; found '{cell}'"):
        read_acquisition(file)


def test_a_decimal_comma_is_named(tmp_path: Path) -> None:
    file = tmp_path / "acquisition.csv"
    file.write_text((HEADER + "c0,,,,,0#5,,\n").replace(",", ";").replace("#", ","), encoding="utf-8")
    with pytest.raises(InputError, match="a decimal point, not a comma"):
        read_acquisition(file)


def test_an_acquisition_file_is_of_its_cohort(tmp_path: Path) -> None:
    file = tmp_path / "acquisition.csv"
    assert check_acquisition(cohort_of(None)) == 0
    file.write_text(HEADER + "c0,,,,,1,,\nother,,,,,1,,\n", encoding="utf-8")
    assert check_acquisition(cohort_of(file)) == 1
    file.write_text(HEADER + "C 0,,,,,1,,\nother,,,,,1,,\n", encoding="utf-8")
    with pytest.raises(InputError, match="none of the 3 cases of cohort riverside; 1 match except for blanks"):
        check_acquisition(cohort_of(file))
    with pytest.raises(InputError, match="No acquisition file at"):
        check_acquisition(cohort_of(tmp_path / "none.csv"))


def test_what_a_scanner_writes_as_0_is_not_available() -> None:
    cells = {"tube_current_ma": "0", "pitch": "0.9", "kernel": "0", "rows": "many"}
    assert available(cells) == {"tube_current_ma": "", "pitch": "0.9", "kernel": "0", "rows": ""}
