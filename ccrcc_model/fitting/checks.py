"""What a fit refuses before it spends hours: a baseline without information, and one scan under several patients."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.fitting.folds import MIN_PER_FOLD, possible_folds
from ccrcc_model.fitting.outcome_copies import named_like_outcome, outcome_codes, outcome_copies
from ccrcc_model.fitting.settings import MIN_FOLDS
from ccrcc_model.models.components import DEEP
from ccrcc_model.models.folder import MANIFEST
from ccrcc_model.models.made_by import made_by, other_versions
from ccrcc_model.models.member import FamilyName
from ccrcc_model.models.scan_prints import fitted_rows, patients_of_one_scan
from ccrcc_model.models.volume import volume_column
from ccrcc_model.outcomes.cases import Cases, LabelledCases
from ccrcc_model.outcomes.finding import Finding, check
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import Target
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.contour_stability import PerturbedValues
from radiomics_cfg.modes import AS_STORED
from radiomics_cfg.table import FeatureTable

Floats = npt.NDArray[np.float64]

MIN_POSITIVE_VOLUMES = 0.75
"""Share of the cases whose tumour volume must be known and above 0. Ours; the others get the mean."""


LEAST_MEDIAN_MM3 = 500.0
"""Median tumour volume below which the unit is doubted: that of a tumour of 1 cm. In cm³ it would be half a litre."""


def refuse_external(study: Study) -> None:
    """Refuse a study that is not of development cohorts alone.

    Raises:
        InputError: If a cohort is external, or its role is not known.
    """
    table, card = study.table, study.card
    if card is not None and card.role != Role.DEVELOPMENT:
        msg = f"Models are fitted on development cohorts only; cohort {card.name} is {card.role}"
        raise InputError(msg)
    roles = table.provenance.get("cohorts", {})
    external = [name for name, role in roles.items() if role != Role.DEVELOPMENT]
    if external:
        msg = f"Models are fitted on development cohorts only; cohort {external[0]} of the table is {roles[external[0]]}"
        raise InputError(msg)
    unknown = sorted(set(table.rows["cohort"].astype("str")) - set(roles))
    if unknown:
        msg = f"The feature table does not say the role of cohort {unknown[0]}; make the table with `ccrcc extract`"
        raise InputError(msg)


def refuse_too_few(cases: LabelledCases, target: Target) -> None:
    """Refuse cases that cannot be split into the fewest outer folds.

    Raises:
        InputError: If a class, or one side of the cut, has too few patients.
    """
    below, above = np.bincount(cases.patient_stratum, minlength=2)
    needed = MIN_FOLDS * MIN_PER_FOLD
    if target.kind != "binary" and min(below, above) < needed:
        msg = (
            f"Target {target.name} needs at least {needed} patients on each side of {target.column} {cases.split_at:g} "
            f"({MIN_FOLDS} folds with {MIN_PER_FOLD} each); there are {below} below it and {above} from it up"
        )
        raise InputError(msg)
    possible_folds(cases, folds=MIN_FOLDS, at_least=MIN_FOLDS)


def refuse_useless_volume(cases: Cases) -> None:
    """Refuse cases whose tumour volume carries no information: to beat such a baseline would mean nothing.

    Raises:
        InputError: If there is no volume, too few volumes are above 0, or all that are above 0 are equal.
    """
    column = volume_column(cases.names)
    volume = cases.columns([column])[:, 0]
    positive = volume[volume > 0]
    if len(positive) < MIN_POSITIVE_VOLUMES * len(cases):
        msg = (
            f"FC007: only {len(positive)} of {len(cases)} tumour volumes ({column}) are above 0; the baseline needs "
            f"{MIN_POSITIVE_VOLUMES:.0%} of them: extract the shape features again"
        )
        raise InputError(msg)
    if positive.min() == positive.max():
        msg = f"FC008: all tumour volumes ({column}) are {positive[0]:g}; the baseline needs volumes that differ"
        raise InputError(msg)


def refuse_repeated_scans(table: FeatureTable, cases: Cases) -> None:
    """Refuse patients who share a scan: cross-validation would fit on the one and test on the other.

    Args:
        table: That the cases are of, with the hashes of their images.
        cases: With an outcome.

    Raises:
        InputError: If cases of different patients have the same image, or nearly the same features.
    """
    alike = patients_of_one_scan(fitted_rows(table, cases))
    if alike:
        msg = (
            f"{len(alike)} patients share a scan with another patient: the same image, or nearly the same features; "
            "keep one id of each"
        )
        raise InputError(msg)


def cautions(cases: LabelledCases, target: Target, outcome: Floats | None = None) -> tuple[Finding, ...]:
    """Return what a fit accepts and a reader should know.

    The classes of grades and percentages are the two sides of the cut that stratifies the folds.

    Args:
        cases: As they are fitted on.
        target: What is predicted.
        outcome: The grade or percentage behind each case's class, shape ``(n_cases,)``; the class itself by default.
    """
    raw = np.asarray(cases.y, dtype=np.float64) if outcome is None else outcome
    found = (
        one_centre_each(cases),
        classes_in_centres(cases),
        outcome_among_features(cases, raw),
        useless_features(cases),
        names_of_outcomes(cases, target),
        volume_in_other_units(cases),
    )
    return tuple(finding for finding in found if finding is not None)


@check("FC001", "Every patient has cases in one centre only.")
def one_centre_each(cases: LabelledCases) -> tuple[str, bool] | None:
    """FC001: a patient has cases in several centres."""
    pairs = np.unique(np.stack([cases.patient_id, cases.centre]), axis=1)
    _, n_centres = np.unique(pairs[0], return_counts=True)
    if not (several := int((n_centres > 1).sum())):
        return None
    return f"{several} patients have cases in several centres; each counts for the centre of the first", False


@check("FC002", "The centre does not separate the classes.")
def classes_in_centres(cases: LabelledCases) -> tuple[str, bool] | None:
    """FC002: the centre predicts the outcome without exception."""
    outcomes = [np.unique(cases.stratum[cases.centre == centre]) for centre in np.unique(cases.centre)]
    if len(outcomes) < 2 or any(len(one) > 1 for one in outcomes):
        return None
    return "every centre has one class only, so it tells the outcome; a model of these cases cannot be judged", False


@check("FC003", "No feature is the outcome, a copy or a code of it.")
def outcome_among_features(cases: LabelledCases, raw: Floats) -> tuple[str, bool] | None:
    """FC003: features order the patients as the outcome does, or are codes of it, and are suspected to hold it."""
    _, first = np.unique(cases.patient_id, return_index=True)
    features, classes = cases.features[first], cases.stratum[first]
    copies = outcome_copies(features, classes.astype(np.float64))
    copies += [column for column in outcome_copies(features, raw[first]) if column not in copies]
    copies += [column for column in outcome_codes(features, classes) if column not in copies]
    if not copies:
        return None
    return f"{len(copies)} features give the outcome away, first {cases.names[copies[0]]}; are they made from it?", False


@check("FC004", "Every feature varies.")
def useless_features(cases: LabelledCases) -> tuple[str, bool] | None:
    """FC004: features have no value in any case, or the same in all."""
    with warnings.catch_warnings(action="ignore"):  # of columns without any value
        low, high = np.nanmin(cases.features, axis=0), np.nanmax(cases.features, axis=0)
    if not (useless := int((~(low < high)).sum())):
        return None
    return f"{useless} of {len(cases.names)} features have no value or the same in all cases; none is chosen", False


@check("FC005", "No feature is named like an outcome.")
def names_of_outcomes(cases: LabelledCases, target: Target) -> tuple[str, bool] | None:
    """FC005: the name of a feature holds the outcome's column, or a word for an outcome."""
    named = named_like_outcome(cases.names, target.column)
    if not named:
        return None
    return f"{len(named)} features are named like an outcome, first {named[0]}; a model must not know it", False


@check("FC006", "Tumour volumes are in cubic millimetres.")
def volume_in_other_units(cases: LabelledCases) -> tuple[str, bool] | None:
    """FC006: the median tumour is too small to be measured in mm³, as where volumes are in cm³ or counted in voxels."""
    column = volume_column(cases.names)
    volume = cases.columns([column])[:, 0]
    median = float(np.median(volume[volume > 0]))
    if median >= LEAST_MEDIAN_MM3:
        return None
    diameter = (6 * median / np.pi) ** (1 / 3)
    return f"the median of {column} is {median:.4g}, in mm³ a tumour of {diameter:.2g} mm; is it in cm³, or voxels?", False


@check("FC012", "Every family of models could be fitted.")
def dropped_families(dropped: Mapping[FamilyName, str]) -> tuple[str, bool] | None:
    """FC012: families of models are left out of the ensemble, by name with the reason of each."""
    if not dropped:
        return None
    return f"left out of the ensemble: {'; '.join(f'{name}, {reason}' for name, reason in dropped.items())}", False


def refuse_other_content(out_dir: Path) -> None:
    """Refuse a folder that holds something, but no model.

    Raises:
        InputError: If so.
    """
    if out_dir.is_dir() and any(out_dir.iterdir()) and not (out_dir / MANIFEST).exists():
        msg = f"{out_dir} is not empty and holds no model; choose another folder"
        raise InputError(msg)


def prepare_parent(out_dir: Path) -> None:
    """Make the folder that a model's folder will lie in, so that a wrong path fails before the fit.

    Raises:
        InputError: If it cannot be made.
    """
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"No folder can be made at {out_dir.parent} ({error.strerror}); choose another place for the model"
        raise InputError(msg) from error


def refuse_foreign_stability(cases: Cases, preset: Mapping[str, Any], perturbed: PerturbedValues | None) -> None:
    """Refuse values under perturbed masks that say nothing of these features: they would be left out without a word.

    Deep features are not judged under perturbed masks, and pass.

    Raises:
        InputError: If the values are of another preset, mode, orientation or version, or lack features of the table.
    """
    if perturbed is None:
        return
    about = made_by(perturbed.about)
    pairs = [(key, about.get(key), preset.get(key)) for key in ("preset_sha256", "mode")]
    pairs.append(("orientation", about.get("orientation", AS_STORED), preset.get("orientation", AS_STORED)))
    pairs += [(name, about["versions"][name], preset["versions"][name]) for name in other_versions(about, preset)]
    for key, found, own in pairs:
        if found != own:
            msg = (
                f"The values under perturbed masks have {key} {found}, the feature table has {own}; "
                "run `ccrcc stability` with the table's preset, mode and version"
            )
            raise InputError(msg)
    judged = set(perturbed.names)
    if missing := [name for name in cases.names if name not in judged and DEEP not in name]:
        msg = (
            f"{len(missing)} of the table's {len(cases.names)} features were not measured under perturbed masks, first "
            f"{missing[0]}; run `ccrcc stability` with the table's preset"
        )
        raise InputError(msg)
