"""Checks of a predicted mask without a reference: volumes, what the rules of anatomy removed, and flags.

A flag does not refuse a case. It shows a reader which masks to inspect first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from nnunet_ext.anatomy.rules import labelled_box
from nnunet_ext.anatomy.tumour_shape import TumourShape
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.labels import STRUCTURES, TOUCHING, Label, is_lesion

KIDNEY_ML = (50.0, 500.0)
"""Parenchyma of one kidney that raises no flag. In KiTS23 the smallest kidney has 84 ml; healthy ones have 110 to 220 ml."""

TUMOUR_ML = 1500.0
"""Total tumour volume that raises no flag: a sphere of 14 cm diameter."""

REMOVED_ML = 5.0
"""Volume that the rules of anatomy may remove without a flag: a sphere of 2 cm diameter."""

REMOVED_TUMOUR = (0.1, 1.0)
"""Share of the predicted tumour, and ml of it, that the rules may remove without a flag. A network that predicts false
positives all over the body does so near the kidneys too, where no rule removes them. From 68 of KiTS23's own masks the rules
remove 0.3 ml at most."""

ASYMMETRY = 4.0
"""Ratio of the two kidneys' parenchyma that raises no flag. 4 of 204 KiTS23 masks have more: their second
body is a crumb of less than 1 ml. Where there are two kidneys, the ratio is 2.2 at most."""

SCAN_EDGE_MM2 = 0.0
"""Labelled area on the outer faces of the scan that raises no flag. 4 of 204 KiTS23 masks have more: kidneys cut by
the scan."""

KIDNEY_HU = (0.0, 350.0)
"""Median HU of parenchyma that raises no flag: above water, which even an unenhanced kidney is, and below vessels in the
arterial phase and bone."""

TUMOUR_HU = (-50.0, 350.0)
"""Median HU of tumours that raises no flag: fat lies at -120 to -80, and only an angiomyolipoma is made of it."""

FOLD_DICE = {"kidney": 0.9, "tumour": 0.7}
"""Mean Dice between the networks of an ensemble that raises no flag, where a structure was found."""


@dataclass(frozen=True)
class SelfCheck:
    """One predicted mask.

    Args:
        case_id: Of the scan.
        n_kidneys: Connected bodies (26 neighbours, all structures together) that hold parenchyma.
        smallest_kidney_ml: Parenchyma of the smallest of these bodies, 0 if there are none.
        largest_kidney_ml: Of the largest.
        kidney_ml: Volume of a structure, as the mask has it.
        tumour_ml: Likewise.
        cyst_ml: Likewise.
        mass_ml: Likewise; tumours and cysts of a network that does not distinguish them. What follows on tumours then
            applies to masses.
        tumour_apart_ml: Part of the tumours that touches no parenchyma.
        removed_kidney_ml: Volume that ``plausible_anatomy`` removed.
        removed_tumour_ml: Likewise.
        removed_cyst_ml: Likewise.
        removed_mass_ml: Likewise.
        n_removed: Connected components that it removed.
        searched: Where the fine pass ran: only around the ``kidneys``, over the whole ``body``, or over the whole ``scan``.
        fold_dice_kidney: Mean Dice between the networks of an ensemble; None with one network, or if none found any.
        fold_dice_tumour: Likewise.
        n_tumours: See ``TumourShape``.
        second_tumour_ml: Likewise.
        tumour_contact: Likewise.
        scan_edge_mm2: Labelled area on the outer faces of the scan.
        kidney_hu: Median of the parenchyma; None if there is none, or the scan was not given.
        tumour_hu: Of the tumours, likewise.
        flags: Reasons to inspect the mask, joined by spaces; empty if there are none.
    """

    case_id: str
    n_kidneys: int
    smallest_kidney_ml: float
    largest_kidney_ml: float
    kidney_ml: float
    tumour_ml: float
    cyst_ml: float
    mass_ml: float
    tumour_apart_ml: float
    removed_kidney_ml: float
    removed_tumour_ml: float
    removed_cyst_ml: float
    removed_mass_ml: float
    n_removed: int
    searched: str
    fold_dice_kidney: float | None
    fold_dice_tumour: float | None
    n_tumours: int
    second_tumour_ml: float
    tumour_contact: float | None
    scan_edge_mm2: float
    kidney_hu: float | None
    tumour_hu: float | None
    flags: str


def self_check(
    case_id: str,
    mask: npt.NDArray[np.uint8],
    predicted: npt.NDArray[np.uint8],
    *,
    spacing_mm: tuple[float, float, float],
    hu: npt.NDArray[Any] | None = None,
    searched: str = "scan",
    fold_dice: Mapping[str, float] | None = None,
) -> SelfCheck:
    """Check one mask.

    Args:
        case_id: Id of the scan.
        mask: ``Label`` values after the rules of anatomy, shape zyx.
        predicted: The same before them.
        spacing_mm: Voxel size, zyx.
        hu: The scan, same shape.
        searched: Where the fine pass ran, see ``SelfCheck``.
        fold_dice: Mean Dice between the networks of an ensemble for each structure; NaN where there is none.

    Returns:
        Volumes in ml, rounded to 0.001, and the flags that ``nnunet_ext.ground.refusals.FLAGS`` explains.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    edge_mm2 = _edge_mm2(mask, spacing_mm)
    box = labelled_box(predicted) or (slice(0), slice(0), slice(0))
    mask, predicted = mask[box], predicted[box]  # labels fill a small part of a scan
    bodies, n_bodies = ndimage.label(mask > 0, structure=TOUCHING)
    parenchyma = np.bincount(bodies[mask == Label.KIDNEY], minlength=n_bodies + 1)
    kidneys = sorted((round(int(count) * voxel_ml, 3) for count in parenchyma if count), reverse=True)
    removed = mask != predicted
    shape = TumourShape.of(mask, bodies, parenchyma, spacing_mm=spacing_mm)
    agreement = {name: round(dice, 3) for name, dice in (fold_dice or {}).items() if not isnan(dice)}
    check = SelfCheck(
        case_id=case_id,
        n_kidneys=len(kidneys),
        smallest_kidney_ml=min(kidneys, default=0.0),
        largest_kidney_ml=max(kidneys, default=0.0),
        **{f"{name}_ml": _ml(mask == value, voxel_ml) for name, value in STRUCTURES.items()},
        tumour_apart_ml=_ml(is_lesion(mask) & (parenchyma[bodies] == 0), voxel_ml),
        **{f"removed_{name}_ml": _ml(removed & (predicted == value), voxel_ml) for name, value in STRUCTURES.items()},
        n_removed=int(ndimage.label(removed, structure=TOUCHING)[1]),
        searched=searched,
        fold_dice_kidney=agreement.get("kidney"),
        fold_dice_tumour=agreement.get("tumour", agreement.get("mass")),
        n_tumours=shape.n_pieces,
        second_tumour_ml=shape.second_ml,
        tumour_contact=shape.contact,
        scan_edge_mm2=edge_mm2,
        kidney_hu=_median(hu, box, mask == Label.KIDNEY),
        tumour_hu=_median(hu, box, is_lesion(mask)),
        flags="",
    )
    return replace(check, flags=" ".join(_flags(check, kidneys, shape)))


def _flags(check: SelfCheck, kidneys: Sequence[float], shape: TumourShape) -> list[str]:
    """Return the flags that are raised; ``kidneys`` are volumes of parenchyma in ml, largest first."""
    lesion_ml, removed_lesion_ml = check.tumour_ml + check.mass_ml, check.removed_tumour_ml + check.removed_mass_ml
    removed_ml = check.removed_kidney_ml + removed_lesion_ml + check.removed_cyst_ml
    share, least_ml = REMOVED_TUMOUR
    predicted_ml = lesion_ml + removed_lesion_ml
    dice = {"kidney": check.fold_dice_kidney, "tumour": check.fold_dice_tumour}
    reasons = {
        "no-kidney": not kidneys,
        "single-kidney": len(kidneys) == 1,
        "kidney-volume": any(not KIDNEY_ML[0] <= one <= KIDNEY_ML[1] for one in kidneys),
        "kidney-asymmetry": len(kidneys) > 1 and kidneys[0] > ASYMMETRY * kidneys[1],
        "kidney-hu": not _within(check.kidney_hu, KIDNEY_HU),
        "no-tumour": lesion_ml == 0,
        "tumour-volume": lesion_ml > TUMOUR_ML,
        "tumour-apart": check.tumour_apart_ml > 0,
        **shape.flags(),
        "tumour-hu": not _within(check.tumour_hu, TUMOUR_HU),
        "removed": removed_ml > REMOVED_ML,
        "tumour-removed": removed_lesion_ml > max(least_ml, share * predicted_ml),
        "scan-edge": check.scan_edge_mm2 > SCAN_EDGE_MM2,
        "folds-disagree": any((1.0 if one is None else one) < FOLD_DICE[name] for name, one in dice.items()),
    }
    return [flag for flag, is_raised in reasons.items() if is_raised]


def write_self_checks(path: Path, checks: Sequence[SelfCheck]) -> None:
    """Write one row a mask as CSV."""
    columns = [field.name for field in fields(SelfCheck)]
    write_csv(path, pd.DataFrame([asdict(check) for check in checks], columns=columns))


def _ml(voxels: npt.NDArray[np.bool_], voxel_ml: float) -> float:
    return round(int(np.count_nonzero(voxels)) * voxel_ml, 3)


def _edge_mm2(mask: npt.NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> float:
    """Return the labelled area on the outer faces of a scan."""
    area = 0.0
    for axis, across_mm in enumerate(spacing_mm):
        faces = np.take(mask, [0, -1], axis=axis) if mask.shape[axis] > 1 else mask
        area += np.count_nonzero(faces) * float(np.prod(spacing_mm)) / across_mm
    return round(area, 3)


def _median(hu: npt.NDArray[Any] | None, box: tuple[slice, ...], region: npt.NDArray[np.bool_]) -> float | None:
    return round(float(np.median(hu[box][region])), 1) if hu is not None and region.any() else None


def _within(value: float | None, limits: tuple[float, float]) -> bool:
    return value is None or limits[0] <= value <= limits[1]
