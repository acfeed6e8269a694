"""The gate: a scan passes it whole, or is refused with a code and a plain line.

Nothing downstream checks again, so whatever PyRadiomics or nnU-Net would silently accept (a NaN voxel, wrapped HU, a mask that
is shifted against its scan) has to stop here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.case import Case, Cohort, Refusal
from nnunet_ext.dicom.folder import read_folder, refuse_file
from nnunet_ext.errors import CaseRefused
from nnunet_ext.labels import STRUCTURES
from nnunet_ext.nifti import check_forms, check_payload, is_whole
from nnunet_ext.progress import OnProgress, silent

HU_RANGE = (-10240, 30710)
"""The extended CT scale, the widest that a scanner writes. Wrapped unsigned values (air at 64512) lie outside."""

HIGHEST_MINIMUM_HU = -20
"""A CT holds air or fat. A volume whose lowest voxel is above this was rescaled, or never had its intercept applied."""

MASK_MEDIAN_HU = (-100, 500)
"""Median of all labelled voxels: an enhanced kidney with its tumours lies well inside; a volume off by 1024 HU does not."""

MAX_VOXELS = 2**31
"""Four times a whole-body scan at 0.6 mm; a header that claims more is damaged."""

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
    """

    image: sitk.Image
    mask: sitk.Image | None


def read_scan(case: Case, labels: Mapping[str, int], *, mask_required: bool = False) -> Scan:
    """Read a case's image and mask through the gate.

    Args:
        case: Where the files are.
        labels: Value in the mask file for each structure, as the cohort card gives them.
        mask_required: Refuse a case without a mask.

    Raises:
        CaseRefused: With one of the codes ``image-missing``, ``mask-missing``, ``mask-absent``, ``unreadable``, ``not-3d``,
            ``not-scalar``, ``too-large``, ``qform-sform``, ``nan``, ``inf``, what ``nnunet_ext.dicom.folder`` raises of DICOM,
            ``hu-range``, ``not-hu``, ``mask-shape``, ``mask-spacing``, ``mask-direction``, ``mask-origin``,
            ``unknown-label``, ``mask-empty``, ``mask-hu``.
    """
    image = _read(case.image, "image")
    hu = sitk.GetArrayViewFromImage(image)
    _check_hu(hu)
    if case.mask is None:
        if mask_required:
            raise CaseRefused("mask-absent", "the case list names no mask, and this stage needs one")
        return Scan(image, None)
    stored = _read(case.mask, "mask")
    _check_same_grid(stored, image)
    mask = _canonical(stored, labels)
    _check_labelled_hu(hu, sitk.GetArrayViewFromImage(mask))
    mask.CopyInformation(image)
    return Scan(image, mask)


def check_cohort(cohort: Cohort, *, on_progress: OnProgress = silent) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Read every scan of ``cohort`` through the gate; return the cohort of those that pass, and the refusals."""
    passed: list[Case] = []
    refusals: list[Refusal] = []
    for done, case in enumerate(cohort.cases):
        on_progress(done, len(cohort.cases))
        try:
            read_scan(case, cohort.labels)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "check", refused.code, refused.reason))
        else:
            passed.append(case)
    on_progress(len(cohort.cases), len(cohort.cases))
    return cohort.with_cases(passed), tuple(refusals)


def _read(path: Path, what: str) -> sitk.Image:
    if not path.exists():
        raise CaseRefused(f"{what}-missing", f"no {what} at {path.name}; check the case list and the data root")
    try:
        if path.is_dir():
            return read_folder(path)
        refuse_file(path, what)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        size = reader.GetSize()
        if len(size) != 3:
            raise CaseRefused("not-3d", f"the {what} has {len(size)} dimensions, not 3")
        if reader.GetNumberOfComponents() != 1:
            raise CaseRefused("not-scalar", f"the {what} has {reader.GetNumberOfComponents()} values a voxel, not 1")
        voxels = int(np.prod([int(n) for n in size], dtype=object))
        if voxels > MAX_VOXELS:
            raise CaseRefused(
                "too-large", f"the header of the {what} claims {voxels:.2g} voxels; at most {MAX_VOXELS:.2g} are read"
            )
        image = reader.Execute()
    except RuntimeError as error:
        line = str(error).strip().splitlines()[-1].strip()
        raise CaseRefused("unreadable", f"the {what} {path.name} cannot be read: {line}") from error
    if path.name.endswith((".nii", ".nii.gz")):
        check_forms(path, what)
        if not is_whole(path, sitk.GetArrayViewFromImage(image)):
            check_payload(path, what)
    return image


def _check_hu(hu: npt.NDArray[np.generic]) -> None:
    if np.issubdtype(hu.dtype, np.floating) and not np.isfinite(hu).all():
        if np.isnan(hu).any():
            raise CaseRefused("nan", f"{int(np.isnan(hu).sum())} voxels of the image are not a number")
        raise CaseRefused("inf", f"{int(np.isinf(hu).sum())} voxels of the image are infinite")
    low, high = float(hu.min()), float(hu.max())
    if low < HU_RANGE[0] or high > HU_RANGE[1]:
        reason = f"voxels from {low:g} to {high:g}; HU lie within {HU_RANGE[0]} to {HU_RANGE[1]}"
        raise CaseRefused("hu-range", reason)
    if low > HIGHEST_MINIMUM_HU:
        reason = f"the lowest voxel is {low:g}, so there is no air and no fat: the values are not HU"
        raise CaseRefused("not-hu", reason)


def _check_same_grid(mask: sitk.Image, image: sitk.Image) -> None:
    if mask.GetSize() != image.GetSize():
        raise CaseRefused("mask-shape", f"the mask has {_by(mask.GetSize())} voxels (xyz), the image {_by(image.GetSize())}")
    spacing = np.array(image.GetSpacing())
    if np.abs(np.array(mask.GetSpacing()) / spacing - 1).max() > SPACING_TOLERANCE:
        reason = f"the mask's voxels measure {_by(mask.GetSpacing())} mm (xyz), the image's {_by(image.GetSpacing())} mm"
        raise CaseRefused("mask-spacing", reason)
    turn = np.abs(np.array(mask.GetDirection()) - np.array(image.GetDirection())).max()
    if turn > DIRECTION_TOLERANCE:
        reason = f"direction cosines of mask and image differ by up to {turn:.3g}; at most {DIRECTION_TOLERANCE} is allowed"
        raise CaseRefused("mask-direction", reason)
    shift = np.array(mask.GetOrigin()) - np.array(image.GetOrigin())
    shift_voxels = np.abs(np.array(image.GetDirection()).reshape(3, 3).T @ shift / spacing).max()
    if shift_voxels > ORIGIN_TOLERANCE_VOXELS:
        reason = (
            f"the mask is shifted by {shift_voxels:.2f} voxels against the image; at most {ORIGIN_TOLERANCE_VOXELS} is allowed"
        )
        raise CaseRefused("mask-origin", reason)


def _canonical(mask: sitk.Image, labels: Mapping[str, int]) -> sitk.Image:
    stored = sitk.GetArrayViewFromImage(mask)
    if not stored.any():
        raise CaseRefused("mask-empty", "the mask labels no voxel")
    if stored.dtype == np.uint8 and dict(labels) == STRUCTURES and stored.max() <= max(STRUCTURES.values()):
        return mask  # as it is: a scan's mask is large, and most are stored so
    canonical = np.zeros(stored.shape, np.uint8)
    for name, value in labels.items():
        canonical[stored == value] = STRUCTURES[name]
    if np.count_nonzero(stored) > np.count_nonzero(canonical):
        value = stored[(stored != 0) & (canonical == 0)].min()
        known = ", ".join(f"{name} {value}" for name, value in labels.items())
        raise CaseRefused("unknown-label", f"the mask holds the value {value:g}; the card knows {known}")
    return sitk.GetImageFromArray(canonical)


def _check_labelled_hu(hu: npt.NDArray[np.generic], canonical: npt.NDArray[np.uint8]) -> None:
    median = float(np.median(hu[canonical > 0].astype(np.float64)))
    if not MASK_MEDIAN_HU[0] <= median <= MASK_MEDIAN_HU[1]:
        reason = f"the median under the mask is {median:g} HU; kidneys and tumours lie within {_by(MASK_MEDIAN_HU, ' to ')}"
        raise CaseRefused("mask-hu", reason)


def _by(values: tuple[float, ...], sign: str = " x ") -> str:
    return sign.join(f"{value:g}" for value in values)
