"""Masks of DICOM files through the import: where segments and contours come to lie, and which scan they belong to."""

# Also of: nnunet_ext.dicom_masks.contours, nnunet_ext.dicom_masks.mask_files, nnunet_ext.dicom_masks.matching,
# nnunet_ext.dicom_masks.placed, nnunet_ext.dicom_masks.segments.

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import HTJ2KLossless, RLELossless, generate_uid

from ccrcc_model.cli import main
from ccrcc_model.faults.dicom_files import outlines, same_grid, write_ct, write_rtstruct
from ccrcc_model.faults.dicom_mask_files import (
    MaskImported,
    boxes,
    flat_box,
    moved,
    truth,
    with_new_identifiers,
    write_contours,
    write_seg,
)
from ccrcc_model.faults.fault import in_this_process, met_by
from ccrcc_model.faults.scans import small_scan


def imported(folder: Path, *options: object) -> MaskImported:
    with met_by(in_this_process(main)):
        return MaskImported(folder, *options)


@pytest.mark.parametrize("flips", list(product([False, True], repeat=3)))
def test_a_seg_lies_where_its_orientation_puts_it(tmp_path: Path, flips: tuple[bool, ...]) -> None:
    axes = [axis for axis, flip in enumerate(flips) if flip]
    volume = same_grid(small_scan()[1])
    write_seg(tmp_path / "in", volume=volume.flip_spatial(axes) if axes else volume)
    imported(tmp_path / "in").reads(truth())


@pytest.mark.parametrize("axes", [[0, 2, 1], [1, 0, 2], [2, 1, 0], [1, 2, 0]])
def test_a_seg_may_store_any_planes_of_the_scan(tmp_path: Path, axes: list[int]) -> None:
    write_seg(tmp_path / "in", volume=same_grid(small_scan()[1]).permute_spatial_axes(axes))
    imported(tmp_path / "in").reads(truth())


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_cropped_seg_of_an_odd_size_is_read(tmp_path: Path, kind: str) -> None:
    write_seg(tmp_path / "in", volume=same_grid(small_scan()[1])[:, 5:46, 2:47], kind=kind)
    imported(tmp_path / "in").reads(truth())


def test_cosines_that_are_not_of_length_one_are_normalised(tmp_path: Path) -> None:
    def lengthen(seg: Any) -> None:
        for group in [*seg.PerFrameFunctionalGroupsSequence, *seg.SharedFunctionalGroupsSequence]:
            for plane in group.get("PlaneOrientationSequence", []):
                plane.ImageOrientationPatient = [1.001, 0, 0, 0, 0.999, 0]

    write_seg(tmp_path / "in", lengthen)
    imported(tmp_path / "in").reads(truth())


def test_the_last_shift_that_is_read_and_the_first_that_is_not(tmp_path: Path) -> None:
    write_seg(tmp_path / "in", lambda seg: moved(seg, 0, 4 * 0.09, 0))
    imported(tmp_path / "in").reads(truth())
    write_seg(tmp_path / "off", lambda seg: moved(seg, 0, 4 * 0.11, 0))
    imported(tmp_path / "off").refuses("mask-grid")


def turned(seg: Any) -> None:
    for group in [*seg.PerFrameFunctionalGroupsSequence, *seg.SharedFunctionalGroupsSequence]:
        for plane in group.get("PlaneOrientationSequence", []):
            plane.ImageOrientationPatient = [0.9962, 0.0872, 0, -0.0872, 0.9962, 0]


def without_position(seg: Any) -> None:
    del seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


def twice(seg: Any) -> None:
    seg.PerFrameFunctionalGroupsSequence[1] = seg.PerFrameFunctionalGroupsSequence[0]


def one_number_twice(seg: Any) -> None:
    seg.SegmentSequence[1].SegmentNumber = 1


def of_no_segment(seg: Any) -> None:
    seg.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9


def torn(seg: Any) -> None:
    seg.PixelData = seg.PixelData[: len(seg.PixelData) // 2]


def tiled(seg: Any) -> None:
    seg.DimensionOrganizationType = "TILED_FULL"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (turned, "mask-grid"),
        (without_position, "mask-grid"),
        (twice, "mask-grid"),
        (tiled, "mask-grid"),
        (one_number_twice, "mask-unreadable"),
        (of_no_segment, "mask-unreadable"),
        (torn, "mask-unreadable"),
        (lambda seg: delattr(seg, "SegmentationType"), "mask-unreadable"),
        (lambda seg: delattr(seg, "SegmentSequence"), "mask-unreadable"),
    ],
)
def test_a_seg_that_cannot_be_placed_is_refused(tmp_path: Path, change: Callable[[Any], None], code: str) -> None:
    write_seg(tmp_path / "in", change)
    imported(tmp_path / "in").refuses(code)


def test_half_of_the_maximum_belongs_and_less_does_not(tmp_path: Path) -> None:
    fractions = np.where(small_scan()[1][..., None] == [1, 2], 128 / 255, 127 / 255)
    write_seg(tmp_path / "in", volume=fractions, kind="FRACTIONAL", slices=write_ct(tmp_path / "in"))
    found = imported(tmp_path / "in")
    found.reads(truth())
    assert "FRACTIONAL (PROBABILITY), from 0.5 on" in " ".join(found.series["why"])


def test_a_compressed_seg_is_read(tmp_path: Path) -> None:
    slices = write_ct(tmp_path / "in")
    write_seg(tmp_path / "in", slices=slices, kind="LABELMAP", transfer_syntax_uid=RLELossless)
    imported(tmp_path / "in").reads(truth())


def test_a_seg_of_a_compression_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    def as_htj2k(seg: Any) -> None:
        seg.file_meta.TransferSyntaxUID = HTJ2KLossless

    slices = write_ct(tmp_path / "in")
    write_seg(tmp_path / "in", as_htj2k, kind="LABELMAP", slices=slices, transfer_syntax_uid=RLELossless)
    found = imported(tmp_path / "in")
    found.refuses("mask-unreadable")
    assert "no decoder of its compression" in " ".join(found.series["why"])


def test_a_mask_whose_references_are_damaged_refuses_its_own_study(tmp_path: Path) -> None:
    write_seg(tmp_path / "in", lambda seg: delattr(seg.ReferencedSeriesSequence[0], "SeriesInstanceUID"))
    imported(tmp_path / "in").refuses("mask-unreadable")


def test_a_value_of_a_wrong_length_refuses_the_study_alone(tmp_path: Path) -> None:
    write_seg(tmp_path / "in")
    path = tmp_path / "in" / "seg.dcm"
    number = b"\x62\x00\x04\x00US\x02\x00"  # (0062,0004) Segment Number, of two bytes
    assert number in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(number, b"\x62\x00\x04\x00US\x01\x00", 1))
    imported(tmp_path / "in").refuses("mask-unreadable")


def test_segments_may_overlap(tmp_path: Path) -> None:
    both = np.stack([small_scan()[1] > 0, small_scan()[1] == 2], axis=-1).astype(np.uint8)
    write_seg(tmp_path / "in", volume=both, slices=write_ct(tmp_path / "in"))
    found = imported(tmp_path / "in")
    found.reads(truth())
    assert found.regions["voxels"].tolist() == [str((truth() > 0).sum()), str((truth() == 2).sum())]


def test_a_seg_placed_by_position_alone_is_read(tmp_path: Path) -> None:
    def without_sources(seg: Any) -> None:
        del seg.ReferencedSeriesSequence
        for frame in seg.PerFrameFunctionalGroupsSequence:
            del frame.DerivationImageSequence

    write_seg(tmp_path / "in", without_sources)
    found = imported(tmp_path / "in")
    found.reads(truth())
    assert "matched by frame of reference and positions" in " ".join(found.series["why"])


def test_a_mask_with_other_identifiers_fits_the_volume_whose_slices_it_has(tmp_path: Path) -> None:
    write_seg(tmp_path / "in", with_new_identifiers)
    coarse = small_scan()[0][::1]

    def thinner(number: int, file: Any) -> None:
        file.ImagePositionPatient = [-94.0, -94.0, 3.0 * number + 1.5]

    write_ct(tmp_path / "in", coarse, change=thinner)
    imported(tmp_path / "in").reads(truth())


def test_a_mask_that_refers_to_one_series_and_the_slices_of_another_is_left(tmp_path: Path) -> None:
    other = write_ct(tmp_path / "in")

    def refer(seg: Any) -> None:
        seg.ReferencedSeriesSequence[0].SeriesInstanceUID = other[0].SeriesInstanceUID

    write_seg(tmp_path / "in", refer)
    imported(tmp_path / "in").leaves("mask-reference")


def test_a_mask_of_the_series_that_is_not_chosen_is_told(tmp_path: Path) -> None:
    write_contours(tmp_path / "in", {"Liver": outlines(1)})
    write_contours(tmp_path / "in", {"Tumor": outlines(2)}, name="rt2.dcm")
    found = imported(tmp_path / "in")
    found.reads(boxes(2))  # a liver's series does not go before that of a tumour
    assert found.verdicts == ["not chosen", "used"]


def test_masks_of_several_studies_of_their_own_are_no_studies(tmp_path: Path) -> None:
    slices = write_contours(tmp_path / "in", {"Tumor": outlines(2)}, StudyInstanceUID="1.2.77")
    write_rtstruct(tmp_path / "in" / "rt2.dcm", slices, {"Kidney": outlines(1)}, StudyInstanceUID="1.2.78")
    found = imported(tmp_path / "in")
    assert found.ran.status == 0
    found.reads(np.where(boxes(2) == 2, 2, boxes(1)))


def test_a_mask_file_that_is_there_twice_is_one(tmp_path: Path) -> None:
    write_contours(tmp_path / "in", {"Tumor": outlines(2)})
    shutil.copy(tmp_path / "in" / "rt.dcm", tmp_path / "in" / "copy.dcm")
    imported(tmp_path / "in").reads(boxes(2))


def test_files_of_one_series_with_different_structures_are_joined(tmp_path: Path) -> None:
    series = generate_uid()
    slices = write_contours(tmp_path / "in", {"Tumor": outlines(2)})
    write_rtstruct(tmp_path / "in" / "rt2.dcm", slices, {"Kidney": outlines(1)})
    for name in ("rt.dcm", "rt2.dcm"):
        file = pydicom.dcmread(tmp_path / "in" / name)
        file.SeriesInstanceUID = series
        file.save_as(tmp_path / "in" / name)
    found = imported(tmp_path / "in")
    found.reads(np.where(boxes(2) == 2, 2, boxes(1)))
    assert "joined with 1 other" in " ".join(found.series["why"])


def test_a_file_that_was_not_read_because_another_is_damaged_is_not_said_to_hold_nothing(tmp_path: Path) -> None:
    slices = write_contours(tmp_path / "in", {"Tumor": outlines(2)})
    write_contours(tmp_path / "in", {"Kidney": outlines(1)}, slices=slices, change=more_claimed, name="rt2.dcm")
    found = imported(tmp_path / "in")
    found.refuses("mask-unreadable")
    assert found.verdicts == ["mask-unreadable", "not used"]


def test_two_readers_in_one_file_are_refused_and_two_sides_joined(tmp_path: Path) -> None:
    slices = write_contours(tmp_path / "in", {"GTV reader 1": outlines(2), "GTV reader 2": outlines(2)[:2]})
    imported(tmp_path / "in").refuses("several-masks")
    imported(tmp_path / "in", "--join-masks").reads(boxes(2))
    parts = {"GTV left auto": outlines(2)[:2], "GTV right auto": outlines(2)[2:]}
    write_contours(tmp_path / "in", parts, slices=slices)
    imported(tmp_path / "in").reads(boxes(2))


@pytest.mark.filterwarnings("ignore:The value length")  # the standard's own term is longer than it allows
@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "INTERPOLATED_PLANAR"])
def test_closed_contours_of_every_type_are_filled(tmp_path: Path, kind: str) -> None:
    write_contours(tmp_path / "in", {"Tumor": outlines(2)}, kind=kind)
    imported(tmp_path / "in").reads(boxes(2))


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_a_mask_without_an_area_is_empty(tmp_path: Path, kind: str) -> None:
    write_contours(tmp_path / "in", {"Tumor": outlines(2)}, kind=kind)
    found = imported(tmp_path / "in")
    found.refuses("mask-empty")
    assert "contours without an area" in found.regions["reason"][0]


def test_an_empty_tumour_is_refused_and_an_empty_cyst_told(tmp_path: Path) -> None:
    write_contours(tmp_path / "in", {"Kidney": outlines(1), "Tumor": []})
    imported(tmp_path / "in").refuses("region-empty")
    write_contours(tmp_path / "cyst", {"Kidney": outlines(1), "Cyst": []})
    found = imported(tmp_path / "cyst")
    found.reads(boxes(1))
    assert "cyst 0 voxels" in " ".join(found.series["why"])
    assert "it holds no voxel" in found.regions["reason"][1]


@pytest.mark.parametrize(("height", "code"), [(7.49, None), (13.49, None), (-0.49, None), (13.6, "contour-outside")])
def test_the_last_height_that_is_of_a_slice(tmp_path: Path, height: float, code: str | None) -> None:
    write_contours(tmp_path / "in", {"Tumor": [flat_box(height, 9.5, 12.5, 9.5, 12.5)]})
    found = imported(tmp_path / "in")
    if code is not None:
        found.refuses(code)
        return
    known = np.zeros_like(small_scan()[1])
    known[round(height), 10:13, 10:13] = 2
    found.reads(known)


@pytest.mark.parametrize(("edge", "code"), [(-0.99, None), (-1.0, "contour-outside")])
def test_the_last_edge_that_loses_no_voxel(tmp_path: Path, edge: float, code: str | None) -> None:
    write_contours(tmp_path / "in", {"Tumor": [flat_box(7, edge, 2.5, 9.5, 12.5)]})
    found = imported(tmp_path / "in")
    if code is not None:
        found.refuses(code)
        return
    known = np.zeros_like(small_scan()[1])
    known[7, 10:13, 0:3] = 2
    found.reads(known)


def test_of_contours_in_several_planes_of_a_slice_the_nearest_counts(tmp_path: Path) -> None:
    parts = [flat_box(7.1, 9.5, 12.5, 9.5, 12.5), flat_box(7.4, 5.5, 15.5, 5.5, 15.5)]
    write_contours(tmp_path / "in", {"Tumor": parts})
    known = np.zeros_like(small_scan()[1])
    known[7, 10:13, 10:13] = 2
    found = imported(tmp_path / "in")
    found.reads(known)
    assert "1 slices with contours in several planes" in " ".join(found.series["why"])


def data(values: list[float]) -> Callable[[Dataset], None]:
    def change(found: Dataset) -> None:
        contour = found.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData, contour.NumberOfContourPoints = values, len(values) // 3

    return change


def more_claimed(found: Dataset) -> None:
    found.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 10**9


def unknown_type(found: Dataset) -> None:
    found.ROIContourSequence[0].ContourSequence[0].ContourGeometricType = "SPLINE"


def same_number(found: Dataset) -> None:
    found.StructureSetROISequence[1].ROINumber = 1


def another_region(found: Dataset) -> None:
    found.ROIContourSequence[0].ReferencedROINumber = 9


def partly_exclusive(found: Dataset) -> None:
    contours = found.ROIContourSequence[0].ContourSequence
    contours.append(Dataset())
    contours[-1].update(contours[0])
    contours[-1].ContourGeometricType = "CLOSEDPLANAR_XOR"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (data([1, 2, 3, 4]), "mask-unreadable"),
        (data([1, 2, float("nan"), 4, 5, 6, 7, 8, 9]), "mask-unreadable"),
        (more_claimed, "mask-unreadable"),
        (unknown_type, "mask-unreadable"),
        (same_number, "mask-unreadable"),
        (another_region, "mask-unreadable"),
        (partly_exclusive, "mask-unreadable"),
        (data([0, 0, 30, 8, 0, 40, 8, 8, 50, 0, 8, 40]), "mask-grid"),  # across the slices
        (data([-9e9, 0, 35, 8, 0, 35, 8, 8, 35, 0, 8, 35]), "contour-outside"),
    ],
)
def test_contours_that_cannot_be_drawn_are_refused(tmp_path: Path, change: Callable[[Dataset], None], code: str) -> None:
    write_contours(tmp_path / "in", {"Tumor": outlines(2), "Kidney": outlines(1)}, change=change)
    imported(tmp_path / "in").refuses(code)


def test_contours_against_the_slice_they_refer_to_are_refused(tmp_path: Path) -> None:
    slices = write_ct(tmp_path / "in")

    def refer(found: Dataset) -> None:
        image = Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = slices[0].SOPClassUID, slices[0].SOPInstanceUID
        found.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [image]

    write_contours(tmp_path / "in", {"Tumor": outlines(2)}, slices=slices, change=refer)
    imported(tmp_path / "in").refuses("mask-reference")


def test_a_region_typed_as_a_target_volume_is_no_tumour(tmp_path: Path) -> None:
    def plan(found: Dataset) -> None:
        observed = Dataset()
        observed.ObservationNumber, observed.ReferencedROINumber, observed.RTROIInterpretedType = 1, 1, "PTV"
        found.RTROIObservationsSequence = [observed]

    write_contours(tmp_path / "in", {"Tumor": outlines(2), "Kidney": outlines(1)}, change=plan)
    imported(tmp_path / "in").reads(boxes(1))


def test_every_region_is_listed_with_what_it_was_taken_as(tmp_path: Path) -> None:
    write_contours(tmp_path / "in", {"Kidney_L": outlines(1), "GTV": outlines(2), "Liver": outlines(1), "Smith": []})
    found = imported(tmp_path / "in")
    assert found.taken == {"Kidney L": "kidney", "GTV": "tumour", "Liver": "", "…": ""}
    assert found.regions["voxels"].tolist() == [str((boxes(1) == 1).sum()), str((boxes(2) == 2).sum()), "", ""]
    assert "2 of 4 regions left; masks.csv says why" in found.ran.said
    assert "left: Liver, …" in " ".join(found.series["why"])


def test_the_users_structures_decide(tmp_path: Path) -> None:
    write_contours(tmp_path / "in", {"Smith 1": outlines(2), "Kidney": outlines(1)})
    (tmp_path / "names.yaml").write_text("smith 1: tumour\nKIDNEY: none\nabsent: cyst\n", encoding="utf-8")
    found = imported(tmp_path / "in", "--structures", tmp_path / "names.yaml")
    found.reads(boxes(2))
    assert "No region has these names of --structures: absent" in found.ran.said
    (tmp_path / "names.yaml").write_text("smith 1: tumor mass\n", encoding="utf-8")
    assert imported(tmp_path / "in", "--structures", tmp_path / "names.yaml").ran.status == 2


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_a_real_seg_of_a_liver_is_left_and_its_cut_frames_are_seen(tmp_path: Path, name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    seg = pydicom.dcmread(path)
    refers = seg.ReferencedSeriesSequence[0]
    same = {"PatientID": seg.PatientID, "StudyInstanceUID": seg.StudyInstanceUID}
    write_ct(tmp_path / "in", SeriesInstanceUID=refers.SeriesInstanceUID, FrameOfReferenceUID=seg.FrameOfReferenceUID, **same)
    shutil.copy(path, tmp_path / "in" / "seg.dcm")
    imported(tmp_path / "in").refuses("no-structure")
    (tmp_path / "names.yaml").write_text("Liver: tumour\n", encoding="utf-8")
    imported(tmp_path / "in", "--structures", tmp_path / "names.yaml").refuses("mask-unreadable")
