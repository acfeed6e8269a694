"""Our own engine behind the interface of every engine: one filtered image serves all regions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.backends.as_pyradiomics import OwnCrop
from radiomics_cfg.backends.backend import LOG_MARGIN_SIGMAS, PlacedMask
from radiomics_cfg.engine.filters import Source, filtered_images, image_names, wavelet_reach
from radiomics_cfg.engine.region import RegionOnGrid, feature_settings, wanted_features
from radiomics_cfg.preset import Parameters
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.regions.grid import Box, bounds

VERSION = 1
"""Of the engine's values. Raised by whoever changes one, so that kept results are not reused."""


class Engine:
    """The engine of ``radiomics_cfg.engine``; see ``Backend`` for its methods."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the engine and of the libraries that its values depend on."""
        return {"engine": str(VERSION)} | {
            name: version(name) for name in ("SimpleITK", "PyWavelets", "numba", "numpy", "scipy")
        }

    def extractor(self, parameters: Parameters) -> OwnCrop:
        """Return the extractor that gives each region a crop of its own."""
        return OwnCrop.of(parameters)

    def feature_names(self, parameters: Parameters) -> tuple[str, ...]:
        """Return the names of all features that ``parameters`` ask for."""
        wanted = wanted_features(parameters.feature_classes)
        shape = [f"original_shape_{feature}" for feature in wanted.pop("shape", ())]
        images = [name for kind, settings in _filters(parameters) for name in image_names(kind, settings)]
        others = [f"{name}_{feature}" for name, features in wanted.items() for feature in features]
        return (*shape, *(f"{image}_{other}" for image in images for other in others))

    def margin(self, parameters: Parameters, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.int_]:
        """Return the margin of the filter with the largest reach."""
        margins = [_margin(kind, settings, spacing_mm) for kind, settings in _filters(parameters)]
        widest: npt.NDArray[np.int_] = np.max(margins, axis=0)[::-1]
        return widest

    def features(
        self,
        image: sitk.Image,
        masks: Mapping[str, PlacedMask],
        parameters: Parameters,
        *,
        parts: Sequence[Box] = (),
        crew: Crew = ALONE,
        refuses: bool = False,
    ) -> dict[str, dict[str, float]]:
        """Compute the features of each region; if it ``refuses``, too many grey levels are an error, else missing values.

        The present thread filters, while the others compute features of the images that are there.
        """
        if not masks:
            return {}
        wanted = wanted_features(parameters.feature_classes)
        box = _FilterBox.around(image, masks.values(), parts)
        regions = {name: _region(mask, box.spacing_mm) for name, mask in masks.items()}
        found = {name: region.shape_features(wanted.get("shape", ())) for name, region in regions.items()}
        found = {name: {f"original_shape_{key}": v for key, v in values.items()} for name, values in found.items()}
        calls = (
            partial(
                _image_features, place, region, values[place], name=name, wanted=wanted, settings=settings, refuses=refuses
            )
            for kind, settings in _filters(parameters)
            for name, values in box.values_of(kind, settings, regions)
            for place, region in regions.items()
        )
        for place, features in crew.in_order(calls):
            found[place].update(features)
        return found


def _image_features(
    place: str,
    region: RegionOnGrid,
    values: npt.NDArray[np.generic],
    *,
    name: str,
    wanted: Mapping[str, tuple[str, ...]],
    settings: Mapping[str, Any],
    refuses: bool,
) -> tuple[str, dict[str, float]]:
    """Return the features of one region on one image, with the name of the region."""
    try:
        found = region.image_features(values, wanted, feature_settings(settings))
    except CaseRefused:  # too many grey levels on this image
        if refuses:
            raise
        return place, {}
    return place, {f"{name}_{feature}": value for feature, value in found.items()}


@dataclass(frozen=True)
class _FilterBox:
    """The box that all regions span, in the image around it; indices along z, y, x.

    Args:
        image: HU.
        spacing_mm: Voxel size.
        lower: First voxel of the box.
        upper: One after the last.
        parts: Boxes that hold all regions and may be filtered one by one: their first voxels, and one after the last.
    """

    image: npt.NDArray[np.generic]
    spacing_mm: tuple[float, float, float]
    lower: npt.NDArray[np.int_]
    upper: npt.NDArray[np.int_]
    parts: tuple[tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]], ...]

    @classmethod
    def around(cls, image: sitk.Image, masks: Collection[PlacedMask], parts: Sequence[Box]) -> Self:
        lower = np.min([mask.corner for mask in masks], axis=0)
        upper = np.max([mask.end for mask in masks], axis=0)
        pieces = tuple((np.array(part.lower)[::-1], np.array(part.upper)[::-1]) for part in parts)
        return cls(sitk.GetArrayViewFromImage(image), image.GetSpacing()[::-1], lower, upper, pieces)

    def values_of(
        self, kind: str, settings: Mapping[str, Any], regions: Mapping[str, RegionOnGrid]
    ) -> Iterator[tuple[str, Mapping[str, npt.NDArray[np.generic]]]]:
        """Yield the filtered images by name, with their values on each region.

        Parts that lie far enough apart for the filter are filtered one after the other. Of all but the last only values on the
        regions are kept, not images.
        """
        margin = _margin(kind, settings, self.spacing_mm[::-1])
        parts = self.parts if _is_worth_parting(self.parts, margin) else ((self.lower, self.upper),)
        kept: dict[str, dict[str, npt.NDArray[np.generic]]] = {}
        for part in parts:
            begin = tuple(part[0].tolist())
            for name, image in filtered_images(kind, self._source(*part, margin, kind), settings):
                known = kept.pop(name, {})
                values = {key: one.values_on(image, begin=begin, others=known.get(key)) for key, one in regions.items()}
                del image  # else it stays while the next one is made
                if part is parts[-1]:
                    yield name, values
                else:
                    kept[name] = values

    def _source(
        self, lower: npt.NDArray[np.int_], upper: npt.NDArray[np.int_], margin: npt.NDArray[np.int_], kind: str
    ) -> Source:
        """Return the image on a box and a margin; its edge is repeated beyond it for wavelets, else the margin ends there."""
        low, high = lower - margin, upper + margin
        if kind == "Wavelet":
            high += (high - low) % 2  # wavelets see even sizes
        low_in, high_in = np.maximum(low, 0), np.minimum(high, self.image.shape)
        crop = self.image[tuple(map(slice, low_in, high_in))]
        if kind == "Wavelet" and crop.shape != tuple(high - low):  # beyond the edge they would take what is at the far side
            crop = np.pad(crop, list(zip(low_in - low, high - high_in, strict=True)), "edge")
            low_in = low
        keep = [slice(a, b) for a, b in zip((lower - low_in).tolist(), (upper - low_in).tolist(), strict=True)]
        return Source(crop, (keep[0], keep[1], keep[2]), self.spacing_mm, as_itk=False)


def _region(mask: PlacedMask, spacing_mm: tuple[float, float, float]) -> RegionOnGrid:
    """Return a mask as a region that reads images of the grid, cut to its voxels."""
    part = bounds(mask.inside)
    z, y, x = (begin + along.start for begin, along in zip(mask.corner, part, strict=True))
    return RegionOnGrid(mask.inside[part].copy(), spacing_mm, corner=(z, y, x))


def _is_worth_parting(
    parts: Sequence[tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]], margin: npt.NDArray[np.int_]
) -> bool:
    """Tell whether filtering the parts with their margins takes fewer voxels than filtering the box around them."""
    if len(parts) < 2:
        return False
    lower, upper = np.min([low for low, _ in parts], axis=0), np.max([high for _, high in parts], axis=0)
    return bool(sum(np.prod(high - low + 2 * margin) for low, high in parts) < np.prod(upper - lower + 2 * margin))


def _settings(parameters: Parameters) -> dict[str, Any]:
    return parameters.setting.model_dump(by_alias=True, exclude_none=True, exclude={"spacing_mm", "pad_distance"})


def _filters(parameters: Parameters) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield image types with their settings; each sigma of a LoG by itself, since it has a margin of its own."""
    for kind, own in parameters.image_types.items():
        settings = _settings(parameters) | own.model_dump(by_alias=True, exclude_none=True)
        for sigma in settings.pop("sigma", (None,)):
            yield kind, settings if sigma is None else {**settings, "sigma": (sigma,)}


def _margin(kind: str, settings: Mapping[str, Any], spacing_mm: tuple[float, ...]) -> npt.NDArray[np.int_]:
    """Return how many voxels along z, y, x around a region a filter needs."""
    if kind == "LoG":
        return np.asarray(np.ceil(LOG_MARGIN_SIGMAS * max(settings["sigma"]) / np.array(spacing_mm[::-1])), int)
    if kind == "Wavelet":
        levels = settings.get("start_level", 0) + settings.get("level", 1)
        return np.full(3, wavelet_reach(settings.get("wavelet", "coif1"), levels))
    return np.zeros(3, int)
