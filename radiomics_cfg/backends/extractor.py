"""A drop-in for PyRadiomics' ``RadiomicsFeatureExtractor``: the same calls, names and values."""

import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import SimpleITK as sitk
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nnunet_ext.dicom.folder import read_folder, refuse_file
from nnunet_ext.documents.yaml_file import read_yaml
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.record import DISTRIBUTION
from nnunet_ext.volumes.presence import check_file
from nnunet_ext.volumes.volume_file import read_volume, stamp
from radiomics_cfg.engine.diagnostics import content_hash, image_elements, mask_elements, version_elements
from radiomics_cfg.engine.filters import IMAGE_TYPES, Source, filtered_images
from radiomics_cfg.engine.preparation import integer_mask, prepare, refuse_no_numbers, resegmented
from radiomics_cfg.engine.region import CLASSES, RegionOnGrid, feature_settings, wanted_features
from radiomics_cfg.modes import MODES, ORIENTATIONS, Mode
from radiomics_cfg.regions.grid import bounds

Volume: TypeAlias = "str | os.PathLike[str] | sitk.Image"

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


class Extractor:
    """Computes the features of a region, as PyRadiomics does.

    In the mode ``pyradiomics`` values equal those of PyRadiomics 3.0.1; docs/explanation/parity.md lists the exceptions. In
    the mode ``canonical`` they depend neither on how a region is cropped nor on how the axes are stored, as in tables of
    ``extract``. The two are never mixed: the diagnostics name the mode.

    Args:
        params: A parameter file of PyRadiomics (YAML or JSON), its content, or nothing for PyRadiomics' defaults.
        mode: How geometry is treated.
        settings: Override settings of ``params``, under PyRadiomics' names.

    Raises:
        InputError: If the file cannot be read, or names a setting, an image type, a class or a feature that is unknown.

    References:
        van Griethuysen et al. 2017, doi:10.1158/0008-5472.CAN-17-0339.
    """

    def __init__(
        self, params: str | os.PathLike[str] | Mapping[str, Any] | None = None, *, mode: Mode = "pyradiomics", **settings: Any
    ) -> None:
        if mode not in MODES:
            msg = f"No mode {mode!r}; known ones are {', '.join(MODES)}"
            raise InputError(msg)
        content = _content(params)
        self.mode = mode
        self.settings: dict[str, Any] = _checked({**deepcopy(DEFAULTS), **(content.get("setting") or {}), **settings})
        self.enabledImagetypes = _image_types(content.get("imageType") or {"Original": {}})
        self.enabledFeatures = _features(content.get("featureClass") or dict.fromkeys(CLASSES))
        self._read = _LastRead()

    def execute(
        self, imageFilepath: Volume, maskFilepath: Volume, label: int | None = None, label_channel: int | None = None
    ) -> OrderedDict[str, Any]:
        """Compute the features of one region.

        Args:
            imageFilepath: Volume, or a NIfTI, NRRD or MetaImage file, or a single DICOM file.
            maskFilepath: Labels, or a file.
            label: Value of the region in the mask, 1 by default.
            label_channel: Channel of a mask that has several.

        Returns:
            Diagnostics, if ``additionalInfo`` is set, then features, named and ordered as PyRadiomics does.

        Raises:
            CaseRefused: Why the region cannot be measured, with a code: of a file those of
                ``read_volume``; ``not-3d``, ``not-scalar``, ``nan``, ``inf``, ``mask-fraction``,
                ``label-absent``, ``label-channel``, ``mask-geometry``, ``mask-outside``, ``roi-dimensions``, ``roi-size``,
                ``resegmented``, ``grey-levels``, ``too-thin``, ``too-large``.

        Warns:
            UserWarning: If a file was read in a way that its user should know, such as a small shear that was taken out.
        """
        settings = dict(self.settings)
        settings |= {} if label is None else {"label": label}
        settings |= {} if label_channel is None else {"label_channel": label_channel}
        image, mask = self._read.volume(imageFilepath, "image"), self._read.volume(maskFilepath, "mask")
        if (components := image.GetNumberOfComponentsPerPixel()) > 1:
            raise CaseRefused("not-scalar", f"the image has {components} values a voxel; 1 is needed")
        labels = integer_mask(mask, settings)
        found: OrderedDict[str, Any] = OrderedDict()
        if settings["additionalInfo"]:
            found.update(self._diagnostics(image, labels, settings, (imageFilepath, maskFilepath)))
        if self.mode == "canonical":
            from radiomics_cfg.backends.canonical import canonical_features  # noqa: PLC0415 - it needs the engine that needs us

            content = {"setting": settings, "imageType": self.enabledImagetypes, "featureClass": self.enabledFeatures}
            found.update(canonical_features(image, labels, content))
            return found
        found.update(self._features(image, labels, settings))
        return found

    def _features(self, image: sitk.Image, labels: sitk.Image, settings: dict[str, Any]) -> dict[str, Any]:
        """Compute diagnostics of the steps and features in the mode ``pyradiomics``."""
        found: dict[str, Any] = {}
        ready = prepare(image, labels, settings)
        mask = ready.mask
        steps = list(ready.steps)
        if settings.get("resegmentRange") is not None:
            mask = resegmented(ready.image, ready.mask, ready.label, settings)
            steps.append(("resegmented", None, mask))
        for prefix, _, there in steps if settings["additionalInfo"] else ():
            if prefix == "interpolated":
                found |= image_elements(ready.image, prefix)
            found |= mask_elements(there, ready.label, prefix, image=ready.image)
        found = {f"diagnostics_{key}": value for key, value in found.items()}
        values = sitk.GetArrayViewFromImage(ready.image)
        refuse_no_numbers(values)
        inside = sitk.GetArrayViewFromImage(mask) == ready.label
        box, spacing = bounds(inside), ready.image.GetSpacing()[::-1]
        wanted = wanted_features(self.enabledFeatures)
        region = RegionOnGrid(inside[box], spacing)
        if "shape" in wanted:
            whole = inside if settings.get("resegmentShape") else sitk.GetArrayViewFromImage(ready.mask) == ready.label
            shape = RegionOnGrid(whole[box], spacing).shape_features(wanted["shape"])
            found |= {f"original_shape_{name}": np.float64(value) for name, value in shape.items()}
        source = Source(values, box, spacing, inside)
        for kind, own in self.enabledImagetypes.items():
            both = {**settings, **own}
            for name, filtered in filtered_images(kind, source, both):
                features = region.image_features(region.values_on(filtered), wanted, feature_settings(both))
                found |= {f"{name}_{feature}": np.float64(value) for feature, value in features.items()}
        return found

    def _diagnostics(
        self, image: sitk.Image, labels: sitk.Image, settings: dict[str, Any], sources: tuple[Volume, Volume]
    ) -> dict[str, Any]:
        elements = version_elements(version(DISTRIBUTION), python_version())
        if self.mode == "canonical":
            elements |= {"Configuration_Mode": self.mode, "Configuration_Orientation": ORIENTATIONS[self.mode]}
        elements |= {"Configuration_Settings": settings, "Configuration_EnabledImageTypes": deepcopy(self.enabledImagetypes)}
        elements |= self._read.once(sources[0], "image", lambda: image_elements(image, "original", content_hash(image)))
        channel = f"mask {settings.get('label_channel', 0)}"
        mask_hash = self._read.once(sources[1], channel, lambda: {"hash": content_hash(labels, kind="uint32")})["hash"]
        elements |= mask_elements(labels, int(settings["label"]), "original", mask_hash=mask_hash)
        return {f"diagnostics_{key}": value for key, value in elements.items()}

    def addProvenance(self, provenance_on: bool = True) -> None:
        """Return diagnostics or not."""
        self.settings["additionalInfo"] = provenance_on

    def enableAllImageTypes(self) -> None:
        """Compute every image type."""
        self.enabledImagetypes = {kind: {} for kind in IMAGE_TYPES}

    def disableAllImageTypes(self) -> None:
        """Compute no image type."""
        self.enabledImagetypes = {}

    def enableImageTypeByName(
        self,
        imageType: str,
        enabled: bool = True,
        customArgs: Mapping[str, Any] | None = None,
    ) -> None:
        """Compute an image type, with settings of its own, or do not."""
        if enabled:
            self.enabledImagetypes |= _image_types({imageType: customArgs})
        else:
            self.enabledImagetypes.pop(imageType, None)

    def enableImageTypes(self, **enabledImagetypes: Mapping[str, Any]) -> None:
        """Compute these image types too."""
        self.enabledImagetypes |= _image_types(enabledImagetypes)

    def enableAllFeatures(self) -> None:
        """Compute every class."""
        self.enabledFeatures = {name: [] for name in CLASSES}

    def disableAllFeatures(self) -> None:
        """Compute no class."""
        self.enabledFeatures = {}

    def enableFeatureClassByName(self, featureClass: str, enabled: bool = True) -> None:
        """Compute a class, or do not."""
        if enabled:
            self.enabledFeatures |= _features({featureClass: None})
        else:
            self.enabledFeatures.pop(featureClass, None)

    def enableFeaturesByName(self, **enabledFeatures: Iterable[str]) -> None:
        """Compute these features of these classes too."""
        self.enabledFeatures |= _features(enabledFeatures)


class _Values(BaseModel):
    """What settings may hold, as far as it is not looked at where they are used."""

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


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
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


def _image_types(asked: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(asked, Mapping):
        msg = f"imageType maps image types to their settings; found {asked!r}"
        raise InputError(msg)
    if others := [kind for kind in asked if kind not in IMAGE_TYPES]:
        msg = f"No image type {others[0]!r}; known ones are {', '.join(IMAGE_TYPES)}"
        raise InputError(msg)
    return {kind: _checked(own or {}) for kind, own in asked.items()}


def _features(asked: Any) -> dict[str, list[str]]:
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


@dataclass
class _Kept:
    stamp: tuple[Any, ...]
    volume: sitk.Image
    notes: tuple[str, ...] = ()
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)


class _LastRead:
    """The volumes read last: several regions of one scan read it once."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def volume(self, source: Volume, what: str) -> sitk.Image:
        """Return a volume, from its file if need be."""
        if isinstance(source, sitk.Image):
            volume = source
        else:
            path = Path(source)
            _check_there(path, what)
            now = (str(path), *stamp(path))
            kept = self._kept.get(what)
            if kept is None or kept.stamp != now:
                kept = self._kept[what] = _Kept(now, *_read(path, what))
            for note in kept.notes:
                warnings.warn(f"{path.name}: {note}", stacklevel=4)
            volume = kept.volume
        if volume.GetDimension() != 3:
            raise CaseRefused("not-3d", f"the {what} has {volume.GetDimension()} dimensions; 3 are needed")
        return volume

    def once(self, source: Volume, what: str, facts: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return facts of a volume, ``image`` or ``mask`` and whatever part of it, found out once for the one read last."""
        if isinstance(source, sitk.Image):
            return facts()
        known = self._kept[what.partition(" ")[0]].facts
        if what not in known:
            known[what] = facts()
        return known[what]


def _read(path: Path, what: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """Read a file, or the DICOM series in a folder, as the gate does; a mask may have several channels."""
    if path.is_dir():
        return read_folder(path), ()
    refuse_file(path, what)
    try:
        volume = read_volume(path, what, channels=what == "mask")
    except CaseRefused as refused:
        if refused.code != "unreadable":
            raise
        raise CaseRefused("unreadable", f"SimpleITK cannot read the {what} rightly: {refused.reason}") from refused
    return volume.image, volume.notes


def _check_there(path: Path, what: str) -> None:
    """Check that there is a file. There is no case list here that could be wrong, so one that is missing is ``unreadable``."""
    try:
        check_file(path, what, folders=True)
    except CaseRefused as refused:
        code = "unreadable" if refused.code.endswith("-missing") else refused.code
        reason = refused.reason.removesuffix("; check the case list and the data root")
        raise CaseRefused(code, f"{reason}; looked for at {path}") from refused.__cause__
