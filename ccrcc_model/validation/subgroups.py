"""Subgroups of the external patients: by sex, age, tumour size, slice thickness, tube voltage and contrast phase.

Centres are groups of the benchmark itself. The cuts below were fixed before any patient was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.statistics.calibration import calibration_intercept
from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Difference, Estimate
from ccrcc_model.statistics.meta_analysis import heterogeneity
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.cohort.acquisition import read_acquisition
from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

MIN_OF_CLASS = 10
"""With fewer patients of a class a subgroup has no AUC and no calibration. At this number an AUC of 0.8 has a standard error
of 0.10 (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747), so that its interval just leaves out chance."""

NEEDS = f"a subgroup needs {MIN_OF_CLASS} of a class"

NOT_STATED = "not stated"
SEVERAL = "several"
"""A patient whose scans differ; the prediction is the mean over them."""

AGE_CUT = 65.0
"""Years; older is "geriatric" in ICH E7."""
SIZE_CUTS_MM = (40.0, 70.0)
"""T1a, T1b and T2 of the TNM classification, 8th edition, by the greatest diameter."""
THICKNESS_CUTS_MM = (1.5, 3.0)
"""Thin, usual and thick reconstructions. Our choice."""

AGES = ("under 65", "65 and over")
SIZES = ("up to 4 cm", "over 4 to 7 cm", "over 7 cm")
THICKNESSES = ("up to 1.5 mm", "over 1.5 to 3 mm", "over 3 mm")
_SEXES = {"f": "female", "female": "female", "w": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}


@dataclass(frozen=True, slots=True)
class SubgroupResult:
    """Model and baseline in one subgroup.

    Args:
        factor: What parts the patients, such as ``"sex"``.
        level: Which of them these are.
        n: Patients.
        events: Positive patients.
        auc: AUC of the model, with DeLong's interval.
        baseline_auc: AUC of the tumour-volume baseline.
        difference: Difference (model − baseline), paired.
        counts: Counts of the model at its locked threshold; None in an older benchmark.
        intercept: Calibration in the large of the model; None in an older benchmark.
    """

    factor: str
    level: str
    n: int
    events: int
    auc: Estimate
    baseline_auc: Estimate
    difference: Difference
    counts: Counts | None = None
    intercept: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """Whether a figure differs between the subgroups of a factor: P values against one true value in all of them.

    Args:
        factor: What parts the patients.
        levels: Subgroups with an AUC; patients of whom nothing is stated are none.
        auc: Of the model's AUC, on the logit scale.
        difference: Of the difference of AUC (model − baseline).
        intercept: Of the model's calibration in the large.
    """

    factor: str
    levels: int
    auc: float | None
    difference: float | None
    intercept: float | None


def interactions(subgroups: Sequence[SubgroupResult]) -> tuple[Interaction, ...]:
    """Test the interaction of each factor by Cochran's Q over its subgroups, which share no patient.

    One subgroup's interval that leaves out 0 beside another's that does not shows no difference between them; this test does.

    References:
        Altman and Bland 2003, doi:10.1136/bmj.326.7382.219; Cochran 1954, doi:10.2307/3001666.
    """
    found = []
    for factor in dict.fromkeys(one.factor for one in subgroups):
        known = [one for one in subgroups if one.factor == factor and one.level not in {NOT_STATED, SEVERAL}]
        intercepts = [one.intercept for one in known if one.intercept is not None]
        found.append(
            Interaction(
                factor,
                sum(one.auc.low is not None for one in known),
                heterogeneity([one.auc for one in known], scale="logit"),
                heterogeneity([one.difference.estimate for one in known]),
                heterogeneity(intercepts),
            )
        )
    return tuple(found)


def levels(table: FeatureTable, outcomes: pd.DataFrame, cohort: Cohort | None = None) -> pd.DataFrame:
    """Return which subgroups each patient of a table belongs to.

    Args:
        table: Features of one cohort; the tumour's size comes from its shape features.
        outcomes: As ``read_outcomes`` gives them; ``sex`` and ``age`` (years) are read where they are there.
        cohort: Its card, for contrast phase and acquisition.

    Returns:
        Indexed by ``patient_id``, one column per factor, text; "not stated" where nothing is known, "several" where scans of
        a patient differ.
    """
    rows = table.index_lesions().rows
    patient = rows["patient_id"].astype("str")
    found = pd.DataFrame(index=pd.Index(sorted(patient.unique()), name="patient_id"))
    known = outcomes.set_index("patient_id").reindex(found.index)
    nothing = pd.Series("", index=found.index)
    sex = known.get("sex", nothing).astype("str").str.strip().str.lower()
    found["sex"] = sex.map(_SEXES).fillna(NOT_STATED)
    age = pd.to_numeric(known.get("age", nothing), errors="coerce")
    found["age"] = np.where(age.between(0, 130), np.where(age < AGE_CUT, *AGES), NOT_STATED)
    size = _size_mm(table).groupby(patient.to_numpy()).max().reindex(found.index)
    found["tumour size"] = _cut(size, SIZE_CUTS_MM, SIZES)
    scans = _scans(cohort).reindex(rows["case_id"].astype("str"))
    thickness = pd.Series(pd.to_numeric(scans["slice_thickness_mm"], errors="coerce").to_numpy())
    voltage = pd.Series(pd.to_numeric(scans["tube_voltage_kv"], errors="coerce").to_numpy())
    by_scan = {
        "slice thickness": _cut(thickness, THICKNESS_CUTS_MM, THICKNESSES),
        "tube voltage": [NOT_STATED if np.isnan(value) else f"{value:g} kV" for value in voltage],
        "contrast phase": [
            str(phase).strip() if pd.notna(phase) and str(phase).strip() else NOT_STATED for phase in scans["phase"]
        ],
    }
    for factor, values in by_scan.items():
        per_patient = pd.Series(values, index=patient.to_numpy()).groupby(level=0).unique()
        found[factor] = [one[0] if len(one) == 1 else SEVERAL for one in per_patient.reindex(found.index)]
    return found


def subgroup_results(
    model: Predictions, baseline: Predictions, of_patients: pd.DataFrame, *, threshold: float
) -> tuple[SubgroupResult, ...]:
    """Score model and baseline in each level of each factor.

    Args:
        model: Of all external patients.
        baseline: Of the same patients in the same order.
        of_patients: As `levels` gives them, one row per patient, in the order of the predictions.
        threshold: The locked model's.

    Returns:
        Factors in the order of the columns, without those that no patient states; a subgroup of fewer than 20 patients has
        its numbers only, one of a single class no AUC.

    Raises:
        InputError: If there is not one row per patient.
    """
    if len(of_patients) != len(model):
        msg = f"Subgroups need one row per patient; got {len(of_patients)} rows for {len(model)} patients"
        raise InputError(msg)
    results = []
    for factor in of_patients.columns:
        values = of_patients[factor].to_numpy(dtype=np.str_)
        if (values == NOT_STATED).all():
            continue
        for level in _in_order(values):
            chosen = values == level
            results.append(_score(str(factor), level, model.take(chosen), baseline.take(chosen), threshold))
    return tuple(results)


def _score(factor: str, level: str, model: Predictions, baseline: Predictions, threshold: float) -> SubgroupResult:
    n, events = len(model), int(model.y_true.sum())
    cells = counts(model, threshold)
    if min(events, n - events) < MIN_OF_CLASS:
        few = Estimate(None, reason=f"{events} positive and {n - events} negative patients; {NEEDS}")
        return SubgroupResult(factor, level, n, events, few, few, Difference(few), cells, few)
    difference, intercept = auc_difference(model, baseline), calibration_intercept(model)
    return SubgroupResult(factor, level, n, events, auc(model), auc(baseline), difference, cells, intercept)


def _size_mm(table: FeatureTable) -> pd.Series:
    """Greatest diameter of each case's index lesion in mm, or that of a sphere of its volume, or NaN."""
    rows = table.index_lesions().rows
    for name in table.feature_names:
        if name.startswith("tumour__") and name.endswith("__original_shape_Maximum3DDiameter"):
            return rows[name]
    try:
        return 2 * (3 / (4 * pi) * rows[table.volume_column]) ** (1 / 3)
    except InputError:
        return pd.Series(np.nan, index=rows.index)


def _scans(cohort: Cohort | None) -> pd.DataFrame:
    """Phase, slice thickness and tube voltage of each case, indexed by ``case_id``; no rows without a card."""
    cases = () if cohort is None else cohort.cases
    frame = pd.DataFrame({"phase": [case.phase for case in cases]}, index=[case.id for case in cases], dtype="object")
    frame.index = frame.index.astype("str")
    if cohort is None or cohort.acquisition is None:
        return frame.assign(slice_thickness_mm="", tube_voltage_kv="")
    known = read_acquisition(cohort.acquisition).set_index("case_id")
    return frame.join(known[["slice_thickness_mm", "tube_voltage_kv"]])


def _cut(values: pd.Series, cuts: Sequence[float], names: Sequence[str]) -> list[str]:
    """Name the interval that each value lies in, upper ends included; a missing value is not stated."""
    return [NOT_STATED if np.isnan(value) else names[int(np.searchsorted(cuts, value, side="left"))] for value in values]


def _in_order(values: npt.NDArray[np.str_]) -> list[str]:
    """Return the distinct levels: fixed ones by their cuts, others by number or name, the missing level last."""
    fixed = {name: place for names in (AGES, SIZES, THICKNESSES) for place, name in enumerate(names)}

    def place(level: str) -> tuple[bool, int, float, str]:
        number = level.removesuffix(" kV")
        is_number = number.replace(".", "", 1).isdigit()
        return level in {SEVERAL, NOT_STATED}, fixed.get(level, 0), float(number) if is_number else 0.0, level

    return sorted((str(level) for level in np.unique(values)), key=place)
