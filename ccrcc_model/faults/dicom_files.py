"""DICOM files of ``small_scan``: a CT series, contours and segments. None names a person."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from ccrcc_model.faults.fault import Ran, ccrcc
from ccrcc_model.faults.scans import CORNER_MM, SPACING_MM, small_scan
from nnunet_ext.documents.csv_table import read_csv

STUDY, FRAME = "1.2.3", "1.2.9"

Change = Callable[[int, FileDataset], None]
"""Changes a slice, given its number, before it is written."""

Corners = Sequence[Sequence[float]]
"""Of a contour, in mm, shape (n, 3)."""


def new_file(path: Path, storage: str, **attributes: Any) -> FileDataset:
    """Return a file of one patient, one study and one frame of reference, not yet written."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(storage), generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = storage, meta.MediaStorageSOPInstanceUID
    usual = {"PatientID": "1", "PatientName": "", "PatientBirthDate": "", "PatientSex": "", "StudyInstanceUID": STUDY}
    usual |= {"StudyDate": "", "StudyTime": "", "StudyID": "", "AccessionNumber": "", "ReferringPhysicianName": ""}
    usual |= {"FrameOfReferenceUID": FRAME, "PositionReferenceIndicator": ""}
    for name, value in (usual | attributes).items():
        setattr(file, name, value)
    return file


def write_ct(
    folder: Path, hu: npt.NDArray[np.integer[Any]] | None = None, *, change: Change | None = None, **attributes: Any
) -> list[FileDataset]:
    """Write an axial series, ``small_scan`` by default, slice by slice upwards.

    Args:
        folder: Gets ``000.dcm`` and so on; a prefix keeps series apart.
        hu: Shape (z, y, x).
        change: Changes each slice before it is written.
        attributes: Of every slice, by DICOM keyword.

    Returns:
        The slices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hu = small_scan()[0] if hu is None else hu
    series = str(attributes.pop("SeriesInstanceUID", generate_uid()))
    slices = []
    for number, plane in enumerate(hu):
        path = folder / f"{series[-6:]}-{number:03d}.dcm"
        file = new_file(path, CTImageStorage, Modality="CT", SeriesInstanceUID=series, SeriesNumber=2, KVP="120")
        file.ImageType, file.SeriesDescription, file.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], "venous", number + 1
        file.ImagePositionPatient = [*CORNER_MM[:2], CORNER_MM[2] + number * SPACING_MM[2]]
        file.ImageOrientationPatient, file.PixelSpacing = [1, 0, 0, 0, 1, 0], list(SPACING_MM[:2])
        file.SliceThickness, file.RescaleSlope, file.RescaleIntercept = SPACING_MM[2], 1, -1024
        (file.Rows, file.Columns), file.SamplesPerPixel, file.PhotometricInterpretation = plane.shape, 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 0
        file.PixelData = (plane.astype(int) + 1024).astype(np.uint16).tobytes()
        for name, value in attributes.items():
            setattr(file, name, value)
        if change is not None:
            change(number, file)
        file.save_as(path, enforce_file_format=True)
        slices.append(file)
    return slices


def write_rtstruct(
    path: Path,
    slices: Sequence[Dataset],
    regions: Mapping[str, Sequence[Corners]],
    *,
    kind: str = "CLOSED_PLANAR",
    **more: Any,
) -> None:
    """Write contours that refer to the series of ``slices``.

    Args:
        path: Of the file.
        slices: Of the CT; none for contours without references.
        regions: Contours by the region's name.
        kind: Geometric type of every contour.
        more: Attributes of the file, by DICOM keyword.
    """
    file = new_file(path, RTStructureSetStorage, Modality="RTSTRUCT", SeriesInstanceUID=generate_uid(), **more)
    if slices:
        series, study, frame = Dataset(), Dataset(), Dataset()
        series.SeriesInstanceUID = slices[0].SeriesInstanceUID
        study.RTReferencedSeriesSequence, frame.RTReferencedStudySequence = [series], [study]
        frame.FrameOfReferenceUID = slices[0].FrameOfReferenceUID
        file.ReferencedFrameOfReferenceSequence = [frame]
    file.StructureSetROISequence, file.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), 1):
        region, drawn = Dataset(), Dataset()
        region.ROINumber, region.ROIName, drawn.ReferencedROINumber = number, name, number
        drawn.ContourSequence = []
        for corners in contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(corners)
            contour.ContourData = [f"{value:.4f}" for value in np.ravel(corners)]
            drawn.ContourSequence.append(contour)
        file.StructureSetROISequence.append(region)
        file.ROIContourSequence.append(drawn)
    file.save_as(path, enforce_file_format=True)


def outlines(label: int) -> list[Corners]:
    """Return a rectangle around a label of ``small_scan`` in each slice that has it, along voxel edges."""
    found: list[Corners] = []
    for number, plane in enumerate(small_scan()[1] == label):
        if plane.any():
            y, x = np.nonzero(plane)
            z = CORNER_MM[2] + number * SPACING_MM[2]
            left, right = (CORNER_MM[0] + SPACING_MM[0] * edge for edge in (x.min() - 0.5, x.max() + 0.5))
            front, back = (CORNER_MM[1] + SPACING_MM[1] * edge for edge in (y.min() - 0.5, y.max() + 0.5))
            found.append([[left, front, z], [right, front, z], [right, back, z], [left, back, z]])
    return found


def new_seg(
    slices: Sequence[Dataset],
    labels: Any,
    kind: str = "BINARY",
    names: Sequence[str] = ("Kidney", "Tumor"),
    **more: Any,
) -> Any:
    """Return segments, not yet written, as highdicom makes them.

    Args:
        slices: Of the CT.
        labels: Values 1 and so on, or a fraction per segment; an array on the slices' grid, or a highdicom volume.
        kind: ``BINARY``, ``FRACTIONAL`` or ``LABELMAP``.
        names: Labels of the segments.
        more: Further arguments of ``highdicom.seg.Segmentation``.
    """
    import highdicom  # noqa: PLC0415 - an optional extra
    from pydicom.sr.codedict import codes  # noqa: PLC0415

    described = [
        highdicom.seg.SegmentDescription(number, name, codes.SCT.Organ, codes.SCT.Kidney, "MANUAL")
        for number, name in enumerate(names, 1)
    ]
    made_by = (generate_uid(), 300, generate_uid(), 1, "maker", "model", "1", "serial")
    return highdicom.seg.Segmentation(slices, labels, kind, described, *made_by, **more)


def same_grid(mask: npt.NDArray[np.unsignedinteger[Any]]) -> Any:
    """Return a mask of ``small_scan`` as a highdicom volume, which can be flipped and cropped with its geometry."""
    import highdicom  # noqa: PLC0415 - an optional extra

    affine = np.diag([SPACING_MM[2], SPACING_MM[1], SPACING_MM[0], 1.0])[[2, 1, 0, 3]]
    affine[:3, 3] = CORNER_MM
    return highdicom.Volume(mask, affine, coordinate_system="PATIENT", frame_of_reference_uid=FRAME)


class Imported:
    """A folder of DICOM files after ``ccrcc import dicom``.

    Args:
        source: The folder.
        options: Further words of the command.
    """

    def __init__(self, source: Path, *options: object) -> None:
        self.out = source.with_name(f"{source.name}-cohort")
        self.ran: Ran = ccrcc("import", "dicom", source, "--out", self.out, "--centre", "north", "--name", "small", *options)

    @property
    def series(self) -> pd.DataFrame:
        """``series.csv``, empty if it was not written."""
        path = self.out / "series.csv"
        return read_csv(path) if path.exists() else pd.DataFrame()

    def volume(self, kind: str) -> npt.NDArray[Any] | None:
        """Return the only volume of ``images`` or ``masks``, shape (z, y, x); None if there is none."""
        files = sorted((self.out / kind).glob("*.nii.gz"))
        return sitk.GetArrayFromImage(sitk.ReadImage(str(files[0]))) if files else None
