"""How well predicted masks agree with reference masks: the numbers behind the supplement's Fig. S1."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from nnunet_ext.case import Cohort, Refusal
from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.geometry import read_scan
from nnunet_ext.labels import STRUCTURES, Label
from nnunet_ext.progress import OnProgress, silent
from nnunet_ext.segment import RECORD

SAME_PLACE_VOXELS = 0.1
"""How far corners of the predicted mask may lie from those of the scan; float32 headers and tools' rounding leave less."""

ALL_CENTRES = "all"
"""Stands in the column ``centre`` of a summary's rows over a whole cohort."""


def overlap(
    reference: Cohort, predicted: Cohort | Path, *, on_progress: OnProgress = silent
) -> tuple[pd.DataFrame, tuple[Refusal, ...]]:
    """Compare predicted masks with reference masks, label by label.

    Kidney is the parenchyma without the tumour, as in the label map; the tumour is a structure of its own. A structure that
    the prediction does not know (usually the cyst) counts as kidney in the reference too, as it did in the training.

    * Dice 2|X ∩ Y| / (|X| + |Y|), as in the supplement. Both empty: missing, not 1. One empty: 0.
    * Volumes in ml. Relative volume error (predicted - reference) / reference; missing where the reference is empty.

    Args:
        reference: Cohort with reference masks.
        predicted: What ``segment`` returned, or a folder of ``<case id>.nii.gz`` with ``Label`` values.
        on_progress: Told the cases done and the cases in all.

    Returns:
        One row a case and structure, with ``cohort, case_id, centre, structure, dice, reference_ml, predicted_ml,
        relative_volume_error``; and the cases that could not be compared.

    Raises:
        InputError: If no case of ``reference`` has a prediction.
    """
    predictions = _predicted_files(reference, predicted)
    labels = _predicted_labels(reference, predicted)
    rows: list[dict[str, object]] = []
    refusals: list[Refusal] = []
    for done, case in enumerate(reference.cases):
        on_progress(done, len(reference.cases))
        try:
            scan = read_scan(case, reference.labels, mask_required=True)
            truth, voxel_ml = _without_unnamed(scan.mask, labels), float(np.prod(scan.image.GetSpacing())) / 1000
            found = _without_unnamed(_read_prediction(predictions.get(case.id), scan.image), labels)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "overlap", refused.code, refused.reason))
            continue
        for name, label in labels.items():
            about = {"cohort": reference.name, "case_id": case.id, "centre": case.centre, "structure": name}
            rows.append({**about, **_agreement(truth == label, found == label, voxel_ml)})
    on_progress(len(reference.cases), len(reference.cases))
    columns = ["cohort", "case_id", "centre", "structure", "dice", "reference_ml", "predicted_ml", "relative_volume_error"]
    return pd.DataFrame(rows, columns=columns), tuple(refusals)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation per cohort, centre and structure, and over all centres of a cohort.

    Args:
        table: Rows of ``overlap``, of one cohort or of several.

    Returns:
        Columns ``cohort, centre, structure, n, dice_mean, dice_sd, relative_volume_error_mean, relative_volume_error_sd``.
        ``n`` counts the cases whose Dice is not missing; the standard deviation divides by n - 1 and is missing for one case.
    """
    whole = table.assign(centre=ALL_CENTRES)
    both = pd.concat([table, whole], ignore_index=True)
    groups = both.groupby(["cohort", "centre", "structure"], sort=False)
    return groups.agg(
        n=("dice", "count"),
        dice_mean=("dice", "mean"),
        dice_sd=("dice", "std"),
        relative_volume_error_mean=("relative_volume_error", "mean"),
        relative_volume_error_sd=("relative_volume_error", "std"),
    ).reset_index()


def dice(x: npt.NDArray[np.bool_], y: npt.NDArray[np.bool_]) -> float:
    """Return 2|x ∩ y| / (|x| + |y|) of two masks of one shape: missing if both are empty, 0 if one is."""
    total = int(x.sum()) + int(y.sum())
    return 2 * int((x & y).sum()) / total if total else float("nan")


def _agreement(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_], voxel_ml: float) -> dict[str, float]:
    reference_ml, predicted_ml = int(truth.sum()) * voxel_ml, int(found.sum()) * voxel_ml
    return {
        "dice": dice(truth, found),
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


def _predicted_labels(reference: Cohort, predicted: Cohort | Path) -> dict[str, Label]:
    """Return the structures that the prediction knows; of a foreign folder it is taken that they are the reference's."""
    names = list(predicted.labels) if isinstance(predicted, Cohort) else list(reference.labels)
    if isinstance(predicted, Path) and (record := predicted / RECORD).is_file():
        names = json.loads(record.read_text(encoding="utf-8"))["structures"]
    return {name: label for name, label in STRUCTURES.items() if name in names}


def _read_prediction(path: Path | None, image: sitk.Image) -> sitk.Image:
    """Read a predicted mask. Unlike the gate this takes one that is empty or in the wrong organ: it scores 0."""
    if path is None:
        raise CaseRefused("prediction-missing", "there is no predicted mask")
    try:
        mask = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise CaseRefused("prediction-unreadable", f"{path.name} cannot be read") from error
    if mask.GetSize() != image.GetSize():
        reason = f"the predicted mask has {mask.GetSize()} voxels (xyz), the scan {image.GetSize()}"
        raise CaseRefused("prediction-shape", reason)
    last = [size - 1 for size in image.GetSize()]
    corners = [(0, 0, 0), (last[0], 0, 0), (0, last[1], 0), (0, 0, last[2])]
    gaps = [
        np.subtract(mask.TransformIndexToPhysicalPoint(corner), image.TransformIndexToPhysicalPoint(corner))
        for corner in corners
    ]
    shift = float(np.linalg.norm(gaps, axis=1).max()) / min(image.GetSpacing())
    if shift > SAME_PLACE_VOXELS:
        reason = f"the predicted mask lies {shift:.2f} voxels off the scan; at most {SAME_PLACE_VOXELS} is allowed"
        raise CaseRefused("prediction-geometry", reason)
    unknown = np.setdiff1d(sitk.GetArrayViewFromImage(mask), [int(label) for label in Label])
    if len(unknown):
        known = ", ".join(f"{label.name.lower()} {label.value}" for label in Label)
        raise CaseRefused("prediction-label", f"the predicted mask holds the value {unknown[0]:g}; known are {known}")
    return mask


def _without_unnamed(mask: sitk.Image, labels: dict[str, Label]) -> npt.NDArray[np.uint8]:
    """Return the canonical mask (zyx) with every structure outside ``labels`` counted as kidney."""
    array: npt.NDArray[np.uint8] = sitk.GetArrayFromImage(mask).astype(np.uint8)
    unnamed = (array > 0) & ~np.isin(array, [int(label) for label in labels.values()])
    array[unnamed] = Label.KIDNEY
    return array
