"""Small scans of a tumour in a kidney in fat, all of them balls."""

import numpy as np
import SimpleITK as sitk

from nnunet_ext.ground.case import Case
from nnunet_ext.ground.labels import Label


def write_ball(case: Case, *, seed: int, side: int, tumour_mm: float, kidney_mm: float, tumour_hu: float = 90) -> Case:
    """Write the scan and the mask of ``case``: noise of 20 HU, voxels of 3 mm, ``side`` of them along each axis."""
    distance_mm = np.linalg.norm(np.indices((side, side, side)) * 3.0 - (side - 1) * 1.5, axis=0)
    labels = np.select([distance_mm <= tumour_mm, distance_mm <= kidney_mm], [Label.TUMOUR, Label.KIDNEY]).astype(np.uint8)
    noise = np.random.default_rng(seed).normal(0, 20, labels.shape)
    for array, file in ((np.choose(labels, [-100, 160, tumour_hu]) + noise, case.image), (labels, case.mask)):
        image = sitk.GetImageFromArray(array.astype(np.int16))
        image.SetSpacing((3.0, 3.0, 3.0))
        sitk.WriteImage(image, str(file))
    return case
