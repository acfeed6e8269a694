"""PyRadiomics behind our interface: its filters and feature classes, without its reading, resampling and hashing per region.

The only module that imports PyRadiomics, which is an optional extra; ``load_backend`` imports it when it is asked for.
"""

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import pywt
import SimpleITK as sitk

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.backends.as_pyradiomics import mask_on_scan
from radiomics_cfg.backends.backend import LOG_MARGIN_SIGMAS, PlacedMask
from radiomics_cfg.preset import Parameters
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.regions.grid import Box, bounds

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its sources hold escapes that newer Pythons warn of when they compile them
    import radiomics
    from radiomics import imageoperations
    from radiomics.featureextractor import RadiomicsFeatureExtractor

MAXIMUM_BINS = 1000
"""Bins that a region's range spans, empty ones too: PyRadiomics' matrices have a row for each, and a GLCM of 1000 takes 100
MB. A wilder region has missing values instead."""

_Crop = Callable[[npt.NDArray[np.int_], bool], sitk.Image]
"""Given a margin in voxels along x, y, z, and whether to repeat the image's edge beyond it."""


class Engine:
    """PyRadiomics' filters, each run once for all regions, and its own feature classes."""

    @property
    def versions(self) -> Mapping[str, str]:
        """PyRadiomics' version, and those of the libraries under it."""
        return {name: version(name) for name in ("pyradiomics", "SimpleITK", "PyWavelets", "numpy")}

    def extractor(self, parameters: Parameters) -> "_Silenced":
        """Return PyRadiomics' own extractor."""
        return _Silenced(parameters)

    def feature_names(self, parameters: Parameters) -> tuple[str, ...]:
        """Return the names of all features that ``parameters`` ask for; see ``Backend.feature_names``."""
        wanted = _wanted(parameters)
        shape = [f"original_shape_{feature}" for feature in wanted.pop("shape", ())]
        # The names of the filtered images are PyRadiomics' to give: filter a scrap of 8 voxels that every sigma fits.
        scrap = sitk.Image([8, 8, 8], sitk.sitkFloat64)
        scrap.SetSpacing([1e3] * 3)
        with _quiet():
            images = [filtered.name for filtered in _filter(parameters, lambda *_: scrap, scrap.GetSpacing())]
        others = [f"{name}_{feature}" for name, features in wanted.items() for feature in features]
        return (*shape, *(f"{image}_{other}" for image in images for other in others))

    def margin(self, parameters: Parameters, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.int_]:
        """Return what the filter that looks furthest needs; see ``Backend.margin``."""
        margins = [np.zeros(3, int)]
        for kind, own in parameters.image_types.items():
            if kind == "Wavelet":
                margins.append(_wavelet_margin(own.model_dump(by_alias=True, exclude_none=True)))
            margins += [_log_margin(sigma, spacing_mm) for sigma in own.sigma or () if kind == "LoG"]
        widest: npt.NDArray[np.int_] = np.max(margins, axis=0)
        return widest

    def features(
        self,
        image: sitk.Image,
        masks: Mapping[str, PlacedMask],
        parameters: Parameters,
        *,
        parts: Sequence[Box] = (),
        crew: Crew = ALONE,
    ) -> dict[str, dict[str, float]]:
        """Compute the features of each region; see ``Backend.features``."""
        del parts, crew  # its filters run on the box of all regions, in one thread
        if not masks:
            return {}
        wanted = _wanted(parameters)
        shape = wanted.pop("shape", ())
        regions = {name: _cropped(mask, image) for name, mask in masks.items()}
        found: dict[str, dict[str, float]] = {name: {} for name in masks}
        with _quiet():
            for name, mask in regions.items() if shape else ():
                values = _class_features("shape", mask, mask, shape, {})
                found[name] = {f"original_shape_{feature}": value for feature, value in values.items()}
            for filtered in _filter(parameters, _crop_around(image, masks.values()), image.GetSpacing()):
                for name, mask in regions.items():
                    found[name].update(_image_features(filtered, mask, wanted))
        return found


class _Silenced:
    """PyRadiomics' own extractor, without its log."""

    def __init__(self, parameters: Parameters) -> None:
        with _quiet():
            self._extractor = RadiomicsFeatureExtractor(parameters.as_pyradiomics(), additionalInfo=False)

    def execute(self, image: sitk.Image, mask: PlacedMask) -> Mapping[str, Any]:
        """Return the features of a region."""
        with _quiet():
            values: Mapping[str, Any] = self._extractor.execute(image, mask_on_scan(mask, image))
        return values


@dataclass(frozen=True)
class _Filtered:
    name: str
    image: sitk.Image
    settings: dict[str, Any]


def _filter(parameters: Parameters, crop: _Crop, spacing: tuple[float, float, float]) -> Iterator[_Filtered]:
    """Yield every filtered image, each made from a crop with the margin that its filter needs."""
    common = parameters.setting.model_dump(by_alias=True, exclude_none=True, exclude={"spacing_mm", "pad_distance"})
    for kind, own in parameters.image_types.items():
        settings = {**common, **own.model_dump(by_alias=True, exclude_none=True)}
        if kind == "Original":
            yield _Filtered("original", crop(np.zeros(3, int), False), settings)
        elif kind == "Wavelet":
            # Padded, because PyRadiomics' wavelets take what lies beyond the edge from the far side of the crop.
            padded = crop(_wavelet_margin(settings), True)
            for image, name, _ in imageoperations.getWaveletImage(padded, None, **settings):
                yield _Filtered(name, image, settings)
        else:
            for sigma in settings.pop("sigma"):
                context = crop(_log_margin(sigma, spacing), False)
                for image, name, _ in imageoperations.getLoGImage(context, None, **settings, sigma=[sigma]):
                    yield _Filtered(name, image, settings)


def _log_margin(sigma_mm: float, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.int_]:
    return np.ceil(LOG_MARGIN_SIGMAS * sigma_mm / np.array(spacing_mm)).astype(int)


def _wavelet_margin(settings: Mapping[str, Any]) -> npt.NDArray[np.int_]:
    """Voxels that the wavelets of the deepest level look at, and one that is repeated to make a size even."""
    name = settings.get("wavelet", "coif1")
    if name not in pywt.wavelist(kind="discrete"):
        msg = f"No wavelet {name!r}; known ones are {', '.join(pywt.wavelist(kind='discrete'))}"
        raise InputError(msg)
    levels: int = settings.get("start_level", 0) + settings.get("level", 1)
    return np.full(3, pywt.Wavelet(name).dec_len * levels + 1)


def _crop_around(image: sitk.Image, masks: Collection[PlacedMask]) -> _Crop:
    """Return a function that crops ``image`` to the box that all ``masks`` span, and a margin around it."""
    lower = np.min([mask.corner[::-1] for mask in masks], axis=0)
    upper = np.max([mask.end[::-1] for mask in masks], axis=0)

    def crop(margin: npt.NDArray[np.int_], repeat_edge: bool) -> sitk.Image:
        low, high = lower - margin, upper + margin
        low_in, high_in = np.maximum(low, 0), np.minimum(high, image.GetSize())
        inner = sitk.RegionOfInterest(image, (high_in - low_in).tolist(), low_in.tolist())
        if not repeat_edge:
            return inner
        return sitk.ZeroFluxNeumannPad(inner, (low_in - low).tolist(), (high - high_in).tolist())

    return crop


def _cropped(mask: PlacedMask, image: sitk.Image) -> sitk.Image:
    """Return a mask, an image of 1 inside, on the box of its voxels: what PyRadiomics hands to its feature classes."""
    part = bounds(mask.inside)
    first = [begin + along.start for begin, along in zip(mask.corner, part, strict=True)]
    cropped = sitk.GetImageFromArray(mask.inside[part].astype(np.uint8))
    cropped.SetOrigin(image.TransformIndexToPhysicalPoint(first[::-1]))
    cropped.SetSpacing(image.GetSpacing())
    cropped.SetDirection(image.GetDirection())
    return cropped


def _image_features(filtered: _Filtered, mask: sitk.Image, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Features of one region on one filtered image, all classes but shape."""
    start = filtered.image.TransformPhysicalPointToIndex(mask.GetOrigin())
    crop = sitk.RegionOfInterest(filtered.image, mask.GetSize(), start)
    bins = _binned(crop, mask, filtered.settings)
    if bins is None:
        return {}
    found = {}
    for name, features in wanted.items():
        values = _class_features(name, crop, mask, features, {**filtered.settings, "bins": bins})
        found.update({f"{filtered.name}_{name}_{feature}": value for feature, value in values.items()})
    return found


@dataclass(frozen=True)
class _Bins:
    image: npt.NDArray[np.int_]
    levels: npt.NDArray[np.int_]


def _binned(image: sitk.Image, mask: sitk.Image, settings: Mapping[str, Any]) -> _Bins | None:
    """Discretise a region once for all classes, as PyRadiomics does for each of them; None with too many grey levels."""
    inside = sitk.GetArrayViewFromImage(mask) == 1
    values = sitk.GetArrayViewFromImage(image)[inside]
    extremes = np.array([values.min(), values.max()])
    count = settings.get("binCount", float(extremes[1] - extremes[0]) / settings.get("binWidth", 25))
    if count > MAXIMUM_BINS:
        return None
    edges = imageoperations.getBinEdges(extremes, **settings)  # which depend on the extremes alone
    binned = np.zeros(inside.shape, dtype=int)
    levels = np.digitize(values, edges)
    binned[inside] = levels
    binned.setflags(write=False)
    return _Bins(binned, np.unique(levels))


def _class_features(
    name: str, image: sitk.Image, mask: sitk.Image, features: tuple[str, ...], settings: Mapping[str, Any]
) -> dict[str, float]:
    calculator = _CLASSES[name](image, mask, **settings)
    for feature in features:
        calculator.enableFeatureByName(feature)
    return {feature: float(value) for feature, value in calculator.execute().items()}


def _wanted(parameters: Parameters) -> dict[str, tuple[str, ...]]:
    """Return the features of each class that ``parameters`` ask for."""
    wanted: dict[str, tuple[str, ...]] = {}
    for name, asked in parameters.feature_classes.items():
        known: dict[str, bool] = _CLASSES[name].getFeatureNames()
        unknown = [feature for feature in asked or () if feature not in known]
        if unknown:
            msg = f"{name} has no feature {unknown[0]!r}; known ones are {', '.join(known)}"
            raise InputError(msg)
        wanted[name] = asked or tuple(feature for feature, deprecated in known.items() if not deprecated)
    return wanted


def _with_shared_bins(base: Any) -> Any:
    """Return a PyRadiomics class that takes the region's bins from its settings instead of finding them once more."""
    names = base.getFeatureNames()

    def apply_binning(self: Any, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        del matrix
        bins: _Bins = self.settings["bins"]
        self.coefficients["grayLevels"] = bins.levels
        self.coefficients["Ng"] = int(bins.levels[-1])
        return bins.image

    # Its module names its logger, which has to stay below PyRadiomics' own.
    own = {"_applyBinning": apply_binning, "getFeatureNames": staticmethod(lambda: names), "__module__": base.__module__}
    return type(base.__name__, (base,), own)


_CLASSES: dict[str, Any] = {
    name: _with_shared_bins(base) for name, base in radiomics.getFeatureClasses().items() if name != "shape2D"
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyRadiomics from logging, and numpy from warning of the 0/0 that it answers with NaN."""
    logger = logging.getLogger("radiomics")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
