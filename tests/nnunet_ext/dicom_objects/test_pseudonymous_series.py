# Also of: nnunet_ext.dicom_objects.object_file
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import points_by_pydicom, small_volume, write_series
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless
from valid_dicom import faults

from nnunet_ext.convert.dicom import import_dicom
from nnunet_ext.dicom.files import find_series
from nnunet_ext.dicom.series import Series
from nnunet_ext.dicom.voxels import read_volume
from nnunet_ext.dicom_objects import pseudonymous_series
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.segmentation_object import write_seg
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.case import Role

PERSON = {"PatientName": "Gruber^Ada", "PatientID": "HOSP-4711", "StudyDate": "20200301", "StudyInstanceUID": "1.2.840.99.1"}


def _copied(folder: Path, series: Series) -> Series:
    source = Source.of(series, Identity.replaced(bytes(32)))
    pseudonymous_series.write_series(folder, series, source)
    (found,) = find_series(folder).series
    return found


def _equal(one: Series, other: Series) -> None:
    first, second = read_volume(one), read_volume(other)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second))
    for get in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(first, get)(), getattr(second, get)(), atol=1e-6)


@pytest.mark.parametrize("order", ["LPS", "RAI"])
def test_the_copy_has_the_same_hu_at_the_same_place_and_names_nobody(tmp_path: Path, order: str) -> None:
    series = write_series(tmp_path / "ct", small_volume(order)[0], InstitutionName="Nordklinik", **PERSON)
    copy = _copied(tmp_path / "copy", series)
    _equal(series, copy)
    words = [*PERSON.values(), "Nordklinik", series.first.series, "1.2.9", *(one.instance for one in series.slices)]
    for path in (tmp_path / "copy").iterdir():
        content = path.read_bytes()
        assert [word for word in words if word.encode() in content] == []
        assert faults(path) == []


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_other_transfer_syntaxes_keep_their_voxels(tmp_path: Path, syntax: str) -> None:
    original = write_series(tmp_path / "ct", small_volume()[0])
    (tmp_path / "other").mkdir()
    for header in original.slices:
        file = dcmread(header.path)
        _rewritten(file, syntax, tmp_path / "other" / header.path.name)
    (series,) = find_series(tmp_path / "other").series
    _equal(original, _copied(tmp_path / "copy", series))


def _rewritten(file: FileDataset, syntax: str, path: Path) -> None:
    if syntax == RLELossless:
        file.compress(RLELossless, generate_instance_uid=False)
        file.save_as(path)
        return
    little = syntax != ExplicitVRBigEndian
    plain = Dataset()
    plain.update(file)
    plain.file_meta, plain.file_meta.TransferSyntaxUID = file.file_meta, syntax
    plain.PixelData = np.frombuffer(file.PixelData, "<u2").astype("<u2" if little else ">u2").tobytes()
    dcmwrite(path, plain, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little, enforce_file_format=True)


def test_segments_under_the_same_key_belong_to_the_copy(tmp_path: Path) -> None:
    image, mask = small_volume()
    series = write_series(tmp_path / "ct", image, **PERSON)
    _copied(tmp_path / "copy", series)
    write_seg(tmp_path / "copy" / "seg.dcm", Source.of(series, Identity.replaced(bytes(32))), mask, algorithm=None)
    before = points_by_pydicom(tmp_path / "copy" / "seg.dcm", 2)
    cohort, refused = import_dicom(tmp_path / "copy", tmp_path / "out", name="a", role=Role.EXTERNAL, centre="north")
    assert refused == ()
    labels = sitk.ReadImage(str(cohort.cases[0].mask))
    assert int((sitk.GetArrayFromImage(labels) == 2).sum()) == len(before)
    table = (tmp_path / "out" / "series.csv").read_text(encoding="utf-8")
    assert "used" in table
    assert "matched" not in table, "by reference, not by position"


def test_slices_that_are_there_are_left(tmp_path: Path) -> None:
    series = write_series(tmp_path / "ct", small_volume()[0])
    _copied(tmp_path / "copy", series)
    before = [path.stat().st_mtime_ns for path in sorted((tmp_path / "copy").iterdir())]
    (tmp_path / "copy" / "0003.dcm").write_bytes(b"")
    _copied(tmp_path / "copy", series)
    after = [path.stat().st_mtime_ns for path in sorted((tmp_path / "copy").iterdir())]
    assert [number for number, pair in enumerate(zip(before, after, strict=True), 1) if pair[0] != pair[1]] == [3]
