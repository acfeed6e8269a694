from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.engine.discretise import Binning
from radiomics_cfg.engine.region import CLASSES, FeatureSettings, RegionOnGrid, feature_settings, wanted_features

SPACING = (3.0, 0.8, 0.7)
TEXTURE = tuple(name for name in CLASSES if name != "shape")
EVERY = {name: known.names() for name, known in CLASSES.items()}

SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "narrow-bins": {"binWidth": 7.5},
    "bin-count": {"binCount": 16},
    "one-bin": {"binCount": 1},
    "one-order": {"symmetricalGLCM": False},
    "far": {"distances": [2]},
    "near-and-far": {"distances": [1, 2], "gldm_a": 1},
    "tolerant": {"gldm_a": 2, "binWidth": 10},
    "manhattan": {"weightingNorm": "manhattan"},
    "euclidean": {"weightingNorm": "euclidean"},
    "infinity": {"weightingNorm": "infinity"},
    "no-weighting": {"weightingNorm": "no_weighting"},
    "one-order-weighted": {"weightingNorm": "euclidean", "symmetricalGLCM": False},
    "slices": {"force2D": True},
    "columns": {"force2D": True, "force2Ddimension": 1, "distances": [1, 2]},
    "shifted": {"voxelArrayShift": 1000},
}


def blob(seed: int = 0) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Whole HU in an ellipsoid with a hole, as a lesion with a cyst."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*[np.linspace(-1.05, 1.05, n) for n in (7, 11, 13)], indexing="ij")
    radius = z**2 + y**2 + x**2
    return (60 + 80 * x + rng.normal(0, 25, radius.shape)).round().astype(np.int16), (radius <= 1) & (radius >= 0.06)


def fragments() -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    rng = np.random.default_rng(1)
    return rng.normal(0, 60, (6, 9, 8)), rng.random((6, 9, 8)) < 0.12


def one_slice() -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    values, inside = blob()
    return values[3:4].astype(np.float32), inside[3:4]


def flat() -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    _, inside = blob()
    return np.full(inside.shape, -12.5), inside


REGIONS = {"blob": blob, "fragments": fragments, "one-slice": one_slice, "flat": flat}


def ours(
    values: npt.NDArray[Any], inside: npt.NDArray[np.bool_], asked: dict[str, tuple[str, ...]], **settings: Any
) -> dict[str, float]:
    known = feature_settings(settings)
    region = RegionOnGrid(inside, SPACING)
    return region.image_features(region.values_on(values), asked, known)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS.keys())
def test_every_class_is_pyradiomics(
    oracle: Any, disagreements: Any, volume: Any, region: Any, settings: dict[str, Any]
) -> None:
    values, inside = region()
    image, mask = volume(values, SPACING[::-1]), volume(inside, SPACING[::-1])
    theirs = {
        f"{name}_{feature}": value
        for name in TEXTURE
        for feature, value in oracle.features(name, image, mask, **settings).items()
    }
    assert disagreements(ours(values, inside, EVERY, **settings), theirs) == {}


def test_the_optional_features_are_pyradiomics(oracle: Any, disagreements: Any, volume: Any) -> None:
    values, inside = blob()
    image, mask = volume(values, SPACING[::-1]), volume(inside, SPACING[::-1])
    spread = oracle.features("firstorder", image, mask, ("StandardDeviation",))
    found = ours(values, inside, {"firstorder": ("StandardDeviation",)})
    assert disagreements(found, {f"firstorder_{name}": value for name, value in spread.items()}) == {}
    names = ("Compactness1", "Compactness2", "SphericalDisproportion")
    shape = RegionOnGrid(inside, SPACING).shape_features(names)
    assert disagreements(shape, oracle.features("shape", image, mask, names)) == {}


@pytest.mark.parametrize(("name", "known"), [(name, known) for name, known in CLASSES.items() if known.withdrawn])
def test_withdrawn_features_give_nothing_as_in_pyradiomics(oracle: Any, volume: Any, name: str, known: Any) -> None:
    values, inside = blob()
    assert oracle.features(name, volume(values), volume(inside), known.withdrawn) == {}
    assert wanted_features({name: known.withdrawn}) == {name: ()}


small_regions = hnp.arrays(
    np.int16, st.tuples(*[st.integers(2, 6)] * 3), elements=st.sampled_from([-999, -999, -30, 0, 20, 25, 60, 300])
).filter(lambda values: (values > -999).sum() > 1)


random_settings = st.sampled_from([SETTINGS[name] for name in ("defaults", "near-and-far", "bin-count", "slices")])


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=small_regions, setting=random_settings)
def test_any_small_region_is_pyradiomics(
    oracle: Any, disagreements: Any, volume: Any, values: npt.NDArray[Any], setting: dict[str, Any]
) -> None:
    inside = values > -999
    image, mask = volume(values, SPACING[::-1]), volume(inside, SPACING[::-1])
    theirs = {
        f"{name}_{feature}": value
        for name in TEXTURE
        for feature, value in oracle.features(name, image, mask, **setting).items()
    }
    assert disagreements(ours(values, inside, EVERY, **setting), theirs) == {}


def test_where_one_order_holds_one_level_correlation_is_1_whatever_pyradiomics_rounds_to(oracle: Any, volume: Any) -> None:
    values = np.zeros((2, 2, 5), np.int16)
    values[0, 0, 0] = -30  # the first voxel looks ahead to zeros only
    inside = np.ones(values.shape, bool)
    found = ours(values, inside, {"glcm": ("Correlation",)}, symmetricalGLCM=False)
    assert found == {"glcm_Correlation": 1.0}
    theirs = oracle.features("glcm", volume(values), volume(inside), ("Correlation",), symmetricalGLCM=False)
    assert theirs["Correlation"] * 13 == pytest.approx(12)  # its mean is off by 1e-16 in one of 13 directions


def test_without_neighbours_all_is_undefined_also_where_pyradiomics_sums_over_nothing(oracle: Any, volume: Any) -> None:
    inside = np.zeros((2, 3, 4), bool)
    inside[0, 0, 0] = inside[1, 1, 3] = True  # neither neighbours nor on one line
    values = np.full(inside.shape, 10.0)
    found = ours(values, inside, {name: EVERY[name] for name in ("glcm", "glrlm")}, weightingNorm="euclidean")
    assert found.pop("glcm_MCC") == 1.0  # of one grey level
    assert np.isnan(list(found.values())).all()
    cooccurrence, runs = (
        oracle.features(name, volume(values), volume(inside), weightingNorm="euclidean") for name in ("glcm", "glrlm")
    )
    assert {name for name, value in {**cooccurrence, **runs}.items() if value == 0} == {
        "InverseVariance",
        "RunEntropy",
        "RunVariance",
    }
    assert np.isnan(cooccurrence["MCC"])


def test_settings_have_pyradiomics_names_and_defaults() -> None:
    assert feature_settings({}) == FeatureSettings()
    found = feature_settings(
        {
            "binWidth": 5,
            "binCount": 32,
            "distances": [1, 3],
            "force2D": True,
            "force2Ddimension": 2,
            "symmetricalGLCM": False,
            "weightingNorm": "infinity",
            "gldm_a": 2,
            "voxelArrayShift": 300,
        }
    )
    assert found.binning == Binning(5, 32)
    assert (found.neighbourhood.distances, found.neighbourhood.flat_axis) == ((1, 3), 2)
    assert (found.symmetrical, found.weighting_norm, found.dependence_tolerance, found.shift) == (False, "infinity", 2, 300)
    assert feature_settings({"force2Ddimension": 2}).neighbourhood.flat_axis is None


def test_a_region_is_read_where_it_lies_in_the_image() -> None:
    values, inside = blob()
    around = np.full((20, 20, 20), 30_000, np.int16)
    around[5:12, 2:13, 7:20] = values
    there = RegionOnGrid(inside, SPACING, corner=(5, 2, 7))
    assert there.values_on(around).tolist() == values[inside].tolist()
    assert there.values_on(around[3:, 1:], begin=(3, 1, 0)).tolist() == values[inside].tolist()


def test_a_region_is_read_from_two_images_that_each_hold_a_part() -> None:
    values, inside = blob()
    region = RegionOnGrid(inside, SPACING)
    upper = region.values_on(values[3:], begin=(3, 0, 0))
    assert upper.tolist() == np.where(np.nonzero(inside)[0] < 3, 0, values[inside]).tolist()
    assert region.values_on(values[:4], others=upper).tolist() == values[inside].tolist()


def test_only_what_is_wanted_is_computed() -> None:
    values, inside = blob()
    assert list(ours(values, inside, {"glcm": ("Contrast",), "shape": ("MeshVolume",), "ngtdm": ()})) == ["glcm_Contrast"]


def test_too_many_grey_levels_are_refused() -> None:
    values = np.arange(11 * 11 * 11.0).reshape(11, 11, 11)
    with pytest.raises(CaseRefused, match="1331 grey levels in one region; at most 1000"):
        ours(values, np.ones(values.shape, bool), EVERY, binWidth=1)
