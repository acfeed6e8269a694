"""How well predicted masks agree with reference masks: the numbers behind the supplement's Fig. S1, and more."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from nnunet_ext.case import Cohort, Refusal
from nnunet_ext.detection import detect
from nnunet_ext.digits import told_apart
from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.geometry import read_scan
from nnunet_ext.labels import STRUCTURES, Label
from nnunet_ext.mask_values import whole_numbers
from nnunet_ext.progress import OnProgress, silent
from nnunet_ext.segmentation_record import RECORD, read_structures
from nnunet_ext.surface import surface_agreement
from nnunet_ext.volume_file import read_volume

SAME_PLACE_VOXELS = 0.1
"""How far corners of the predicted mask may lie from those of the scan; float32 headers and tools' rounding leave less."""

REGIONS: dict[str, tuple[Label, ...]] = {
    "kidney_and_masses": (Label.KIDNEY, Label.TUMOUR, Label.CYST),
    "masses": (Label.TUMOUR, Label.CYST),
}
"""What the KiTS challenges score beside the tumour: a tumour that is taken for a cyst costs less there."""

TOLERANCE_MM = {
    "kidney_and_masses": 1.0330772532390826,
    "masses": 1.1328796488598762,
    "tumour": 1.1498198361434828,
    "kidney": 1.0,
    "cyst": 1.0,
}
"""Up to where surfaces agree: KiTS21's, by which its readers' contours differ, and 1 mm for what it does not score."""

MEASURES = ("dice", "surface_dice", "hd95_mm", "relative_volume_error")
"""Columns that ``summarise`` averages."""

ALL_CENTRES = "all"
"""Stands in the column ``centre`` of a summary's rows over a whole cohort."""


def overlap(
    reference: Cohort, predicted: Cohort | Path, *, on_progress: OnProgress = silent
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[Refusal, ...]]:
    """Compare predicted masks with reference masks, label by label and by the regions of the KiTS challenges.

    Kidney is the parenchyma without the tumour, as in the label map; the tumour is a structure of its own. A structure that
    the prediction does not know (usually the cyst) counts as kidney in the reference too, as it did in the training.

    * Dice 2|X ∩ Y| / (|X| + |Y|), as in the supplement. Both empty: missing, not 1. One empty: 0.
    * Surface Dice within ``TOLERANCE_MM`` and the 95th percentile of the surfaces' distances: ``surface_agreement``.
    * Volumes in ml. Relative volume error (predicted - reference) / reference; missing where the reference is empty.

    Args:
        reference: Cohort with reference masks.
        predicted: What ``segment`` returned, or a folder of ``<case id>.nii.gz`` with ``Label`` values.
        on_progress: Told the cases done and the cases in all.

    Returns:
        One row a case and structure or region, with ``cohort, case_id, centre, structure, dice, surface_dice, hd95_mm,
        reference_ml, predicted_ml, relative_volume_error``; one row a case with ``cohort, case_id, centre`` and its
        ``Detections``; and the cases that could not be compared.

    Raises:
        InputError: If no case of ``reference`` has a prediction.
    """
    predictions = _predicted_files(reference, predicted)
    labels = _predicted_labels(reference, predicted)
    rows: list[dict[str, object]] = []
    lesions: list[dict[str, object]] = []
    refusals: list[Refusal] = []
    for done, case in enumerate(reference.cases):
        on_progress(done, len(reference.cases))
        try:
            scan = read_scan(case, reference.labels, mask_required=True)
            truth = _without_unnamed(scan.mask, labels)
            found = _without_unnamed(_read_prediction(predictions.get(case.id), scan.image), labels)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "overlap", refused.code, refused.reason))
            continue
        about = {"cohort": reference.name, "case_id": case.id, "centre": case.centre}
        rows += [{**about, **row} for row in _agreements(truth, found, labels, scan.image.GetSpacing())]
        if "tumour" in labels:
            tumours = detect(truth == Label.TUMOUR, found == Label.TUMOUR, voxel_ml=_voxel_ml(scan.image.GetSpacing()))
            lesions.append({**about, **asdict(tumours)})
    on_progress(len(reference.cases), len(reference.cases))
    volumes = ["reference_ml", "predicted_ml", "relative_volume_error"]
    columns = ["cohort", "case_id", "centre", "structure", "dice", "surface_dice", "hd95_mm", *volumes]
    counts = ["cohort", "case_id", "centre", "lesions", "detected", "predicted_lesions", "false_positives"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(lesions, columns=counts), tuple(refusals)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation per cohort, centre and structure, and over all centres of a cohort.

    Args:
        table: Rows of ``overlap``, of one cohort or of several.

    Returns:
        Columns ``cohort, centre, structure, n``, and ``<measure>_mean`` and ``<measure>_sd`` of all ``MEASURES``. ``n`` counts
        the cases whose Dice is not missing; the standard deviation divides by n - 1 and is missing for one case.
    """
    both = pd.concat([table, table.assign(centre=ALL_CENTRES)], ignore_index=True)
    groups = both.groupby(["cohort", "centre", "structure"], sort=False)
    averaged = {f"{name}_{short}": (name, how) for name in MEASURES for short, how in (("mean", "mean"), ("sd", "std"))}
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
    """Yield a row for each structure that the prediction knows, and for each region that it can tell."""
    parts: dict[str, tuple[Label, ...]] = {name: (label,) for name, label in labels.items()}
    parts |= {name: region for name, region in REGIONS.items() if Label.TUMOUR in labels.values()}
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


def _predicted_labels(reference: Cohort, predicted: Cohort | Path) -> dict[str, Label]:
    """Return the structures that the prediction knows; of a foreign folder it is taken that they are the reference's."""
    names = list(predicted.labels) if isinstance(predicted, Cohort) else list(reference.labels)
    if isinstance(predicted, Path) and (predicted / RECORD).is_file():
        names = read_structures(predicted)
    return {name: label for name, label in STRUCTURES.items() if name in names}


def _read_prediction(path: Path | None, image: sitk.Image) -> sitk.Image:
    """Read a predicted mask. Unlike the gate this takes one that is empty or in the wrong organ: it scores 0."""
    if path is None:
        raise CaseRefused("prediction-missing", "there is no predicted mask")
    try:
        mask = whole_numbers(read_volume(path, "mask").image)
    except CaseRefused as refused:
        raise CaseRefused("prediction-unreadable", f"{path.name} cannot be read: {refused.reason}") from refused
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
        found = told_apart(shift, SAME_PLACE_VOXELS)
        reason = f"the predicted mask lies {found} voxels off the scan; at most {SAME_PLACE_VOXELS} is allowed"
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
