# Also of: nnunet_ext.dicom_objects.series_grid
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import ORDERS, small_volume, write_series
from pydicom import dcmread
from valid_dicom import faults

from ccrcc_model.faults.orientation import OBLIQUE
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.segmentation_object import write_seg
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.errors import CaseRefused

PERSON = {
    "PatientName": "Müller^Hans",
    "PatientID": "HOSP-4711",
    "PatientBirthDate": "19500101",
    "PatientSex": "M",
    "StudyDate": "20200301",
    "StudyTime": "101112.543210",
    "StudyID": "S77",
    "AccessionNumber": "A88",
    "ReferringPhysicianName": "Weiss^Eva",
    "SpecificCharacterSet": "ISO_IR 100",
    "InstitutionName": "Nordklinik",
    "StudyInstanceUID": "1.2.840.99.1",
}


def test_no_word_of_the_source_is_in_an_object_whose_identity_was_replaced(tmp_path: Path) -> None:
    image, mask = small_volume()
    series = write_series(tmp_path / "ct", image, **PERSON)
    write_seg(tmp_path / "seg.dcm", Source.of(series, Identity.replaced()), mask, algorithm=None)
    content = (tmp_path / "seg.dcm").read_bytes()
    uids = [getattr(dcmread(path), name) for path in sorted((tmp_path / "ct").iterdir()) for name in _UIDS]
    words = [*PERSON.values(), "Hans", "Weiss", "1.2.9", *uids]
    words.remove("M")
    words.remove("ISO_IR 100")
    assert [word for word in words if word.encode("latin-1") in content or word.encode() in content] == []
    assert dcmread(tmp_path / "seg.dcm").PatientIdentityRemoved == "YES"


_UIDS = ("SOPInstanceUID", "SeriesInstanceUID")


def test_what_is_kept_is_stated_as_in_the_source_and_nothing_else(tmp_path: Path) -> None:
    image, mask = small_volume()
    series = write_series(tmp_path / "ct", image, **PERSON)
    write_seg(tmp_path / "seg.dcm", Source.of(series, Identity.kept()), mask, algorithm=None)
    found = dcmread(tmp_path / "seg.dcm")
    assert {name: str(found.get(name)) for name in PERSON if name in found} == {
        name: value for name, value in PERSON.items() if name != "InstitutionName"
    } | {"SpecificCharacterSet": "ISO_IR 192"}
    assert found.FrameOfReferenceUID == "1.2.9"
    referred = {str(one.ReferencedSOPInstanceUID) for one in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert referred == {header.instance for header in series.slices}


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR_100", "Müller^Hans"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_a_name_in_any_character_set_is_kept(tmp_path: Path, characters: list[str] | str, name: str) -> None:
    image, mask = small_volume()
    series = write_series(tmp_path / "ct", image, SpecificCharacterSet=characters, PatientName=name)
    write_seg(tmp_path / "seg.dcm", Source.of(series, Identity.kept()), mask, algorithm=None)
    assert dcmread(tmp_path / "seg.dcm").PatientName == name
    assert faults(tmp_path / "seg.dcm") == []


def test_objects_of_one_study_under_one_key_share_its_pseudonyms(tmp_path: Path) -> None:
    image, _ = small_volume()
    two = [write_series(tmp_path / name, image, **PERSON) for name in ("a", "b")]
    one, other = (Source.of(series, Identity.replaced(bytes(32))).first for series in two)
    assert (one.StudyInstanceUID, one.PatientID, one.StudyDate) == (other.StudyInstanceUID, other.PatientID, other.StudyDate)
    assert one.SeriesInstanceUID != other.SeriesInstanceUID


def test_a_patient_without_an_id_is_told_apart_by_the_study(tmp_path: Path) -> None:
    image, _ = small_volume()
    person = PERSON | {"PatientID": "ANONYMOUS"}
    one = write_series(tmp_path / "a", image, **person)
    other = write_series(tmp_path / "b", image, **person | {"StudyInstanceUID": "1.2.840.99.2"})
    identity = Identity.replaced(bytes(32))
    assert Source.of(one, identity).first.PatientID != Source.of(other, identity).first.PatientID


def test_values_that_dicom_does_not_allow_are_left_out(tmp_path: Path) -> None:
    image, mask = small_volume()
    series = write_series(tmp_path / "ct", image)
    path = series.slices[0].path
    damaged = path.read_bytes().replace(b"\x08\x00\x20\x00DA\x00\x00", b"\x08\x00\x20\x00DA\x08\x002020-3-1", 1)
    path.write_bytes(damaged)
    write_seg(tmp_path / "seg.dcm", Source.of(series, Identity.kept()), mask, algorithm=None)
    assert dcmread(tmp_path / "seg.dcm").StudyDate == ""


@pytest.mark.parametrize("order", ORDERS)
def test_a_mask_in_any_order_of_axes_is_brought_into_that_of_the_slices(tmp_path: Path, order: str) -> None:
    image, mask = small_volume("RAI", direction=OBLIQUE)
    source = Source.of(write_series(tmp_path, image), Identity.kept())
    upwards = sitk.GetArrayFromImage(sitk.Flip(mask, (False, False, True)))  # slices follow their normal
    expected = upwards if source.first.ImagePositionPatient[2] != image.GetOrigin()[2] else sitk.GetArrayFromImage(mask)
    np.testing.assert_array_equal(source.labels(sitk.DICOMOrient(mask, order)), expected)


def test_a_mask_is_moved_by_at_most_a_tenth_of_a_voxel(tmp_path: Path) -> None:
    image, mask = small_volume()
    source = Source.of(write_series(tmp_path, image), Identity.kept())
    x, y, z = mask.GetOrigin()
    mask.SetOrigin((x + 0.099 * 3.1, y, z))
    assert source.labels(mask).any()
    mask.SetOrigin((x + 0.101 * 3.1, y, z))
    with pytest.raises(CaseRefused, match="0.10 voxels off"):
        source.labels(mask)


def test_a_mask_of_another_scan_is_refused_in_one_line(tmp_path: Path) -> None:
    image, mask = small_volume()
    source = Source.of(write_series(tmp_path, image), Identity.kept())
    whole_step = sitk.Image(mask)
    whole_step.SetOrigin(mask.TransformIndexToPhysicalPoint((1, 0, 0)))
    turned = sitk.Image(mask)
    turned.SetDirection(OBLIQUE)
    for bad in (whole_step, turned, mask[1:, :, :], mask[:, :, :-1]):
        with pytest.raises(CaseRefused, match="name the series that the mask was drawn on") as refused:
            source.labels(bad)
        assert refused.value.code == "mask-grid"
