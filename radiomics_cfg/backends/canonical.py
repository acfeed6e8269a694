"""One region of one scan in the mode ``canonical``: turned to LPS, grid of the whole scan, filters with context."""

import numpy as np
import SimpleITK as sitk
from pydantic import ValidationError

from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.scans.orientation import Orientation
from radiomics_cfg.backends.backend import PlacedMask
from radiomics_cfg.backends.native import Engine
from radiomics_cfg.backends.parameters import DEFAULTS, Asked
from radiomics_cfg.engine.preparation import check_extent, describe_grid, label_box, refuse_no_numbers, same_grid
from radiomics_cfg.preset import Parameters
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.regions.grid import Grid, bounds, nearest, resample

_NOT_HONOURED = (
    "minimumROIDimensions", "minimumROISize", "normalize", "normalizeScale", "removeOutliers", "preCrop", "force2D",
    "force2Ddimension", "resegmentRange",
)  # fmt: skip
"""Settings of PyRadiomics that may be there at their defaults only."""


def canonical_features(image: sitk.Image, labels: sitk.Image, asked: Asked, crew: Crew = ALONE) -> dict[str, np.float64]:
    """Compute the features of one region.

    Args:
        image: HU.
        labels: Integer labels on the grid of ``image``.
        asked: What to compute; its settings hold the label.
        crew: Threads, which share the filtered images.

    Raises:
        InputError: If a setting is asked for that this mode does not honour.
        CaseRefused: ``nan``, ``inf``, ``mask-geometry``, ``label-absent``, ``roi-dimensions``, ``too-thin``, ``grey-levels``.
    """
    parameters = _parameters(asked)
    setting, label = parameters.setting, int(asked.settings["label"])
    refuse_no_numbers(sitk.GetArrayViewFromImage(image))
    if not same_grid(image, labels):
        reason = f"the mask lies on another grid ({describe_grid(labels)}) than the image ({describe_grid(image)})"
        raise CaseRefused("mask-geometry", reason)
    stored = Orientation.of(image)
    image, labels = stored.turned(image), stored.turned(labels)
    check_extent(label_box(labels, label), asked.settings)
    inside = (sitk.GetArrayViewFromImage(labels) == label).astype(np.uint8)
    engine, grid = Engine(), Grid.of(image, setting.spacing_mm)
    inner = grid.box_of(bounds(inside > 0), 0.0).within(grid.size)
    found = nearest(inside, grid, inner)
    if not found.any():
        raise CaseRefused("label-absent", f"label {label} is too small to hold a voxel of {_mm(grid.spacing)}")
    outer = inner.grown(engine.margin(parameters, grid.spacing)).within(grid.size)
    hu = resample(image, grid, outer, interpolator=setting.interpolator)
    check_extent(label_box(sitk.GetImageFromArray(found), 1), asked.settings)
    z, y, x = np.subtract(inner.lower, outer.lower).tolist()[::-1]
    whole = {"region": PlacedMask(found > 0, (z, y, x))}
    values = engine.features(hu, whole, parameters, crew=crew, refuses=True)["region"]
    return {name: np.float64(values.get(name, np.nan)) for name in engine.feature_names(parameters)}


def _mm(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{along:g}" for along in spacing) + " mm"


def _parameters(asked: Asked) -> Parameters:
    given = asked.settings
    for key in _NOT_HONOURED:
        if given[key] != DEFAULTS[key]:
            msg = f"The canonical mode does not take setting.{key}: {given[key]} asked for, only {DEFAULTS[key]} is known"
            raise InputError(msg)
    dropped = {*_NOT_HONOURED, "additionalInfo", "label", "label_channel"}  # of the last three the mask and the caller know
    honoured = {key: value for key, value in given.items() if value is not None and key not in dropped}
    features = {name: wanted or None for name, wanted in asked.features.items()}
    try:
        return Parameters.model_validate({"setting": honoured, "imageType": asked.image_types, "featureClass": features})
    except ValidationError as error:
        fault = error.errors()[0]
        msg = f"The canonical mode does not take {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise InputError(msg) from error
