"""PyRadiomics' image types: from an image on a box to the filtered images on the part of it that is wanted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.engine.extent import Slices
from radiomics_cfg.engine.laplacian_of_gaussian import FEWEST_VOXELS, laplacian_of_gaussian
from radiomics_cfg.engine.local_binary_pattern import local_binary_patterns
from radiomics_cfg.engine.wavelet import stationary_wavelets, wavelet_filters

Array = npt.NDArray[np.generic]
Settings = Mapping[str, Any]
Filtered = Iterator[tuple[str, Array]]


@dataclass(frozen=True)
class Source:
    """An image to filter, and the part of the result that is wanted.

    Args:
        image: Shape (z, y, x). All of it counts: at its edges, and for maxima that values are scaled by.
        keep: Box of the result that is wanted.
        spacing_mm: Voxel size along z, y, x.
        inside: The region, of the shape of ``image``; local binary patterns are computed in it.
        as_itk: Whether a LoG has ITK's last bits; see ``laplacian_of_gaussian``.
    """

    image: Array
    keep: Slices
    spacing_mm: tuple[float, float, float]
    inside: npt.NDArray[np.bool_] | None = None
    as_itk: bool = True

    @property
    def kept(self) -> npt.NDArray[np.float64]:
        """The wanted part of the image itself."""
        return self.image[self.keep].astype(np.float64)

    @property
    def largest(self) -> np.float64:
        """Largest absolute value of the whole image, which values are scaled by; 1 for an image of zeros."""
        return np.float64(max(abs(float(self.image.min())), abs(float(self.image.max()))) or 1.0)


def filtered_images(kind: str, source: Source, settings: Settings) -> Filtered:
    """Yield the filtered images of one image type.

    Args:
        kind: PyRadiomics' image type, such as ``Wavelet``.
        source: What to filter.
        settings: PyRadiomics' settings, those of the image type included.

    Yields:
        PyRadiomics' name of the image, and an array of the shape of ``source.keep``.

    Raises:
        InputError: If the image type, or a wavelet, is unknown.
    """
    if kind not in _FILTERS:
        msg = f"No image type {kind!r}; known ones are {', '.join(_FILTERS)}"
        raise InputError(msg)
    yield from _FILTERS[kind](source, settings)


def image_names(kind: str, settings: Settings) -> tuple[str, ...]:
    """Return the names of the images that an image type gives where the image is large enough for every filter.

    Raises:
        InputError: If the image type, or a wavelet, is unknown.
    """
    middle = slice(3, 5)
    step = float(max(settings.get("sigma") or (1.0,)))  # at which 8 voxels are enough for every sigma
    scrap = Source(np.arange(512.0).reshape(8, 8, 8), (middle, middle, middle), (step, step, step), np.ones((8, 8, 8), bool))
    return tuple(name for name, _ in filtered_images(kind, scrap, settings))


def _original(source: Source, _: Settings) -> Filtered:
    yield "original", source.image[source.keep]


def _wavelet(source: Source, settings: Settings) -> Filtered:
    axes = tuple(axis for axis in (2, 1, 0) if not settings.get("force2D") or axis != settings.get("force2Ddimension", 0))
    name, level, start = settings.get("wavelet", "coif1"), settings.get("level", 1), settings.get("start_level", 0)
    reach = wavelet_reach(name, level + start)
    needed = tuple(_cut(part, n, reach) for part, n in zip(source.keep, source.image.shape, strict=True))
    shifted = tuple(slice(k.start - c.start, k.stop - c.start) for k, c in zip(source.keep, needed, strict=True))
    yield from stationary_wavelets(
        source.image[needed],
        wavelet=name,
        level=level,
        start_level=start,
        axes=axes,
        keep=(shifted[0], shifted[1], shifted[2]),
    )


def wavelet_reach(name: str, levels: int) -> int:
    """Return how many voxels around a voxel the wavelets of the deepest level look at."""
    return len(wavelet_filters(name)[0]) * levels


def _cut(part: slice, n: int, reach: int) -> slice:
    """Return a part of even length with ``reach`` more on both sides, or all ``n`` where the edge, which wraps, is near."""
    start, stop = part.start - reach, part.stop + reach
    stop += (stop - start) % 2
    return slice(start, stop) if start >= 0 and stop <= n else slice(0, n)


def _log(source: Source, settings: Settings) -> Filtered:
    image, spacing_mm = source.image, source.spacing_mm
    if min(image.shape) < FEWEST_VOXELS:
        return
    for sigma in settings.get("sigma") or ():
        fewest = np.ceil(sigma / np.array(spacing_mm)) + 1
        if sigma > 0 and (np.array(image.shape) >= fewest).all():
            name = f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
            yield name, laplacian_of_gaussian(image, sigma, spacing_mm, keep=source.keep, as_itk=source.as_itk)


def _square(source: Source, _: Settings) -> Filtered:
    yield "square", (1 / np.sqrt(source.largest) * source.kept) ** 2


def _square_root(source: Source, _: Settings) -> Filtered:
    x = source.kept
    yield "squareroot", np.sign(x) * np.sqrt(np.abs(x) * source.largest)


def _logarithm(source: Source, _: Settings) -> Filtered:
    x, largest = source.kept, source.largest
    yield "logarithm", np.sign(x) * np.log(np.abs(x) + 1) * (largest / np.log(largest + 1))


def _exponential(source: Source, _: Settings) -> Filtered:
    yield "exponential", np.exp(np.log(source.largest) / source.largest * source.kept)


def _gradient(source: Source, settings: Settings) -> Filtered:
    around = tuple(slice(max(k.start - 1, 0), k.stop + 1) for k in source.keep)  # central differences look one voxel far
    crop = sitk.GetImageFromArray(source.image[around])
    crop.SetSpacing(source.spacing_mm[::-1])
    gradient = sitk.GradientMagnitude(crop, settings.get("gradientUseSpacing", True))
    within = tuple(slice(k.start - a.start, k.stop - a.start) for k, a in zip(source.keep, around, strict=True))
    yield "gradient", sitk.GetArrayFromImage(gradient)[within]


def _lbp_3d(source: Source, settings: Settings) -> Filtered:
    inside = np.ones(source.image.shape, bool) if source.inside is None else source.inside
    patterns = local_binary_patterns(
        source.image,
        inside,
        levels=settings.get("lbp3DLevels", 2),
        radius=settings.get("lbp3DIcosphereRadius", 1),
        subdivisions=settings.get("lbp3DIcosphereSubdivision", 1),
    )
    for name, pattern in patterns:
        yield name, pattern[source.keep]


_FILTERS: dict[str, Callable[[Source, Settings], Filtered]] = {
    "Original": _original,
    "Wavelet": _wavelet,
    "LoG": _log,
    "Square": _square,
    "SquareRoot": _square_root,
    "Logarithm": _logarithm,
    "Exponential": _exponential,
    "Gradient": _gradient,
    "LBP3D": _lbp_3d,
}

IMAGE_TYPES = tuple(_FILTERS)
"""PyRadiomics' image types that are offered: all but LBP2D."""
