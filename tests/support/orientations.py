"""The 48 ways to store one scan."""

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.scans.geometry import Scan

ORIENTATIONS = [
    pytest.param(axes, flips, id=f"{''.join('xyz'[a] for a in axes)}{''.join('+-'[f] for f in flips)}")
    for axes in permutations(range(3))
    for flips in product((False, True), repeat=3)
]


def turned(scan: Scan, axes: tuple[int, ...], flips: tuple[bool, ...]) -> Scan:
    """Return the same anatomy in the same space, stored with its axes in another order and direction."""

    def turn(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image).transpose().transpose(axes)
        values = np.flip(values, [axis for axis in range(3) if flips[axis]])
        corner = [0, 0, 0]
        for axis, flip in zip(axes, flips, strict=True):
            corner[axis] = image.GetSize()[axis] - 1 if flip else 0
        new = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose()))
        new.SetSpacing([image.GetSpacing()[axis] for axis in axes])
        columns = np.array(image.GetDirection()).reshape(3, 3)[:, axes] * np.where(flips, -1, 1)
        new.SetDirection(columns.ravel().tolist())
        new.SetOrigin(image.TransformIndexToPhysicalPoint(corner))
        return new

    return Scan(turn(scan.image), turn(scan.mask))
