"""Scans as if they had been reconstructed in thicker slices: how much does an answer hang on the slice thickness?

New slices are means over the old ones, weighed by how much of each lies inside: a rectangular slice profile. It starts from
reconstructed images, so it changes thickness and noise along the patient, and nothing else that a scanner would change.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from nnunet_ext.cohort.acquisition import PARAMETERS, read_acquisition
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.case import Case, Cohort, Refusal, plain_labels
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath, write_json
from nnunet_ext.ground.labels import Label, canonical_labels
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.scans.geometry import read_scan
from nnunet_ext.scans.orientation import Orientation
from nnunet_ext.volumes.nifti import write_nifti
from nnunet_ext.volumes.volume_file import volume_sha256
from nnunet_ext.volumes.written_mask import changed_mask, is_whole_nifti

STAGE = "thicken"
THINNER_BY = 0.01
"""Relative difference from which slices count as thinner than the wanted ones: headers round."""
TIE_BREAK = 1e-3
"""How much less the uppermost slice of a mask weighs than the lowest: enough to break a tie, too little to outvote anyone."""
FEWEST_SLICES = 4
"""What extraction needs along an axis."""


def thicken(
    cohort: Cohort, slice_mm: float, out: AnyPath, *, on_progress: OnProgress = silent
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Write a cohort's scans, and its masks where it has them, in contiguous slices of ``slice_mm``.

    Args:
        cohort: Its slices count as wide as they are apart.
        slice_mm: Thickness and distance of the new slices.
        out: Gets ``images``, ``masks``, ``acquisition.csv`` and, in ``made_of``, what each scan was made of; scans that are
            there and were made of the same files, for the same thickness, are not written again.
        on_progress: Called after each scan.

    Returns:
        The cohort of the new scans, named for its thickness, and the scans that the gate refuses or whose slices are not
        thinner than ``slice_mm`` (``slices-thick``) or would be too few (``too-thin``).

    Raises:
        InputError: If ``slice_mm`` is not a positive number, or no scan is left.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> thick, refused = thicken(load_cohort("dev/card.yaml"), 8.0, "thick")
        >>> thick.name
        'dev-8mm'
    """
    out = Path(out)
    if not 0 < slice_mm < np.inf:
        msg = f"A slice thickness is a positive number of mm, such as 5; got {slice_mm:g}"
        raise InputError(msg)
    cases: list[Case] = []
    refusals: list[Refusal] = []
    for done, case in enumerate(cohort.cases, start=1):
        try:
            cases.append(_thicken_case(case, cohort, slice_mm, out))
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, STAGE, refused.code, refused.reason))
        on_progress(done, len(cohort.cases))
    if not cases:
        msg = (
            f"No scan of {cohort.name} can be had in slices of {slice_mm:g} mm; the first was refused as {refusals[0].reason}"
        )
        raise InputError(msg)
    table = out / "acquisition.csv"
    _write_acquisition(table, cohort.acquisition, cases, slice_mm)
    labels = canonical_labels(cohort.labels)
    name = f"{cohort.name}-{slice_mm:g}mm"
    return replace(cohort, name=name, cases=tuple(cases), labels=labels, acquisition=table), tuple(refusals)


def thicker_image(image: sitk.Image, slice_mm: float) -> sitk.Image:
    """Return a CT in slices of ``slice_mm``; integer voxels stay integers, rounded.

    Raises:
        CaseRefused: ``slices-thick`` or ``too-thin``.
    """
    axis, weights = _slice_weights(image, slice_mm)
    old = sitk.GetArrayViewFromImage(image)
    new = _average(old, axis, weights)
    if np.issubdtype(old.dtype, np.integer):
        new = np.rint(new).astype(old.dtype)
    return _on_new_grid(new, image, axis, slice_mm)


def thicker_mask(mask: sitk.Image, slice_mm: float) -> sitk.Image:
    """Return a canonical mask in slices of ``slice_mm``: each voxel gets the label that fills most of it.

    Of two labels that fill it alike it gets that of the slices nearer to the feet, so that a structure loses at one end what
    it gains at the other: always the background would shrink it.

    Raises:
        CaseRefused: ``slices-thick`` or ``too-thin``.
    """
    axis, weights = _slice_weights(mask, slice_mm)
    towards_head = np.linspace(1, 1 - TIE_BREAK, weights.shape[1], dtype=np.float32)
    weights *= towards_head[::-1] if Orientation.of(mask).flipped[2] else towards_head
    old = sitk.GetArrayViewFromImage(mask)
    best, most = np.zeros(1, np.uint8), np.full(1, -1.0, np.float32)
    for label in Label:
        share = _average(old == label, axis, weights)
        best, most = np.where(share > most, np.uint8(label), best), np.maximum(share, most)
    return _on_new_grid(best, mask, axis, slice_mm)


def _thicken_case(case: Case, cohort: Cohort, slice_mm: float, out: Path) -> Case:
    image = out / "images" / f"{case.id}.nii.gz"
    mask = out / "masks" / f"{case.id}.nii.gz" if case.mask else None
    record, made_of = out / "made_of" / f"{case.id}.json", _made_of(case, cohort, slice_mm)
    if not _is_done(_read(record), made_of, image, mask):
        record.parent.mkdir(parents=True, exist_ok=True)  # first of all: by it a run knows its folder again
        record.unlink(missing_ok=True)  # a run that stops between the files leaves none that they would match
        scan = read_scan(case, cohort.labels)
        if scan.mask and mask:
            write_nifti(thicker_mask(scan.mask, slice_mm), mask)
        write_nifti(thicker_image(scan.image, slice_mm), image)
        write_json(record, {**made_of, "written": _hashes(image, mask)})
    return replace(case, image=image, mask=mask)


def _made_of(case: Case, cohort: Cohort, slice_mm: float) -> dict[str, Any]:
    """What the files of a case depend on; a scan or mask that is missing has no hash, and is refused when it is read."""
    hashes = {f"{name}_sha256": digest for name, digest in _hashes(case.image, case.mask).items()}
    return {"slice_mm": slice_mm, **hashes, "labels": plain_labels(cohort.labels) if case.mask else None}


def _hash(path: Path | None, what: str) -> str | None:
    try:
        return volume_sha256(path, what) if path else None
    except CaseRefused:
        return None


def _hashes(image: Path, mask: Path | None) -> dict[str, str | None]:
    return {name: _hash(path, name) for name, path in (("image", image), ("mask", mask))}


def _is_done(known: Any, made_of: dict[str, Any], image: Path, mask: Path | None) -> bool:
    """Tell whether the files are there as they were written.

    Raises:
        CaseRefused: ``mask-changed``, if somebody edited or replaced the mask.
    """
    if not isinstance(known, dict) or {key: known.get(key) for key in made_of} != made_of:
        return False
    written, found = known.get("written"), _hashes(image, mask)
    if mask and isinstance(written, dict) and found["mask"] not in (None, written.get("mask")) and is_whole_nifti(mask):
        raise CaseRefused("mask-changed", changed_mask(mask, "made"))
    return written == found and None not in (found["image"], found["mask"] if mask else "")


def _read(record: Path) -> Any:
    """Return what a record holds, or None where there is none that can be read."""
    try:
        return read_json_object(record)
    except InputError:
        return None


def _slice_weights(image: sitk.Image, slice_mm: float) -> tuple[int, npt.NDArray[np.float32]]:
    """Return the sitk axis (x, y or z) across the slices, and weights of shape ``(n_new, n_old)`` whose rows add up to 1."""
    axis = Orientation.of(image).axes[2]  # the one that runs along the patient
    old_mm, n_old = image.GetSpacing()[axis], image.GetSize()[axis]
    if old_mm > slice_mm * (1 - THINNER_BY):
        raise CaseRefused("slices-thick", f"slices of {old_mm:.4g} mm are not thinner than {slice_mm:g} mm")
    n_new = int(n_old * old_mm / slice_mm + 1e-6)
    if n_new < FEWEST_SLICES:
        raise CaseRefused(
            "too-thin", f"{n_old} slices of {old_mm:.4g} mm make {n_new} of {slice_mm:g} mm, fewer than {FEWEST_SLICES}"
        )
    start = (n_old * old_mm - n_new * slice_mm) / 2 + slice_mm * np.arange(n_new)[:, None]
    edge = old_mm * np.arange(n_old)[None, :]
    inside = np.clip(np.minimum(start + slice_mm, edge + old_mm) - np.maximum(start, edge), 0, None)
    return axis, (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)


def _average(volume: npt.NDArray[np.generic], axis: int, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Weighted means of the slices of a zyx array across the sitk axis ``axis``."""
    place = 2 - axis
    mean = np.tensordot(weights, volume.astype(np.float32), axes=(1, place))
    return np.moveaxis(mean, 0, place)


def _on_new_grid(volume: npt.NDArray[np.generic], old: sitk.Image, axis: int, slice_mm: float) -> sitk.Image:
    """Place a zyx array where ``old`` lies: the same middle, other slices."""
    new = sitk.GetImageFromArray(np.ascontiguousarray(volume))
    old_mm = np.array(old.GetSpacing())
    new_mm = old_mm.copy()
    new_mm[axis] = slice_mm
    middle = np.array(old.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in old.GetSize()]))
    direction = np.array(old.GetDirection()).reshape(3, 3)
    half = (np.array(new.GetSize()) - 1) / 2 * new_mm
    new.SetSpacing(new_mm.tolist())
    new.SetDirection(old.GetDirection())
    new.SetOrigin((middle - direction @ half).tolist())
    return new


def _write_acquisition(path: Path, known: Path | None, cases: Sequence[Case], slice_mm: float) -> None:
    """Write the acquisition of the new scans: what was known of the old ones, and the new thickness."""
    frame = pd.DataFrame(columns=["case_id", *PARAMETERS]) if known is None else read_acquisition(known)
    frame = frame.set_index("case_id").reindex([case.id for case in cases]).fillna("")
    write_csv(path, frame.assign(slice_thickness_mm=f"{slice_mm:g}").reset_index())
