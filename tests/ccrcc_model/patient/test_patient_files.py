"""The files of an answered patient, through the command: page, DICOM objects, segmentation for Slicer, index."""

# Also of: ccrcc_model.patient.page_record, ccrcc_model.patient.patient_objects, ccrcc_model.patient.summary_picture

import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from command_line import ccrcc_here, mistake_here
from dicom_series import ORDERS, write_series
from predicted_patients import without_tumour, write_scan
from pydicom import dcmread
from two_kidneys import two_kidneys
from valid_dicom import faults

from ccrcc_model.patient.answer import Answer
from ccrcc_model.patient.patient_files import PatientFiles
from ccrcc_model.patient.patient_objects import lesion_segments
from ccrcc_model.patient.summary_picture import HEIGHT, WIDTH, summary_picture
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.measurements.patient import measure_patient
from radiomics_cfg.preset import load_preset

OBJECTS = ("mask.dcm", "report.dcm", "summary.dcm")


@pytest.fixture(scope="module")
def study(known: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the known scan as a CT series; its patient is A^B with the id MRN-4711-Q."""
    folder = tmp_path_factory.mktemp("study") / "ct"
    write_series(folder, sitk.ReadImage(str(known / "scan.nii.gz")), PatientName="A^B", PatientID="MRN-4711-Q")
    return folder


def predicted(known: Path, study: Path, out: Path, *more: str | Path) -> Path:
    """Run the command on the study and the known mask; return the folder of the patient."""
    words = ("--preset", known / "small", "--scan", study, "--mask", known / "scan_mask.nii.gz", "--out", out, *more)
    ran = ccrcc_here("predict", known / "grade", known / "percent", *words)
    assert ran.status == 0, ran.said
    return out / study.stem


def written(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_dicom_study_gets_valid_objects_that_refer_to_each_other(known: Path, study: Path, tmp_path: Path) -> None:
    folder = predicted(known, study, tmp_path / "out")
    for name in OBJECTS:
        assert faults(folder / name) == []
        assert b"MRN-4711-Q" not in (folder / name).read_bytes()
    seg = highdicom.seg.segread(folder / "mask.dcm")
    assert [str(one.SegmentLabel) for one in seg.SegmentSequence] == ["Kidney", "Tumour 1"]
    report = highdicom.sr.srread(folder / "report.dcm")
    groups = report.content.get_volumetric_roi_measurement_groups()
    referred = [
        item.ReferencedSOPSequence[0]
        for group in groups
        for item in group[0].ContentSequence
        if "ReferencedSOPSequence" in item
    ]
    assert {one.ReferencedSOPInstanceUID for one in referred} == {seg.SOPInstanceUID}
    answer = Answer.read(folder)
    first, *_ = report.content.get_image_measurement_groups()
    assert first.get_measurements()[0].value == pytest.approx(answer.predictions[0].probability)
    capture = dcmread(folder / "summary.dcm")
    assert (capture.Rows, capture.Columns, capture.PatientID) == (HEIGHT, WIDTH, seg.PatientID)


def test_seg_holds_the_voxels_of_the_mask(known: Path, study: Path, tmp_path: Path) -> None:
    folder = predicted(known, study, tmp_path / "out", "--keep-identity")
    seg = highdicom.seg.segread(folder / "mask.dcm")
    assert seg.PatientID == "MRN-4711-Q"
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "mask.nii.gz")))
    for number, label in ((1, Label.KIDNEY), (2, Label.TUMOUR)):
        assert int(seg.get_volume(segment_numbers=[number]).array.sum()) == int((mask == label).sum())


def test_other_options_make_the_files_anew_and_keep_the_answer(known: Path, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = written(predicted(known, study, out))
    assert written(predicted(known, study, out)) == first
    second = written(predicted(known, study, out, "--slicer"))
    assert set(second) - set(first) == {"mask.seg.nrrd"}
    assert second["answer.json"] == first["answer.json"]
    assert second["mask.nii.gz"] == first["mask.nii.gz"]
    third = written(predicted(known, study, out, "--labelmap"))
    assert set(third) == set(first)
    assert dcmread(out / "ct" / "mask.dcm").SegmentationType == "LABELMAP"
    assert third["answer.json"] == first["answer.json"]


@pytest.mark.parametrize("name", ["page.html", "mask.dcm"])
def test_a_damaged_file_is_made_again(known: Path, study: Path, tmp_path: Path, name: str) -> None:
    key = tmp_path / "key.txt"
    folder = predicted(known, study, tmp_path / "out", "--identity-key", key)
    whole = sitk.ReadImage(str(folder / name)) if name.endswith(".dcm") else (folder / name).read_bytes()
    (folder / name).write_bytes(b"cut short")
    predicted(known, study, tmp_path / "out", "--identity-key", key)
    assert (sitk.ReadImage(str(folder / name)) if name.endswith(".dcm") else (folder / name).read_bytes()) == whole


def test_one_key_gives_two_runs_one_pseudonym(known: Path, study: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    folders = [predicted(known, study, tmp_path / out, "--identity-key", key) for out in ("a", "b")]
    ids = [dcmread(folder / "report.dcm").PatientID for folder in folders]
    assert ids[0] == ids[1] != "MRN-4711-Q"
    said = mistake_here(
        "predict", known / "grade", "--scan", study, "--out", tmp_path / "c", "--identity-key", key, "--keep-identity"
    )
    assert "give one of them" in said


def test_an_identifier_that_cannot_be_kept_costs_one_patient_the_objects_and_nobody_else(known: Path, tmp_path: Path) -> None:
    image = sitk.ReadImage(str(known / "scan.nii.gz"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what this is about
        for name, uid in (("bad", "1.2.03.x"), ("good", "1.2.3")):
            write_series(tmp_path / name, image, StudyInstanceUID=uid)
    given = [word for name in ("bad", "good") for word in ("--scan", tmp_path / name, "--mask", known / "scan_mask.nii.gz")]
    words = ("--preset", known / "small", "--out", tmp_path / "out", "--keep-identity", *given)
    ran = ccrcc_here("predict", known / "grade", *words)
    assert ran.status == 0, ran.said
    assert "bad: no DICOM objects: the series has an identifier that DICOM does not allow" in ran.said
    assert (tmp_path / "out" / "bad" / "page.html").is_file()
    assert [(tmp_path / "out" / name / "report.dcm").is_file() for name in ("bad", "good")] == [False, True]


def test_without_the_extra_a_line_says_why_there_are_no_objects(
    known: Path, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_highdicom(name: str, *more: str) -> Any:
        return None if name == "highdicom" else find_spec(name, *more)

    monkeypatch.setattr("importlib.util.find_spec", without_highdicom)
    words = ("--preset", known / "small", "--scan", study, "--mask", known / "scan_mask.nii.gz", "--out", tmp_path / "out")
    ran = ccrcc_here("predict", known / "grade", *words)
    assert ran.status == 0, ran.said
    assert "No DICOM objects: they need the extra dicom" in ran.said
    assert (tmp_path / "out" / "ct" / "page.html").is_file()


def test_a_zip_of_a_study_is_read_and_has_the_same_objects(known: Path, study: Path, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "ct"), "zip", study))
    folder = predicted(known, packed, tmp_path / "out")
    assert all((folder / name).is_file() for name in OBJECTS)


def test_without_a_tumour_page_and_report_state_it_without_a_number(known: Path, study: Path, tmp_path: Path) -> None:
    scan = without_tumour(write_scan(tmp_path / "in"))
    words = ("--preset", known / "small", "--scan", study, "--mask", scan.mask, "--out", tmp_path / "out")
    ran = ccrcc_here("predict", known / "grade", *words)
    assert ran.status == 3
    folder = tmp_path / "out" / "ct"
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert "the mask shows no tumour" in page
    report = highdicom.sr.srread(folder / "report.dcm")
    assert report.content.get_image_measurement_groups() == []
    assert "ct/page.html" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_without_a_series_of_its_voxels_a_patient_has_a_page_and_the_reason(known: Path, study: Path, tmp_path: Path) -> None:
    folder = predicted(known, study, tmp_path / "out")
    image, mask = (sitk.ReadImage(str(path)) for path in (known / "scan.nii.gz", folder / "mask.nii.gz"))
    other, files = Scan(image + 100, mask), PatientFiles(Identity.replaced())
    rules = load_preset(known / "small").regions
    record = files.write(Answer.read(folder), other, source=study, folder=folder, rules=rules)
    assert record.without == {"source-missing": "none of 1 DICOM volumes has the voxels of the scan"}
    assert not any((folder / name).exists() for name in OBJECTS)
    assert files.kept(folder) == record


def test_segments_are_numbered_like_the_measurements_in_every_orientation() -> None:
    scan = two_kidneys()
    for order in ORDERS[::7]:
        turned = Scan(sitk.DICOMOrient(scan.image, order), sitk.DICOMOrient(scan.mask, order))
        labels, segments = lesion_segments(turned)
        names = {one.value: one.name for one in segments}
        for lesion in measure_patient(turned).lesions:
            x, y, z = (round(place) for place in lesion.centroid_voxel_xyz)
            assert names[labels[x, y, z]] == f"{lesion.label.capitalize()} {lesion.lesion}"


def test_the_summary_is_a_picture_with_its_slice_and_its_words(known: Path, study: Path, tmp_path: Path) -> None:
    folder = predicted(known, study, tmp_path / "out")
    image, mask = (sitk.ReadImage(str(path)) for path in (known / "scan.nii.gz", folder / "mask.nii.gz"))
    picture = summary_picture(Answer.read(folder), Scan(image, mask))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    halves = picture[:, : WIDTH // 2], picture[:, WIDTH // 2 :]
    assert all(len(np.unique(half)) > 50 for half in halves)
