"""One region of one scan in the mode ``canonical``: grid of the whole scan, filters with the context they need."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk
from pydantic import ValidationError

from nnunet_ext.errors import CaseRefused, InputError
from radiomics_cfg.grid import Grid, nearest, resample
from radiomics_cfg.numba_backend import Engine
from radiomics_cfg.preset import Parameters

_GEOMETRY = frozenset(
    {"minimumROIDimensions", "minimumROISize", "normalize", "normalizeScale", "removeOutliers", "preCrop", "force2D",
     "force2Ddimension", "resegmentRange", "additionalInfo", "label"}
)  # fmt: skip
"""Settings of PyRadiomics that may be there at their defaults, but that the canonical mode does not honour."""


def canonical_features(image: sitk.Image, labels: sitk.Image, content: Mapping[str, Any]) -> dict[str, np.float64]:
    """Compute the features of one region.

    Args:
        image: HU.
        labels: Integer labels on the grid of ``image``.
        content: Of a parameter file; ``setting`` holds the label too.

    Raises:
        InputError: If a setting is asked for that this mode does not honour.
        CaseRefused: ``mask-geometry``, ``label-absent`` or ``too-thin``.
    """
    parameters = _parameters(content)
    setting, label = parameters.setting, int(content["setting"].get("label", 1))
    if labels.GetSize() != image.GetSize():
        raise CaseRefused("mask-geometry", f"the mask has {labels.GetSize()} voxels (xyz), the image {image.GetSize()}")
    inside = (sitk.GetArrayViewFromImage(labels) == label).astype(np.uint8)
    if not inside.any():
        raise CaseRefused("label-absent", f"the mask has no voxel of label {label}")
    engine, grid = Engine(), Grid.of(image, setting.spacing_mm)
    inner = grid.box_of(inside > 0, 0.0).within(grid.size)
    outer = inner.grown(engine.margin(parameters, grid.spacing)).within(grid.size)
    hu = resample(image, grid, outer, interpolator=setting.interpolator)
    mask = sitk.GetImageFromArray(nearest(inside, grid, inner))
    mask.SetOrigin(hu.TransformIndexToPhysicalPoint((np.array(inner.lower) - outer.lower).tolist()))
    mask.SetSpacing(hu.GetSpacing())
    mask.SetDirection(hu.GetDirection())
    found = engine.features(hu, {"region": mask}, parameters)["region"]
    return {name: np.float64(found.get(name, np.nan)) for name in engine.feature_names(parameters)}


def _parameters(content: Mapping[str, Any]) -> Parameters:
    honoured = {key: value for key, value in content["setting"].items() if value is not None and key not in _GEOMETRY}
    features = {name: asked or None for name, asked in content["featureClass"].items()}
    try:
        return Parameters.model_validate({"setting": honoured, "imageType": content["imageType"], "featureClass": features})
    except ValidationError as error:
        fault = error.errors()[0]
        msg = f"The canonical mode does not take {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise InputError(msg) from error
