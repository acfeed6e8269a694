"""The interface of all engines that compute features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.preset import Parameters
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.regions.grid import Box

LOG_MARGIN_SIGMAS = 10
"""ITK's recursive Gaussian has long tails: on an abdominal CT the LoG is off by up to 6 HU with 2 sigmas of context around
the region, by 0.05 HU with 6, and by less than 0.001 HU with 10."""

BACKENDS = {"numba": "radiomics_cfg.backends.native", "pyradiomics": "radiomics_cfg.backends.reference"}
"""Module of each backend, imported only when it is asked for; it holds a class ``Engine``."""


@dataclass(frozen=True, eq=False)
class PlacedMask:
    """The mask of a region on a box of an image's grid.

    Args:
        inside: Where the region is, shape (z, y, x) of the box.
        corner: First voxel of the box in the image, along z, y, x.
    """

    inside: npt.NDArray[np.bool_]
    corner: tuple[int, int, int]

    @property
    def end(self) -> tuple[int, int, int]:
        """One after the last voxel of the box in the image, along z, y, x."""
        (z, y, x), (nz, ny, nx) = self.corner, self.inside.shape
        return (z + nz, y + ny, x + nx)


class RegionExtractor(Protocol):
    """Computes features of one region of a scan with PyRadiomics' geometry."""

    def execute(self, image: sitk.Image, mask: PlacedMask, /) -> Mapping[str, Any]:
        """Return features by PyRadiomics' names; raise a ``ValueError`` with the reason if there are none."""


class Backend(Protocol):
    """Computes features of regions on one image."""

    def extractor(self, parameters: Parameters) -> RegionExtractor:
        """Return the extractor for the mode ``pyradiomics``."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the engine and of the libraries that its values depend on."""

    def feature_names(self, parameters: Parameters) -> tuple[str, ...]:
        """Return the names of all features that ``parameters`` ask for, under PyRadiomics' names and in its order.

        Raises:
            InputError: If ``parameters`` name a feature or a wavelet that does not exist.
        """

    def margin(self, parameters: Parameters, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.int_]:
        """Return how many voxels along x, y, z are needed around the regions for the filters to converge, shape ``(3,)``."""

    def features(
        self,
        image: sitk.Image,
        masks: Mapping[str, PlacedMask],
        parameters: Parameters,
        *,
        parts: Sequence[Box] = (),
        crew: Crew = ALONE,
    ) -> dict[str, dict[str, float]]:
        """Compute the features of each region.

        Args:
            image: HU as ``Float64`` at the scale of ``parameters``; nothing is resampled here.
            masks: For each region its mask, at least two voxels thick. Where all masks span one box, a region's values do not
                depend on the other regions.
            parameters: What to compute.
            parts: Boxes of the grid of ``image`` that hold all regions; an engine may filter them one by one.
            crew: Threads that an engine may use.

        Returns:
            For each region the value of each feature; what could not be computed is absent or not finite.
        """


def load_backend(name: str) -> Backend:
    """Return the backend called ``name``.

    Raises:
        InputError: If there is none of that name, or it is not installed.
    """
    if name not in BACKENDS:
        msg = f"No extraction backend {name!r}; known ones are {', '.join(BACKENDS)}"
        raise InputError(msg)
    try:
        engine: Backend = import_module(BACKENDS[name]).Engine()
    except ImportError as error:
        msg = f"The backend {name} cannot be loaded: {error}"
        if name == "pyradiomics":
            msg += "; on Python 3.11 add its extra: `uv sync --extra pyradiomics`"
        raise InputError(msg) from error
    return engine
