"""Checks whether a benchmark's figures were reached by having seen the answer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ccrcc_model.models.scan_prints import ScanPrints, patients_of_one_scan, together
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.finding import Finding, check
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.predictions import Predictions

if TYPE_CHECKING:  # a benchmark of predictions needs no LightGBM
    from ccrcc_model.models.member import Member
    from ccrcc_model.models.model import Model
    from radiomics_cfg.table import FeatureTable

MOST_TIMES_VOLUME = 100.0
"""Times that an external cohort's median volume may be the development's, or its part: cohorts differ less, units by more."""


def audit(model: "Model", external: Sequence[Predictions], tables: Sequence["FeatureTable"]) -> tuple[Finding, ...]:
    """Return the answer of every check that applies.

    Args:
        model: The locked model.
        external: Its predictions of each external cohort.
        tables: Features of the same cohorts.
    """
    controls = model.manifest.get("controls")
    return _those_that_apply(
        patient_overlap(model, external),
        *audit_of_tables(model, tables),
        leaking_steps(model.manifest),
        scored_once(model.manifest),
        shuffled_labels(controls),
        centre_only(controls),
    )


def audit_of_tables(model: "Model", tables: Sequence["FeatureTable"]) -> tuple[Finding, ...]:
    """Return the answers of the checks that need no predictions: whether a scan stands under two names, and the units."""
    return _those_that_apply(
        scan_overlap(model.scans, tables), repeated_scans(tables), volume_unit(model.baseline.members[0], tables)
    )


@check("BA001", "No external patient has the id of a development patient.")
def patient_overlap(model: "Model", external: Sequence[Predictions]) -> tuple[str, bool]:
    """BA001: a patient is in the development and in an external cohort."""
    scored = patient_hashes(str(patient) for predictions in external for patient in predictions.patient_id)
    both = len(scored & model.patients)
    return f"{len(scored)} external and {len(model.patients)} development patients, {both} in both.", both == 0


@check("BA002", "No external scan is a development scan under another name.")
def scan_overlap(known: ScanPrints, tables: Sequence["FeatureTable"]) -> tuple[str, bool]:
    """BA002: a scan of the development stands in an external cohort under another id."""
    matches = [known.matches(table) for table in tables]
    cohorts = [" + ".join(sorted(set(table.rows["cohort"].astype("str")))) for table in tables]
    found = "; ".join(f"{cohort}: {match}" for cohort, match in zip(cohorts, matches, strict=True)) + "."
    return found, all(match.comparable and not match.any for match in matches)


@check("BA003", "No scan stands under two patients of the external cohorts.")
def repeated_scans(tables: Sequence["FeatureTable"]) -> tuple[str, bool]:
    """BA003: two external patients share a scan."""
    twice = len(patients_of_one_scan(together(tables)))
    return f"{twice} patients share a scan with another patient, of the same cohort or of another one.", twice == 0


@check("BA008", "Tumour volumes are in the unit of the development.")
def volume_unit(volume: "Member | VolumeModel", tables: Sequence["FeatureTable"]) -> tuple[str, bool] | None:
    """BA008: the volumes of an external cohort are another order of magnitude than those of the development."""
    if not isinstance(volume, VolumeModel):
        return None
    found = [table.index_lesions().rows[volume.column].to_numpy(dtype=np.float64) for table in tables]
    medians = [float(np.median(each[each > 0])) for each in found if (each > 0).any()]
    own = float(np.exp(volume.mean_log))
    listed = ", ".join(f"{median:.3g}" for median in medians)
    alike = all(1 / MOST_TIMES_VOLUME <= median / own <= MOST_TIMES_VOLUME for median in medians)
    return f"Median of {volume.column}: {listed}; geometric mean of the development: {own:.3g}.", alike


@check("BA004", "No step of the nested cross-validation scored a patient that it had seen.")
def leaking_steps(manifest: Mapping[str, Any]) -> tuple[str, bool]:
    """BA004: a fitted step scored a patient whom it was fitted on."""
    proof = manifest["audit"]
    leaks = len(proof["leaks"])
    return f"{proof['steps']} fitted steps recorded whom they saw, {leaks} scored one of them.", leaks == 0


@check("BA005", "Every development patient was scored out-of-fold exactly once in each repeat.")
def scored_once(manifest: Mapping[str, Any]) -> tuple[str, bool]:
    """BA005: a development patient was scored twice, or never, in a repeat."""
    once = bool(manifest["audit"]["every_patient_scored_once_in_each_repeat"])
    return f"{manifest['n_patients']} patients; repeats: {manifest['settings']['repeats']}.", once


@check("BA006", "With shuffled labels the same procedure finds nothing.")
def shuffled_labels(controls: Mapping[str, Any] | None) -> tuple[str, bool] | None:
    """BA006: the same fit on shuffled labels is better than chance. Where the fit ran no controls there is no answer."""
    if controls is None:
        return None
    area = Estimate(**controls["shuffled_labels"])
    return f"AUC {area}; 0.5 is chance{_inconclusive(area)}.", _is_chance(area)


@check("BA007", "The centre alone does not tell the outcome.")
def centre_only(controls: Mapping[str, Any] | None) -> tuple[str, bool] | None:
    """BA007: the centre alone predicts the outcome. In one centre there is no answer."""
    if controls is None or (area := Estimate(**controls["centre_only"])).value is None:
        return None
    return f"AUC {area} by the centre as the only feature, over the same folds{_inconclusive(area)}.", _is_chance(area)


def _those_that_apply(*findings: Finding | None) -> tuple[Finding, ...]:
    return tuple(sorted((finding for finding in findings if finding is not None), key=lambda finding: finding.code))


def _is_chance(area: Estimate) -> bool:
    """Whether the interval reaches chance; one that is missing does not, as where classes are separated completely."""
    return area.low is not None and area.low <= 0.5


def _inconclusive(area: Estimate) -> str:
    return "; there is no interval, so the comparison with chance is inconclusive" if area.low is None else ""
