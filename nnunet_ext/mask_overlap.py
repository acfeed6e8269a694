"""How well predicted masks agree with reference masks: the numbers behind the supplement's Fig. S1, and more."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from nnunet_ext.anatomy.detection import detect
from nnunet_ext.anatomy.surface import surface_agreement
from nnunet_ext.ground.case import Case, Cohort, Labels, Refusal
from nnunet_ext.ground.digits import told_apart
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath, sha256
from nnunet_ext.ground.labels import MINIMUM_LESION_ML, STRUCTURES, Label, canonical_labels, is_lesion, lesion_name
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.scans.geometry import read_mask, read_scan
from nnunet_ext.segmentation_record import RECORD, read_structures

SAME_PLACE_VOXELS = 0.1
"""How far corners of the predicted mask may lie from those of the reference; headers and rounding leave less."""

REGIONS: dict[str, tuple[Label, ...]] = {
    "kidney_and_masses": (Label.KIDNEY, Label.TUMOUR, Label.CYST, Label.MASS),
    "masses": (Label.TUMOUR, Label.CYST, Label.MASS),
}
"""What the KiTS challenges score beside the tumour: a tumour that is taken for a cyst costs less there."""

TOLERANCE_MM = {
    "kidney_and_masses": 1.0330772532390826,
    "masses": 1.1328796488598762,
    "tumour": 1.1498198361434828,
    "mass": 1.1328796488598762,
    "kidney": 1.0,
    "cyst": 1.0,
}
"""Up to where surfaces agree: KiTS21's, by which its readers' contours differ, and 1 mm for what it does not score."""

MEASURES = ("dice", "surface_dice", "hd95_mm", "relative_volume_error")
"""Columns that ``summarise`` averages."""

LEAST_REFERENCE_ML = MINIMUM_LESION_ML
"""Reference volume from which a relative error of volume counts in a mean: that of the smallest lesion. Of a few voxels the
error is a few thousand per cent, whatever the others are; the median counts all."""

OTHER_SCAN = "prediction-scan"
"""Code of a case whose predicted mask is of another scan."""

LESIONS = ("tumour", "cyst", "mass")
"""Structures that are masses where tumours and cysts are not distinguished."""

ALL_CENTRES = "all"
"""Stands in the column ``centre`` of a summary's rows over a whole cohort."""


def overlap(
    reference: Cohort, predicted: Cohort | AnyPath, *, on_progress: OnProgress = silent
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[Refusal, ...]]:
    """Compare predicted masks with reference masks, label by label and by the regions of the KiTS challenges.

    Kidney is the parenchyma without the tumour, as in the label map; the tumour is a structure of its own. A structure that
    the prediction does not know (usually the cyst) counts as kidney in the reference too, as it did in the training. Where
    prediction or reference do not distinguish tumours from cysts, both are masses in either: masses are never compared with
    tumours, and the lesions that are counted are masses.

    * Dice 2|X ∩ Y| / (|X| + |Y|), as in the supplement. Both empty: missing, not 1. One empty: 0.
    * Surface Dice within ``TOLERANCE_MM`` and the 95th percentile of the surfaces' distances: ``surface_agreement``.
    * Volumes in ml. Relative volume error (predicted - reference) / reference; missing where the reference is empty.

    Each mask is read with the labels of its own card. A scan is read only where it is there, for the gate's sake.

    Args:
        reference: Cohort with reference masks.
        predicted: What ``segment`` returned, or a folder of ``<case id>.nii.gz`` with ``Label`` values.
        on_progress: Called with the cases done and the cases in all.

    Returns:
        One row a case and structure or region, with ``cohort, case_id, centre, structure, dice, surface_dice, hd95_mm,
        reference_ml, predicted_ml, relative_volume_error``; one row a case with ``cohort, case_id, centre``, the
        ``structure`` that is counted (``tumour`` or ``mass``) and its ``Detections``; and the cases that could not be
        compared.

    Raises:
        InputError: If no case of ``reference`` has a prediction, a case is another patient's in ``predicted``, or every case
            has another scan there.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> dev = load_cohort("dev/card.yaml")
        >>> table, lesions, refused = overlap(dev, dev)
        >>> float(table.query("structure == 'tumour'")["dice"].min())
        1.0
    """
    predicted = predicted if isinstance(predicted, Cohort) else Path(predicted)
    predictions = _predicted_files(reference, predicted)
    if isinstance(predicted, Cohort):
        _check_same_patients(reference, predicted)
    names = _predicted_names(reference, predicted)
    values = predicted.labels if isinstance(predicted, Cohort) else canonical_labels(names)
    scans = {case.id: case.image for case in predicted.cases} if isinstance(predicted, Cohort) else {}
    labels = _compared_labels(reference, names)
    rows: list[dict[str, object]] = []
    lesions: list[dict[str, object]] = []
    refusals: list[Refusal] = []
    for done, case in enumerate(reference.cases):
        on_progress(done, len(reference.cases))
        try:
            _check_same_scan(case.image, scans.get(case.id))
            mask = _read_reference(case, reference.labels)
            truth = _in_terms_of(labels, mask)
            found = _in_terms_of(labels, _read_prediction(predictions.get(case.id), mask, values))
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "overlap", refused.code, refused.reason))
            continue
        about = {"cohort": reference.name, "case_id": case.id, "centre": case.centre}
        rows += [{**about, **row} for row in _agreements(truth, found, labels, mask.GetSpacing())]
        if lesion_name(labels) in labels:
            counted = detect(is_lesion(truth), is_lesion(found), voxel_ml=_voxel_ml(mask.GetSpacing()))
            lesions.append({**about, "structure": lesion_name(labels), **asdict(counted)})
    on_progress(len(reference.cases), len(reference.cases))
    if refusals and all(refusal.code == OTHER_SCAN for refusal in refusals) and not rows:
        first = f"of case {refusals[0].case_id}, {refusals[0].reason}"
        msg = f"The predicted card is of other scans than cohort {reference.name}: {first}"
        raise InputError(msg)
    volumes = ["reference_ml", "predicted_ml", "relative_volume_error"]
    columns = ["cohort", "case_id", "centre", "structure", "dice", "surface_dice", "hd95_mm", *volumes]
    counts = ["cohort", "case_id", "centre", "lesions", "detected", "predicted_lesions", "false_positives", "structure"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(lesions, columns=counts), tuple(refusals)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean, standard deviation and median per cohort, centre and structure, and over all centres of a cohort.

    Args:
        table: Rows of ``overlap``, of one cohort or of several.

    Returns:
        Columns ``cohort, centre, structure, n``, and ``<measure>_mean``, ``<measure>_sd`` and ``<measure>_median`` of all
        ``MEASURES``. ``n`` counts the cases whose Dice is not missing; the standard deviation divides by n - 1 and is missing
        for one case. Mean and deviation of the relative volume error leave out references below ``LEAST_REFERENCE_ML``; the
        median counts them.
    """
    if "reference_ml" in table:
        steady = table["relative_volume_error"].where(table["reference_ml"] >= LEAST_REFERENCE_ML)
    else:
        steady = table["relative_volume_error"]
    table = table.assign(relative_volume_error_of_more=steady)
    both = pd.concat([table, table.assign(centre=ALL_CENTRES)], ignore_index=True)
    groups = both.groupby(["cohort", "centre", "structure"], sort=False)
    averaged: dict[str, tuple[str, str]] = {}
    for name in MEASURES:
        of = "relative_volume_error_of_more" if name == "relative_volume_error" else name
        averaged |= {f"{name}_mean": (of, "mean"), f"{name}_sd": (of, "std"), f"{name}_median": (name, "median")}
    return groups.agg(n=("dice", "count"), **averaged).reset_index()


def summarise_detection(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many lesions were found per cohort and centre, and over all centres of a cohort.

    Args:
        table: A row a case of ``overlap``, of one cohort or of several.

    Returns:
        Columns ``cohort, centre, scans, lesions, detected, false_positives, sensitivity, false_positives_per_scan``;
        sensitivity is missing where there is no lesion.
    """
    both = pd.concat([table, table.assign(centre=ALL_CENTRES)], ignore_index=True)
    groups = both.groupby(["cohort", "centre"], sort=False)
    counted = ("lesions", "detected", "false_positives")
    found = groups.agg(scans=("case_id", "count"), **{name: (name, "sum") for name in counted}).reset_index()
    found["sensitivity"] = found["detected"] / found["lesions"].where(found["lesions"] > 0)
    found["false_positives_per_scan"] = found["false_positives"] / found["scans"]
    return found


def dice(x: npt.NDArray[np.bool_], y: npt.NDArray[np.bool_]) -> float:
    """Return 2|x ∩ y| / (|x| + |y|) of two masks of one shape: missing if both are empty, 0 if one is."""
    total = int(x.sum()) + int(y.sum())
    return 2 * int((x & y).sum()) / total if total else float("nan")


def _agreements(
    truth: npt.NDArray[np.uint8], found: npt.NDArray[np.uint8], labels: dict[str, Label], spacing_mm: tuple[float, ...]
) -> Iterator[dict[str, object]]:
    """Yield a row for each structure that the prediction knows, and for each region that follows from them."""
    parts: dict[str, tuple[Label, ...]] = {name: (label,) for name, label in labels.items()}
    parts |= {name: region for name, region in REGIONS.items() if lesion_name(labels) in labels}
    for name, region in parts.items():
        yield {"structure": name, **_agreement(np.isin(truth, region), np.isin(found, region), name, spacing_mm)}


def _voxel_ml(spacing_mm: tuple[float, ...]) -> float:
    return float(np.prod(spacing_mm)) / 1000


def _agreement(
    truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_], name: str, spacing_mm: tuple[float, ...]
) -> dict[str, float]:
    voxel_ml = _voxel_ml(spacing_mm)
    reference_ml, predicted_ml = int(truth.sum()) * voxel_ml, int(found.sum()) * voxel_ml
    x, y, z = spacing_mm
    surface = surface_agreement(truth, found, spacing_mm=(z, y, x), tolerance_mm=TOLERANCE_MM[name])
    return {
        "dice": dice(truth, found),
        "surface_dice": surface.dice,
        "hd95_mm": surface.hd95_mm,
        "reference_ml": reference_ml,
        "predicted_ml": predicted_ml,
        "relative_volume_error": (predicted_ml - reference_ml) / reference_ml if reference_ml else float("nan"),
    }


def _predicted_files(reference: Cohort, predicted: Cohort | Path) -> dict[str, Path]:
    if isinstance(predicted, Cohort):
        found = {case.id: case.mask for case in predicted.cases if case.mask is not None}
        where = f"cohort {predicted.name}"
    else:
        found = {case.id: predicted / f"{case.id}.nii.gz" for case in reference.cases}
        found = {name: path for name, path in found.items() if path.is_file()}
        where = f"folder {predicted}"
    if not any(case.id in found for case in reference.cases):
        msg = f"No predicted mask for any of the {len(reference.cases)} cases of cohort {reference.name} in {where}"
        raise InputError(msg)
    return found


def _predicted_names(reference: Cohort, predicted: Cohort | Path) -> list[str]:
    """Return the structures that the prediction knows; of a foreign folder it is taken that they are the reference's."""
    if isinstance(predicted, Path) and (predicted / RECORD).is_file():
        return read_structures(predicted)
    return list(predicted.labels if isinstance(predicted, Cohort) else reference.labels)


def _compared_labels(reference: Cohort, names: Sequence[str]) -> dict[str, Label]:
    """Return the structures that are compared: those that the prediction knows, with masses if either side has masses."""
    if "mass" in (*names, *reference.labels):
        names = ["mass" if name in LESIONS else name for name in names]
    return {name: label for name, label in STRUCTURES.items() if name in names}


def _check_same_patients(reference: Cohort, predicted: Cohort) -> None:
    """Refuse a card of another study, in which a case of the same id is another patient's.

    Raises:
        InputError: If so.
    """
    patients = {case.id: case.patient_id for case in predicted.cases}
    others = [case for case in reference.cases if patients.get(case.id, case.patient_id) != case.patient_id]
    if others:
        msg = (
            f"{len(others)} cases of cohort {reference.name} are another patient's in the predicted card of {predicted.name}, "
            f"the first is {others[0].id}; give the card of the masks of this cohort"
        )
        raise InputError(msg)


def _check_same_scan(image: Path, other: Path | None) -> None:
    """Refuse a case whose predicted mask is of another scan, where both scans are there to be compared.

    Raises:
        CaseRefused: ``prediction-scan``.
    """
    if other is None or not image.exists() or not other.exists() or image.samefile(other) or sha256(image) == sha256(other):
        return
    try:
        one, two = (read_scan(Case("", "", "", each), {}).image for each in (image, other))
    except CaseRefused:  # the gate says so by itself
        return
    if one.GetSize() != two.GetSize() or not np.array_equal(*map(sitk.GetArrayViewFromImage, (one, two))):
        reason = f"its predicted mask is of another scan, {other.name}, whose voxels are not those of {image.name}"
        raise CaseRefused(OTHER_SCAN, reason)


def _read_reference(case: Case, labels: Labels) -> sitk.Image:
    """Read a reference mask, through the gate where its scan is there."""
    if case.mask is None:
        raise CaseRefused("mask-absent", "the case list names no mask, and this stage needs one")
    if not case.image.exists():
        return read_mask(case.mask, labels)
    mask = read_scan(case, labels, mask_required=True).mask
    assert mask is not None  # noqa: S101 - it was required
    return mask


def _read_prediction(path: Path | None, image: sitk.Image, labels: Labels) -> sitk.Image:
    """Read a predicted mask. Unlike the gate this takes one that is empty or in the wrong organ: it scores 0."""
    if path is None or not path.exists():
        raise CaseRefused("prediction-missing", "there is no predicted mask")
    try:
        mask = read_mask(path, labels, may_be_empty=True)
    except CaseRefused as refused:
        code = "prediction-label" if refused.code == "unknown-label" else "prediction-unreadable"
        raise CaseRefused(code, f"of the prediction, {refused.reason}") from refused
    if mask.GetSize() != image.GetSize():
        reason = f"the predicted mask has {mask.GetSize()} voxels (xyz), the reference {image.GetSize()}"
        raise CaseRefused("prediction-shape", reason)
    last = [size - 1 for size in image.GetSize()]
    corners = [(0, 0, 0), (last[0], 0, 0), (0, last[1], 0), (0, 0, last[2])]
    gaps = [
        np.subtract(mask.TransformIndexToPhysicalPoint(corner), image.TransformIndexToPhysicalPoint(corner))
        for corner in corners
    ]
    shift = float(np.linalg.norm(gaps, axis=1).max()) / min(image.GetSpacing())
    if shift > SAME_PLACE_VOXELS:
        found = told_apart(shift, SAME_PLACE_VOXELS)
        reason = f"the predicted mask lies {found} voxels off the reference; at most {SAME_PLACE_VOXELS} is allowed"
        raise CaseRefused("prediction-geometry", reason)
    return mask


def _in_terms_of(labels: dict[str, Label], mask: sitk.Image) -> npt.NDArray[np.uint8]:
    """Return the canonical mask (zyx) in the terms of ``labels``: lesions as masses, and what they lack as kidney."""
    array: npt.NDArray[np.uint8] = sitk.GetArrayFromImage(mask).astype(np.uint8)
    if "mass" in labels:
        array[np.isin(array, REGIONS["masses"])] = Label.MASS
    unnamed = (array > 0) & ~np.isin(array, [int(label) for label in labels.values()])
    array[unnamed] = Label.KIDNEY
    return array
