"""What a reader and an archive get of an answered patient: page, DICOM objects, segmentation for 3D Slicer, and the index."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ccrcc_model.patient.answer import ANSWER, Answer, Prediction
from ccrcc_model.patient.index import IndexRow, write_index
from ccrcc_model.patient.page import about_answer, write_page
from ccrcc_model.patient.page_record import PageRecord
from ccrcc_model.patient.patient_objects import CAPTURE, REPORT, SEG, lesion_segments, write_objects
from ccrcc_model.patient.shown_prediction import percent
from ccrcc_model.patient.shown_scan import show
from ccrcc_model.patient.summary_picture import summary_picture
from ccrcc_model.patient.thumbnail import thumbnail
from nnunet_ext.anatomy.self_check import self_check
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.slicer_segmentation import SUFFIX, write_slicer_segmentation
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.files import sha256
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.preset import RegionRules

PAGE, RECORD, SLICER = "page.html", "page.json", f"mask{SUFFIX}"
"""Names in the folder of a patient; the record is what the page was made of, and what the index shows of it."""

READ_BY_PEOPLE = (PAGE, SEG, REPORT, CAPTURE)
"""Of these, what states a result to a reader or an archive."""

VERSION = 1
"""Raised when files of an earlier version are to be made again."""


@dataclass(frozen=True)
class PatientFiles:
    """Which files each patient gets beside the answer and the mask.

    Args:
        identity: Of the DICOM objects; None if none are written.
        labelmap: Write SEG as LABELMAP.
        slicer: Write a segmentation for 3D Slicer too.
    """

    identity: Identity | None = None
    labelmap: bool = False
    slicer: bool = False

    def kept(self, folder: Path) -> PageRecord | None:
        """Return the record of the files in a patient's folder, if they are whole and of the answer there."""
        try:
            return PageRecord.kept(folder / RECORD, made_of=self._made_of(folder), folder=folder)
        except FileNotFoundError:
            return None

    def write(self, answer: Answer, scan: Scan, *, source: Path, folder: Path, rules: RegionRules) -> PageRecord:
        """Write the files of one patient.

        Args:
            answer: As it was written.
            scan: Image and mask.
            source: The scan as the user named it.
            folder: Of the patient.
            rules: Regions of the models' preset, which the page can light.
        """
        shown, content = show(scan, rules), answer.to_json()
        files = {PAGE: folder / PAGE}
        write_page(folder / PAGE, shown, about_answer(content, index="../index.html"), content)
        mask = sitk.GetArrayViewFromImage(scan.mask)
        x, y, z = scan.image.GetSpacing()
        check = self_check(answer.patient, mask, mask, spacing_mm=(z, y, x), hu=sitk.GetArrayViewFromImage(scan.image))
        without: dict[str, str] = {}
        for name in (SLICER, SEG, REPORT, CAPTURE):
            (folder / name).unlink(missing_ok=True)  # of other options or another answer
        if self.slicer and mask.any():
            labels, segments = lesion_segments(scan)
            write_slicer_segmentation(folder / SLICER, labels, segments=segments)
            files[SLICER] = folder / SLICER
        if self.identity is not None and answer.source.kind == "dicom":
            try:
                picture = summary_picture(answer, scan)
                files |= write_objects(folder, answer, scan, source, self.identity, picture=picture, labelmap=self.labelmap)
            except CaseRefused as refused:
                without = {refused.code: refused.reason}
        record = PageRecord(check, thumbnail(shown), without)
        record.write(folder / RECORD, made_of=self._made_of(folder), files=files)
        return record

    def _made_of(self, folder: Path) -> dict[str, Any]:
        return {
            "answer_sha256": sha256(folder / ANSWER),
            "identity": "none" if self.identity is None else self.identity.name,
            "labelmap": self.labelmap,
            "slicer": self.slicer,
            "files": VERSION,
        }


def write_patient_index(
    out: Path, heading: str, patients: Sequence[tuple[Answer, PageRecord]], refusals: Sequence[Refusal]
) -> Path:
    """Write the index over all patients, and return its path."""
    return write_index(out, heading, [_row(answer, record) for answer, record in patients], refusals=refusals)


def _row(answer: Answer, record: PageRecord) -> IndexRow:
    flags = about_answer(answer.to_json()).flags
    results = tuple((one.target, _result(one)) for one in answer.predictions)
    page = f"{answer.patient}/{PAGE}"
    return IndexRow(
        answer.patient, answer.patient, "", page, answer.mask.sha256, record.thumbnail, record.check, flags, "", results
    )


def _result(one: Prediction) -> str:
    if one.abstained:
        return "withheld"
    if one.probability is not None:
        return percent(one.probability)
    return ", ".join(f"{name} {value:.3g}" for name, value in one.values.items())
