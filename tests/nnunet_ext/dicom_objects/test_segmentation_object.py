# Also of: nnunet_ext.dicom_objects.coding nnunet_ext.dicom_objects.equipment nnunet_ext.dicom_objects.highdicom_extra
# nnunet_ext.dicom_objects.segment
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import (
    AXIAL,
    ORDERS,
    centroid_mm,
    farthest_mm,
    places_of,
    points_by_highdicom,
    points_by_pydicom,
    points_by_simpleitk,
    small_volume,
    write_series,
)
from pydicom import dcmread
from valid_dicom import faults

from ccrcc_model.faults.orientation import OBLIQUE
from nnunet_ext.convert.dicom import import_dicom
from nnunet_ext.dicom_masks.codes import read_codes
from nnunet_ext.dicom_objects.coding import STRUCTURE_CODES
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.segment import Segment
from nnunet_ext.dicom_objects.segmentation_object import Algorithm, WrittenSeg, write_seg
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import STRUCTURES

NETWORK = Algorithm("kidney network", "0123abcd")

READERS = (points_by_pydicom, points_by_simpleitk, points_by_highdicom)


def _written(folder: Path, image: sitk.Image, mask: sitk.Image, **options: object) -> Path:
    source = Source.of(write_series(folder / "ct", image), Identity.kept())
    write_seg(folder / "seg.dcm", source, mask, algorithm=NETWORK, **options)  # type: ignore[arg-type]
    return folder / "seg.dcm"


@pytest.mark.parametrize("order", AXIAL)
def test_three_readers_find_every_voxel_of_every_axial_series_at_its_place(tmp_path: Path, order: str) -> None:
    image, mask = small_volume(order)
    path = _written(tmp_path, image, mask)
    for label, read in itertools.product((1, 2), READERS):
        expected, found = places_of(mask, label), read(path, label)
        assert farthest_mm(found, expected) < 1e-3
        np.testing.assert_allclose(found.mean(axis=0), centroid_mm(mask, label), atol=1e-3)


@pytest.mark.parametrize("order", ["LPS", "RAI"])
def test_three_readers_find_every_voxel_of_an_oblique_series_at_its_place(tmp_path: Path, order: str) -> None:
    image, mask = small_volume(order, direction=OBLIQUE)
    path = _written(tmp_path, image, mask)
    for read in READERS:
        np.testing.assert_allclose(read(path, 2).mean(axis=0), centroid_mm(mask, 2), atol=1e-3)
        assert farthest_mm(read(path, 2), places_of(mask, 2)) < 1e-3


def test_a_mask_stored_in_any_of_48_orders_gives_the_same_segments(tmp_path: Path) -> None:
    image, mask = small_volume(direction=OBLIQUE)
    source = Source.of(write_series(tmp_path / "ct", image), Identity.kept())
    assert len(set(ORDERS)) == 48
    for order in ORDERS:
        write_seg(tmp_path / f"{order}.dcm", source, sitk.DICOMOrient(mask, order), algorithm=NETWORK)
    assert len({dcmread(path).PixelData for path in tmp_path.glob("*.dcm")}) == 1
    assert len({dcmread(path).SOPInstanceUID for path in tmp_path.glob("*.dcm")}) == 1


@pytest.mark.parametrize("labelmap", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_our_import_reads_equal_voxels(tmp_path: Path, *, labelmap: bool, backwards: bool) -> None:
    image, mask = small_volume("RAI" if backwards else "LPS", direction=OBLIQUE)
    series = write_series(tmp_path / "scan", image, numbered_backwards=backwards)
    write_seg(tmp_path / "scan" / "seg.dcm", Source.of(series, Identity.kept()), mask, algorithm=NETWORK, labelmap=labelmap)
    cohort, refused = import_dicom(tmp_path / "scan", tmp_path / "out", name="one", role=Role.EXTERNAL, centre="north")
    assert refused == ()
    read = sitk.ReadImage(str(cohort.cases[0].mask))
    for label in (1, 2):
        assert farthest_mm(places_of(read, label), places_of(mask, label)) < 1e-3


@pytest.mark.parametrize("identity", [Identity.kept(), Identity.replaced()], ids=["kept", "replaced"])
@pytest.mark.parametrize("algorithm", [NETWORK, None], ids=["network", "person"])
def test_dciodvfy_finds_no_error(tmp_path: Path, identity: Identity, algorithm: Algorithm | None) -> None:
    image, mask = small_volume()
    series = write_series(tmp_path / "ct", image, PatientName="A^B", StudyDate="20200301", StudyInstanceUID="1.2.3.4")
    write_seg(tmp_path / "seg.dcm", Source.of(series, identity), mask, algorithm=algorithm)
    assert faults(tmp_path / "seg.dcm") == []


def test_dciodvfy_finds_nothing_wrong_with_a_label_map_but_that_it_does_not_know_the_kind(tmp_path: Path) -> None:
    path = _written(tmp_path, *small_volume(), labelmap=True)
    unknown = ["Information Object Not found", "SegmentNumber not monotonically increasing"]  # 0 is its background
    assert [line for line in faults(path) if not any(word in line for word in unknown)] == []


def test_the_codes_written_are_read_as_the_structures_that_they_are_written_for(tmp_path: Path) -> None:
    path = _written(tmp_path, *small_volume())
    for item, structure in zip(dcmread(path).SegmentSequence, ("kidney", "tumour"), strict=True):
        assert read_codes(item.SegmentedPropertyTypeCodeSequence).structure == structure
        assert item.SegmentAlgorithmName == NETWORK.name
        assert item.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == NETWORK.version
    assert set(STRUCTURE_CODES) == set(STRUCTURES)


def test_only_structures_that_the_mask_holds_are_segments_numbered_from_one(tmp_path: Path) -> None:
    image, mask = small_volume()
    only_cyst = sitk.Cast(mask == 2, sitk.sitkUInt8) * 3
    path = _written(tmp_path, image, only_cyst)
    written = WrittenSeg.read(path)
    assert dict(written.numbers) == {"Cyst": 1}
    assert points_by_pydicom(path, 1).shape == places_of(mask, 2).shape


def test_two_tumours_may_be_two_segments(tmp_path: Path) -> None:
    image, mask = small_volume()
    segments = [Segment(1, "tumour", "Tumour 1"), Segment(2, "tumour", "Tumour 2")]
    written = WrittenSeg.read(_written(tmp_path, image, mask, segments=segments))
    assert dict(written.numbers) == {"Tumour 1": 1, "Tumour 2": 2}
    assert len(set(written.tracking.values())) == 2


def test_what_is_no_mask_of_the_series_is_refused(tmp_path: Path) -> None:
    image, mask = small_volume()
    source = Source.of(write_series(tmp_path / "ct", image), Identity.kept())
    empty, foreign = mask * 0, mask + 5
    for bad, code in ((empty, "mask-empty"), (foreign, "unknown-label"), (mask[:, :, 1:], "mask-grid")):
        with pytest.raises(CaseRefused) as refused:
            write_seg(tmp_path / "seg.dcm", source, bad, algorithm=None)
        assert refused.value.code == code
    assert not (tmp_path / "seg.dcm").exists()


def test_the_same_mask_is_the_same_object_and_is_not_written_twice(tmp_path: Path) -> None:
    image, mask = small_volume()
    source = Source.of(write_series(tmp_path / "ct", image), Identity.replaced())
    path = tmp_path / "seg.dcm"
    first = write_seg(path, source, mask, algorithm=NETWORK)
    before = path.stat().st_mtime_ns
    assert write_seg(path, source, mask, algorithm=NETWORK).header == first.header
    assert path.stat().st_mtime_ns == before
    other = write_seg(path, source, sitk.Cast(mask == 2, sitk.sitkUInt8) * 2, algorithm=NETWORK)
    assert other.header.SOPInstanceUID != first.header.SOPInstanceUID


def test_without_highdicom_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = small_volume()
    source = Source.of(write_series(tmp_path / "ct", image), Identity.kept())
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match=r"ccrcc-radiomics\[dicom\]"):
        write_seg(tmp_path / "seg.dcm", source, mask, algorithm=None)
