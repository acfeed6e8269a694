"""The IBSI's CT phantom, prepared as the manual says and as PyRadiomics does: for benchmarks/ibsi.py.

References:
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145; reference manual, arXiv:1612.07003, chapters 2 and 5.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from radiomics_cfg.backends.parameters import DEFAULTS
from radiomics_cfg.engine import preparation
from radiomics_cfg.engine.discretise import Binning
from radiomics_cfg.regions.grid import bounds

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SPACING_MM = 2.0

DECIMALS = 6
"""To which interpolated values are right, whatever the order of their sums."""

STEPS = ("rounding", "one cut", "grid", "mask")
"""What PyRadiomics prepares otherwise than the IBSI, in the order in which we go from one to the other."""


@dataclass(frozen=True)
class Configuration:
    """How the CT phantom is processed, in 3D on voxels of 2 mm.

    Args:
        order: Of the spline that interpolates: 1 is trilinear, 3 tricubic.
        range_hu: What re-segmentation keeps.
        outliers: Whether it cuts what is more than 3 standard deviations from the mean, after the range.
        binning: Bins of the grey levels.
    """

    order: Literal[1, 3]
    range_hu: tuple[float, float] | None
    outliers: bool
    binning: Binning

    def settings(self) -> dict[str, object]:
        """Return the nearest settings of PyRadiomics."""
        bins = {"binCount": self.binning.count} if self.binning.count else {"binWidth": self.binning.width}
        cut = {"resegmentRange": [-3, 3], "resegmentMode": "sigma"} if self.outliers else {"resegmentRange": self.range_hu}
        interpolator = {1: "sitkLinear", 3: "sitkBSpline"}[self.order]
        return {"resampledPixelSpacing": [SPACING_MM] * 3, "interpolator": interpolator, **bins, **cut}


CONFIGURATIONS = {
    "C": Configuration(1, (-1000, 400), outliers=False, binning=Binning(width=25)),
    "D": Configuration(1, None, outliers=True, binning=Binning(count=32)),
    "E": Configuration(3, (-1000, 400), outliers=True, binning=Binning(count=32)),
}
"""The manual's, chapter 5."""


class CtPhantom:
    """The CT phantom: whole HU and the region (0 and 1), shape (z, y, x)."""

    def __init__(self, data: Path) -> None:
        folder = data / "ibsi_1_ct_radiomics_phantom" / "nifti"
        self.scan, self.region = (sitk.ReadImage(folder / f"{name}.nii.gz") for name in ("image/phantom", "mask/mask"))
        self.hu: Array = np.rint(sitk.GetArrayFromImage(self.scan).astype(np.float64))
        self.inside: Array = sitk.GetArrayFromImage(self.region).astype(np.float64)
        self.spacing_mm: Array = np.array(self.scan.GetSpacing()[::-1])
        self._resampled: dict[tuple[int, bool], tuple[Array, Mask]] = {}

    def resampled(self, order: Literal[1, 3], *, centred: bool) -> tuple[Array, Mask]:
        """Return HU and the region on voxels of 2 mm.

        Args:
            order: Of the spline.
            centred: Whether the old grid and the new one share their centre, or else their corner.
        """
        if (order, centred) not in self._resampled:
            old, step = np.array(self.hu.shape), SPACING_MM / self.spacing_mm
            new = np.ceil(old / step).astype(int)
            first = (old - 1 - step * (new - 1)) / 2 if centred else (step - 1) / 2
            shape = tuple(new.tolist())
            hu = ndimage.affine_transform(self.hu, step, first, shape, order=order, mode="nearest")
            share = ndimage.affine_transform(self.inside, step, first, shape, order=1, mode="nearest")
            # A half that has come out as 0.4999... is a half.
            self._resampled[order, centred] = np.round(hu, DECIMALS), np.round(share, DECIMALS) >= 0.5
        return self._resampled[order, centred]


@dataclass(frozen=True)
class Prepared:
    """The CT phantom on voxels of 2 mm.

    Args:
        image: HU, shape (z, y, x).
        whole: The region, for its shape.
        kept: What re-segmentation leaves of it, for intensities and texture.
    """

    image: Array
    whole: Mask
    kept: Mask


def prepare(phantom: CtPhantom, configuration: Configuration, otherwise: Collection[str] = ()) -> Prepared:
    """Prepare as the IBSI asks, but for those of ``STEPS`` that are named, which are taken as PyRadiomics takes them."""
    image, whole = phantom.resampled(configuration.order, centred="grid" not in otherwise)
    image = image if "rounding" in otherwise else np.rint(image)
    kept = whole.copy()
    if configuration.range_hu and "one cut" not in otherwise:
        low, high = configuration.range_hu
        kept &= (image >= low) & (image <= high)
    if configuration.outliers:
        values = image[kept]
        kept &= np.abs(image - values.mean()) <= 3 * values.std()
    return Prepared(image, whole, kept)


def prepare_as_pyradiomics(phantom: CtPhantom, configuration: Configuration) -> Prepared:
    """Prepare as ``Extractor`` does."""
    settings = {**DEFAULTS, **configuration.settings()}
    ready = preparation.prepare(phantom.scan, phantom.region, settings)
    kept = preparation.resegmented(ready.image, ready.mask, ready.label, settings)
    image, whole, inside = (sitk.GetArrayFromImage(part) for part in (ready.image, ready.mask, kept))
    return Prepared(image, whole > 0, inside > 0)


def diagnostics(phantom: CtPhantom, prepared: Prepared) -> dict[str, float]:
    """Return what the IBSI asks of image and region before and after each step of the preparation, by tag."""
    told: dict[str, float] = {}
    new_mm = np.full(3, SPACING_MM)
    for stage, image, spacing in (("init", phantom.hu, phantom.spacing_mm), ("interp", prepared.image, new_mm)):
        for k, axis in enumerate("zyx"):
            told |= {f"img_dim_{axis}_{stage}_img": image.shape[k], f"vox_dim_{axis}_{stage}_img": float(spacing[k])}
        told |= {f"{name}_int_{stage}_img": value for name, value in _summary(image).items()}
    start, whole = phantom.inside > 0, prepared.whole
    for stage, image, morphological, intensity in (
        ("init", phantom.hu, start, start),
        ("interp", prepared.image, whole, whole),
        ("reseg", prepared.image, whole, prepared.kept),
    ):
        for prefix, mask in (("int", intensity), ("morph", morphological)):
            told[f"{prefix}_mask_vox_count_{stage}_roi"] = int(mask.sum())
            for axis, part, n in zip("zyx", bounds(mask), mask.shape, strict=True):
                told[f"{prefix}_mask_dim_{axis}_{stage}_roi"] = n
                told[f"{prefix}_mask_bb_dim_{axis}_{stage}_roi"] = part.stop - part.start
        told |= {f"int_mask_{name}_int_{stage}_roi": value for name, value in _summary(image[intensity]).items()}
    return told


def _summary(values: Array) -> dict[str, float]:
    return {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
