"""PyRadiomics as the oracle, what counts as equal to it, and small regions to measure."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

RELATIVE = 1e-9
"""Difference of a feature from PyRadiomics', of its value."""

FLOOR = 1e-9
"""Difference of a feature of any size: values this small are the rounding of sums that cancel, such as the skewness of a
symmetric histogram."""

ROOT_FLOOR = 1e-6
"""The same of roots: they turn a rounding of 1e-16 into 1e-8, and axes have the unit of mm."""

_ROOTS = ("MinorAxisLength", "LeastAxisLength", "Elongation", "Flatness", "Imc2", "MCC")

MCC_RELATIVE = 1e-6
"""Difference of MCC: an eigenvalue of a matrix that is not symmetric, which rounding moves by more."""

WITHOUT_NEIGHBOURS = {"InverseVariance": 0.0, "RunEntropy": 0.0, "RunVariance": 0.0, "MCC": float("nan")}
"""What PyRadiomics gives for a region no two voxels of which are neighbours, or share a line: sums over nothing, and no
eigenvalue. The class's other features are NaN, and ours are for all, MCC of one grey level excepted, which is 1."""

DIRECTIONS = 62
"""Most directions that features are averaged over here, those of the distances 1 and 2."""


class Oracle:
    """PyRadiomics 3.0.1, silent."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def extract(
        self, content: Mapping[str, Any], image: sitk.Image, mask: sitk.Image, *, label: int | None = None
    ) -> dict[str, Any]:
        """Run its whole extractor with the content of a parameter file."""
        extractor = self.module.featureextractor.RadiomicsFeatureExtractor()
        extractor.settings.update(content.get("setting", {}))
        extractor.enabledImagetypes = dict(content.get("imageType", {"Original": {}}))
        classes = [name for name in extractor.featureClassNames if name != "shape2D"]
        asked = content.get("featureClass", dict.fromkeys(classes))
        extractor.enabledFeatures = {name: list(features or []) for name, features in asked.items()}
        with _its_own_warnings(), _its_own_tolerance():
            return dict(extractor.execute(image, mask, label=label))

    def features(
        self, name: str, image: sitk.Image, mask: sitk.Image, names: tuple[str, ...] = (), **settings: Any
    ) -> dict[str, float]:
        """Run one of its classes on a region that fills the image's box."""
        with _its_own_warnings():
            calculator = self.module.getFeatureClasses()[name](image, mask, **settings)
            for feature in names:
                calculator.enableFeatureByName(feature)
            return {feature: float(value) for feature, value in calculator.execute().items()}

    @property
    def matrices(self) -> Any:
        """Its texture matrices in C."""
        return self.module.cMatrices

    def images(self, kind: str, image: sitk.Image, mask: sitk.Image, **settings: Any) -> dict[str, npt.NDArray[Any]]:
        """Return its filtered images of one image type."""
        with _its_own_warnings():
            every = getattr(self.module.imageoperations, f"get{kind}Image")(image, mask, **settings)
            return {name: sitk.GetArrayFromImage(filtered) for filtered, name, _ in every}


@contextmanager
def _its_own_warnings() -> Iterator[None]:
    """Let PyRadiomics divide by 0 and average nothing, which it answers with NaN."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _its_own_tolerance() -> Iterator[None]:
    """Undo what ``geometryTolerance`` does to SimpleITK as a whole."""
    coordinate = sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance()
    direction = sitk.ProcessObject.GetGlobalDefaultDirectionTolerance()
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultCoordinateTolerance(coordinate)
        sitk.ProcessObject.SetGlobalDefaultDirectionTolerance(direction)


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its sources hold escapes that newer Pythons warn of when they compile them
        radiomics = pytest.importorskip("radiomics", reason="PyRadiomics is not installed: uv sync --extra pyradiomics")
        import_module("radiomics.featureextractor")
    logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)
    return Oracle(radiomics)


@pytest.fixture(scope="session")
def disagreements() -> Callable[..., dict[str, tuple[Any, Any]]]:
    """Name the features that differ, with our value and PyRadiomics'."""

    def find(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        assert list(ours) == list(theirs)
        return {name: (ours[name], theirs[name]) for name in ours if not _is_equal(name, ours[name], theirs[name])}

    return find


def _is_equal(name: str, ours: float, theirs: float) -> bool:
    feature = name.rsplit("_", 1)[-1]
    relative = MCC_RELATIVE if feature == "MCC" else RELATIVE
    floor = ROOT_FLOOR if feature in _ROOTS else FLOOR
    if ours == pytest.approx(float(theirs), rel=relative, abs=floor, nan_ok=True):
        return True
    if feature in WITHOUT_NEIGHBOURS and (np.isnan(ours) or (feature == "MCC" and ours == 1)):
        return bool(np.array_equal(theirs, WITHOUT_NEIGHBOURS[feature], equal_nan=True))
    return feature in ("Imc2", "MCC") and _differ_by_a_direction(float(ours), float(theirs))


def _differ_by_a_direction(ours: float, theirs: float) -> bool:
    """Tell whether one is the mean over fewer directions: a direction of 0 counts, or is the root of a rounding below 0."""
    if not (ours > 0 and theirs > 0):
        return False
    ratio = ours / theirs
    return ratio == pytest.approx(float(Fraction(ratio).limit_denominator(DIRECTIONS)), rel=MCC_RELATIVE)


@pytest.fixture(scope="session")
def volume() -> Callable[..., sitk.Image]:
    """Make an image of an array (z, y, x), away from the origin."""

    def make(
        values: npt.NDArray[Any],
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        direction: tuple[float, ...] | None = None,
    ) -> sitk.Image:
        image = sitk.GetImageFromArray(values.astype(np.uint8) if values.dtype == bool else values)
        image.SetSpacing(spacing)
        image.SetOrigin((-31.7, 12.4, 105.25))
        if direction is not None:
            image.SetDirection(direction)
        return image

    return make
