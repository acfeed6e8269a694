"""Features of one region: its shape once, then every class on each filtered image."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.engine.discretise import Binning, discretise
from radiomics_cfg.engine.feature import FeatureClass
from radiomics_cfg.engine.firstorder import FIRSTORDER, Values
from radiomics_cfg.engine.glcm import GLCM, Cooccurrence, Weighting
from radiomics_cfg.engine.gldm import GLDM, dependences
from radiomics_cfg.engine.glrlm import GLRLM, RunLengths
from radiomics_cfg.engine.glszm import GLSZM, zone_sizes
from radiomics_cfg.engine.matrices import Layout, Neighbourhood
from radiomics_cfg.engine.ngtdm import NGTDM, ToneDifferences
from radiomics_cfg.engine.shape import SHAPE, Shape

CLASSES: dict[str, FeatureClass[Any]] = {known.name: known for known in (FIRSTORDER, GLCM, GLDM, GLRLM, GLSZM, NGTDM, SHAPE)}
"""The seven feature classes in 3D, in PyRadiomics' order."""


@dataclass(frozen=True)
class FeatureSettings:
    """How features are computed on one image, whatever the filter.

    Args:
        binning: Bins of the grey levels.
        neighbourhood: Which voxels are neighbours.
        symmetrical: Whether the co-occurrence matrix counts a pair in both orders.
        weighting_norm: PyRadiomics' ``weightingNorm``.
        dependence_tolerance: PyRadiomics' ``gldm_a``.
        shift: PyRadiomics' ``voxelArrayShift``.
    """

    binning: Binning = field(default_factory=Binning)
    neighbourhood: Neighbourhood = field(default_factory=Neighbourhood)
    symmetrical: bool = True
    weighting_norm: str | None = None
    dependence_tolerance: int = 0
    shift: float = 0


def wanted_features(asked: Mapping[Any, Iterable[str] | None]) -> dict[str, tuple[str, ...]]:
    """Return the names of the features of each class, in the order asked for.

    Args:
        asked: Names for each class, or nothing for all that are not optional.

    Raises:
        InputError: If a class or a feature is unknown.
    """
    for name in asked:
        if name not in CLASSES:
            msg = f"No feature class {name!r}; known ones are {', '.join(CLASSES)}"
            raise InputError(msg)
    return {name: CLASSES[name].names(features) for name, features in asked.items()}


class RegionOnGrid:
    """One region on a box of a grid.

    Args:
        inside: The region, of at least one voxel, on its own box; shape (z, y, x).
        spacing_mm: Voxel size along z, y, x.
        corner: Where the region's box begins on the grid, along z, y, x.
    """

    def __init__(
        self, inside: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float], *, corner: tuple[int, ...] = (0, 0, 0)
    ) -> None:
        self.inside = inside
        self.spacing_mm = spacing_mm
        self.corner = corner
        self._places: dict[tuple[int, ...], tuple[slice | npt.NDArray[np.intp], npt.NDArray[np.intp]]] = {}
        self._layouts: dict[Neighbourhood, Layout] = {}
        self._making_a_layout = Lock()

    def values_on(
        self,
        image: npt.NDArray[np.generic],
        *,
        begin: tuple[int, ...] = (0, 0, 0),
        others: npt.NDArray[np.generic] | None = None,
    ) -> npt.NDArray[np.generic]:
        """Return the values of the region's voxels on an image, in C order of the voxels.

        Args:
            image: A box of the grid.
            begin: Where it begins on the grid, along z, y, x.
            others: Values that stay where the image does not hold the voxel, 0 by default. They are overwritten elsewhere.
        """
        which, where = self._places_in(begin, image.shape)
        found = image.ravel()[where]  # of a contiguous image this is a view
        if isinstance(which, slice):
            return found
        values = np.zeros(np.count_nonzero(self.inside), image.dtype) if others is None else others
        values[which] = found
        return values

    def _places_in(
        self, begin: tuple[int, ...], shape: tuple[int, ...]
    ) -> tuple[slice | npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return which voxels of the region an image holds, a slice if all of them, and where they are in it."""
        if (*begin, *shape) not in self._places:
            found = np.nonzero(self.inside)
            at = [along + (first - start) for along, first, start in zip(found, self.corner, begin, strict=True)]
            held = np.logical_and.reduce([(along >= 0) & (along < n) for along, n in zip(at, shape, strict=True)])
            which = slice(None) if held.all() else np.flatnonzero(held)
            self._places[*begin, *shape] = which, np.ravel_multi_index([along[which] for along in at], shape)
        return self._places[*begin, *shape]

    def shape_features(self, names: Iterable[str]) -> dict[str, float]:
        """Return the named shape features."""
        return SHAPE.compute(Shape.of(self.inside, self.spacing_mm), names)

    def image_features(
        self, values: npt.NDArray[np.generic], wanted: Mapping[str, tuple[str, ...]], settings: FeatureSettings
    ) -> dict[str, float]:
        """Return the wanted features, named ``<class>_<feature>``, of the region on an image.

        Args:
            values: What ``values_on`` the image returns.
            wanted: Names of the features of each class; ``shape`` is passed over.
            settings: How to compute them.

        Raises:
            CaseRefused: ``grey-levels`` if the region holds too many.
        """
        grey = discretise(values, settings.binning)
        found: dict[str, float] = {}
        texture = {name for name in wanted if name not in ("shape", "firstorder")}
        layout = self._layout(settings.neighbourhood) if texture else None
        matrices = layout.matrices(grey, tolerance=settings.dependence_tolerance) if layout else None
        weighting = Weighting(settings.weighting_norm, self.spacing_mm)
        for name, features in wanted.items():
            if name == "shape":
                continue
            summary: Any
            if name == "firstorder":
                summary = Values(values.astype(np.float64), grey, float(np.prod(self.spacing_mm)), settings.shift)
            elif matrices is None:
                continue
            elif name == "glcm":
                summary = Cooccurrence.of(matrices, weighting, symmetrical=settings.symmetrical)
            elif name == "glrlm":
                summary = RunLengths.of(matrices, weighting)
            else:
                summary = {"glszm": zone_sizes, "gldm": dependences, "ngtdm": ToneDifferences.of}[name](matrices)
            found.update({f"{name}_{feature}": value for feature, value in CLASSES[name].compute(summary, features).items()})
        return found

    def _layout(self, neighbourhood: Neighbourhood) -> Layout:
        with self._making_a_layout:  # of several threads the first makes it
            if neighbourhood not in self._layouts:
                self._layouts[neighbourhood] = Layout(self.inside, neighbourhood)
            return self._layouts[neighbourhood]


def feature_settings(settings: Mapping[str, Any]) -> FeatureSettings:
    """Return what PyRadiomics' settings say about features."""
    flat = int(settings.get("force2Ddimension", 0)) if settings.get("force2D") else None
    return FeatureSettings(
        binning=Binning(settings.get("binWidth") or 25, settings.get("binCount")),
        neighbourhood=Neighbourhood(tuple(settings.get("distances") or (1,)), flat),
        symmetrical=settings.get("symmetricalGLCM", True),
        weighting_norm=settings.get("weightingNorm"),
        dependence_tolerance=settings.get("gldm_a", 0),
        shift=settings.get("voxelArrayShift", 0),
    )
