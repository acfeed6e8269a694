"""From one scan with its mask to the values of its rows: lesions, scales, regions, features."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.scans.geometry import Scan
from nnunet_ext.scans.orientation import oriented
from radiomics_cfg.backends.backend import Backend, PlacedMask
from radiomics_cfg.modes import Mode
from radiomics_cfg.preset import Preset, Scale
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.regions.grid import Box, Grid, resample
from radiomics_cfg.regions.lesions import Anatomy, find_anatomy
from radiomics_cfg.regions.regions_of_interest import Region, find_regions, mask_name

KEPT_FRACTION = "original_region_KeptFraction"
"""Column of each side of a ring, named after PyRadiomics' pattern: see ``Region.kept_fraction``."""


@dataclass(frozen=True)
class CaseRows:
    """What one case adds to a feature table: a row for each lesion, or for all its tumours together.

    Args:
        values: Shape ``(n_rows, n_columns)``, float64, NaN where missing; columns as ``feature_columns`` names them.
        keys: For each row the key columns that only the mask determines: ``lesion``, an int, and ``side``.
        missing: For each row why values are missing, by ``<region>__<scale>``.
    """

    values: npt.NDArray[np.float64]
    keys: tuple[dict[str, str | int], ...]
    missing: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class _Measured:
    """The features of one mask on one scale, and why some are missing."""

    values: dict[str, float]
    reason: str | None


def as_measured(scan: Scan, mode: Mode) -> Scan:
    """Return a scan as a mode measures it: ``oriented`` in ``canonical``, as it is stored in ``pyradiomics``.

    Whoever reads a scan from its files calls this at once, so that a turned scan is not in memory twice.
    """
    return oriented(scan) if mode == "canonical" else scan


def measure_case(scan: Scan, preset: Preset, engine: Backend, *, mode: Mode = "canonical", crew: Crew = ALONE) -> CaseRows:
    """Measure every region of every lesion of a case on every scale.

    Args:
        scan: Image and mask, through the gate.
        preset: What to measure.
        engine: What computes.
        mode: In ``canonical`` the scan is turned to LPS; regions are found on each scale's grid and share its filtered images.
            In ``pyradiomics`` they are found on the scan's own grid, as it is stored, and each is then resampled, cropped and
            filtered by itself.
        crew: Threads; those of the mode ``canonical`` also share the regions and images of each scale.

    Raises:
        CaseRefused: ``tumour-absent``, or ``too-thin`` for a scale.
    """
    scan = as_measured(scan, mode)
    anatomy = find_anatomy(scan)
    lesions = anatomy.rows(preset.regions.lesions)
    values: list[dict[str, float]] = [{} for _ in lesions]
    missing: list[dict[str, str]] = [{} for _ in lesions]
    measure = partial(_measure_scale, crew=crew) if mode == "canonical" else _measure_scale_as_pyradiomics
    calls = (partial(measure, scan, anatomy, preset, scale=scale, engine=engine) for scale in preset.scales)
    for scale, measured in zip(preset.scales, crew.in_order(calls), strict=True):
        for row, lesion in enumerate(lesions):
            for region in preset.regions.names:
                place, found = f"{region}__{scale.name}", measured[mask_name(region, lesion)]
                values[row].update({f"{place}__{name}": value for name, value in found.values.items()})
                if found.reason is not None:
                    missing[row][place] = found.reason
    columns = feature_columns(preset, engine)
    ordered = np.array([[row[column] for column in columns] for row in values])
    keys: tuple[dict[str, str | int], ...] = tuple({"lesion": lesion.number, "side": lesion.side} for lesion in lesions)
    return CaseRows(np.where(np.isfinite(ordered), ordered, np.nan), keys, tuple(missing))


def _measure_scale(
    scan: Scan, anatomy: Anatomy, preset: Preset, *, scale: Scale, engine: Backend, crew: Crew
) -> dict[str, _Measured]:
    """Measure all masks of a case on one scale, each once, however many lesions share it."""
    image, regions, corner, parts = _on_scale(scan, anatomy, preset, scale=scale, engine=engine, crew=crew)
    names = engine.feature_names(scale.parameters)
    shortfalls = {name: region.shortfall(preset.regions.minimum_voxels) for name, region in regions.items()}
    usable = {name: PlacedMask(regions[name].mask, corner) for name, reason in shortfalls.items() if reason is None}
    kept = {name: region.kept_fraction for name, region in regions.items()}
    del regions  # the masks without features are not needed, and their memory is
    found = engine.features(image, usable, scale.parameters, parts=parts, crew=crew)
    return {mask: _measured(names, found.get(mask, {}), kept[mask], shortfall) for mask, shortfall in shortfalls.items()}


def _measured(
    names: tuple[str, ...], found: Mapping[str, float], kept_fraction: float | None, shortfall: str | None
) -> _Measured:
    """Put the features of one region in order, with why some are missing."""
    values = {name: found.get(name, np.nan) for name in names}
    undefined = len(names) - int(np.isfinite(list(values.values())).sum())
    reason = f"{undefined} of {len(names)} features are undefined on this region" if undefined else None
    if kept_fraction is not None:
        values[KEPT_FRACTION] = kept_fraction
    return _Measured(values, shortfall or reason)


def _measure_scale_as_pyradiomics(
    scan: Scan, anatomy: Anatomy, preset: Preset, *, scale: Scale, engine: Backend
) -> dict[str, _Measured]:
    """Measure all masks of a case on one scale, each with a geometry of its own."""
    grid = Grid.of(scan.image, None)
    box = grid.box_of(anatomy.box, preset.regions.reach_mm)
    inner = box.within(grid.size)
    hu = sitk.GetArrayFromImage(resample(scan.image, grid, inner))  # a view would not keep it alive
    x, y, z = inner.lower
    corner = (z, y, x)
    extractor, names = engine.extractor(scale.parameters), engine.feature_names(scale.parameters)
    measured = {}
    for name, region in find_regions(preset.regions, anatomy, hu, grid=grid, box=box).items():
        reason = region.shortfall(preset.regions.minimum_voxels)
        found: Mapping[str, float] = {}
        if reason is None:
            try:
                values = extractor.execute(scan.image, PlacedMask(region.mask, corner))
                found = {key: float(value) for key, value in values.items()}
            except ValueError as error:  # the region cannot be measured on this scale, and says why
                reason = str(error)
        measured[name] = _measured(names, found, region.kept_fraction, reason)
    return measured


def _on_scale(
    scan: Scan, anatomy: Anatomy, preset: Preset, *, scale: Scale, engine: Backend, crew: Crew
) -> tuple[sitk.Image, dict[str, Region], tuple[int, int, int], list[Box]]:
    """Return a scan's HU around its labels on one scale, the regions there, their corner (z, y, x), and boxes of the sides.

    All masks span one box, given by the labels and the outermost ring alone, and so do the filtered images that a backend
    makes: a region's values depend neither on the other regions nor on the other lesions.
    """
    setting = scale.parameters.setting
    grid = Grid.of(scan.image, setting.spacing_mm)
    box = grid.box_of(anatomy.box, preset.regions.reach_mm)
    inner = box.within(grid.size)
    outer = inner.grown(engine.margin(scale.parameters, grid.spacing)).within(grid.size)
    image = resample(scan.image, grid, outer, interpolator=setting.interpolator, crew=crew)
    hu = sitk.GetArrayViewFromImage(image)[inner.slices_in(outer)]
    regions = find_regions(preset.regions, anatomy, hu, grid=grid, box=box)
    sides = [grid.box_of(there, preset.regions.reach_mm).within(grid.size) for there in anatomy.side_boxes()]
    parts = [Box.around(np.subtract(side.lower, outer.lower), np.subtract(side.upper, outer.lower)) for side in sides]
    x, y, z = np.subtract(inner.lower, outer.lower).tolist()
    return image, regions, (z, y, x), parts


def feature_columns(preset: Preset, engine: Backend) -> list[str]:
    """Return the names of all feature columns, in table order."""
    columns = []
    rings = set(preset.regions.names) - set(preset.regions.structures)
    for scale in preset.scales:
        names = engine.feature_names(scale.parameters)
        for region in preset.regions.names:
            columns += [f"{region}__{scale.name}__{name}" for name in (*names, *([KEPT_FRACTION] if region in rings else []))]
    return columns
