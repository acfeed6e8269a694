"""Values of a mask: labels are whole numbers, also where a file stores them as others."""

import numpy as np
import SimpleITK as sitk

from nnunet_ext.ground.digits import told_apart
from nnunet_ext.ground.errors import CaseRefused

WHOLE_TOLERANCE = 1e-3
"""Largest distance of a mask value from a whole number that is taken for it: what scaling by a slope leaves. Interpolation
and probabilities leave more."""


def whole_numbers(mask: sitk.Image) -> sitk.Image:
    """Return a mask whose values are whole numbers: the same mask, or one in which they are rounded.

    Args:
        mask: Of any type, one value per voxel or several.

    Raises:
        CaseRefused: ``mask-fraction`` if a value is more than ``WHOLE_TOLERANCE`` off a whole number; ``nan``, ``inf``.
    """
    values = sitk.GetArrayViewFromImage(mask)
    if not np.issubdtype(values.dtype, np.floating):
        return mask
    if not np.isfinite(values).all():
        code, found = ("nan", "not a number") if np.isnan(values).any() else ("inf", "infinite")
        raise CaseRefused(code, f"{int((~np.isfinite(values)).sum())} voxels of the mask are {found}")
    whole = np.rint(values)
    off = np.abs(values - whole)
    if float(off.max()) > WHOLE_TOLERANCE:
        at = np.unravel_index(int(off.argmax()), off.shape)
        value = told_apart(float(values[at]), float(whole[at]))
        reason = f"the mask holds the value {value}; labels are whole numbers, and at most {WHOLE_TOLERANCE} off is rounding"
        raise CaseRefused("mask-fraction", f"{reason}; threshold it, and write it with integers")
    if not off.any():
        return mask
    rounded = sitk.GetImageFromArray(whole, isVector=mask.GetNumberOfComponentsPerPixel() > 1)
    rounded.CopyInformation(mask)
    return rounded
