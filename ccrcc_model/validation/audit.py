"""Questions whose answers show whether a benchmark's figures were reached by having seen the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccrcc_model.models.scan_prints import ScanPrints, patients_of_one_scan, together
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.predictions import Predictions

if TYPE_CHECKING:  # a benchmark of predictions needs no LightGBM
    from ccrcc_model.models.model import Model
    from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """One question of the leak audit.

    Args:
        question: What must hold for the figures to be honest.
        finding: What was found, with its numbers.
        passed: Whether it holds.
    """

    question: str
    finding: str
    passed: bool


def audit_answers(
    model: "Model", external: Sequence[Predictions], tables: Sequence["FeatureTable"]
) -> tuple[AuditAnswer, ...]:
    """Ask whether any figure was reached by having seen the answer.

    Args:
        model: The locked model.
        external: Its predictions of each external cohort.
        tables: Features of the same cohorts.
    """
    scored = patient_hashes(str(patient) for predictions in external for patient in predictions.patient_id)
    both = len(scored & model.patients)
    proof = model.manifest["audit"]
    leaks = len(proof["leaks"])
    once = bool(proof["every_patient_scored_once_in_each_repeat"])
    return (
        AuditAnswer(
            "No external patient has the id of a development patient.",
            f"{len(scored)} external and {len(model.patients)} development patients, {both} in both.",
            passed=both == 0,
        ),
        *scan_answers(model.scans, tables),
        AuditAnswer(
            "No step of the nested cross-validation scored a patient that it had seen.",
            f"{proof['steps']} fitted steps recorded whom they saw, {leaks} scored one of them.",
            passed=leaks == 0,
        ),
        AuditAnswer(
            "Every development patient was scored out-of-fold exactly once in each repeat.",
            f"{model.manifest['n_patients']} patients; repeats: {model.manifest['settings']['repeats']}.",
            passed=once,
        ),
        AuditAnswer(
            "Model, calibration and threshold are unchanged since they were locked.",
            f"Every file matches the manifest {model.id[:12]}; threshold {model.decision.threshold:.3f}.",
            passed=True,  # a folder that does not match cannot be loaded
        ),
        *_control_answers(model.manifest.get("controls")),
    )


def scan_answers(known: ScanPrints, tables: Sequence["FeatureTable"]) -> tuple[AuditAnswer, AuditAnswer]:
    """Ask whether a scan stands under two names.

    Args:
        known: Prints of the development scans.
        tables: Features of external cohorts.
    """
    matches = [known.matches(table) for table in tables]
    cohorts = [" + ".join(sorted(set(table.rows["cohort"].astype("str")))) for table in tables]
    twice = len(patients_of_one_scan(together(tables)))
    return (
        AuditAnswer(
            "No external scan is a development scan under another name.",
            "; ".join(f"{cohort}: {found}" for cohort, found in zip(cohorts, matches, strict=True)) + ".",
            passed=all(found.comparable and not found.any for found in matches),
        ),
        AuditAnswer(
            "No scan stands under two patients of the external cohorts.",
            f"{twice} patients share a scan with another patient, of the same cohort or of another one.",
            passed=twice == 0,
        ),
    )


def _control_answers(controls: Mapping[str, Any] | None) -> tuple[AuditAnswer, ...]:
    """Ask what the negative controls found, where the fit ran them."""
    if controls is None:
        return ()
    shuffled, centre = (Estimate(**controls[name]) for name in ("shuffled_labels", "centre_only"))
    answers = [
        AuditAnswer(
            "With shuffled labels the same procedure finds nothing.",
            f"AUC {shuffled}; 0.5 is chance{_untold(shuffled)}.",
            passed=_is_chance(shuffled),
        )
    ]
    if centre.value is not None:
        finding = f"AUC {centre} by the centre as the only feature, over the same folds{_untold(centre)}."
        answers.append(AuditAnswer("The centre alone does not tell the outcome.", finding, passed=_is_chance(centre)))
    return tuple(answers)


def _is_chance(area: Estimate) -> bool:
    """Whether the interval reaches chance; one that is missing does not, as where classes are separated completely."""
    return area.low is not None and area.low <= 0.5


def _untold(area: Estimate) -> str:
    return "; there is no interval, so chance cannot be told" if area.low is None else ""
