"""A small scan with two kidneys and a tumour, and the cohort card of it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.labels import Label

SPACING_MM = (4.0, 4.0, 5.0)
"""Along x, y and z."""

CORNER_MM = (-94.0, -94.0, 0.0)
"""Centre of the first voxel."""


def small_scan(n_slices: int = 14, side: int = 48) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Return HU and labels of a body of fat in air, shape (z, y, x). No axis has a symmetry, so a mirrored mask shows."""
    z, y, x = np.mgrid[:n_slices, :side, :side].astype(float)
    centre = side / 2
    hu = np.where((y - centre) ** 2 + (x - centre) ** 2 < (0.45 * side) ** 2, -100.0, -1000.0)
    mask = np.zeros(hu.shape, np.uint8)
    for cx, middle in ((0.3 * side, 0.45 * n_slices), (0.7 * side, 0.55 * n_slices)):
        mask[(y - 0.58 * side) ** 2 + (x - cx) ** 2 + ((z - middle) * 1.2) ** 2 < (0.14 * side) ** 2] = Label.KIDNEY
    mask[(y - 0.46 * side) ** 2 + (x - 0.26 * side) ** 2 + ((z - 0.4 * n_slices) * 1.2) ** 2 < (0.08 * side) ** 2] = (
        Label.TUMOUR
    )
    hu[mask == Label.KIDNEY], hu[mask == Label.TUMOUR] = 180, 80
    noise = np.random.default_rng(0).integers(-15, 16, hu.shape)
    return (hu + noise).astype(np.int16), mask


def as_image(array: npt.NDArray[Any]) -> sitk.Image:
    """Return an array (z, y, x) as an image in the place of ``small_scan``."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin(CORNER_MM)
    return image


def write_scan(folder: Path, name: str = "a") -> tuple[Path, Path]:
    """Write ``small_scan`` as NIfTI; return the paths of image and mask."""
    hu, mask = small_scan()
    paths = folder / f"{name}.nii.gz", folder / f"{name}_mask.nii.gz"
    sitk.WriteImage(as_image(hu), str(paths[0]))
    sitk.WriteImage(as_image(mask), str(paths[1]))
    return paths


def write_card(
    folder: Path,
    rows: str = "a,p,north,a.nii.gz,a_mask.nii.gz\n",
    *,
    header: str = "case_id,patient_id,centre,image,mask\n",
    text: str = "name: small\nrole: development\ncases: cases.csv\n",
) -> Path:
    """Write a case list and its card; return the card's path."""
    (folder / "cases.csv").write_text(header + rows, encoding="utf-8")
    (folder / "card.yaml").write_text(text, encoding="utf-8")
    return folder / "card.yaml"
