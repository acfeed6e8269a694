"""A drop-in for PyRadiomics' ``RadiomicsFeatureExtractor``: the same calls, names and values."""

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from importlib.metadata import version
from platform import python_version
from typing import Any

import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.record import DISTRIBUTION
from radiomics_cfg.backends.as_pyradiomics import features_as_pyradiomics
from radiomics_cfg.backends.canonical import canonical_features
from radiomics_cfg.backends.parameters import Asked, checked_features, checked_image_types
from radiomics_cfg.backends.volumes import LastRead, Volume
from radiomics_cfg.engine.diagnostics import content_hash, image_elements, mask_elements, version_elements
from radiomics_cfg.engine.filters import IMAGE_TYPES
from radiomics_cfg.engine.preparation import integer_mask
from radiomics_cfg.engine.region import CLASSES
from radiomics_cfg.modes import MODES, ORIENTATIONS, Mode
from radiomics_cfg.process.crew import Crew


class Extractor:
    """Computes the features of a region, as PyRadiomics does.

    In the mode ``pyradiomics`` values equal those of PyRadiomics 3.0.1; docs/explanation/parity.md lists the exceptions. In
    the mode ``canonical`` they depend neither on how a region is cropped nor on how the axes are stored, as in tables of
    ``extract``. The two are never mixed: the diagnostics name the mode.

    Args:
        params: A parameter file of PyRadiomics (YAML or JSON), its content, or nothing for PyRadiomics' defaults.
        mode: How geometry is treated.
        threads: That share the filtered images; values are to the last bit those of one.
        settings: Override settings of ``params``, under PyRadiomics' names.

    Raises:
        InputError: If the file cannot be read, or names a setting, an image type, a class or a feature that is unknown.

    References:
        van Griethuysen et al. 2017, doi:10.1158/0008-5472.CAN-17-0339.

    Example:
        >>> import numpy as np
        >>> voxels = np.zeros((6, 6, 6), np.uint8)
        >>> voxels[1:5, 1:5, 1:5] = 1
        >>> mask = sitk.GetImageFromArray(voxels)
        >>> image = sitk.GetImageFromArray(np.arange(216.0).reshape(6, 6, 6))
        >>> asked = {"featureClass": {"shape": ["VoxelVolume"], "firstorder": ["Mean"]}}
        >>> found = Extractor(asked, additionalInfo=False).execute(image, mask)
        >>> {name: float(value) for name, value in found.items()}
        {'original_shape_VoxelVolume': 64.0, 'original_firstorder_Mean': 107.5}
    """

    def __init__(
        self,
        params: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        mode: Mode = "pyradiomics",
        threads: int = 1,
        **settings: Any,
    ) -> None:
        if mode not in MODES:
            msg = f"No mode {mode!r}; known ones are {', '.join(MODES)}"
            raise InputError(msg)
        if threads < 1:
            msg = f"threads must be at least 1; found {threads}"
            raise InputError(msg)
        asked = Asked.of(params, settings)
        self.mode = mode
        self.crew = Crew(threads)
        self.settings = asked.settings
        self.enabledImagetypes = asked.image_types
        self.enabledFeatures = asked.features
        self._read = LastRead()

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
        asked = Asked(settings, self.enabledImagetypes, self.enabledFeatures)
        measure = canonical_features if self.mode == "canonical" else features_as_pyradiomics
        found.update(measure(image, labels, asked, self.crew))
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
            self.enabledImagetypes |= checked_image_types({imageType: customArgs})
        else:
            self.enabledImagetypes.pop(imageType, None)

    def enableImageTypes(self, **enabledImagetypes: Mapping[str, Any]) -> None:
        """Compute these image types too."""
        self.enabledImagetypes |= checked_image_types(enabledImagetypes)

    def enableAllFeatures(self) -> None:
        """Compute every class."""
        self.enabledFeatures = {name: [] for name in CLASSES}

    def disableAllFeatures(self) -> None:
        """Compute no class."""
        self.enabledFeatures = {}

    def enableFeatureClassByName(self, featureClass: str, enabled: bool = True) -> None:
        """Compute a class, or do not."""
        if enabled:
            self.enabledFeatures |= checked_features({featureClass: None})
        else:
            self.enabledFeatures.pop(featureClass, None)

    def enableFeaturesByName(self, **enabledFeatures: Iterable[str]) -> None:
        """Compute these features of these classes too."""
        self.enabledFeatures |= checked_features(enabledFeatures)
