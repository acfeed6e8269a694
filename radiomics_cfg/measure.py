"""From one scan with its mask to the values of its row: scales, regions, features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.errors import CaseRefused
from nnunet_ext.geometry import Scan
from nnunet_ext.labels import Label
from radiomics_cfg.backend import Backend
from radiomics_cfg.grid import Grid, resample
from radiomics_cfg.preset import Preset, Scale
from radiomics_cfg.regions import Region, find_regions

KEPT_FRACTION = "original_region_KeptFraction"
"""Column of each side of a shell, named after PyRadiomics' pattern: see ``Region.kept_fraction``."""


@dataclass(frozen=True)
class CaseRows:
    """What one case adds to a feature table.

    Args:
        values: Shape ``(n_rows, n_columns)``, float64, NaN where missing; columns as ``feature_columns`` names them.
        keys: For each row the key columns that only the mask can tell, by name.
        missing: For each row why values are missing, by ``<region>__<scale>``.
    """

    values: npt.NDArray[np.float64]
    keys: tuple[dict[str, str | int], ...]
    missing: tuple[dict[str, str], ...]


def measure_case(scan: Scan, preset: Preset, engine: Backend) -> CaseRows:
    """Measure every region of a case on every scale.

    Raises:
        CaseRefused: ``tumour-absent``, or ``too-thin`` for a scale.
    """
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    if not (sitk.GetArrayViewFromImage(scan.mask) == Label.TUMOUR).any():
        raise CaseRefused("tumour-absent", "the mask labels no tumour voxel, so there is nothing to measure")
    for scale in preset.scales:
        image, regions, origin = _on_scale(scan, preset, scale, engine)
        names = engine.feature_names(scale.parameters)
        shortfalls = {name: region.shortfall(preset.regions.minimum_voxels) for name, region in regions.items()}
        usable = {name: _as_image(regions[name], image, origin) for name, reason in shortfalls.items() if reason is None}
        found = engine.features(image, usable, scale.parameters)
        for region, shortfall in shortfalls.items():
            place = f"{region}__{scale.name}"
            numbers = [found.get(region, {}).get(name, np.nan) for name in names]
            undefined = len(numbers) - int(np.isfinite(numbers).sum())
            values.update({f"{place}__{name}": number for name, number in zip(names, numbers, strict=True)})
            kept = regions[region].kept_fraction
            if kept is not None:
                values[f"{place}__{KEPT_FRACTION}"] = kept
            if undefined:
                missing[place] = shortfall or f"{undefined} of {len(names)} features are undefined on this region"
    ordered = np.array([values[column] for column in feature_columns(preset, engine)])
    return CaseRows(np.where(np.isfinite(ordered), ordered, np.nan)[None], ({},), (missing,))


def _on_scale(
    scan: Scan, preset: Preset, scale: Scale, engine: Backend
) -> tuple[sitk.Image, dict[str, Region], tuple[float, ...]]:
    """Return a scan's HU around its labels on one scale, the regions there, and where their masks begin in space.

    All masks span one box, given by the labels and the outermost shell alone, and so do the filtered images that a backend
    makes: a region's values do not depend on the other regions.
    """
    setting = scale.parameters.setting
    labels = sitk.GetArrayViewFromImage(scan.mask)
    grid = Grid.of(scan.image, setting.spacing_mm)
    box = grid.box_of(labels > 0, preset.regions.reach_mm)
    inner = box.within(grid.size)
    outer = inner.grown(engine.margin(scale.parameters, grid.spacing)).within(grid.size)
    image = resample(scan.image, grid, outer, interpolator=setting.interpolator)
    hu = sitk.GetArrayViewFromImage(image)[inner.slices_in(outer)]
    regions = find_regions(preset.regions, labels, hu, grid=grid, box=box)
    return image, regions, image.TransformIndexToPhysicalPoint((np.array(inner.lower) - outer.lower).tolist())


def _as_image(region: Region, image: sitk.Image, origin: tuple[float, ...]) -> sitk.Image:
    """Return a region's mask on the grid of ``image``, beginning at ``origin``."""
    mask = sitk.GetImageFromArray(region.mask.astype(np.uint8))
    mask.SetOrigin(origin)
    mask.SetSpacing(image.GetSpacing())
    mask.SetDirection(image.GetDirection())
    return mask


def feature_columns(preset: Preset, engine: Backend) -> list[str]:
    """Return the names of all feature columns, in table order."""
    columns = []
    shells = set(preset.regions.names) - set(preset.regions.structures)
    for scale in preset.scales:
        names = engine.feature_names(scale.parameters)
        for region in preset.regions.names:
            columns += [f"{region}__{scale.name}__{name}" for name in (*names, *([KEPT_FRACTION] if region in shells else []))]
    return columns
