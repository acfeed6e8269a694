"""Features of one region: its shape once, then every class on each filtered image."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nnunet_ext.errors import InputError
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
        corner: Where the region's box begins in the images, along z, y, x.
        image_shape: Shape of the images, that of the region's box by default.
    """

    def __init__(
        self,
        inside: npt.NDArray[np.bool_],
        spacing_mm: tuple[float, float, float],
        *,
        corner: tuple[int, ...] = (0, 0, 0),
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.inside = inside
        self.spacing_mm = spacing_mm
        places = tuple(along + first for along, first in zip(np.nonzero(inside), corner, strict=True))
        self._places = np.ravel_multi_index(places, image_shape or inside.shape)
        self._layouts: dict[Neighbourhood, Layout] = {}

    def shape_features(self, names: Iterable[str]) -> dict[str, float]:
        """Return the named shape features."""
        return SHAPE.compute(Shape.of(self.inside, self.spacing_mm), names)

    def image_features(
        self, image: npt.NDArray[np.generic], wanted: Mapping[str, tuple[str, ...]], settings: FeatureSettings
    ) -> dict[str, float]:
        """Return the wanted features, named ``<class>_<feature>``, of the region on an image.

        Args:
            image: Of the shape that was announced.
            wanted: Names of the features of each class; ``shape`` is passed over.
            settings: How to compute them.

        Raises:
            CaseRefused: ``grey-levels`` if the region holds too many.
        """
        values = image.ravel()[self._places]  # of a contiguous image this is a view
        grey = discretise(values, settings.binning)
        found: dict[str, float] = {}
        texture = {name for name in wanted if name not in ("shape", "firstorder")}
        if texture and settings.neighbourhood not in self._layouts:
            self._layouts[settings.neighbourhood] = Layout(self.inside, settings.neighbourhood)
        layout = self._layouts[settings.neighbourhood] if texture else None
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
