# Also of: radiomics_cfg.backends.backend, radiomics_cfg.backends.native.

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

import radiomics_cfg.backends.backend
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.backends.backend import Backend, PlacedMask, load_backend
from radiomics_cfg.preset import Parameters

TwoBalls = Callable[..., Scan]

ALL_CLASSES = dict.fromkeys(("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"))


def parameters(**content: Any) -> Parameters:
    filled = {"imageType": {"Original": {}}, "featureClass": ALL_CLASSES, **content}
    return Parameters.model_validate(filled)


def region(scan: Scan, label: Label) -> PlacedMask:
    return PlacedMask(sitk.GetArrayFromImage(scan.mask) == label, (0, 0, 0))


@pytest.mark.filterwarnings("ignore")  # PyRadiomics' own
@pytest.mark.parametrize(
    ("setting", "image_types", "images"),
    [
        ({"binWidth": 25}, {"Original": {}, "Wavelet": {}, "LoG": {"sigma": [3.0, 6]}}, 11),
        ({"binCount": 32, "distances": [1, 2], "gldm_a": 1}, {"Wavelet": {"level": 1, "start_level": 1}}, 8),
    ],
)
def test_values_are_those_of_pyradiomics_own_extractor(
    pyradiomics: Backend, two_balls: TwoBalls, setting: dict[str, Any], image_types: dict[str, Any], images: int
) -> None:
    from radiomics import setVerbosity
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    setVerbosity(60)
    content = {"setting": setting, "imageType": image_types, "featureClass": ALL_CLASSES}
    scan = two_balls()
    image = sitk.Cast(scan.image, sitk.sitkFloat64)
    masks = {"tumour": region(scan, Label.TUMOUR), "kidney": region(scan, Label.KIDNEY)}
    ours = pyradiomics.features(image, masks, Parameters.model_validate(content))
    extractor = RadiomicsFeatureExtractor(content)
    extractor.addProvenance(False)
    for name in masks:
        own = sitk.Cast(scan.mask == int(Label[name.upper()]), sitk.sitkUInt8)
        theirs = {feature: float(value) for feature, value in extractor.execute(image, own).items()}
        assert list(ours[name]) == list(theirs) == list(pyradiomics.feature_names(Parameters.model_validate(content)))
        assert ours[name] == pytest.approx(theirs, rel=1e-9, abs=0, nan_ok=True)
    assert len(ours["tumour"]) == 14 + 93 * images


def test_a_region_does_not_notice_the_others(pyradiomics: Backend, two_balls: TwoBalls) -> None:
    scan = two_balls()
    image = sitk.Cast(scan.image, sitk.sitkFloat64)
    asked = parameters(imageType={"Wavelet": {}, "LoG": {"sigma": [3.0]}}, featureClass={"firstorder": None})
    tumour, kidney = region(scan, Label.TUMOUR), region(scan, Label.KIDNEY)
    alone = pyradiomics.features(image, {"tumour": tumour}, asked)
    assert alone["tumour"] == pyradiomics.features(image, {"kidney": kidney, "tumour": tumour}, asked)["tumour"]


def test_a_mask_on_a_part_of_the_grid_is_found_by_its_place(pyradiomics: Backend, two_balls: TwoBalls) -> None:
    scan = two_balls()
    image = sitk.Cast(scan.image, sitk.sitkFloat64)
    whole = region(scan, Label.TUMOUR)
    part = PlacedMask(whole.inside[6:28, 8:28, 14:30], (6, 8, 14))
    assert part.inside.sum() == whole.inside.sum()
    assert part.end == (28, 28, 30)
    asked = parameters()
    assert pyradiomics.features(image, {"t": part}, asked) == pyradiomics.features(image, {"t": whole}, asked)


def test_wavelets_at_the_edge_do_not_see_the_far_side(pyradiomics: Backend) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 50, (16, 16, 16))
    far = values.copy()
    far[:, :, -3:] += 1000
    inside = np.zeros(values.shape, bool)
    inside[4:9, 4:9, :5] = True
    mask = PlacedMask(inside, (0, 0, 0))
    asked = parameters(imageType={"Wavelet": {}}, featureClass={"firstorder": ["Mean", "Variance"]})
    near, wrapped = (pyradiomics.features(sitk.GetImageFromArray(v), {"edge": mask}, asked)["edge"] for v in (values, far))
    assert near == wrapped


def test_log_has_converged_within_the_margin(pyradiomics: Backend) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 30, (90, 90, 90))
    values[:30] += 1000  # an edge that a short margin would cut off
    image, cube = sitk.GetImageFromArray(values), np.ones((10, 10, 10), bool)
    asked = parameters(imageType={"LoG": {"sigma": [3.0]}}, featureClass={"firstorder": ["Mean", "Maximum"]})
    margin = pyradiomics.margin(asked, (1.0, 1.0, 1.0))
    assert margin.tolist() == [30, 30, 30]
    whole = pyradiomics.features(image, {"r": PlacedMask(cube, (40, 40, 40))}, asked)["r"]
    cropped = pyradiomics.features(image[10:80, 10:80, 10:80], {"r": PlacedMask(cube, (30, 30, 30))}, asked)["r"]
    assert cropped == pytest.approx(whole, abs=0.01)
    short = pyradiomics.features(image[34:56, 34:56, 34:56], {"r": PlacedMask(cube, (6, 6, 6))}, asked)["r"]
    assert short != pytest.approx(whole, abs=1.0)


def test_the_margin_is_that_of_the_filter_that_looks_furthest(pyradiomics: Backend) -> None:
    spacing = (1.0, 2.0, 5.0)
    assert pyradiomics.margin(parameters(), spacing).tolist() == [0, 0, 0]
    both = parameters(imageType={"Wavelet": {"wavelet": "coif1"}, "LoG": {"sigma": [1, 2.0]}})
    assert pyradiomics.margin(both, spacing).tolist() == [20, 10, 7]  # coif1 has 6 taps


@pytest.mark.parametrize(("range_hu", "known"), [(25_000.0, True), (25_025.0, False)])
def test_a_wild_voxel_costs_values_not_memory(pyradiomics: Backend, range_hu: float, known: bool) -> None:
    values = np.random.default_rng(3).normal(0, 5, (8, 8, 8))
    values[4, 4, 4] = values.min() + range_hu
    mask = PlacedMask(np.ones(values.shape, bool), (0, 0, 0))
    asked = parameters(setting={"binWidth": 25}, featureClass={"shape": ["VoxelVolume"], "firstorder": ["Maximum"]})
    found = pyradiomics.features(sitk.GetImageFromArray(values), {"r": mask}, asked)["r"]
    assert found["original_shape_VoxelVolume"] == 512
    assert ("original_firstorder_Maximum" in found) == known


def test_only_the_named_features_are_computed(pyradiomics: Backend) -> None:
    asked = parameters(featureClass={"shape": ["MeshVolume"], "glcm": ["Contrast", "Idm"]})
    assert pyradiomics.feature_names(asked) == ("original_shape_MeshVolume", "original_glcm_Contrast", "original_glcm_Idm")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"featureClass": {"glcm": ["Kontrast"]}}, "glcm has no feature 'Kontrast'; known ones are Autocorrelation"),
        ({"imageType": {"Wavelet": {"wavelet": "coif99"}}}, "No wavelet 'coif99'; known ones are"),
    ],
)
def test_what_pyradiomics_does_not_know_is_refused(pyradiomics: Backend, content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pyradiomics.feature_names(parameters(**content))


def test_pyradiomics_says_nothing(pyradiomics: Backend, two_balls: TwoBalls, caplog: pytest.LogCaptureFixture) -> None:
    scan = two_balls()
    pyradiomics.features(sitk.Cast(scan.image, sitk.sitkFloat64), {"t": region(scan, Label.TUMOUR)}, parameters())
    assert caplog.records == []


def test_an_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="No extraction backend 'mirp'; known ones are numba, pyradiomics"):
        load_backend("mirp")


def test_a_missing_pyradiomics_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(radiomics_cfg.backends.backend, "import_module", fail)
    with pytest.raises(InputError, match=r"cannot be loaded: No module .*on Python 3\.11 add its extra: `uv sync --extra pyr"):
        load_backend("pyradiomics")
    with pytest.raises(InputError, match=r"cannot be loaded: No module named 'radiomics_cfg.backends.native'$"):
        load_backend("numba")
