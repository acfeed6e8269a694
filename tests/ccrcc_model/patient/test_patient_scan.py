"""The scans that a user names, each under a name of its own."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from predicted_patients import write_scan

from ccrcc_model.faults.dicom_files import write_ct
from ccrcc_model.models.model import Model
from ccrcc_model.patient.patient_scan import patient_scans
from ccrcc_model.patient.predict import predict
from nnunet_ext.ground.errors import CaseRefused, InputError


def write_dicom(folder: Path, image: Path, **attributes: str) -> Path:
    """Write a volume of 3 mm voxels as a CT series, and return the folder."""

    def change(number: int, file: object) -> None:
        file.ImagePositionPatient, file.ImageOrientationPatient = [0, 0, 3 * number], [1, 0, 0, 0, 1, 0]
        file.PixelSpacing, file.SliceThickness = [3, 3], 3

    write_ct(folder, sitk.GetArrayFromImage(sitk.ReadImage(str(image))), change=change, **attributes)
    return folder


def test_scans_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    paths = [write_scan(tmp_path / name, "Image").image for name in ("a", "b")]
    others = [write_scan(tmp_path, name).image for name in ("other", "image-2")]
    assert [scan.id for scan in patient_scans([*paths, *others])] == ["Image-1", "Image-3", "other", "image-2"]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.nii.gz", "nifti"), ("a.nrrd", "nrrd"), ("a.mha", "metaimage"), ("a.zip", "dicom")]
)
def test_the_kind_of_a_scan_follows_from_its_name(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"")
    scan = patient_scans([tmp_path / name])[0]
    assert (scan.kind, scan.id) == (kind, "a")


def test_a_scan_needs_a_path_that_exists_and_as_many_masks_as_scans(tmp_path: Path) -> None:
    scan = write_scan(tmp_path)
    for scans, masks, said in (
        ([], [], "at least one"),
        ([scan.image], [tmp_path / "no"], "no file"),
        ([scan.image], [scan.mask] * 2, "2 masks"),
    ):
        with pytest.raises(InputError, match=said):
            patient_scans(scans, masks)


def test_a_dicom_study_and_its_zip_file_give_the_answer_of_the_volume(known: Path, tmp_path: Path) -> None:
    case = write_scan(tmp_path / "in")
    study = write_dicom(tmp_path / "study", case.image)
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", study))
    model = Model.load(known / "grade")
    found = predict(model, [case.image, study, archive], mask=[case.mask] * 3, preset=known / "small", out=tmp_path / "out")
    answers = found.answers
    assert found.refusals == ()
    assert [answer.source.kind for answer in answers] == ["nifti", "dicom", "dicom"]
    assert [answer.patient for answer in answers] == ["scan", "study", "packed"]
    assert len({answer.predictions[0].probability for answer in answers}) == 1
    assert len({(answer.lesions[0].volume_ml, answer.lesions[0].diameters_mm) for answer in answers}) == 1
    assert [answer.source.phase for answer in answers] == [None, "nephrographic", "nephrographic"]
    names = [path.name for path in (tmp_path / "out" / "study").iterdir()]
    assert sorted(names) == ["answer.json", "mask.nii.gz", "page.html", "page.json"]


def test_two_patients_in_one_folder_are_refused_and_so_is_a_bomb(known: Path, tmp_path: Path) -> None:
    case = write_scan(tmp_path / "in")
    for number in (1, 2):
        ids = {"PatientID": f"HOSPITAL-{number}", "StudyInstanceUID": f"1.2.{number}"}
        write_dicom(tmp_path / "both" / str(number), case.image, **ids)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../zeros", np.zeros(40 << 20, np.uint8).tobytes())
    scans = [tmp_path / "both", tmp_path / "bomb.zip"]
    found = predict(Model.load(known / "grade"), scans, mask=[case.mask] * 2, preset=known / "small")
    assert [one.code for one in found.refusals] == ["several-studies", "no-study"]
    assert "times its size" in found.refusals[1].reason


def test_a_file_of_a_study_that_cannot_be_read_refuses_the_study_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "1.dcm").write_bytes(b"0")
    scan = patient_scans([tmp_path / "study"])[0]
    monkeypatch.setattr("ccrcc_model.patient.patient_scan.sha256", denied)
    with pytest.raises(CaseRefused, match=r"io-error: 1\.dcm: Permission denied"):
        _ = scan.sha256
