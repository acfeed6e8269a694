# Also of: ccrcc_model.commands.identities

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
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
from nnunet_ext.ground.files import sha256


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


def test_a_network_that_does_not_part_tumours_from_cysts_gives_masses(tmp_path: Path) -> None:
    network = write_threshold_network(tmp_path / "network", labels={"kidney": 1, "renal mass": 2})
    network.joinpath("fold_0", "checkpoint_best.pth").rename(network / "fold_0" / "checkpoint_final.pth")
    image, _ = small_scan()
    sitk.WriteImage(as_image(image), str(tmp_path / "scan.nii.gz"))
    words = ("segment", tmp_path / "scan.nii.gz", "--model", network, "--whole-scan")
    by_name = ccrcc_here(*words, "--out", tmp_path / "by_name")
    assert by_name.status == 0, by_name.said
    assert "network has no checkpoint_best.pth; checkpoint_final.pth is used" in by_name.said
    (case,) = load_cohort(tmp_path / "by_name" / "card.yaml").cases
    assert load_cohort(tmp_path / "by_name" / "card.yaml").labels == {"kidney": 1, "mass": 4}
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(case.mask)))
    assert set(np.unique(values)) == {0, 1, 4}
    check = pd.read_csv(tmp_path / "by_name" / "self_check.csv").iloc[0]
    assert check.mass_ml > 0
    assert check.tumour_ml == 0
    declared = ccrcc_here(*words, "--labels", "kidney=1,mass=2", "--checkpoint", "final", "--out", tmp_path / "declared")
    assert declared.status == 0, declared.said
    again = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "declared" / "scan.nii.gz")))
    np.testing.assert_array_equal(again, values)
    record = json.loads((tmp_path / "declared" / "segmentation.json").read_text(encoding="utf-8"))
    assert record["model"]["labels"] == "kidney=1,mass=2"
    as_tumour = ccrcc_here(*words, "--labels", "kidney=1,tumour=2", "--out", tmp_path / "as_tumour")
    assert "The class renal mass is taken as tumour, as declared" in as_tumour.said
    assert load_cohort(tmp_path / "as_tumour" / "card.yaml").labels == {"kidney": 1, "tumour": 2}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--labels", "kidney=1,tumour=3"), "has no class 3, declared to be tumour; it has 1 = kidney, 2 = tumour"),
        (("--labels", "kidney=1,tumour=1"), "two structures share a value: 1 is kidney and tumour"),
        (("--labels", "kidney=1,kidney=1"), "the value 1 is given twice for kidney"),
        (("--labels", "liver=1"), "unknown structure 'liver'"),
        (("--labels", "1"), "A label is a structure and its value"),
        (("--checkpoint", "latest"), "lacks fold_0/checkpoint_latest.pth; it holds fold_0 with checkpoint_best.pth"),
        (("--configuration", "3d_lowres"), "holds no training of the configuration '3d_lowres'"),
        (("--sha256", "0" * 64), "--sha256 is the hash of a zip file"),
    ],
)
def test_a_network_that_is_asked_for_what_it_lacks_says_what_it_has(
    network: Path, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    sitk.WriteImage(as_image(small_scan()[0]), str(tmp_path / "scan.nii.gz"))
    line = mistake_here("segment", tmp_path / "scan.nii.gz", "--model", network, "--out", tmp_path / "out", *more)
    assert said in line


def test_a_model_zip_is_segmented_with_as_its_folder_is(network: Path, tmp_path: Path) -> None:
    source = tmp_path / "net.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for file in ("plans.json", "dataset.json", "fold_0/checkpoint_best.pth"):
            archive.write(network / file, f"Dataset220_KiTS/nnUNetTrainer__nnUNetPlans__3d_fullres/{file}")
    sitk.WriteImage(as_image(small_scan()[0]), str(tmp_path / "scan.nii.gz"))
    words = ("segment", tmp_path / "scan.nii.gz", "--whole-scan")
    zipped = ccrcc_here(*words, "--model", source, "--sha256", sha256(source), "--out", tmp_path / "zipped")
    assert zipped.status == 0, zipped.said
    assert ccrcc_here(*words, "--model", network, "--out", tmp_path / "plain").status == 0
    one, other = (sitk.ReadImage(str(tmp_path / name / "scan.nii.gz")) for name in ("zipped", "plain"))
    np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (one, other)))
    again = mistake_here(*words, "--model", source, "--sha256", "0" * 64, "--out", tmp_path / "zipped")
    assert "it is another file, or damaged" in again


@pytest.fixture
def kidneys(tmp_path: Path) -> Path:
    """The scan of ``small_scan``, and a mask of one kidney with the tumour in it, whose value is not 1."""
    hu, mask = small_scan()
    sitk.WriteImage(as_image(hu), str(tmp_path / "scan.nii.gz"))
    one = np.where(mask > 0, 7, 0).astype(np.uint8)
    sitk.WriteImage(as_image(one), str(tmp_path / "kidneys.nii.gz"))
    return tmp_path / "kidneys.nii.gz"


def test_lesions_are_sought_around_the_kidneys_that_the_user_has(network: Path, kidneys: Path, tmp_path: Path) -> None:
    words = ("segment", tmp_path / "scan.nii.gz", "--model", network, "--out", tmp_path / "out", "--kidneys")
    ran = ccrcc_here(*words, kidneys)
    assert ran.status == 0, ran.said
    given = sitk.GetArrayFromImage(sitk.ReadImage(str(kidneys))) > 0
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "scan.nii.gz")))
    np.testing.assert_array_equal(found == 1, given & (found != 2))
    assert (found == 2).any()
    assert pd.read_csv(tmp_path / "out" / "self_check.csv")["searched"].tolist() == ["kidneys"]
    assert ccrcc_here(*words, kidneys).status == 0, "kept"
    other = as_image((given & (np.arange(given.shape[0])[:, None, None] > 5)).astype(np.uint8))
    sitk.WriteImage(other, str(kidneys))
    assert "was made from another image, or other kidneys" in mistake_here(*words, kidneys)


def test_kidneys_may_be_a_folder_of_structures_or_a_card(network: Path, kidneys: Path, tmp_path: Path) -> None:
    (tmp_path / "structures").mkdir()
    kidneys.rename(tmp_path / "structures" / "kidney_left.nii.gz")
    words = ("segment", tmp_path / "scan.nii.gz", "--model", network)
    joined = ccrcc_here(*words, "--kidneys", tmp_path / "structures", "--out", tmp_path / "a")
    assert joined.status == 0, joined.said
    rows = "case_id,image,mask\nscan,scan.nii.gz,structures\n"
    (tmp_path / "list.csv").write_text(rows, encoding="utf-8")
    imported = ccrcc_here("import", "table", tmp_path / "list.csv", "--centre", "n", "--out", tmp_path / "cohort")
    assert imported.status == 0, imported.said
    card = tmp_path / "cohort" / "card.yaml"
    carded = ccrcc_here("segment", card, "--model", network, "--kidneys", card, "--out", tmp_path / "b")
    assert carded.status == 0, carded.said
    one, other = (sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name / "scan.nii.gz"))) for name in "ab")
    np.testing.assert_array_equal(one, other)
    two = "case_id,image,mask\nscan,scan.nii.gz,structures\nelse,scan.nii.gz,\n"
    (tmp_path / "list.csv").write_text(two, encoding="utf-8")
    assert ccrcc_here("import", "table", tmp_path / "list.csv", "--centre", "n", "--out", tmp_path / "two").status == 0
    card = tmp_path / "two" / "card.yaml"
    words = ("segment", card, "--model", network, "--out", tmp_path / "c", "--kidneys")
    assert "1 of 2 cases have no mask of kidneys, the first is else" in mistake_here(*words, card)
    assert "give a cohort card with their masks" in mistake_here(*words, tmp_path / "structures")
