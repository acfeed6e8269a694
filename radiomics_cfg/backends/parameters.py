"""The settings of a parameter file of PyRadiomics, checked, under PyRadiomics' names."""

import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nnunet_ext.documents.yaml_file import read_yaml
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.engine.filters import IMAGE_TYPES
from radiomics_cfg.engine.region import CLASSES, wanted_features

DEFAULTS: dict[str, Any] = {
    "minimumROIDimensions": 2,
    "minimumROISize": None,
    "normalize": False,
    "normalizeScale": 1,
    "removeOutliers": None,
    "resampledPixelSpacing": None,
    "interpolator": "sitkBSpline",
    "preCrop": False,
    "padDistance": 5,
    "distances": [1],
    "force2D": False,
    "force2Ddimension": 0,
    "resegmentRange": None,
    "label": 1,
    "additionalInfo": True,
}
"""PyRadiomics' settings that have a default there."""

FURTHER = (
    "binWidth", "binCount", "symmetricalGLCM", "weightingNorm", "gldm_a", "voxelArrayShift", "resegmentMode", "resegmentShape",
    "correctMask", "geometryTolerance", "label_channel", "sigma", "wavelet", "level", "start_level", "gradientUseSpacing",
    "lbp3DLevels", "lbp3DIcosphereRadius", "lbp3DIcosphereSubdivision",
)  # fmt: skip
"""PyRadiomics' other settings."""


@dataclass(frozen=True)
class Asked:
    """What is computed of a region.

    Args:
        settings: Under PyRadiomics' names.
        image_types: Image types with settings of their own.
        features: Classes with their features; none names all.
    """

    settings: dict[str, Any]
    image_types: dict[str, dict[str, Any]]
    features: dict[str, list[str]]

    @classmethod
    def of(cls, params: str | os.PathLike[str] | Mapping[str, Any] | None, settings: Mapping[str, Any]) -> Self:
        """Read a parameter file, or take its content; ``settings`` override its own.

        Raises:
            InputError: If the file cannot be read, or names a setting, an image type, a class or a feature that is unknown.
        """
        content = _content(params)
        return cls(
            checked_settings({**deepcopy(DEFAULTS), **(content.get("setting") or {}), **settings}),
            checked_image_types(content.get("imageType") or {"Original": {}}),
            checked_features(content.get("featureClass") or dict.fromkeys(CLASSES)),
        )


class _Values(BaseModel):
    """Valid values of settings, as far as these are not checked where they are used."""

    model_config = ConfigDict(extra="allow")

    binWidth: Annotated[int | float, Field(gt=0)] | None = None
    binCount: Annotated[int, Field(ge=1)] | None = None
    distances: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    force2Ddimension: Literal[0, 1, 2] = 0
    gldm_a: Annotated[int, Field(ge=0)] | None = None
    level: Annotated[int, Field(ge=1)] = 1
    padDistance: Annotated[int, Field(ge=0)] = 5
    sigma: list[int | float] | None = None
    start_level: Annotated[int, Field(ge=0)] = 0
    voxelArrayShift: int | float | None = None
    weightingNorm: Literal["manhattan", "euclidean", "infinity", "no_weighting"] | None = None


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with numbers for numbers, whatever a parameter file calls them.

    Raises:
        InputError: If one is unknown, or has a value that cannot be used.
    """
    if unknown := sorted({*map(str, settings)} - {*DEFAULTS, *FURTHER}):
        msg = f"No setting {unknown[0]!r}; known ones are {', '.join(sorted({*DEFAULTS, *FURTHER}))}"
        raise InputError(msg)
    try:
        values = _Values.model_validate(dict(settings))
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        msg = f"{name}: {fault['msg']}; found {settings[name]!r}"
        raise InputError(msg) from error
    return {name: getattr(values, name) for name in settings}


def checked_image_types(asked: Any) -> dict[str, dict[str, Any]]:
    """Return image types with their settings, checked.

    Raises:
        InputError: If a type or a setting is unknown.
    """
    if not isinstance(asked, Mapping):
        msg = f"imageType maps image types to their settings; found {asked!r}"
        raise InputError(msg)
    if others := [kind for kind in asked if kind not in IMAGE_TYPES]:
        msg = f"No image type {others[0]!r}; known ones are {', '.join(IMAGE_TYPES)}"
        raise InputError(msg)
    return {kind: checked_settings(own or {}) for kind, own in asked.items()}


def checked_features(asked: Any) -> dict[str, list[str]]:
    """Return classes with their features, checked.

    Raises:
        InputError: If a class or a feature is unknown.
    """
    if not isinstance(asked, Mapping):
        msg = f"featureClass maps classes to their features, or to nothing for all; found {asked!r}"
        raise InputError(msg)
    wanted_features(asked)
    return {name: list(features or []) for name, features in asked.items()}


def _content(params: str | os.PathLike[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the content of a parameter file."""
    if params is None or isinstance(params, Mapping):
        content: Any = dict(params or {})
    else:
        content = read_yaml(Path(params), "parameter file", if_missing="give the path of a YAML file") or {}
    known = {"setting", "imageType", "featureClass"}
    if not isinstance(content, dict) or set(content) - known:
        found = ", ".join(map(str, content)) if isinstance(content, dict | list) else content
        msg = f"Parameters have the keys {', '.join(sorted(known))}; found {found}"
        raise InputError(msg)
    return content
