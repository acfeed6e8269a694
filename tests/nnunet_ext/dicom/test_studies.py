"""Who is one patient, and who is not known to be."""

from pathlib import Path

import pytest

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.faults.scans import small_scan
from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.people import patient_id
from nnunet_ext.dicom.studies import Study, alike, studies_of

HU = small_scan()[0][:1]


def studies(folder: Path, *people: dict[str, str]) -> tuple[Study, ...]:
    for number, person in enumerate(people):
        write_ct(folder / str(number), HU, **({"StudyInstanceUID": f"1.2.{number}"} | person))
    return studies_of(find_series(folder).series)


@pytest.mark.parametrize(
    ("stated", "plain"),
    [
        (" A 7 ", "A 7"),
        ("A  7", "A 7"),
        ("Ｊosé", "Ｊosé"),
        ("Jose\u0301", "José"),
        ("abc", "abc"),
        ("ANON7", "ANON7"),
        ("1", "1"),
        ("10", "10"),
        ("patient 3", "patient 3"),
        *(
            (word, "")
            for word in ("", "  ", "\0", "0", "000", "Anonymous", "ANON", "anonymized", "unknown", "N/A", "none", "XXX", "-")
        ),
    ],
)
def test_an_id_in_one_spelling(stated: str, plain: str) -> None:
    assert patient_id(stated) == plain


def test_ids_that_differ_only_in_capitals_are_counted_and_kept() -> None:
    assert alike(["a7", "A7", "A 7", "b"]) == 3
    assert alike(["a7", "b7"]) == 0


def test_no_id_joins_no_studies(tmp_path: Path) -> None:
    found = studies(tmp_path, {"PatientID": ""}, {"PatientID": " "}, {"PatientID": "0"}, {"PatientID": "7"})
    assert len({study.patient for study in found}) == 4
    assert [study.known for study in found] == [True, False, False, False]
    assert not any(study.problem for study in found)


def test_the_id_of_some_files_of_a_study_is_that_of_all(tmp_path: Path) -> None:
    same = {"StudyInstanceUID": "1.2.9"}
    (found,) = studies(tmp_path, {"PatientID": "", **same}, {"PatientID": "7", **same})
    assert (found.patient, found.problem, len(found.series)) == ("7", "", 2)


@pytest.mark.parametrize(
    ("one", "other", "problem"),
    [
        ({"PatientID": "7"}, {"PatientID": "8"}, "2 patient IDs"),
        ({"PatientBirthDate": "19510203"}, {"PatientBirthDate": "19510204"}, "several dates of birth"),
        ({"PatientBirthDate": "19510203"}, {"PatientBirthDate": ""}, ""),
        ({"PatientBirthDate": "19510203"}, {"PatientBirthDate": "19000101"}, ""),
        ({"PatientID": "", "PatientName": "A^B"}, {"PatientID": "", "PatientName": "C^D"}, "several names"),
        ({"PatientID": "", "PatientName": "A^B"}, {"PatientID": "", "PatientName": "a b^^"}, ""),
        ({"PatientName": "A^B"}, {"PatientName": "C^D"}, ""),
    ],
)
def test_files_of_one_study_that_contradict_each_other(
    tmp_path: Path, one: dict[str, str], other: dict[str, str], problem: str
) -> None:
    same = {"StudyInstanceUID": "1.2.9"}
    (found,) = studies(tmp_path, one | same, other | same)
    assert problem in found.problem
    assert bool(found.problem) is bool(problem)


def test_one_id_with_two_dates_of_birth_is_nobody(tmp_path: Path) -> None:
    found = studies(tmp_path, {"PatientBirthDate": "19510203"}, {"PatientBirthDate": "19620203"}, {"PatientID": "8"})
    assert [bool(study.problem) for study in found] == [True, True, False]


def test_a_series_in_two_studies_is_in_none(tmp_path: Path) -> None:
    found = studies(tmp_path, {"SeriesInstanceUID": "1.5"}, {"SeriesInstanceUID": "1.5"}, {"SeriesInstanceUID": "1.6"})
    assert [bool(study.problem) for study in found] == [True, True, False]
