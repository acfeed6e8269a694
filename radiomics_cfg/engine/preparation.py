"""From an image and a mask to one region on a box, with PyRadiomics' geometry: the mode ``pyradiomics``.

Each region gets a grid, a crop and a padding of its own, as PyRadiomics cuts them, and the same voxels come out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.volumes.mask_values import whole_numbers
from radiomics_cfg.engine import spline
from radiomics_cfg.engine.extent import extent

Settings = Mapping[str, Any]

GEOMETRY_TOLERANCE = 1e-6
"""Of ITK: differences of origins and spacings in voxels, and of direction cosines."""

_INTERPOLATOR = re.compile(r"sitk(NearestNeighbor|Linear|Gaussian|LabelGaussian|LabelLinear|BSpline\w*|\w+WindowedSinc)")

ROI_TOLERANCE = 1e-3
"""Voxels by which a region may leave the image and still count as inside, as in PyRadiomics."""


@dataclass(frozen=True)
class Prepared:
    """An image and the region's mask on one grid, ready for filters.

    Args:
        image: Resampled and cropped with padding where resampling was asked for, else whole.
        mask: Integer labels on the grid of ``image``.
        label: Of the region.
        steps: The image and the mask after each step that changed them, for the diagnostics: ``interpolated``, ``corrected``.
    """

    image: sitk.Image
    mask: sitk.Image
    label: int
    steps: tuple[tuple[str, sitk.Image | None, sitk.Image], ...]


def integer_mask(mask: sitk.Image, settings: Settings) -> sitk.Image:
    """Return the mask as integers; of a mask with several channels the one that ``label_channel`` names.

    Raises:
        CaseRefused: ``label-channel``; ``mask-fraction``, ``nan`` or ``inf`` if it holds other than whole numbers.
    """
    if mask.GetNumberOfComponentsPerPixel() > 1:
        channel, n = settings.get("label_channel", 0), mask.GetNumberOfComponentsPerPixel()
        if channel >= n:
            raise CaseRefused("label-channel", f"the mask has {n} channels, from 0; channel {channel} was asked for")
        mask = sitk.VectorIndexSelectionCast(mask, channel)
    mask = whole_numbers(mask)
    kind = sitk.GetArrayViewFromImage(mask).dtype
    return mask if np.issubdtype(kind, np.integer) else sitk.Cast(mask, sitk.sitkUInt32)


def prepare(image: sitk.Image, mask: sitk.Image, settings: Settings) -> Prepared:
    """Normalise, resample or crop, and check the region.

    Args:
        image: Scalar volume.
        mask: As ``integer_mask`` gives it.
        settings: PyRadiomics' settings.

    Raises:
        CaseRefused: ``label-absent``, ``mask-geometry``, ``mask-outside``, ``nan``, ``inf``, ``roi-dimensions``, ``roi-size``.
    """
    label = int(settings.get("label", 1))
    box = label_box(mask, label)
    steps: list[tuple[str, sitk.Image | None, sitk.Image]] = []
    if settings.get("normalize"):
        image = _normalised(image, settings)
    if settings.get("interpolator") is not None and settings.get("resampledPixelSpacing") is not None:
        image, mask = _resampled(image, mask, box, settings)
        steps.append(("interpolated", image, mask))
    elif settings.get("preCrop"):
        mask = _on_grid_of(image, mask, label, settings)
        image, mask = _cropped(image, mask, label_box(mask, label), settings.get("padDistance", 0))
    fitted = _on_grid_of(image, mask, label, settings)
    if fitted is not mask:
        steps.append(("corrected", image, fitted))
    check_extent(label_box(fitted, label), settings)
    return Prepared(image, fitted, label, tuple(steps))


@dataclass(frozen=True)
class LabelBox:
    """Where a label lies in a mask.

    Args:
        lower: First voxel along x, y, z.
        size: Number of voxels along x, y, z.
        voxels: How many voxels have the label.
    """

    lower: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    voxels: int


def refuse_no_numbers(values: npt.NDArray[np.generic]) -> None:
    """Check that every voxel of an image is a number.

    Raises:
        CaseRefused: ``nan`` or ``inf``.
    """
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        code = "nan" if np.isnan(values).any() else "inf"
        what = "are not a number" if code == "nan" else "are infinite"
        raise CaseRefused(code, f"{np.count_nonzero(~np.isfinite(values))} voxels around the region {what}")


def check_extent(box: LabelBox, settings: Settings) -> None:
    """Check that a region has the dimensions and the voxels that are asked for.

    Raises:
        CaseRefused: ``roi-dimensions`` or ``roi-size``.
    """
    dimensions, fewest = int(np.count_nonzero(box.size > 1)), settings.get("minimumROIDimensions", 2)
    if dimensions == 0:
        raise CaseRefused("roi-dimensions", "the region is one voxel; features need at least two")
    if dimensions < fewest:
        raise CaseRefused("roi-dimensions", f"the region extends along {dimensions} axes; at least {fewest} are asked for")
    minimum = settings.get("minimumROISize")
    if minimum is not None and box.voxels <= minimum:
        raise CaseRefused("roi-size", f"the region has {box.voxels} voxels; more than {minimum} are asked for")


def label_box(mask: sitk.Image, label: int) -> LabelBox:
    """Find a label.

    Raises:
        CaseRefused: ``label-absent``.
    """
    array = sitk.GetArrayViewFromImage(mask)
    voxels, first, last = extent(array, label)
    if voxels == 0:
        known = [int(value) for value in np.unique(array) if value][:10]
        reason = f"the mask has no voxel of label {label}; it holds {', '.join(map(str, known)) or 'background only'}"
        raise CaseRefused("label-absent", reason)
    return LabelBox(first[::-1], (last - first + 1)[::-1], voxels)


def _normalised(image: sitk.Image, settings: Settings) -> sitk.Image:
    """Return the image centred on its mean in units of its standard deviation, outliers cut, scaled."""
    normal = sitk.Normalize(image)
    outliers = settings.get("removeOutliers")
    if outliers is not None:
        cut = sitk.GetImageFromArray(np.clip(sitk.GetArrayViewFromImage(normal), -outliers, outliers))
        cut.CopyInformation(normal)
        normal = cut
    return normal * float(settings.get("normalizeScale", 1))


def same_grid(image: sitk.Image, mask: sitk.Image, tolerance: float = GEOMETRY_TOLERANCE) -> bool:
    """Return whether a mask lies on the grid of an image, up to a fraction of its voxels."""
    voxel = image.GetSpacing()[0]
    return bool(
        image.GetSize() == mask.GetSize()
        and np.abs(np.subtract(image.GetOrigin(), mask.GetOrigin())).max() <= tolerance * voxel
        and np.abs(np.subtract(image.GetSpacing(), mask.GetSpacing())).max() <= tolerance * voxel
        and np.abs(np.subtract(image.GetDirection(), mask.GetDirection())).max() <= tolerance
    )


def _on_grid_of(image: sitk.Image, mask: sitk.Image, label: int, settings: Settings) -> sitk.Image:
    """Return the mask if it lies on the image's grid, or moved there where ``correctMask`` asks for it."""
    if same_grid(image, mask, settings.get("geometryTolerance") or GEOMETRY_TOLERANCE):
        return mask
    if not settings.get("correctMask"):
        reason = (
            f"the mask lies on another grid than the image: {grid_difference(image, mask)}; "
            "correctMask=True resamples it, geometryTolerance widens the tolerance"
        )
        raise CaseRefused("mask-geometry", reason)
    _check_inside(image, mask, label_box(mask, label))
    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)


def grid_difference(image: sitk.Image, mask: sitk.Image) -> str:
    """Return in words what of a mask's grid differs from the image's, and by how much."""
    if image.GetSize() != mask.GetSize():
        return f"{' x '.join(map(str, mask.GetSize()))} voxels (xyz) against {' x '.join(map(str, image.GetSize()))}"
    parts = (
        ("origin", "mm", mask.GetOrigin(), image.GetOrigin()),
        ("spacing", "mm", mask.GetSpacing(), image.GetSpacing()),
        ("direction", "in its cosines", mask.GetDirection(), image.GetDirection()),
    )
    return ", ".join(
        f"its {name} is off by up to {off:.3g} {unit}"
        for name, unit, found, wanted in parts
        if (off := float(np.abs(np.subtract(found, wanted)).max()))
    )


def describe_grid(image: sitk.Image) -> str:
    """Return the size and the spacing of an image in words."""
    size = " x ".join(map(str, image.GetSize()))
    return f"{size} voxels of {' x '.join(f'{v:g}' for v in image.GetSpacing())} mm"


def _check_inside(image: sitk.Image, mask: sitk.Image, box: LabelBox) -> None:
    ends = np.array([box.lower - 0.5, box.lower + box.size - 0.5])
    there = [
        image.TransformPhysicalPointToContinuousIndex(mask.TransformContinuousIndexToPhysicalPoint(e)) for e in ends.tolist()
    ]
    low, high = np.min(there, axis=0), np.max(there, axis=0)
    if (low < -0.5 - ROI_TOLERANCE).any() or (high > np.array(image.GetSize()) - 0.5 + ROI_TOLERANCE).any():
        raise CaseRefused(
            "mask-outside", f"the region reaches from {low.round(4)} to {high.round(4)} voxels (xyz) of {describe_grid(image)}"
        )


def _cropped(image: sitk.Image, mask: sitk.Image, box: LabelBox, pad: int) -> tuple[sitk.Image, sitk.Image]:
    lower = np.maximum(box.lower - pad, 0)
    upper = np.minimum(box.lower + box.size + pad, image.GetSize())
    size, start = (upper - lower).tolist(), lower.tolist()
    return sitk.RegionOfInterest(image, size, start), sitk.RegionOfInterest(mask, size, start)


def _resampled(image: sitk.Image, mask: sitk.Image, box: LabelBox, settings: Settings) -> tuple[sitk.Image, sitk.Image]:
    """Resample image and mask to the spacing asked for, on the box of the region and a padding."""
    own = np.array(mask.GetSpacing())
    asked = np.array(settings["resampledPixelSpacing"], np.float64)
    if asked.shape != (3,):
        msg = f"resampledPixelSpacing needs three spacings in mm, x, y, z; found {settings['resampledPixelSpacing']}"
        raise InputError(msg)
    pad = settings.get("padDistance", 5)
    _check_inside(image, mask, box)
    spacing = np.where((asked == 0) | (box.size == 1), own, asked)  # a region of one slice is not resampled across
    if np.allclose(image.GetSpacing(), spacing):
        there = sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)
        return _cropped(image, there, label_box(there, int(settings.get("label", 1))), pad)
    ratio = own / spacing
    lower = np.maximum(np.floor((box.lower - 0.5) * ratio - pad), 0)
    upper = np.minimum(np.ceil((box.lower + box.size - 0.5) * ratio + pad), np.ceil(np.array(mask.GetSize()) * ratio) - 1)
    size = (upper - lower + 1).astype(int).tolist()
    origin = mask.TransformContinuousIndexToPhysicalPoint((0.5 * (spacing - own) / own + lower / ratio).tolist())
    grid = (size, sitk.Transform()), (origin, spacing.tolist(), mask.GetDirection())
    on_mask = sitk.Resample(mask, *grid[0], sitk.sitkNearestNeighbor, *grid[1])
    interpolator = _interpolator(settings["interpolator"])
    if interpolator == sitk.sitkBSpline:  # which would spread one of them over the whole image
        refuse_no_numbers(sitk.GetArrayViewFromImage(image))
    if interpolator == sitk.sitkBSpline and _is_axis_aligned(image, mask):
        return _spline_resampled(image, on_mask), on_mask
    return sitk.Resample(image, *grid[0], interpolator, *grid[1]), on_mask


def _interpolator(name: object) -> int:
    if not isinstance(name, str):
        return int(str(name))
    known = getattr(sitk, name, None)
    if not _INTERPOLATOR.fullmatch(name) or not isinstance(known, int):
        msg = f"No interpolator {name!r}; SimpleITK's are sitkNearestNeighbor, sitkLinear, sitkBSpline and others"
        raise InputError(msg)
    return known


def _is_axis_aligned(image: sitk.Image, mask: sitk.Image) -> bool:
    """Return whether image and mask share axes parallel to those of space, so that interpolation is separable by axis."""
    direction = np.array(image.GetDirection())
    return bool(np.array_equal(direction, mask.GetDirection()) and np.isin(np.abs(direction), (0.0, 1.0)).all())


def _spline_resampled(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """Return the image on a grid by a cubic B-spline: what ITK gives, from a crop."""

    def place(x: int, y: int, z: int) -> tuple[float, ...]:
        return tuple(image.TransformPhysicalPointToContinuousIndex(grid.TransformIndexToPhysicalPoint((x, y, z))))

    nx, ny, nz = grid.GetSize()
    lines = spline.Lines(
        (place(0, 0, 0)[0], place(nx, 0, 0)[0]),
        np.array([place(0, y, 0)[1] for y in range(ny)]),
        np.array([place(0, 0, z)[2] for z in range(nz)]),
        nx,
    )
    scan = sitk.GetArrayViewFromImage(image)
    slices, offset = [], []
    for at, n in zip((lines.z, lines.y, lines.along_x), scan.shape, strict=True):
        start = min(max(int(at.min()) - spline.MARGIN, 0), n - 1)
        slices.append(slice(start, max(min(int(at.max()) + spline.MARGIN + 2, n), start + 1)))
        offset.append(start)
    coefficient = spline.coefficients(scan[tuple(slices)])
    values = spline.interpolate_as_itk(
        coefficient, lines, offset=(offset[0], offset[1], offset[2]), scan_size=scan.shape, kind=scan.dtype
    )
    resampled = sitk.GetImageFromArray(values)
    resampled.CopyInformation(grid)
    return resampled


def resegmented(image: sitk.Image, mask: sitk.Image, label: int, settings: Settings) -> sitk.Image:
    """Return the mask without the voxels of the label whose value is out of ``resegmentRange``.

    Raises:
        InputError: If the range or its mode is unknown.
        CaseRefused: ``resegmented`` if fewer than two voxels are left, ``roi-dimensions`` or ``roi-size`` if too few are.
    """
    limits, mode = sorted(settings["resegmentRange"]), settings.get("resegmentMode", "absolute")
    if not 1 <= len(limits) <= 2:
        msg = f"resegmentRange is one limit or two; found {len(limits)}"
        raise InputError(msg)
    values, inside = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(mask) == label
    if mode == "relative":
        limits = [float(np.max(values[inside])) * limit for limit in limits]
    elif mode == "sigma":
        mean, deviation = np.mean(values[inside]), np.std(values[inside])
        limits = [mean + deviation * limit for limit in limits]
    elif mode != "absolute":
        msg = f"No resegmentMode {mode!r}; known ones are absolute, relative, sigma"
        raise InputError(msg)
    kept = inside & (values >= limits[0])
    if len(limits) == 2:
        kept &= values <= limits[1]
    if np.count_nonzero(kept) <= 1:
        raise CaseRefused(
            "resegmented", f"{np.count_nonzero(kept)} of {np.count_nonzero(inside)} voxels lie in {settings['resegmentRange']}"
        )
    smaller = sitk.GetImageFromArray(kept.astype(np.int64) * label)
    smaller.CopyInformation(mask)
    check_extent(label_box(smaller, label), settings)
    return smaller
