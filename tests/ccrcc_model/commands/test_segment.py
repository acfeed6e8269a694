# Also of: ccrcc_model.commands.identities
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import ccrcc_here, mistake_here
from dicom_series import write_series
from pydicom import dcmread
from threshold_network import write_threshold_network

from ccrcc_model.faults.scans import as_image, small_scan
from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.convert.dicom import import_dicom
from nnunet_ext.ground.case import Role


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_threshold_network(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one study of ``small_scan``; never to be written to."""
    folder = tmp_path_factory.mktemp("studies")
    write_series(
        folder / "series", as_image(small_scan()[0]), PatientID="HOSP-4711", PatientName="A^B", StudyInstanceUID="1.2.3.4"
    )
    return folder


@pytest.fixture
def card(studies: Path, tmp_path: Path) -> Path:
    cohort, _ = import_dicom(studies, tmp_path / "cohort", name="one", role=Role.EXTERNAL, centre="north")
    return save_cohort(cohort, tmp_path / "cohort")


def _options(card: Path, network: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("segment", card, "--out", out, "--model", network, "--whole-scan", "--trust-checkpoint", *more)


def test_masks_of_an_imported_cohort_come_as_seg_and_for_slicer(
    card: Path, network: Path, studies: Path, tmp_path: Path
) -> None:
    out, key = tmp_path / "out", tmp_path / "identity.key"
    words = _options(card, network, out, "--dicom", "--dicom-source", studies, "--slicer", "--identity-key", key)
    ran = ccrcc_here(*words)
    assert ran.status == 0, ran.said
    (case,) = load_cohort(out / "card.yaml").cases
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(case.mask)))
    seg = dcmread(out / "dicom" / f"{case.id}.dcm")
    assert [str(one.SegmentLabel) for one in seg.SegmentSequence] == ["Kidney", "Tumour"]
    assert int(seg.pixel_array.sum()) == int((labels > 0).sum()) > 0
    assert (seg.PatientID[:2], str(seg.StudyInstanceUID)[:5]) == ("P-", "2.25.")
    assert b"HOSP-4711" not in (out / "dicom" / f"{case.id}.dcm").read_bytes()
    slicer = sitk.ReadImage(str(out / "slicer" / f"{case.id}.seg.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(slicer), labels)
    record = (out / "run.json").read_text(encoding="utf-8")
    assert str(studies) not in record
    assert str(key) not in record
    before = (out / "dicom" / f"{case.id}.dcm").stat().st_mtime_ns
    assert ccrcc_here(*words).status == 0
    assert (out / "dicom" / f"{case.id}.dcm").stat().st_mtime_ns == before, "the same key gives the same object"


def test_a_folder_of_slices_is_its_own_source_and_its_identity_may_be_kept(
    network: Path, studies: Path, tmp_path: Path
) -> None:
    ran = ccrcc_here(*_options(studies / "series", network, tmp_path / "out", "--dicom", "--keep-identity", "--labelmap"))
    assert ran.status == 0, ran.said
    seg = dcmread(tmp_path / "out" / "dicom" / "series.dcm")
    assert (seg.PatientID, seg.StudyInstanceUID, seg.SegmentationType) == ("HOSP-4711", "1.2.3.4", "LABELMAP")


def test_a_case_whose_series_is_not_named_keeps_its_mask_and_is_listed(card: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = ccrcc_here(*_options(card, network, out, "--dicom"))
    assert ran.status == 3
    assert "source-missing" in (out / "quarantine.csv").read_text(encoding="utf-8")
    assert len(list(out.glob("*.nii.gz"))) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--keep-identity",), "add --dicom"),
        (("--labelmap",), "add --dicom"),
        (("--dicom", "--keep-identity", "--dicom-slices"), "leave one out"),
        (("--dicom", "--keep-identity", "--identity-key", "a.key"), "give one of them"),
        (("--dicom", "--identity-key", "OUT/a.key"), "has to be outside"),
        (("--dicom", "--dicom-source", "absent"), "neither a folder nor a zip file"),
    ],
)
def test_options_that_contradict_each_other_end_in_one_line(
    card: Path, network: Path, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    words = [word.replace("OUT", str(tmp_path / "out")) for word in more]
    assert said in mistake_here(*_options(card, network, tmp_path / "out", *words))
    assert not list((tmp_path / "out").glob("*.nii.gz")), "it ends before the scans are segmented"
