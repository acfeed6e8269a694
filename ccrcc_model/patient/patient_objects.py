"""The DICOM objects of one answered patient: a SEG with a segment per lesion, a structured report, and a summary image."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ccrcc_model.patient.answer import Answer, KidneyAnswer, LesionAnswer, Measured, Prediction
from ccrcc_model.patient.secondary_capture import write_capture
from ccrcc_model.patient.structured_report import ReportedGroup, ReportedMeasurement, ReportedPrediction, write_report
from nnunet_ext.dicom.archive import unpacked
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.segment import ONE_EACH, Segment
from nnunet_ext.dicom_objects.segmentation_object import Algorithm, write_seg
from nnunet_ext.dicom_objects.series_of_scan import StudySeries
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.labels import STRUCTURES, Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.measurements.patient import lesion_numbers

SEG, REPORT, CAPTURE = "mask.dcm", "report.dcm", "summary.dcm"
"""Names in the folder of a patient."""

MOST_SEGMENTS = 250
"""With more lesions a SEG has one segment per structure: it numbers segments in a byte."""


def lesion_segments(scan: Scan) -> tuple[sitk.Image, tuple[Segment, ...]]:
    """Return a mask with a value of its own for every lesion, and what its values mean.

    Pieces too small to be counted as a lesion keep a segment of their own, so that no labelled voxel is lost.

    Args:
        scan: Image and mask, as stored.
    """
    numbers, names = lesion_numbers(scan)
    if len(names) > MOST_SEGMENTS:
        return scan.mask, ONE_EACH
    labels: npt.NDArray[np.uint8] = sitk.GetArrayViewFromImage(scan.mask)
    first = max(STRUCTURES.values())
    values = np.where(numbers > 0, numbers + first, labels).astype(np.uint8)
    segments = [Segment(int(Label.KIDNEY), "kidney", "Kidney")]
    segments += [
        Segment(int(value), name, f"{name.capitalize()}, not counted")
        for name, value in STRUCTURES.items()
        if name != "kidney"
    ]
    segments += [Segment(number + first, name, _name(name, number)) for number, name in names.items()]
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(scan.image)
    return made, tuple(segments)


def write_objects(
    folder: Path,
    answer: Answer,
    scan: Scan,
    source: Path,
    identity: Identity,
    *,
    picture: npt.NDArray[np.uint8],
    labelmap: bool,
) -> dict[str, Path]:
    """Write the objects of a patient whose scan is a DICOM study; without labels there is no SEG.

    Args:
        folder: Of the patient.
        answer: As it was written.
        scan: Image and mask.
        source: Folder or zip file of the study.
        identity: How identifiers are replaced.
        picture: Of the summary image, shape (rows, columns, 3).
        labelmap: See ``write_seg``.

    Returns:
        The files by their names.

    Raises:
        CaseRefused: ``source-missing`` if no series has the voxels of the scan, or what ``write_seg`` raises.
    """
    with unpacked(source) as study:
        of = Source.of(StudySeries.below(study).of(scan.image), identity)
    mask, segments = lesion_segments(scan)
    files, seg = {}, None
    if sitk.GetArrayViewFromImage(mask).any():
        drawn_by = None if answer.network is None else Algorithm("nnU-Net", answer.network.sha256[:16])
        seg = write_seg(folder / SEG, of, mask, algorithm=drawn_by, segments=segments, labelmap=labelmap)
        files[SEG] = folder / SEG
    groups = (*map(_of_lesion, answer.lesions), *map(_of_kidney, answer.kidneys))
    write_report(folder / REPORT, of, seg, groups=groups, predictions=list(map(_predicted, answer.predictions)))
    write_capture(folder / CAPTURE, of, picture)
    return files | {name: folder / name for name in (REPORT, CAPTURE)}


def _name(label: str, number: int) -> str:
    return f"{label.capitalize()} {number}"


def _of_lesion(lesion: LesionAnswer) -> ReportedGroup:
    name = _name(lesion.label, lesion.lesion)
    return ReportedGroup(name, lesion.label, _measured(lesion.measurements), lesion.side, name)


def _of_kidney(kidney: KidneyAnswer) -> ReportedGroup:
    name = f"{kidney.side.capitalize()} kidney"
    return ReportedGroup(name, "kidney", _measured(kidney.measurements), kidney.side, "Kidney")


def _measured(measurements: tuple[Measured, ...]) -> tuple[ReportedMeasurement, ...]:
    return tuple(ReportedMeasurement(one.name, one.value, one.unit, one.reason or "", one.points) for one in measurements)


def _predicted(one: Prediction) -> ReportedPrediction:
    return ReportedPrediction(
        one.rule or one.target, one.probability, one.abstained_reason or "", one.values, one.target, one.model_sha256[:16]
    )
