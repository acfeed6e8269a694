"""What a predicted mask says about itself, without a reference: volumes, what the rules of anatomy removed, and flags.

A flag does not refuse a case. It tells a reader which masks to look at first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isnan
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from nnunet_ext.anatomy_rules import labelled_box
from nnunet_ext.csv_table import write_csv
from nnunet_ext.labels import STRUCTURES, TOUCHING, Label

KIDNEY_ML = (50.0, 500.0)
"""Parenchyma of one kidney that raises no flag. In KiTS23 the smallest kidney has 84 ml; healthy ones have 110 to 220 ml."""

TUMOUR_ML = 1500.0
"""Tumour in all that raises no flag: a ball of 14 cm across."""

REMOVED_ML = 5.0
"""What the rules of anatomy may remove without a flag: a ball of 2 cm across."""


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
        tumour_apart_ml: Part of the tumours that touches no parenchyma.
        removed_kidney_ml: Volume that ``plausible_anatomy`` removed.
        removed_tumour_ml: Likewise.
        removed_cyst_ml: Likewise.
        n_removed: Connected pieces that it removed.
        searched: Where the network looked closely: around the ``kidneys`` alone, all over the ``body``, or over the ``scan``.
        fold_dice_kidney: Mean Dice between the networks of an ensemble; None with one network, or if none found any.
        fold_dice_tumour: Likewise.
        flags: Why to look at the mask, joined by spaces; empty if there is no reason.
    """

    case_id: str
    n_kidneys: int
    smallest_kidney_ml: float
    largest_kidney_ml: float
    kidney_ml: float
    tumour_ml: float
    cyst_ml: float
    tumour_apart_ml: float
    removed_kidney_ml: float
    removed_tumour_ml: float
    removed_cyst_ml: float
    n_removed: int
    searched: str
    fold_dice_kidney: float | None
    fold_dice_tumour: float | None
    flags: str


def self_check(
    case_id: str,
    mask: npt.NDArray[np.uint8],
    predicted: npt.NDArray[np.uint8],
    *,
    spacing_mm: tuple[float, float, float],
    searched: str = "scan",
    fold_dice: Mapping[str, float] | None = None,
) -> SelfCheck:
    """Look at one mask.

    Args:
        case_id: Of the scan.
        mask: ``Label`` values after the rules of anatomy, shape zyx.
        predicted: The same before them.
        spacing_mm: Voxel size, zyx.
        searched: Where the network looked, see ``SelfCheck``.
        fold_dice: Mean Dice between the networks of an ensemble for each structure; NaN where there is none.

    Returns:
        Volumes in ml, rounded to 0.001, and flags: ``no-kidney``, ``single-kidney``, ``kidney-volume``, ``no-tumour``,
        ``tumour-volume``, ``tumour-apart``, ``removed``, ``folds-disagree``.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    box = labelled_box(predicted) or (slice(0), slice(0), slice(0))
    mask, predicted = mask[box], predicted[box]  # labels fill a small part of a scan
    bodies, n_bodies = ndimage.label(mask > 0, structure=TOUCHING)
    parenchyma = np.bincount(bodies[mask == Label.KIDNEY], minlength=n_bodies + 1)
    kidneys = [round(int(count) * voxel_ml, 3) for count in parenchyma if count]
    volume = {name: _ml(mask == value, voxel_ml) for name, value in STRUCTURES.items()}
    removed = mask != predicted
    lost = {name: _ml(removed & (predicted == value), voxel_ml) for name, value in STRUCTURES.items()}
    apart = _ml((mask == Label.TUMOUR) & (parenchyma[bodies] == 0), voxel_ml)
    agreement = {name: round(dice, 3) for name, dice in (fold_dice or {}).items() if not isnan(dice)}
    reasons = {
        "no-kidney": not kidneys,
        "single-kidney": len(kidneys) == 1,
        "kidney-volume": any(not KIDNEY_ML[0] <= one <= KIDNEY_ML[1] for one in kidneys),
        "no-tumour": volume["tumour"] == 0,
        "tumour-volume": volume["tumour"] > TUMOUR_ML,
        "tumour-apart": apart > 0,
        "removed": sum(lost.values()) > REMOVED_ML,
        "folds-disagree": any(agreement.get(name, 1.0) < least for name, least in FOLD_DICE.items()),
    }
    return SelfCheck(
        case_id=case_id,
        n_kidneys=len(kidneys),
        smallest_kidney_ml=min(kidneys, default=0.0),
        largest_kidney_ml=max(kidneys, default=0.0),
        kidney_ml=volume["kidney"],
        tumour_ml=volume["tumour"],
        cyst_ml=volume["cyst"],
        tumour_apart_ml=apart,
        removed_kidney_ml=lost["kidney"],
        removed_tumour_ml=lost["tumour"],
        removed_cyst_ml=lost["cyst"],
        n_removed=int(ndimage.label(removed, structure=TOUCHING)[1]),
        searched=searched,
        fold_dice_kidney=agreement.get("kidney"),
        fold_dice_tumour=agreement.get("tumour"),
        flags=" ".join(flag for flag, is_raised in reasons.items() if is_raised),
    )


def write_self_checks(path: Path, checks: Sequence[SelfCheck]) -> None:
    """Write one row a mask as CSV."""
    columns = [field.name for field in fields(SelfCheck)]
    write_csv(path, pd.DataFrame([asdict(check) for check in checks], columns=columns))


def _ml(voxels: npt.NDArray[np.bool_], voxel_ml: float) -> float:
    return round(int(np.count_nonzero(voxels)) * voxel_ml, 3)
