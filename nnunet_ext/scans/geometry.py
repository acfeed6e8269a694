"""The gate: a scan passes all of its checks, or is refused with a code and a plain line.

Nothing downstream checks again, so anything that PyRadiomics or nnU-Net would silently accept (a NaN voxel, wrapped HU, a mask
that is shifted from its scan) has to stop here.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.dicom.folder import read_folder, refuse_file
from nnunet_ext.ground.case import Case, Cohort, Labels, Refusal, label_values
from nnunet_ext.ground.digits import told_apart
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import PARTED, STRUCTURES
from nnunet_ext.ground.progress import OnNote, OnProgress, quiet, silent
from nnunet_ext.volumes.mask_values import whole_numbers
from nnunet_ext.volumes.presence import check_file
from nnunet_ext.volumes.volume_file import check_finite, read_volume

HU_RANGE = (-10240, 30710)
"""The extended CT scale, the widest that a scanner writes. Wrapped unsigned values (air at 64512) lie outside."""

HIGHEST_MINIMUM_HU = -20
"""A CT holds air or fat. A volume whose lowest voxel is above this was rescaled, or never had its intercept applied."""

MASK_MEDIAN_HU = (-100, 500)
"""Median of all labelled voxels: an enhanced kidney with its tumours lies well inside; a volume off by 1024 HU does not."""

SPACING_TOLERANCE = 1e-3
"""Largest relative difference between the voxel sizes of image and mask: what float32 headers and tools' rounding leave."""

DIRECTION_TOLERANCE = 1e-3
"""Largest difference between direction cosines of image and mask: 0.06 degrees, 0.3 mm across a body."""

ORIGIN_TOLERANCE_VOXELS = 0.1
"""Largest shift of the mask against the image, in voxels: below what a nearest-neighbour lookup notices."""


@dataclass(frozen=True)
class Scan:
    """A scan that passed the gate.

    Args:
        image: 3-D volume in HU, voxel type as stored.
        mask: ``UInt8`` volume of ``Label`` values on exactly the grid of ``image``, if the case has one.
        notes: What was read in a way that the user should know, such as a small shear that was taken out; a line each.
    """

    image: sitk.Image
    mask: sitk.Image | None
    notes: tuple[str, ...] = ()


def read_scan(case: Case, labels: Labels, *, mask_required: bool = False) -> Scan:
    """Read a case's image and mask through the gate.

    Args:
        case: Where the files are.
        labels: Value in the mask file for each structure, as the cohort card gives them.
        mask_required: Refuse a case without a mask.

    Raises:
        CaseRefused: With a code of ``nnunet_ext.volumes.volume_file.read_volume``, or of ``nnunet_ext.dicom.folder``; or
            ``mask-absent``, ``hu-range``, ``not-hu``, ``mask-shape``, ``mask-spacing``, ``mask-direction``, ``mask-origin``,
            ``mask-fraction``, ``unknown-label``, ``mask-empty``, ``mask-hu``.
    """
    image, notes = _read(case.image, "image")
    hu = sitk.GetArrayViewFromImage(image)
    _check_hu(hu)
    if case.mask is None:
        if mask_required:
            raise CaseRefused("mask-absent", "the case list names no mask, and this stage needs one")
        return Scan(image, None, notes)
    stored, more = _read(case.mask, "mask")
    _check_same_grid(stored, image)
    mask = _canonical(whole_numbers(stored), labels)
    _check_labelled_hu(hu, sitk.GetArrayViewFromImage(mask))
    mask.CopyInformation(image)
    return Scan(image, mask, notes + more)


def read_mask(path: Path, labels: Labels, *, may_be_empty: bool = False) -> sitk.Image:
    """Read a mask without its image.

    Args:
        path: Where it is.
        labels: Value in it for each structure, as the cohort card gives them.
        may_be_empty: Whether it need not label a voxel.

    Returns:
        ``UInt8`` volume of ``Label`` values.

    Raises:
        CaseRefused: With one of the codes ``mask-missing``, ``unreadable``, ``not-3d``, ``not-scalar``, ``too-large``,
            ``unknown-label``, ``mask-empty``.
    """
    stored = whole_numbers(_read(path, "mask")[0])
    if may_be_empty and not sitk.GetArrayViewFromImage(stored).any():
        canonical = sitk.GetImageFromArray(np.zeros(stored.GetSize()[::-1], np.uint8))
    else:
        canonical = _canonical(stored, labels)
    canonical.CopyInformation(stored)
    return canonical


def check_cohort(
    cohort: Cohort, *, on_progress: OnProgress = silent, on_note: OnNote = quiet
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Read every scan of ``cohort`` through the gate; return the cohort of those that pass, and the refusals.

    Args:
        cohort: Its scans are read one after the other.
        on_progress: Is called with the number of scans done and of all.
        on_note: Receives remarks on scans that passed, in one line each, beginning with the case's id.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> passed, refused = check_cohort(load_cohort("dev/card.yaml"))
        >>> len(passed.cases), refused
        (2, ())
    """
    passed: list[Case] = []
    refusals: list[Refusal] = []
    for done, case in enumerate(cohort.cases):
        on_progress(done, len(cohort.cases))
        try:
            scan = read_scan(case, cohort.labels)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "check", refused.code, refused.reason))
        else:
            passed.append(case)
            for note in scan.notes:
                on_note(f"{case.id}: {note}")
    on_progress(len(cohort.cases), len(cohort.cases))
    return cohort.with_cases(passed), tuple(refusals)


def _read(path: Path, what: str) -> tuple[sitk.Image, tuple[str, ...]]:
    check_file(path, what, folders=True)
    if path.is_dir():
        image = read_folder(path)
        check_finite(image, what)
        return image, ()
    refuse_file(path, what)
    volume = read_volume(path, what)
    return volume.image, volume.notes


def _check_hu(hu: npt.NDArray[np.generic]) -> None:
    low, high = float(hu.min()), float(hu.max())
    if low < HU_RANGE[0] or high > HU_RANGE[1]:
        ends = f"{told_apart(low, *HU_RANGE, digits=6)} to {told_apart(high, *HU_RANGE, digits=6)}"
        raise CaseRefused("hu-range", f"voxels from {ends}; HU lie within {HU_RANGE[0]} to {HU_RANGE[1]}")
    if low > HIGHEST_MINIMUM_HU:
        lowest = told_apart(low, HIGHEST_MINIMUM_HU, digits=6)
        reason = f"the lowest voxel is {lowest}, so there is no air and no fat: the values are not HU"
        raise CaseRefused("not-hu", reason)


def _check_same_grid(mask: sitk.Image, image: sitk.Image) -> None:
    if mask.GetSize() != image.GetSize():
        raise CaseRefused("mask-shape", f"the mask has {_by(mask.GetSize())} voxels (xyz), the image {_by(image.GetSize())}")
    spacing = np.array(image.GetSpacing())
    if np.abs(np.array(mask.GetSpacing()) / spacing - 1).max() > SPACING_TOLERANCE:
        reason = f"the mask's voxels measure {_by(mask.GetSpacing())} mm (xyz), the image's {_by(image.GetSpacing())} mm"
        raise CaseRefused("mask-spacing", reason)
    turn = float(np.abs(np.array(mask.GetDirection()) - np.array(image.GetDirection())).max())
    if turn > DIRECTION_TOLERANCE:
        found = told_apart(turn, DIRECTION_TOLERANCE)
        reason = f"direction cosines of mask and image differ by up to {found}; at most {DIRECTION_TOLERANCE} is allowed"
        raise CaseRefused("mask-direction", reason)
    shift = np.array(mask.GetOrigin()) - np.array(image.GetOrigin())
    shift_voxels = float(np.abs(np.array(image.GetDirection()).reshape(3, 3).T @ shift / spacing).max())
    if shift_voxels > ORIGIN_TOLERANCE_VOXELS:
        found = told_apart(shift_voxels, ORIGIN_TOLERANCE_VOXELS)
        reason = f"the mask is shifted by {found} voxels against the image; at most {ORIGIN_TOLERANCE_VOXELS} is allowed"
        raise CaseRefused("mask-origin", reason)


def _canonical(mask: sitk.Image, labels: Labels) -> sitk.Image:
    stored = sitk.GetArrayViewFromImage(mask)
    if not stored.any():
        raise CaseRefused("mask-empty", "the mask labels no voxel")
    if stored.dtype == np.uint8 and dict(labels) == PARTED and stored.max() <= max(PARTED.values()):
        return mask  # as it is: a scan's mask is large, and most are stored so
    canonical = np.zeros(stored.shape, np.uint8)
    for name, value in labels.items():
        for one in label_values(value):
            canonical[stored == one] = STRUCTURES[name]
    if np.count_nonzero(stored) > np.count_nonzero(canonical):
        value = stored[(stored != 0) & (canonical == 0)].min()
        known = ", ".join(f"{name} {' and '.join(map(str, label_values(drawn)))}" for name, drawn in labels.items())
        raise CaseRefused("unknown-label", f"the mask holds the value {value:g}; the card knows {known}")
    return sitk.GetImageFromArray(canonical)


def _check_labelled_hu(hu: npt.NDArray[np.generic], canonical: npt.NDArray[np.uint8]) -> None:
    median = float(np.median(hu[canonical > 0].astype(np.float64)))
    if not MASK_MEDIAN_HU[0] <= median <= MASK_MEDIAN_HU[1]:
        found = told_apart(median, *MASK_MEDIAN_HU)
        reason = f"the median under the mask is {found} HU; kidneys and tumours lie within {_by(MASK_MEDIAN_HU, ' to ')}"
        raise CaseRefused("mask-hu", reason)


def _by(values: tuple[float, ...], sign: str = " x ") -> str:
    return sign.join(f"{value:g}" for value in values)
