"""One region of one scan in the mode ``pyradiomics``: cropped, resampled and filtered by itself, as PyRadiomics does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from radiomics_cfg.backends.backend import PlacedMask
from radiomics_cfg.backends.parameters import Asked
from radiomics_cfg.engine.diagnostics import image_elements, mask_elements
from radiomics_cfg.engine.filters import Source, filtered_images
from radiomics_cfg.engine.preparation import Prepared, integer_mask, prepare, refuse_no_numbers, resegmented
from radiomics_cfg.engine.region import RegionOnGrid, feature_settings, wanted_features
from radiomics_cfg.preset import Parameters
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.regions.grid import bounds


@dataclass(frozen=True)
class OwnCrop:
    """Measures each region on a crop of its own; see ``RegionExtractor``."""

    asked: Asked

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """Return the backend that measures regions with these ``parameters``."""
        return cls(Asked.of(parameters.as_pyradiomics(), {"additionalInfo": False}))

    def execute(self, image: sitk.Image, mask: PlacedMask) -> dict[str, Any]:
        """Return the features of a region."""
        labels = integer_mask(mask_on_scan(mask, image), self.asked.settings)
        return features_as_pyradiomics(image, labels, self.asked)


def mask_on_scan(mask: PlacedMask, image: sitk.Image) -> sitk.Image:
    """Return a mask as an image of the whole grid of ``image``, which is what PyRadiomics' geometry starts from."""
    inside = np.zeros(image.GetSize()[::-1], np.uint8)
    inside[tuple(map(slice, mask.corner, mask.end))] = mask.inside
    labels = sitk.GetImageFromArray(inside)
    labels.CopyInformation(image)
    return labels


def features_as_pyradiomics(image: sitk.Image, labels: sitk.Image, asked: Asked, crew: Crew = ALONE) -> dict[str, Any]:
    """Compute the features of one region.

    Args:
        image: HU.
        labels: Integer labels.
        asked: What to compute; its settings hold the label.
        crew: Threads, which share the filtered images.

    Returns:
        Diagnostics of the steps where ``additionalInfo`` is set, then features.

    Raises:
        CaseRefused: Why the region cannot be measured; see ``Extractor.execute``.
    """
    settings = asked.settings
    ready = prepare(image, labels, settings)
    is_resegmented = settings.get("resegmentRange") is not None
    mask = resegmented(ready.image, ready.mask, ready.label, settings) if is_resegmented else ready.mask
    found: dict[str, Any] = {}
    if settings["additionalInfo"]:
        found |= _diagnostics(ready, mask if is_resegmented else None)
    values = sitk.GetArrayViewFromImage(ready.image)
    refuse_no_numbers(values)
    inside = sitk.GetArrayViewFromImage(mask) == ready.label
    box, spacing = bounds(inside), ready.image.GetSpacing()[::-1]
    wanted = wanted_features(asked.features)
    region = RegionOnGrid(inside[box], spacing)
    if "shape" in wanted:
        whole = inside if settings.get("resegmentShape") else sitk.GetArrayViewFromImage(ready.mask) == ready.label
        shape = RegionOnGrid(whole[box], spacing).shape_features(wanted["shape"])
        found |= {f"original_shape_{name}": np.float64(value) for name, value in shape.items()}
    for features in crew.in_order(_image_features(region, Source(values, box, spacing, inside), wanted, asked)):
        found.update(features)
    return found


def _diagnostics(ready: Prepared, resegmented_mask: sitk.Image | None) -> dict[str, Any]:
    """Return the diagnostics of the image and the mask after each step."""
    steps = [(prefix, mask) for prefix, _, mask in ready.steps]
    steps += [] if resegmented_mask is None else [("resegmented", resegmented_mask)]
    found: dict[str, Any] = {}
    for prefix, mask in steps:
        if prefix == "interpolated":
            found |= image_elements(ready.image, prefix)
        found |= mask_elements(mask, ready.label, prefix, image=ready.image)
    return {f"diagnostics_{key}": value for key, value in found.items()}


def _image_features(
    region: RegionOnGrid, source: Source, wanted: dict[str, tuple[str, ...]], asked: Asked
) -> Iterator[Callable[[], dict[str, np.float64]]]:
    """Yield for each filtered image the call that computes the features of a region on it."""
    for kind, own in asked.image_types.items():
        settings = {**asked.settings, **own}
        for name, filtered in filtered_images(kind, source, settings):
            yield partial(_features_on, name, region, region.values_on(filtered), wanted, settings)


def _features_on(
    name: str,
    region: RegionOnGrid,
    values: npt.NDArray[np.generic],
    wanted: dict[str, tuple[str, ...]],
    settings: dict[str, Any],
) -> dict[str, np.float64]:
    features = region.image_features(values, wanted, feature_settings(settings))
    return {f"{name}_{feature}": np.float64(value) for feature, value in features.items()}
