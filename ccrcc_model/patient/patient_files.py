"""What a reader and an archive get of every answered patient: page, DICOM objects, and the index over all patients."""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import SimpleITK as sitk

from ccrcc_model.patient.answer import Answer, Prediction
from ccrcc_model.patient.index import IndexRow, write_index
from ccrcc_model.patient.page import about_answer, write_page
from ccrcc_model.patient.patient_objects import REPORT, lesion_segments, write_objects
from ccrcc_model.patient.patient_scan import PatientScan
from ccrcc_model.patient.predict import AnsweredScan
from ccrcc_model.patient.shown_prediction import percent
from ccrcc_model.patient.shown_scan import show
from ccrcc_model.patient.thumbnail import thumbnail
from nnunet_ext.anatomy.self_check import SelfCheck, self_check
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.slicer_segmentation import SUFFIX, write_slicer_segmentation
from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import write_json
from radiomics_cfg.preset import RegionRules

PAGE, SUMMARY = "page.html", "summary.json"
"""Names in the folder of a patient; the summary is what the index shows of it."""

SLICER = f"mask{SUFFIX}"


@dataclass
class PatientFiles:
    """Writes the files of each patient while its volumes are open.

    Args:
        out: Folder of all patients.
        rules: Regions of the models' preset, which the page can light.
        identity: Of DICOM objects; None where they cannot be written.
        labelmap: Write SEG as LABELMAP.
        slicer: Write a segmentation for 3D Slicer too.
        without_dicom: Patients whose DICOM objects could not be written, and why.
    """

    out: Path
    rules: RegionRules
    identity: Identity | None = None
    labelmap: bool = False
    slicer: bool = False
    without_dicom: dict[str, str] = field(default_factory=dict)

    def names(self, patient: PatientScan) -> tuple[str, ...]:
        """Return the names of the files that ``write`` makes of a scan."""
        objects = (REPORT,) if self.identity is not None and patient.kind == "dicom" else ()
        return (PAGE, SUMMARY, *objects, *((SLICER,) if self.slicer else ()))

    def write(self, answered: AnsweredScan) -> None:
        """Write the files of one patient."""
        answer, scan, folder = answered.answer, answered.scan, answered.folder
        shown = show(scan, self.rules)
        content = answer.to_json()
        write_page(folder / PAGE, shown, about_answer(content, index="../index.html"), content)
        mask = sitk.GetArrayViewFromImage(scan.mask)
        x, y, z = scan.image.GetSpacing()
        check = self_check(answer.patient, mask, mask, spacing_mm=(z, y, x), hu=sitk.GetArrayViewFromImage(scan.image))
        picture = base64.b64encode(thumbnail(shown)).decode("ascii")
        write_json(folder / SUMMARY, {"check": asdict(check), "thumbnail": picture})
        if self.slicer and mask.any():
            labels, segments = lesion_segments(scan)
            write_slicer_segmentation(folder / SLICER, labels, segments=segments)
        if self.identity is not None and answer.source.kind == "dicom":
            self._write_objects(answered, self.identity)

    def _write_objects(self, answered: AnsweredScan, identity: Identity) -> None:
        folder, answer = answered.folder, answered.answer
        try:
            write_objects(folder, answer, answered.scan, answered.source, identity=identity, labelmap=self.labelmap)
        except CaseRefused as refused:
            self.without_dicom[answer.patient] = refused.reason

    def write_index(self, answers: Sequence[Answer], refusals: Sequence[Refusal]) -> Path:
        """Write the index over all patients, and return its path."""
        return write_index(self.out, "Patients", [self._row(answer) for answer in answers], refusals=refusals)

    def _row(self, answer: Answer) -> IndexRow:
        try:
            content = read_json_object(self.out / answer.patient / SUMMARY)
            check, picture = SelfCheck(**content["check"]), base64.b64decode(content["thumbnail"])
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{SUMMARY} of {answer.patient} is damaged; remove it and predict again"
            raise InputError(msg) from error
        flags = about_answer(answer.to_json()).flags
        results = tuple((one.target, _result(one)) for one in answer.predictions)
        page = f"{answer.patient}/{PAGE}"
        return IndexRow(answer.patient, answer.patient, "", page, answer.mask.sha256, picture, check, flags, "", results)


def _result(one: Prediction) -> str:
    if one.abstained:
        return "withheld"
    if one.probability is not None:
        return percent(one.probability)
    return ", ".join(f"{name} {value:.3g}" for name, value in one.values.items())
