"""From a scan to an answer: gate, mask, measurements, features, the prediction of every model."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.seen import patient_hash
from ccrcc_model.patient.answer import ANSWER, Answer, Flag, Mask, Network, Prediction, PresetOf, Source
from ccrcc_model.patient.features_of_models import FeaturesOfModels
from ccrcc_model.patient.masked_scan import HowToSegment, MaskedScan, digest, masked_scan
from ccrcc_model.patient.patient_scan import PatientScan, patient_scans
from ccrcc_model.patient.predictions_file import PREDICTIONS, write_predictions
from ccrcc_model.patient.scan_flags import scan_flags
from ccrcc_model.patient.target_answer import answer_of, recognised
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.case import Cohort, Labels, Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath, sha256
from nnunet_ext.ground.labels import canonical_labels, lesion_name
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.ground.record import DISTRIBUTION, versions
from nnunet_ext.scans.geometry import Scan
from nnunet_ext.volumes.volume_file import volume_sha256
from radiomics_cfg.measurements.patient import measure_patient
from radiomics_cfg.preset import Preset

STAGE = "predict"
"""What refusals call this."""

MASK = "mask.nii.gz"
"""The mask that was measured, in the folder of a patient."""

QUARANTINE = "quarantine.csv"


@dataclass(frozen=True)
class AnsweredScan:
    """An answer with the volumes that it is of, while they are at hand: what writes pages and DICOM objects takes this.

    Args:
        answer: As it was written.
        scan: Image and mask.
        source: The scan as the user named it.
        folder: Of the patient.
    """

    answer: Answer
    scan: Scan
    source: Path
    folder: Path


def predict(
    models: Model | Sequence[Model],
    scans: AnyPath | Sequence[AnyPath],
    *,
    network: AnyPath | HowToSegment | None = None,
    mask: AnyPath | Sequence[AnyPath] | None = None,
    out: AnyPath | None = None,
    preset: Preset | AnyPath | None = None,
    labels: Labels | None = None,
    on_progress: OnProgress = silent,
    on_answer: Callable[[AnsweredScan], None] = lambda _: None,
    needs: Callable[[PatientScan], Sequence[str]] = lambda _: (),
) -> tuple[tuple[Answer, ...], tuple[Refusal, ...]]:
    """Answer for patients: measure their lesions and kidneys, and predict every target.

    A patient whose answer is in ``out`` already, of the same files, models, network and version, is not done again. One that
    cannot be used is refused, and the others go on.

    Args:
        models: One for each target, all of one preset.
        scans: NIfTI, NRRD or MetaImage files, folders or zip files of one DICOM study each, or cards.
        network: Trained nnU-Net folder that makes the masks.
        mask: The user's mask of each scan instead: a volume on its grid, or SEG or RTSTRUCT for a DICOM study. Without
            network and mask, a card's masks are used, or those in the DICOM study.
        out: Folder that gets one folder per patient, ``predictions.csv`` and ``quarantine.csv``; nothing is kept without it.
        preset: Folder of the models' preset, where it is none of this package's.
        labels: Value in the masks for each structure.
        on_progress: Called with the number of patients done and of all.
        on_answer: Called with every new answer and its volumes.
        needs: Names of the files that ``on_answer`` writes into the folder of a scan; an answer without one is made again.

    Returns:
        An answer for each patient that is not refused, and the refusals.

    Raises:
        InputError: If the models do not go together, a path is missing, or network and mask were both given.

    Example:
        >>> import ccrcc_model as cc
        >>> grade = cc.load_model("models/grade")
        >>> answers, refused = cc.predict(grade, "scan.nii.gz", mask="scan_mask.nii.gz", preset="small")
        >>> answers[0].predictions[0].target
        'grade'
    """
    models = (models,) if isinstance(models, Model) else tuple(models)
    listed = [scans] if isinstance(scans, str) or hasattr(scans, "__fspath__") else list(scans)
    given = [] if mask is None else [mask] if isinstance(mask, str) or hasattr(mask, "__fspath__") else list(mask)
    if network is not None and given:
        msg = "A network makes the mask, or it is given; found both: leave one out"
        raise InputError(msg)
    features = FeaturesOfModels.of(models, preset)
    found = patient_scans(listed, given, labels=labels)
    how = network if isinstance(network, HowToSegment) or network is None else HowToSegment(Path(network))
    cohorts = [scan.cohort if how is None else replace(scan.cohort, labels=how.labels()) for scan in found]
    for cohort in {lesion_name(cohort.labels): cohort for cohort in cohorts}.values():
        features.refuse_models(models, cohort)
    with _folder(out) as folder:
        request = _Request(models, features, how, None if how is None else how.identity(), folder, needs)
        answers, refusals = _answer_all(request, found, on_progress, on_answer)
        if out is not None:
            write_predictions(folder / PREDICTIONS, answers)
            write_quarantine(folder / QUARANTINE, refusals)
    return tuple(answers), tuple(refusals)


@contextmanager
def _folder(out: AnyPath | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="ccrcc-predict-") as temporary:
        yield Path(temporary)


def _answer_all(
    request: "_Request",
    scans: Sequence[PatientScan],
    on_progress: OnProgress,
    on_answer: Callable[[AnsweredScan], None],
) -> tuple[list[Answer], list[Refusal]]:
    """Answer for one patient after the other."""
    answers: list[Answer] = []
    refusals: list[Refusal] = []
    on_progress(0, len(scans))
    for done, scan in enumerate(scans, start=1):
        try:
            answers.append(request.answer(scan, on_answer))
        except CaseRefused as refused:
            refusals.append(Refusal(scan.id, STAGE, refused.code, refused.reason))
        on_progress(done, len(scans))
    return answers, refusals


@dataclass(frozen=True)
class _Request:
    """What is asked of every patient."""

    models: Sequence[Model]
    features: FeaturesOfModels
    how: HowToSegment | None
    network: Network | None
    out: Path
    needs: Callable[[PatientScan], Sequence[str]]

    def answer(self, patient: PatientScan, on_answer: Callable[[AnsweredScan], None]) -> Answer:
        """Answer for one patient, or return the answer that is there.

        Raises:
            CaseRefused: If the patient cannot be used.
        """
        folder = self.out / patient.id
        asked = self.sha256(patient)
        whole = all((folder / name).is_file() for name in self.needs(patient))
        if whole and (kept := _kept(folder, asked)) is not None:
            return kept
        seen = [model for model in self.models if patient_hash(patient.cohort.cases[0].patient_id) in model.patients]
        if seen:
            reason = f"the model of {seen[0].target.name} was fitted on a patient of this id"
            raise CaseRefused("development-patient", reason)
        with tempfile.TemporaryDirectory(prefix="ccrcc-predict-") as work:
            masked = masked_scan(patient, self.how, folder / MASK, work=Path(work))
            flags = scan_flags(masked.scan, phase=masked.case.phase, of_network=masked.flags)
            predictions, more = self._predict(masked.cohort, flags, Path(work))
            stated = self._stated(patient, masked) | {"request_sha256": asked, "flags": (*flags, *more)}
            answer = Answer.model_validate({**stated, "predictions": predictions})
            answer.write(folder)
            on_answer(AnsweredScan(answer, masked.scan, patient.source, folder))
        return answer

    def sha256(self, patient: PatientScan) -> str:
        """Return the hash of all that an answer depends on."""
        content = {
            "image": patient.sha256,
            "mask": patient.mask_sha256 if self.how is None else None,
            "network": None if self.network is None else self.network.sha256,
            "models": [model.id for model in self.models],
            "phase": patient.cohort.cases[0].phase,
            "labels": {name: str(value) for name, value in sorted(patient.cohort.labels.items())},
            "version": versions().get(DISTRIBUTION, ""),
        }
        return digest(content)

    def _predict(self, cohort: Cohort, flags: Sequence[Flag], work: Path) -> tuple[tuple[Prediction, ...], tuple[Flag, ...]]:
        """Return the answer of every model, none where there is no tumour, and further flags."""
        if any(flag.severity == "refusal" for flag in flags):
            return (), ()
        table = self.features.measure(cohort, work / "features")
        known = [recognised(model, table) for model in self.models]
        return tuple(answer_of(model, table) for model in self.models), tuple(flag for flag in known if flag is not None)

    def _stated(self, patient: PatientScan, masked: MaskedScan) -> dict[str, Any]:
        """Return what an answer states of a scan but for flags and predictions."""
        case, image, preset = masked.case, masked.scan.image, self.features.preset
        return {
            "patient": case.id,
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "source": Source(
                kind=patient.kind,
                sha256=patient.sha256,
                image_sha256=volume_sha256(case.image, "image"),
                shape_xyz=image.GetSize(),
                spacing_mm=image.GetSpacing(),
                phase=case.phase,
            ),
            "mask": Mask(
                origin="given" if self.how is None else "network",
                sha256=sha256(masked.mask),
                source_sha256=patient.mask_sha256 if self.how is None else None,
                labels=canonical_labels(masked.cohort.labels),
            ),
            "network": self.network,
            "preset": PresetOf(preset=preset.name, preset_sha256=preset.sha256, mode=self.features.mode),
            **measure_patient(masked.scan, phase=case.phase).to_json(),
            "software": versions(),
        }


def _kept(folder: Path, asked: str) -> Answer | None:
    """Return the answer that is in a patient's folder, if it is whole and answers what is asked now."""
    if not (folder / ANSWER).is_file() or not (folder / MASK).is_file():
        return None
    try:
        kept = Answer.read(folder)
    except InputError:
        return None
    return kept if kept.request_sha256 == asked and kept.mask.sha256 == sha256(folder / MASK) else None
