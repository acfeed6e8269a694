"""A drop-in for PyRadiomics' ``RadiomicsFeatureExtractor``: the same calls, names and values."""

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Literal, TypeAlias

import numpy as np
import SimpleITK as sitk
import yaml

from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.record import DISTRIBUTION
from radiomics_cfg.engine.diagnostics import content_hash, image_elements, mask_elements, version_elements
from radiomics_cfg.engine.filters import IMAGE_TYPES, Source, filtered_images
from radiomics_cfg.engine.preparation import integer_mask, prepare, refuse_no_numbers, resegmented
from radiomics_cfg.engine.region import CLASSES, RegionOnGrid, feature_settings, wanted_features
from radiomics_cfg.grid import bounds

Mode = Literal["pyradiomics", "canonical"]
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
    the mode ``canonical`` they do not depend on how a region is cropped, as in tables of ``extract``. The two are never mixed:
    the diagnostics name the mode.

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
        if mode not in ("pyradiomics", "canonical"):
            msg = f"No mode {mode!r}; known ones are pyradiomics, canonical"
            raise InputError(msg)
        content = _content(params)
        self.mode = mode
        self.settings: dict[str, Any] = {**DEFAULTS, **(content.get("setting") or {}), **settings}
        types = content.get("imageType") or {"Original": {}}
        self.enabledImagetypes: dict[str, dict[str, Any]] = {kind: dict(own or {}) for kind, own in types.items()}
        asked = content.get("featureClass") or dict.fromkeys(CLASSES)
        self.enabledFeatures: dict[str, list[str]] = {name: list(features or []) for name, features in asked.items()}
        self._check()
        self._read = _LastRead()

    def _check(self) -> None:
        named = {*self.settings, *(key for own in self.enabledImagetypes.values() for key in own)}
        if unknown := sorted(named - {*DEFAULTS, *FURTHER}):
            msg = f"No setting {unknown[0]!r}; known ones are {', '.join(sorted({*DEFAULTS, *FURTHER}))}"
            raise InputError(msg)
        if others := [kind for kind in self.enabledImagetypes if kind not in IMAGE_TYPES]:
            msg = f"No image type {others[0]!r}; known ones are {', '.join(IMAGE_TYPES)}"
            raise InputError(msg)
        wanted_features(self.enabledFeatures)

    def execute(
        self, imageFilepath: Volume, maskFilepath: Volume, label: int | None = None, label_channel: int | None = None
    ) -> OrderedDict[str, Any]:
        """Compute the features of one region.

        Args:
            imageFilepath: Volume, or a file that SimpleITK reads.
            maskFilepath: Labels, or a file.
            label: Value of the region in the mask, 1 by default.
            label_channel: Channel of a mask that has several.

        Returns:
            Diagnostics, if ``additionalInfo`` is set, then features, named and ordered as PyRadiomics does.

        Raises:
            CaseRefused: Why the region cannot be measured, with a code: ``unreadable``, ``not-3d``, ``not-scalar``, ``nan``,
                ``inf``, ``label-absent``, ``label-channel``, ``mask-geometry``, ``mask-outside``, ``roi-dimensions``,
                ``roi-size``, ``resegmented``, ``grey-levels``.
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
            from radiomics_cfg.single_region import canonical_features  # noqa: PLC0415 - it needs the engine that needs us

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
        region = RegionOnGrid(inside[box], spacing, feature_settings(settings).neighbourhood)
        if "shape" in wanted:
            whole = inside if settings.get("resegmentShape") else sitk.GetArrayViewFromImage(ready.mask) == ready.label
            shape = RegionOnGrid(whole[box], spacing, feature_settings(settings).neighbourhood).shape_features(wanted["shape"])
            found |= {f"original_shape_{name}": np.float64(value) for name, value in shape.items()}
        source = Source(values, box, spacing, inside)
        for kind, own in self.enabledImagetypes.items():
            both = {**settings, **own}
            for name, filtered in filtered_images(kind, source, both):
                features = region.image_features(filtered, wanted, feature_settings(both))
                found |= {f"{name}_{feature}": np.float64(value) for feature, value in features.items()}
        return found

    def _diagnostics(
        self, image: sitk.Image, labels: sitk.Image, settings: dict[str, Any], sources: tuple[Volume, Volume]
    ) -> dict[str, Any]:
        elements = version_elements(version(DISTRIBUTION), python_version())
        elements |= {"Configuration_Mode": self.mode} if self.mode == "canonical" else {}
        elements |= {"Configuration_Settings": settings, "Configuration_EnabledImageTypes": self.enabledImagetypes}
        elements |= self._read.once(sources[0], "image", lambda: image_elements(image, "original", content_hash(image)))
        mask_hash = self._read.once(sources[1], "mask", lambda: {"hash": content_hash(labels, kind="uint32")})["hash"]
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
            self.enabledImagetypes[imageType] = dict(customArgs or {})
            self._check()
        else:
            self.enabledImagetypes.pop(imageType, None)

    def enableImageTypes(self, **enabledImagetypes: Mapping[str, Any]) -> None:
        """Compute these image types too."""
        self.enabledImagetypes |= {kind: dict(own or {}) for kind, own in enabledImagetypes.items()}
        self._check()

    def enableAllFeatures(self) -> None:
        """Compute every class."""
        self.enabledFeatures = {name: [] for name in CLASSES}

    def disableAllFeatures(self) -> None:
        """Compute no class."""
        self.enabledFeatures = {}

    def enableFeatureClassByName(self, featureClass: str, enabled: bool = True) -> None:
        """Compute a class, or do not."""
        if enabled:
            self.enabledFeatures[featureClass] = []
            self._check()
        else:
            self.enabledFeatures.pop(featureClass, None)

    def enableFeaturesByName(self, **enabledFeatures: Iterable[str]) -> None:
        """Compute these features of these classes too."""
        self.enabledFeatures |= {name: list(features) for name, features in enabledFeatures.items()}
        self._check()


def _content(params: str | os.PathLike[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the content of a parameter file."""
    if params is None or isinstance(params, Mapping):
        content: Any = dict(params or {})
    else:
        path = Path(params)
        if not path.is_file():
            msg = f"No parameter file at {path}"
            raise InputError(msg)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            msg = f"{path} is not a readable parameter file: {' '.join(str(error).split())}"
            raise InputError(msg) from error
    known = {"setting", "imageType", "featureClass"}
    if not isinstance(content, dict) or set(content) - known:
        found = ", ".join(map(str, content)) if isinstance(content, dict | list) else content
        msg = f"Parameters have the keys {', '.join(sorted(known))}; found {found}"
        raise InputError(msg)
    return content


@dataclass
class _Kept:
    stamp: tuple[str, int, int]
    volume: sitk.Image
    facts: dict[str, Any] | None = None


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
            if not path.is_file():
                raise CaseRefused("unreadable", f"no {what} at {path}")
            stamp = (str(path), path.stat().st_mtime_ns, path.stat().st_size)
            kept = self._kept.get(what)
            if kept is None or kept.stamp != stamp:
                try:
                    kept = self._kept[what] = _Kept(stamp, sitk.ReadImage(str(path)))
                except RuntimeError as error:
                    raise CaseRefused("unreadable", f"SimpleITK cannot read the {what} {path}: {_last_line(error)}") from error
            volume = kept.volume
        if volume.GetDimension() != 3:
            raise CaseRefused("not-3d", f"the {what} has {volume.GetDimension()} dimensions; 3 are needed")
        return volume

    def once(self, source: Volume, what: str, facts: Any) -> dict[str, Any]:
        """Return facts of a volume, found out once for the one read last."""
        if isinstance(source, sitk.Image):
            return dict(facts())
        kept = self._kept[what]
        if kept.facts is None:
            kept.facts = dict(facts())
        return kept.facts


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
