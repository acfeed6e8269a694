"""From a scan to an answer: gate, mask, measurements, features, the prediction of every model."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.seen import patient_hash
from ccrcc_model.patient.answer import ANSWER, Answer, Flag, Mask, Network, Prediction, PresetOf, Source
from ccrcc_model.patient.features_of_models import FeaturesOfModels
from ccrcc_model.patient.masked_scan import HowToSegment, MaskedScan, digest, masked_scan, scan_of_answer
from ccrcc_model.patient.page_record import PageRecord
from ccrcc_model.patient.patient_files import PatientFiles, write_patient_index
from ccrcc_model.patient.patient_folder import MASK, QUARANTINE, refuse_places, remove_stated
from ccrcc_model.patient.patient_scan import PatientScan, patient_scans
from ccrcc_model.patient.predictions_file import PREDICTIONS, write_predictions
from ccrcc_model.patient.scan_flags import scan_flags
from ccrcc_model.patient.target_answer import answer_of, recognised
from nnunet_ext.documents.quarantine import write_quarantine
from nnunet_ext.ground.case import Labels, Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath, atomic_path, sha256
from nnunet_ext.ground.labels import canonical_labels, lesion_name
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.ground.record import DISTRIBUTION, versions
from nnunet_ext.scans.geometry import Scan
from nnunet_ext.volumes.volume_file import volume_sha256
from radiomics_cfg.cases.result_file import code_and_reason
from radiomics_cfg.measurements.patient import measure_patient
from radiomics_cfg.preset import Preset

STAGE = "predict"
"""What refusals call this."""


@dataclass(frozen=True)
class Predicted:
    """What came of a call of ``predict``.

    Args:
        answers: One for each patient that was not refused.
        refusals: Patients without an answer, and why.
        without_dicom: Patients whose DICOM objects could not be written, and why.
    """

    answers: tuple[Answer, ...]
    refusals: tuple[Refusal, ...]
    without_dicom: Mapping[str, str]


def predict(
    models: Model | Sequence[Model],
    scans: AnyPath | Sequence[AnyPath],
    *,
    network: AnyPath | HowToSegment | None = None,
    mask: AnyPath | Sequence[AnyPath] | None = None,
    out: AnyPath | None = None,
    preset: Preset | AnyPath | None = None,
    labels: Labels | None = None,
    files: PatientFiles | None = None,
    cache_dir: AnyPath | None = None,
    on_progress: OnProgress = silent,
) -> Predicted:
    """Answer for patients: measure their lesions and kidneys, and predict every target.

    A patient whose answer is in ``out`` already, of the same files, models, network and version, is not done again. One that
    cannot be used is refused, and the others go on.

    Args:
        models: One for each target, all of one preset.
        scans: NIfTI, NRRD or MetaImage files, folders or zip files of one DICOM study each, or cards.
        network: Trained nnU-Net folder that makes the masks.
        mask: The user's mask of each scan instead: a volume on its grid, or SEG or RTSTRUCT for a DICOM study. Without
            network and mask, a card's masks are used, or those in the DICOM study.
        out: Folder that gets one folder per patient, with the answer, the mask and ``files``, and ``index.html``,
            ``predictions.csv`` and ``quarantine.csv`` over all; nothing is kept without it.
        preset: Folder of the models' preset, where it is none of this package's.
        labels: Value in the masks for each structure.
        files: What each patient gets beside answer and mask: by default the page alone.
        cache_dir: Folder of the measured cases that ``extract`` kept there, which are used again and added to.
        on_progress: Called with the number of patients done and of all.

    Returns:
        An answer for each patient that is not refused, and the refusals.

    Raises:
        InputError: If the models do not go together, a path is missing, network and mask were both given, or the result would
            be written over a scan or a mask.

    Example:
        >>> import ccrcc_model as cc
        >>> grade = cc.load_model("models/grade")
        >>> found = cc.predict(grade, "scan.nii.gz", mask="scan_mask.nii.gz", preset="small")
        >>> found.answers[0].predictions[0].target
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
    if out is not None:
        refuse_places(found, Path(out))
    how = network if isinstance(network, HowToSegment) or network is None else HowToSegment(Path(network))
    cohorts = [scan.cohort if how is None else replace(scan.cohort, labels=how.labels()) for scan in found]
    for cohort in {lesion_name(cohort.labels): cohort for cohort in cohorts}.values():
        features.refuse_models(models, cohort)
    with _folder(out) as folder:
        network_of = None if how is None else how.identity()
        cache = None if cache_dir is None else Path(cache_dir)
        request = _Request(models, features, how, network_of, folder, out is not None, files or PatientFiles(), cache)
        done, refusals = _answer_all(request, found, on_progress)
        answers = tuple(answer for answer, _ in done)
        shown = [(answer, record) for answer, record in done if record is not None]
        if out is not None:
            write_predictions(folder / PREDICTIONS, answers)
            write_quarantine(folder / QUARANTINE, refusals)
            write_patient_index(folder, _heading(found), shown, refusals)
    without = {answer.patient: reason for answer, record in shown for reason in record.without.values()}
    return Predicted(answers, tuple(refusals), without)


def _heading(scans: Sequence[PatientScan]) -> str:
    """Return the heading of the index: the cohort, if all patients are of one card."""
    cohorts = {scan.cohort.name for scan in scans}
    return f"Cohort {cohorts.pop()}" if len(scans) > 1 and len(cohorts) == 1 else "Patients"


@contextmanager
def _folder(out: AnyPath | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="ccrcc-predict-") as temporary:
        yield Path(temporary)


_Done = tuple[Answer, PageRecord | None]


def _answer_all(
    request: "_Request", scans: Sequence[PatientScan], on_progress: OnProgress
) -> tuple[list[_Done], list[Refusal]]:
    """Answer for one patient after the other."""
    answers: list[_Done] = []
    refusals: list[Refusal] = []
    on_progress(0, len(scans))
    for done, scan in enumerate(scans, start=1):
        try:
            answers.append(request.done(scan))
        except (CaseRefused, MemoryError, RuntimeError, ArithmeticError) as error:
            remove_stated(request.out / scan.id)
            refusals.append(Refusal(scan.id, STAGE, *code_and_reason(error)))
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
    is_kept: bool
    files: PatientFiles
    cache: Path | None

    def done(self, patient: PatientScan) -> _Done:
        """Return the answer for one patient with the record of its files, both as an earlier run left them if they hold.

        Raises:
            CaseRefused: If the patient cannot be used.
        """
        self._refuse_development_patient(patient)
        folder, asked = self.out / patient.id, self.sha256(patient)
        answer = _kept(folder, asked)
        if answer is not None and (record := self.files.kept(folder)) is not None:
            return answer, record
        with tempfile.TemporaryDirectory(prefix="ccrcc-predict-") as work:
            if answer is None:
                answer, scan = self._answer(patient, asked, Path(work))
            else:
                scan = scan_of_answer(patient, folder / MASK, answer.mask.labels, work=Path(work))
            if not self.is_kept:
                return answer, None
            rules = self.features.preset.regions
            return answer, self.files.write(answer, scan, source=patient.source, folder=folder, rules=rules)

    def _answer(self, patient: PatientScan, asked: str, work: Path) -> tuple[Answer, Scan]:
        """Answer for one patient; return image and mask too.

        Raises:
            CaseRefused: If the patient cannot be used.
        """
        folder = self.out / patient.id
        masked = masked_scan(patient, self.how, work / MASK, work=work)
        flags = scan_flags(masked.scan, phase=masked.case.phase, of_network=masked.flags)
        with ThreadPoolExecutor(1) as beside:  # the features
            measured = beside.submit(measure_patient, masked.scan, phase=masked.case.phase)
            predictions, more = self._predict(masked, flags, work)
        stated = self._stated(patient, masked) | {"request_sha256": asked, "flags": (*flags, *more)}
        answer = Answer.model_validate({**stated, **measured.result().to_json(), "predictions": predictions})
        answer.write(folder)  # first, so that a folder with a mask of ours has an answer
        with atomic_path(folder / MASK) as file:
            shutil.copyfile(masked.mask, file)
        return answer, masked.scan

    def _refuse_development_patient(self, patient: PatientScan) -> None:
        seen = [model for model in self.models if patient_hash(patient.cohort.cases[0].patient_id) in model.patients]
        if seen:
            reason = f"the model of {seen[0].target.name} was fitted on a patient of this id"
            raise CaseRefused("development-patient", reason)

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

    def _predict(
        self, masked: MaskedScan, flags: Sequence[Flag], work: Path
    ) -> tuple[tuple[Prediction, ...], tuple[Flag, ...]]:
        """Return the answer of every model, none where there is no tumour, and further flags."""
        if any(flag.severity == "refusal" for flag in flags):
            return (), ()
        table = self.features.measure(masked.cohort, masked.scan, self.cache or work / "features")
        known = [recognised(model, table) for model in self.models]
        return tuple(answer_of(model, table) for model in self.models), tuple(flag for flag in known if flag is not None)

    def _stated(self, patient: PatientScan, masked: MaskedScan) -> dict[str, Any]:
        """Return what an answer states of where it comes from."""
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
