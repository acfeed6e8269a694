"""Where the result of a patient goes: never onto what it is made of."""

from pathlib import Path

import pytest

from ccrcc_model.patient.patient_folder import refuse_places
from ccrcc_model.patient.patient_scan import PatientScan, patient_scans
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError


def written(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"0")


def of_card(image: Path, mask: Path | None, name: str = "p1") -> PatientScan:
    return PatientScan(image, Cohort("north", Role.EXTERNAL, (Case(name, name, "north", image, mask),)), mask)


def test_a_result_beside_the_folder_of_a_study_would_be_written_into_it(tmp_path: Path) -> None:
    written(tmp_path / "study" / "1.dcm")
    scans = patient_scans([tmp_path / "study"])
    with pytest.raises(InputError, match="choose another"):
        refuse_places(scans, tmp_path)
    refuse_places(scans, tmp_path / "result")


def test_a_result_below_the_folder_of_a_study_would_become_part_of_it(tmp_path: Path) -> None:
    written(tmp_path / "study" / "1.dcm")
    scans = patient_scans([tmp_path / "study"])
    for out in (tmp_path / "study", tmp_path / "study" / "result"):
        with pytest.raises(InputError, match="would become part of the study"):
            refuse_places(scans, out)


def test_a_mask_in_the_folder_of_its_patient_is_not_written_over(tmp_path: Path) -> None:
    image, mask = tmp_path / "p1" / "image.nii.gz", tmp_path / "p1" / "mask.nii.gz"
    written(image, mask)
    for scan in (of_card(image, mask), of_card(tmp_path / "elsewhere.nii.gz", mask), of_card(image, None)):
        with pytest.raises(InputError, match="choose another"):
            refuse_places([scan], tmp_path)
    refuse_places([of_card(image, mask)], tmp_path / "result")


def test_a_link_to_the_folder_of_a_study_is_known_as_it(tmp_path: Path) -> None:
    written(tmp_path / "study" / "1.dcm")
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "study").symlink_to(tmp_path / "study")
    with pytest.raises(InputError, match="choose another"):
        refuse_places(patient_scans([tmp_path / "study"]), tmp_path / "result")


def test_files_of_a_patient_that_no_answer_explains_are_not_written_over(tmp_path: Path) -> None:
    image = tmp_path / "data" / "p1.nii.gz"
    written(image, tmp_path / "out" / "p1" / "mask.nii.gz")
    with pytest.raises(InputError, match=r"holds mask\.nii\.gz"):
        refuse_places([of_card(image, None)], tmp_path / "out")
    written(tmp_path / "out" / "p1" / "answer.json")
    refuse_places([of_card(image, None)], tmp_path / "out")


@pytest.mark.parametrize("name", ["index.html", "Predictions.csv", "quarantine.csv", "run.json"])
def test_a_patient_does_not_have_the_name_of_a_file_over_all(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="rename"):
        refuse_places([of_card(tmp_path / "a.nii.gz", None, name)], tmp_path / "out")
