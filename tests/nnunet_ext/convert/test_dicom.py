"""DICOM studies as a cohort: which series, in which order, with which mask, and without whose name."""

# Also of: nnunet_ext.dicom.choice, nnunet_ext.dicom.files, nnunet_ext.dicom.people, nnunet_ext.dicom_masks.remarks.

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from nnunet_ext.cohort.acquisition import read_acquisition
from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.convert.dicom import import_dicom, import_study
from nnunet_ext.dicom_masks.structure_names import structure_of
from nnunet_ext.ground.case import Cohort, Refusal, Role
from nnunet_ext.ground.errors import CaseRefused, InputError

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
NAME, NUMBER = "Doe^Jane", "HOSPITAL-4711"
ROWS, COLUMNS = 12, 16


def dataset(path: Path, storage: str, **attributes: Any) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = storage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = storage, meta.MediaStorageSOPInstanceUID
    found.PatientName, found.PatientID, found.PatientBirthDate = NAME, NUMBER, "19500101"
    for name, value in attributes.items():
        setattr(found, name, value)
    return found


def write_series(
    folder: Path,
    z_mm: Sequence[float] = tuple(range(0, 60, 5)),
    *,
    study: str = "1.2.3",
    series: str | None = None,
    orientation: Sequence[float] = AXIAL,
    shear: float = 0.0,
    **changes: Any,
) -> str:
    """Write a CT series whose voxels hold 100 z + 10 row + column (z as a number of the slice), and return its identifier."""
    folder.mkdir(parents=True, exist_ok=True)
    series = series or generate_uid()
    normal = np.cross(orientation[:3], orientation[3:])
    for number, z in enumerate(z_mm):
        path = folder / f"{series[-8:]}-{number}.dcm"
        position = np.array([-20.0, -10.0, 0.0]) + normal * z + np.array([0.0, shear * z, 0.0])
        attributes = {"Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "SeriesDescription": "CT", "KVP": "120"}
        attributes |= {"StudyInstanceUID": study, "SeriesInstanceUID": series, "ConvolutionKernel": ["B30f", "3"]}
        attributes |= {"ImagePositionPatient": position.round(6).tolist(), "ImageOrientationPatient": list(orientation)}
        attributes |= {"PixelSpacing": [0.8, 0.8], "SliceThickness": "5", "RescaleSlope": "1", "RescaleIntercept": "-1024"}
        found = dataset(path, CTImageStorage, **attributes)
        voxels = 100 * number + 10 * np.arange(ROWS)[:, None] + np.arange(COLUMNS)
        found.Rows, found.Columns, found.SamplesPerPixel = ROWS, COLUMNS, 1
        found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 16, 15, 0
        found.PhotometricInterpretation = "MONOCHROME2"
        found.PixelData = (voxels + 1024).astype(np.uint16).tobytes()
        for name, value in changes.items():
            setattr(found, name, value)
        found.save_as(path, enforce_file_format=True)
    return series


def write_rtstruct(path: Path, series: str, regions: dict[str, list[list[list[float]]]], *, study: str = "1.2.3") -> None:
    found = dataset(path, RTStructureSetStorage, Modality="RTSTRUCT", StudyInstanceUID=study, SeriesInstanceUID=generate_uid())
    reference, referred, frame = Dataset(), Dataset(), Dataset()
    reference.SeriesInstanceUID = series
    referred.RTReferencedSeriesSequence = [reference]
    frame.RTReferencedStudySequence = [referred]
    found.ReferencedFrameOfReferenceSequence = [frame]
    found.StructureSetROISequence, found.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for corners in contours:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.ContourData = np.array(corners, float).ravel().tolist()
            drawn.ContourSequence.append(contour)
        found.StructureSetROISequence.append(roi)
        found.ROIContourSequence.append(drawn)
    found.save_as(path, enforce_file_format=True)


def square(z_mm: float, first: float, last: float) -> list[list[float]]:
    """A square of rows and columns from ``first`` to ``last``, in mm at a height."""
    low, high = np.array([-20.0, -10.0]) + 0.8 * first, np.array([-20.0, -10.0]) + 0.8 * last
    return [[low[0], low[1], z_mm], [high[0], low[1], z_mm], [high[0], high[1], z_mm], [low[0], high[1], z_mm]]


def imported(source: Path, out: Path, **options: Any) -> tuple[Cohort, tuple[Refusal, ...], pd.DataFrame]:
    cohort, refusals = import_dicom(source, out, name="c", role=Role.EXTERNAL, centre="north", **options)
    return cohort, refusals, pd.read_csv(out / "series.csv")


def test_a_series_becomes_a_volume_with_its_acquisition(tmp_path: Path) -> None:
    write_series(tmp_path / "in", SeriesDescription="Abdomen PORTAL venous 5.0", SpiralPitchFactor=0.9)
    cohort, refusals, series = imported(tmp_path / "in", tmp_path / "out")
    assert refusals == ()
    (case,) = load_cohort(save_cohort(cohort, tmp_path / "out")).cases
    assert (case.id, case.patient_id, case.centre, case.phase, case.mask) == (
        "p0001-1",
        "p0001",
        "north",
        "nephrographic",
        None,
    )
    image = sitk.ReadImage(str(case.image))
    assert image.GetSpacing() == pytest.approx((0.8, 0.8, 5.0))
    assert image.GetOrigin() == pytest.approx((-20.0, -10.0, 0.0))
    assert image[3, 2, 7] == 100 * 7 + 10 * 2 + 3
    row = read_acquisition(tmp_path / "out" / "acquisition.csv").iloc[0]
    assert row.tolist() == ["p0001-1", "120", "", "12", "16", "5", "0.9", "B30f"]
    assert series["verdict"].tolist() == ["chosen"]


@pytest.mark.parametrize(
    ("orientation", "landmark"),
    [
        (AXIAL, (3, 2, 7)),
        ((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (3, 2, 7)),  # columns run to the right, so the normal points down
        ((0.0, 1.0, 0.0, 1.0, 0.0, 0.0), (3, 2, 7)),
        ((0.0, -1.0, 0.0, 1.0, 0.0, 0.0), (3, 2, 7)),
    ],
)
def test_a_landmark_stays_where_it_is_in_the_patient(
    tmp_path: Path, orientation: tuple[float, ...], landmark: tuple[int, int, int]
) -> None:
    write_series(tmp_path / "in", orientation=orientation)
    cohort, _, _ = imported(tmp_path / "in", tmp_path / "out")
    image = sitk.ReadImage(str(cohort.cases[0].image))
    column, row, number = landmark
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    there = np.array([-20.0, -10.0, 0.0]) + 5 * number * np.cross(along_row, along_column)
    there = there + 0.8 * column * along_row + 0.8 * row * along_column
    assert image[image.TransformPhysicalPointToIndex(there.tolist())] == 100 * number + 10 * row + column


def test_no_identifier_survives_but_in_the_key(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in")
    write_rtstruct(tmp_path / "in" / "rt.dcm", series, {"Kidney_L": [square(10, 2, 6)]})
    cohort, _, _ = imported(tmp_path / "in", tmp_path / "out", key=tmp_path / "key.csv")
    save_cohort(cohort, tmp_path / "out")
    for file in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        image = sitk.ReadImage(str(file)) if file.name.endswith(".nii.gz") else None
        words = file.read_bytes() if image is None else str(image).encode()
        for secret in (NAME, NUMBER, "Doe", "19500101", series):
            assert secret.encode() not in words, (file.name, secret)
            assert secret not in file.name
    assert pd.read_csv(tmp_path / "key.csv").iloc[0].tolist() == [NUMBER, "p0001"]
    with pytest.raises(InputError, match="names patients, so it has to be outside"):
        imported(tmp_path / "in", tmp_path / "out", key=tmp_path / "out" / "key.csv")


def test_patients_keep_the_numbers_of_a_key(tmp_path: Path) -> None:
    (tmp_path / "key.csv").write_text(f"original,patient_id\nanother,p0001\n{NUMBER},p0007\n", encoding="utf-8")
    write_series(tmp_path / "in")
    write_series(tmp_path / "in", study="1.2.4", PatientID="a new one")
    cohort, _, _ = imported(tmp_path / "in", tmp_path / "out", key=tmp_path / "key.csv")
    assert {case.patient_id for case in cohort.cases} == {"p0007", "p0002"}


FAULTS: dict[str, dict[str, Any]] = {
    "not-ct": {"Modality": "MR"},
    "localiser": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "few-slices": {"z_mm": range(0, 45, 5)},
    "not-axial": {"orientation": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)},
    "slice-duplicate": {"z_mm": [*range(0, 60, 5), 30]},
    "slice-gap": {"z_mm": [z for z in range(0, 70, 5) if z != 30]},
    "gantry-tilt": {"shear": 0.02},
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_series_that_is_no_volume_is_told_apart(tmp_path: Path, code: str) -> None:
    write_series(tmp_path / "in", study="1.2.3", **FAULTS[code])
    write_series(tmp_path / "in", study="1.2.4")
    cohort, refusals, series = imported(tmp_path / "in", tmp_path / "out")
    assert len(cohort.cases) == 1
    assert [(one.stage, one.code) for one in refusals] == [("import", "no-series")]
    assert code in refusals[0].reason
    assert sorted(series["verdict"]) == sorted([code, "chosen"])


def test_slices_of_two_grids_in_one_series_are_told_apart(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in", range(0, 60, 5))
    write_series(tmp_path / "in" / "other", range(60, 120, 5), series=series, PixelSpacing=[0.7, 0.7])
    with pytest.raises(InputError, match=r"None of the 1 studies .* \(no-series\)"):
        imported(tmp_path / "in", tmp_path / "out")
    assert pd.read_csv(tmp_path / "out" / "series.csv")["verdict"].tolist() == ["mixed-series"]


def test_the_last_accepted_tilt_and_step(tmp_path: Path) -> None:
    write_series(
        tmp_path / "in", [0, 5, 10, 15.4, 20, 25, 30, 35, 40, 45], shear=0.008
    )  # 0.46 degrees; steps of 4.6 to 5.4 mm
    cohort, refusals, _ = imported(tmp_path / "in", tmp_path / "out")
    assert (len(cohort.cases), refusals) == (1, ())


def test_a_file_that_is_there_twice_is_one_slice(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    shutil.copytree(tmp_path / "in", tmp_path / "in" / "copy")
    cohort, _, series = imported(tmp_path / "in", tmp_path / "out")
    assert sitk.ReadImage(str(cohort.cases[0].image)).GetSize() == (COLUMNS, ROWS, 12)
    assert series[["files", "slices"]].iloc[0].tolist() == [24, 12]


def test_the_series_with_a_mask_goes_first_then_phase_extent_and_thin_slices(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    masked = write_series(folder, SeriesDescription="native")
    write_series(folder, SeriesDescription="arterial")
    long = write_series(folder, range(0, 80, 5), SeriesDescription="venous")
    write_series(folder, SeriesDescription="venous")
    _, _, series = imported(folder, tmp_path / "first")
    assert series.set_index("verdict").loc["chosen", ["phase", "slices"]].tolist() == ["nephrographic", 16]
    write_rtstruct(folder / "rt.dcm", masked, {"tumor": [square(10, 2, 6)]})
    cohort, _, series = imported(folder, tmp_path / "second")
    assert series.set_index("verdict").loc["chosen", "phase"] == "unenhanced"
    assert series.set_index("verdict").loc["chosen", "why"].startswith("with a mask, ")
    assert cohort.cases[0].mask is not None
    assert long != masked


def test_contours_are_filled_with_holes_on_the_right_slices(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in")
    regions = {
        "left kidney": [square(10, 1.5, 9.5), square(10, 4.5, 6.5)],
        "GTV-1": [square(15, 2.5, 4.5)],
        "liver": [square(20, 1, 9)],
    }
    write_rtstruct(tmp_path / "in" / "rt.dcm", series, regions)
    cohort, _, _ = imported(tmp_path / "in", tmp_path / "out")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(cohort.cases[0].mask)))
    assert np.count_nonzero(mask == 1) == 8 * 8 - 2 * 2
    assert np.flatnonzero((mask == 1).any(axis=(1, 2))).tolist() == [2]
    assert np.argwhere(mask == 2).tolist() == [[3, y, x] for y in (3, 4) for x in (3, 4)]


@pytest.mark.parametrize(
    ("regions", "code"),
    [({"liver": [square(10, 1, 5)]}, "no-structure"), ({"kidney": [square(200, 1, 5)]}, "contour-outside")],
)
def test_a_mask_that_cannot_be_used_refuses_its_study(tmp_path: Path, regions: dict[str, Any], code: str) -> None:
    series = write_series(tmp_path / "in")
    write_rtstruct(tmp_path / "in" / "rt.dcm", series, regions)
    write_series(tmp_path / "in", study="1.2.4")
    cohort, refusals, _ = imported(tmp_path / "in", tmp_path / "out")
    assert len(cohort.cases) == 1
    assert [one.code for one in refusals] == [code]


def test_segments_of_a_seg_lie_on_their_slices(tmp_path: Path) -> None:
    write_series(
        tmp_path / "in",
        PatientSex="",
        FrameOfReferenceUID="1.2.9",
        PositionReferenceIndicator="",
        AccessionNumber="",
        StudyDate="20200101",
        StudyTime="120000",
        StudyID="1",
        ReferringPhysicianName="",
    )
    slices = [pydicom.dcmread(path) for path in (tmp_path / "in").iterdir()]
    slices.sort(key=lambda one: -one.ImagePositionPatient[2])  # from top to bottom: another order than the volume's
    segments = np.zeros((12, ROWS, COLUMNS, 2), np.uint8)
    segments[2, 3, 4, 0] = segments[5, 6, 7, 1] = 1
    described = [
        highdicom.seg.SegmentDescription(number, name, codes.SCT.Organ, codes.SCT.Kidney, "MANUAL")
        for number, name in ((1, "Kidney"), (2, "Renal tumor"))
    ]
    seg = highdicom.seg.Segmentation(
        slices, segments, "BINARY", described, generate_uid(), 1, generate_uid(), 1, "maker", "model", "1", "serial"
    )
    seg.save_as(tmp_path / "in" / "seg.dcm")
    cohort, _, _ = imported(tmp_path / "in", tmp_path / "out")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(cohort.cases[0].mask)))
    assert np.argwhere(mask == 1).tolist() == [[9, 3, 4]]
    assert np.argwhere(mask == 2).tolist() == [[6, 6, 7]]


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("Kidney_L", "kidney"),
        ("renal mass", "tumour"),
        ("Tumor 1", "tumour"),
        ("cyst", "cyst"),
        ("Niere re", "kidney"),
        ("liver", None),
    ],
)
def test_names_of_regions_are_understood(name: str, structure: str | None) -> None:
    assert structure_of(name) == structure


def test_a_zip_file_does_as_well_as_a_folder(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    archive = shutil.make_archive(str(tmp_path / "studies"), "zip", tmp_path / "in")
    cohort, _, _ = imported(Path(archive), tmp_path / "out")
    assert len(cohort.cases) == 1
    (tmp_path / "torn.zip").write_bytes(Path(archive).read_bytes()[:-200])
    with pytest.raises(InputError, match="neither a folder nor a zip file"):
        imported(tmp_path / "torn.zip", tmp_path / "out")


def test_what_is_no_dicom_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "README.txt").write_text("notes", encoding="utf-8")
    with pytest.raises(InputError, match="No DICOM file below"):
        imported(tmp_path / "in", tmp_path / "out")
    write_series(tmp_path / "in")
    assert len(imported(tmp_path / "in", tmp_path / "out")[0].cases) == 1


@pytest.mark.data
def test_the_ibsi_phantoms_contours_give_its_nifti_mask(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "ibsi" / "ibsi_1_ct_radiomics_phantom"
    if not folder.is_dir():
        pytest.skip("the IBSI CT phantom is not in the real data folder")
    cohort, refusals, _ = imported(folder / "dicom", tmp_path / "out")
    assert refusals == ()
    found, known = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        for path in (cohort.cases[0].mask, folder / "nifti" / "mask" / "mask.nii.gz")
    )
    assert np.array_equal(found > 0, known > 0)  # the two grids are one
    assert pydicom.dcmread(next((folder / "dicom" / "image").iterdir()), stop_before_pixels=True).Modality == "CT"


def test_a_name_that_a_card_could_not_have_is_refused_before_the_work(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    with pytest.raises(InputError, match="'my scans' must be letters, digits"):
        import_dicom(tmp_path / "in", tmp_path / "out", name="my scans", role=Role.EXTERNAL, centre="north")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"PixelSpacing": [0.8]},
        {"ImageOrientationPatient": [1.0, 0.0, 0.0]},
        {"ImagePositionPatient": [1.0]},
    ],
)
def test_a_series_with_half_a_geometry_has_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_series(tmp_path / "in", study="1.2.3", **changes)
    write_series(tmp_path / "in", study="1.2.4")
    cohort, refusals, series = imported(tmp_path / "in", tmp_path / "out")
    assert len(cohort.cases) == 1
    assert [one.code for one in refusals] == ["no-series"]
    assert sorted(series["verdict"]) == ["chosen", "no-geometry"]


def test_contours_that_are_damaged_refuse_their_study_alone(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in")
    write_rtstruct(tmp_path / "in" / "rt.dcm", series, {"kidney": [square(10, 2, 6)]})
    damaged = pydicom.dcmread(tmp_path / "in" / "rt.dcm")
    del damaged.ROIContourSequence[0].ReferencedROINumber
    damaged.save_as(tmp_path / "in" / "rt.dcm")
    write_series(tmp_path / "in", study="1.2.4")
    cohort, refusals, _ = imported(tmp_path / "in", tmp_path / "out")
    assert len(cohort.cases) == 1
    assert [one.code for one in refusals] == ["mask-unreadable"]
    assert "\n" not in refusals[0].reason


def test_the_only_study_of_a_folder_has_the_name_that_is_given_and_a_mask_file_from_elsewhere(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in")
    write_rtstruct(tmp_path / "in" / "own.dcm", series, {"kidney": [square(20, 1, 5)]})
    write_rtstruct(tmp_path / "rt.dcm", series, {"kidney": [square(10, 1.5, 9.5)], "tumour": [square(15, 2.5, 4.5)]})
    case = import_study(tmp_path / "in", tmp_path / "out", case_id="one", mask=tmp_path / "rt.dcm").cases[0]
    assert (case.id, case.patient_id, case.image.name) == ("one", "one", "one.nii.gz")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(case.mask)))
    assert np.flatnonzero((mask > 0).any(axis=(1, 2))).tolist() == [2, 3]
    own = import_study(tmp_path / "in", tmp_path / "again", case_id="one").cases[0]
    assert np.flatnonzero(sitk.GetArrayFromImage(sitk.ReadImage(str(own.mask))).any(axis=(1, 2))).tolist() == [4]


def test_a_folder_of_two_patients_is_not_one_study(tmp_path: Path) -> None:
    write_series(tmp_path / "in", study="1.2.3")
    write_series(tmp_path / "in", study="1.2.4", PatientID="ANOTHER-1")
    with pytest.raises(CaseRefused, match="2 studies of 2 patients") as refused:
        import_study(tmp_path / "in", tmp_path / "out", case_id="one")
    assert refused.value.code == "several-studies"


@pytest.mark.parametrize(("file", "code"), [("rt.dcm", "mask-unmatched"), ("text.dcm", "mask-unreadable")])
def test_a_mask_file_of_another_scan_is_refused(tmp_path: Path, file: str, code: str) -> None:
    write_series(tmp_path / "in")
    write_rtstruct(tmp_path / "rt.dcm", "1.2.999", {"kidney": [square(10, 1, 5)]})
    (tmp_path / "text.dcm").write_text("no DICOM", encoding="utf-8")
    with pytest.raises(CaseRefused) as refused:
        import_study(tmp_path / "in", tmp_path / "out", case_id="one", mask=tmp_path / file)
    assert refused.value.code == code
