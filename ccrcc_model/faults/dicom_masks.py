"""Masks that say where they lie and what they are, and are believed to say something else."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from ccrcc_model.faults.dicom_files import outlines, same_grid, write_ct, write_rtstruct
from ccrcc_model.faults.dicom_mask_files import (
    MaskImported,
    boxes,
    flat_box,
    moved,
    truth,
    typed,
    with_new_identifiers,
    write_contours,
    write_seg,
)
from ccrcc_model.faults.fault import expect, fault
from ccrcc_model.faults.scans import small_scan

PLACE = "spatial metadata of a mask is ignored"
MEANING = "a region's meaning is guessed from part of what it says"
PAIR = "a mask is paired with a scan by one identifier alone, or left out without a word"
SHAPE = "contours are dropped, or combined otherwise than they were drawn"
DAMAGE = "a damaged mask is believed"

HIGHDICOM = ("highdicom",)


@fault(PLACE, needs=HIGHDICOM)
def seg_columns_from_right_to_left(folder: Path) -> str:
    """Columns run from the patient's left to the right: each voxel lies where the SEG's orientation puts it."""
    write_seg(folder / "in", volume=same_grid(small_scan()[1]).flip_spatial([2]))
    return MaskImported(folder / "in").reads(truth())


@fault(PLACE, needs=HIGHDICOM)
def seg_turned_about_all_axes(folder: Path) -> str:
    """Rows, columns and slices all run backwards, and rows and columns are exchanged."""
    volume = same_grid(small_scan()[1]).flip_spatial([0, 1, 2]).permute_spatial_axes([0, 2, 1])
    write_seg(folder / "in", volume=volume)
    return MaskImported(folder / "in").reads(truth())


@fault(PLACE, needs=HIGHDICOM)
def seg_stored_as_coronal_planes(folder: Path) -> str:
    """The frames are coronal planes of the axial scan: read voxel by voxel."""
    write_seg(folder / "in", volume=same_grid(small_scan()[1]).permute_spatial_axes([1, 0, 2]))
    return MaskImported(folder / "in").reads(truth())


@fault(PLACE, needs=HIGHDICOM)
def seg_cropped_and_flipped(folder: Path) -> str:
    """A part of the slices, cropped in their plane and turned upside down."""
    volume = same_grid(small_scan()[1])[1:, 8:46, 3:47].flip_spatial([1])
    write_seg(folder / "in", volume=volume)
    return MaskImported(folder / "in").reads(truth())


@fault(PLACE, needs=HIGHDICOM)
def seg_of_half_the_pixel_spacing(folder: Path) -> str:
    """The SEG's pixels are half as wide as it was drawn: refused as ``mask-grid``, with the sizes."""

    def halve(seg: Any) -> None:
        for group in [*seg.PerFrameFunctionalGroupsSequence, *seg.SharedFunctionalGroupsSequence]:
            for measures in group.get("PixelMeasuresSequence", []):
                measures.PixelSpacing = [2.0, 2.0]

    write_seg(folder / "in", halve)
    return MaskImported(folder / "in").refuses("mask-grid")


@fault(PLACE, needs=HIGHDICOM)
def seg_shifted_by_a_third_of_a_voxel(folder: Path) -> str:
    """Every plane is a third of a voxel off the grid: refused as ``mask-grid``."""
    write_seg(folder / "in", lambda seg: moved(seg, 4 / 3, 0, 0))
    return MaskImported(folder / "in").refuses("mask-grid")


@fault(PLACE, needs=HIGHDICOM)
def seg_positions_against_its_references(folder: Path) -> str:
    """Each frame refers to the slice above the one that its position names: refused as ``mask-reference``."""
    write_seg(folder / "in", lambda seg: moved(seg, 0, 0, 5))
    return MaskImported(folder / "in").refuses("mask-reference")


@fault(PLACE, needs=HIGHDICOM)
def seg_in_another_frame_of_reference(folder: Path) -> str:
    """The SEG refers to the scan, and its positions are those of another frame of reference: refused as ``mask-grid``."""
    write_seg(folder / "in", lambda seg: setattr(seg, "FrameOfReferenceUID", "1.2.77"))
    return MaskImported(folder / "in").refuses("mask-grid")


@fault(PLACE, needs=HIGHDICOM)
def seg_of_a_larger_field(folder: Path) -> str:
    """Voxels of a segment lie below the first slice of the scan: refused as ``mask-outside``."""
    write_seg(folder / "in")
    for path in sorted((folder / "in").glob("*-00*.dcm"))[:4]:
        path.unlink()
    return MaskImported(folder / "in").refuses("mask-outside")


@fault("a fraction of a voxel counts as the whole", needs=HIGHDICOM)
def seg_occupancy_of_maximum_100(folder: Path) -> str:
    """Fractions of a maximum of 100: 49 does not belong, 50 does, and the row says OCCUPANCY."""
    fractions = np.where(small_scan()[1][..., None] == [1, 2], 0.5, 0.49)
    slices = write_ct(folder / "in")
    options: dict[str, Any] = {"max_fractional_value": 100, "fractional_type": "OCCUPANCY", "slices": slices}
    write_seg(folder / "in", volume=fractions, kind="FRACTIONAL", **options)
    imported = MaskImported(folder / "in")
    return expect("OCCUPANCY" in " ".join(imported.series["why"]), "no word of the fractions") and imported.reads(truth())


@fault(MEANING, needs=HIGHDICOM)
def seg_labelmap_of_16_bits(folder: Path) -> str:
    """Segment numbers 1 and 300 as values of a LABELMAP."""
    mask = small_scan()[1].astype(np.uint16)
    mask[mask == 2] = 300
    names = ["Kidney", *["Spleen"] * 298, "Tumor"]
    write_seg(folder / "in", volume=same_grid(mask), kind="LABELMAP", names=names)
    return MaskImported(folder / "in").reads(truth())


@fault(MEANING, needs=HIGHDICOM)
def seg_label_against_its_type(folder: Path) -> str:
    """A segment labelled Kidney whose type is the liver: left, and listed with both words; the tumour is read."""
    write_seg(folder / "in", lambda seg: typed(seg, 1, "10200004", "Liver"))
    imported = MaskImported(folder / "in")
    return expect(imported.taken["Kidney"] == "", "taken for a kidney") and imported.reads(truth(kidney=False))


@fault(MEANING, needs=HIGHDICOM)
def seg_neoplasm_of_the_liver(folder: Path) -> str:
    """A neoplasm by its type, in the liver by its anatomic region, labelled as nothing: no tumour of a kidney."""

    def in_liver(seg: Any) -> None:
        typed(seg, 2, "108369006", "Neoplasm")
        place = Dataset()
        place.CodeValue, place.CodeMeaning, place.CodingSchemeDesignator = "T-62000", "Liver", "SRT"
        seg.SegmentSequence[1].AnatomicRegionSequence = [place]

    write_seg(folder / "in", in_liver, names=("Kidney", "Segment 2"))
    return MaskImported(folder / "in").reads(truth(tumour=False))


@fault(MEANING, needs=HIGHDICOM)
def seg_numbered_segments_typed_by_code(folder: Path) -> str:
    """Segments without a name that says anything, and the old codes of a kidney and a neoplasm: read by their codes."""

    def by_code(seg: Any) -> None:
        typed(seg, 1, "T-71000", "Kidney", "SRT")
        typed(seg, 2, "M-8FFFF", "Neoplasm", "SRT")

    write_seg(folder / "in", by_code, names=("Segment_1", "Segment_2"))
    return MaskImported(folder / "in").reads(truth())


OTHERS = ("PTV", "kidney ring", "Leber Zyste", "Renal artery", "tumour + 5 mm", "Kidneys - GTV", "GTVn", "Body", "Kidney_PRV")
"""Names that hold a structure's word, or nearly, and name something else."""


@fault(MEANING)
def names_that_hold_a_word_of_ours(folder: Path) -> str:
    """Nine regions that are none of ours together with one that is: each is left and listed."""
    regions = {name: [flat_box(7, 30.5, 40.5, 10.5, 20.5)] for name in OTHERS}
    write_contours(folder / "in", {**regions, "GTVp": outlines(2)})
    imported = MaskImported(folder / "in")
    left = [name for name, taken in imported.taken.items() if not taken]
    return expect(len(left) == len(OTHERS), f"left: {left}") and imported.reads(boxes(2))


@fault("a name that may be a patient's is written")
def region_named_after_a_person(folder: Path) -> str:
    """A region called after its patient: the words that are no anatomy are written nowhere."""
    write_contours(folder / "in", {"Kidney Quillfeather": outlines(1), "tumor": outlines(2)})
    imported = MaskImported(folder / "in")
    texts = [path.read_text(encoding="utf-8") for path in imported.out.rglob("*.csv")]
    written = any("quillfeather" in text.casefold() for text in [*texts, imported.ran.said])
    return expect(not written and "Kidney …" in imported.taken, f"regions {list(imported.taken)}")


@fault(MEANING)
def structures_of_the_users_own(folder: Path) -> str:
    """Names that no rule knows, said to be a tumour and nothing; a name that no region has is reported."""
    write_contours(folder / "in", {"Lésion_A1 Q": outlines(2), "Kidney": [flat_box(3, 0.5, 9.5, 0.5, 9.5)]})
    (folder / "names.csv").write_text("name,structure\nLÉSION A1 q,tumour\nkidney,none\nOther,cyst\n", encoding="utf-8")
    imported = MaskImported(folder / "in", "--structures", folder / "names.csv")
    return expect("other" in imported.ran.said, "no word of the third name") and imported.reads(boxes(2))


@fault(PAIR, needs=HIGHDICOM)
def seg_with_new_identifiers_in_its_own_study(folder: Path) -> str:
    """The mask was de-identified apart: other identifiers, a study of its own, the same frame of reference and positions."""

    def apart(seg: Any) -> None:
        with_new_identifiers(seg)
        seg.StudyInstanceUID = "1.2.88"

    write_seg(folder / "in", apart)
    imported = MaskImported(folder / "in")
    return expect(imported.ran.status == 0, f"status {imported.ran.status}") and imported.reads(truth())


@fault(PAIR)
def contours_without_frame_or_reference(folder: Path) -> str:
    """Nothing states to which scan the contours belong: not used, and listed as ``mask-unmatched``."""
    write_ct(folder / "in")
    write_rtstruct(folder / "in" / "rt.dcm", [], {"Tumor": outlines(2)}, FrameOfReferenceUID="")
    return MaskImported(folder / "in").leaves("mask-unmatched")


@fault(PAIR)
def contours_of_another_patient(folder: Path) -> str:
    """Contours that refer to the scan of another PatientID: not used, and listed as ``mask-unmatched``."""
    write_contours(folder / "in", {"Tumor": outlines(2)}, PatientID="2", StudyInstanceUID="1.2.77")
    return MaskImported(folder / "in").leaves("mask-unmatched")


@fault(PAIR)
def contours_that_fit_two_scans(folder: Path) -> str:
    """Two series on one grid and frame of reference, contours that refer to neither: not used, never the first one."""
    write_ct(folder / "in")
    write_ct(folder / "in")
    write_rtstruct(folder / "in" / "rt.dcm", [], {"Tumor": outlines(2)})
    return MaskImported(folder / "in").leaves("mask-unmatched")


@fault("one of several masks is taken by the order of its identifier")
def two_readers_one_tumour(folder: Path) -> str:
    """A SEG and an RTSTRUCT that both hold a tumour: refused as ``several-masks``."""
    slices = write_contours(folder / "in", {"Tumor": outlines(2)})
    write_rtstruct(folder / "in" / "rt2.dcm", slices, {"GTV": outlines(2)[:2]})
    return MaskImported(folder / "in").refuses("several-masks")


@fault("one of several masks is taken by the order of its identifier")
def two_readers_joined_at_the_users_word(folder: Path) -> str:
    """The same with ``--join-masks``: the union, and a word."""
    slices = write_contours(folder / "in", {"Tumor": outlines(2)[:2]})
    write_rtstruct(folder / "in" / "rt2.dcm", slices, {"GTV": outlines(2)[2:]})
    imported = MaskImported(folder / "in", "--join-masks")
    return expect("joined" in " ".join(imported.series["why"]), "no word") and imported.reads(boxes(2))


@fault("one of several masks is taken by the order of its identifier")
def kidney_and_tumour_in_two_files(folder: Path) -> str:
    """Two files that hold different structures, and a third with a liver: joined, the liver left."""
    slices = write_contours(folder / "in", {"Tumor": outlines(2)})
    write_rtstruct(folder / "in" / "rt2.dcm", slices, {"Kidneys": outlines(1)})
    write_rtstruct(folder / "in" / "rt3.dcm", slices, {"Liver": outlines(1)})
    imported = MaskImported(folder / "in")
    both = np.where(boxes(2) == 2, 2, boxes(1))
    return expect(imported.verdicts == ["no-structure", "used", "used"], str(imported.verdicts)) and imported.reads(both)


@fault(SHAPE)
def tumour_of_points_and_lines(folder: Path) -> str:
    """A tumour of open lines, which hold no voxel, together with a kidney: refused as ``region-empty``."""

    def opened(found: Dataset) -> None:
        for contour in found.ROIContourSequence[0].ContourSequence:
            contour.ContourGeometricType = "OPEN_PLANAR"

    write_contours(folder / "in", {"Tumor": outlines(2), "Kidney": outlines(1)}, change=opened)
    return MaskImported(folder / "in").refuses("region-empty")


@fault(SHAPE)
def contour_drawn_twice(folder: Path) -> str:
    """Every contour is there twice, as a tool that saves its undo steps leaves it: one region, no hole."""
    write_contours(folder / "in", {"Tumor": [*outlines(2), *outlines(2)]})
    return MaskImported(folder / "in").reads(boxes(2))


@fault(SHAPE)
def contours_that_overlap(folder: Path) -> str:
    """Two contours of one region that overlap are a union; one inside another is a hole."""
    parts = [flat_box(7, 9.5, 19.5, 9.5, 19.5), flat_box(7, 14.5, 24.5, 14.5, 24.5), flat_box(7, 10.5, 12.5, 10.5, 12.5)]
    write_contours(folder / "in", {"Tumor": parts})
    known = np.zeros_like(small_scan()[1])
    known[7, 10:20, 10:20] = known[7, 15:25, 15:25] = 2
    known[7, 11:13, 11:13] = 0
    return MaskImported(folder / "in").reads(known)


@fault(SHAPE)
def contours_combined_by_exclusive_or(folder: Path) -> str:
    """The same as CLOSEDPLANAR_XOR: what two contours share belongs to neither."""
    parts = [flat_box(7, 9.5, 19.5, 9.5, 19.5), flat_box(7, 14.5, 24.5, 14.5, 24.5)]
    write_contours(folder / "in", {"Tumor": parts}, kind="CLOSEDPLANAR_XOR")
    known = np.zeros_like(small_scan()[1])
    known[7, 10:20, 10:20] = known[7, 15:25, 15:25] = 2
    known[7, 15:20, 15:20] = 0
    return MaskImported(folder / "in").reads(known)


@fault(SHAPE)
def hole_by_a_channel(folder: Path) -> str:
    """One contour that goes through a channel of no width around a hole (the keyhole technique)."""
    outer, inner = flat_box(7, 9.5, 19.5, 9.5, 19.5), flat_box(7, 12.5, 16.5, 12.5, 16.5)
    keyhole = [*outer, outer[0], inner[0], *inner[::-1], outer[0]]
    write_contours(folder / "in", {"Tumor": [keyhole]})
    known = np.zeros_like(small_scan()[1])
    known[7, 10:20, 10:20] = 2
    known[7, 13:17, 13:17] = 0
    return MaskImported(folder / "in").reads(known)


@fault(SHAPE)
def contour_partly_outside(folder: Path) -> str:
    """A contour that reaches two voxels beyond the edge of its slice: refused as ``contour-outside``."""
    write_contours(folder / "in", {"Tumor": [*outlines(2), flat_box(7, -2.5, 5.5, 9.5, 12.5)]})
    return MaskImported(folder / "in").refuses("contour-outside")


@fault(SHAPE)
def slices_without_a_contour(folder: Path) -> str:
    """Contours on every second slice, as a tool that interpolates stores them: read as they are, with a word."""
    write_contours(folder / "in", {"Tumor": [flat_box(z, 9.5, 19.5, 9.5, 19.5) for z in (3, 5, 7)]})
    imported = MaskImported(folder / "in")
    return expect("no contour on 2 slices" in " ".join(imported.series["why"]), " ".join(imported.series["why"]))


@fault(DAMAGE)
def contour_of_numbers_that_are_no_points(folder: Path) -> str:
    """Coordinates that are not a multiple of three: refused as ``mask-unreadable``."""

    def cut(found: Dataset) -> None:
        contour = found.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = list(contour.ContourData)[:-1]

    write_contours(folder / "in", {"Tumor": outlines(2)}, change=cut)
    return MaskImported(folder / "in").refuses("mask-unreadable")


@fault(DAMAGE, needs=HIGHDICOM)
def seg_that_claims_a_billion_frames(folder: Path) -> str:
    """A header of a thousand million frames over the voxels of a few: refused before memory is taken."""
    write_seg(folder / "in", lambda seg: setattr(seg, "NumberOfFrames", 10**9))
    return MaskImported(folder / "in").refuses("mask-unreadable")


@fault(DAMAGE, needs=HIGHDICOM)
def seg_of_a_huge_matrix(folder: Path) -> str:
    """Rows and columns of 65535: refused as ``too-large``."""

    def huge(seg: Any) -> None:
        seg.Rows = seg.Columns = 65535

    write_seg(folder / "in", huge)
    return MaskImported(folder / "in").refuses("too-large")
