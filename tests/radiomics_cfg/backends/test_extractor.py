# Also of: radiomics_cfg.backends.as_pyradiomics, radiomics_cfg.backends.canonical, radiomics_cfg.backends.parameters,
# radiomics_cfg.backends.volumes.

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg import Extractor
from radiomics_cfg.backends.backend import Backend
from radiomics_cfg.backends.parameters import DEFAULTS
from radiomics_cfg.cases.measure import feature_columns, measure_case
from radiomics_cfg.engine.region import CLASSES
from radiomics_cfg.preset import Parameters, Preset, RegionRules, Scale

TwoBalls = Callable[..., Scan]
Pair = tuple[sitk.Image, sitk.Image]

MODES = ("pyradiomics", "canonical")
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
PERMUTED = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0)
FILTERS = {
    "Original": {},
    "Wavelet": {},
    "LoG": {"sigma": [1.5, 3]},
    "Square": {},
    "SquareRoot": {},
    "Logarithm": {},
    "Exponential": {"binWidth": 4},
    "Gradient": {"gradientUseSpacing": False},
}


def is_diagnostic(name: str) -> bool:
    return name.startswith("diagnostics_")


def features_of(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if not is_diagnostic(name)}


def assert_same(ours: dict[str, Any], theirs: dict[str, Any], disagreements: Any) -> None:
    """Check names and their order, diagnostics, and values."""
    assert list(ours) == list(theirs)
    for name in filter(is_diagnostic, ours):
        if "_Versions_" in name:
            continue
        if isinstance(theirs[name], str | dict):
            assert ours[name] == theirs[name], name
        else:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-12, abs=1e-9), name
    assert disagreements(features_of(ours), features_of(theirs)) == {}


@pytest.fixture
def lesion(volume: Any) -> Callable[..., Pair]:
    """Make a volume of noise around 60 HU with a brighter ball, label 1, and a part of it that is label 2."""

    def make(
        *,
        kind: str = "i2",
        direction: tuple[float, ...] = IDENTITY,
        spacing: tuple[float, float, float] = (0.8, 0.7, 2.5),
        size: tuple[int, int, int] = (13, 25, 23),
        slices: slice = slice(None),
    ) -> Pair:
        rng = np.random.default_rng(0)
        z, y, x = np.meshgrid(*[np.linspace(-1.6, 1.6, n) for n in size], indexing="ij")
        ball = z**2 + y**2 + x**2 <= 1
        values = 60 + rng.normal(0, 30, size) + 60 * ball
        labels = ball.astype(np.uint8)
        labels[(x > 0.5) & ball] = 2
        kept = np.zeros(size[0], bool)
        kept[slices] = True
        labels[~kept] = 0
        return volume(values.round().astype(kind), spacing, direction), volume(labels, spacing, direction)

    return make


# Parity


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"imageType": FILTERS},
        {"imageType": {"Wavelet": {"level": 2}, "LoG": {"sigma": [2.0], "binWidth": 4}}, "setting": {"binWidth": 10}},
        {"imageType": {"Wavelet": {"start_level": 1, "wavelet": "db2"}}, "setting": {"binCount": 16}},
        {
            "setting": {"resampledPixelSpacing": [1, 1, 1]},
            "imageType": {"Original": {}, "Wavelet": {}, "LoG": {"sigma": [1.0]}},
        },
        {"setting": {"resampledPixelSpacing": [2, 2, 2], "padDistance": 2, "interpolator": "sitkLinear"}},
        {"setting": {"resampledPixelSpacing": [0, 0, 1.0], "padDistance": 0}},
        {"setting": {"resampledPixelSpacing": [0.8, 0.7, 2.5]}, "imageType": {"LoG": {"sigma": [2.0]}}},
        {"setting": {"resampledPixelSpacing": [1, 1, 1], "interpolator": None}},
        {"setting": {"preCrop": True, "padDistance": 3}, "imageType": FILTERS},
        {"imageType": {"Original": {}, "LoG": {"sigma": [2.0], "distances": [2]}, "Square": {"force2D": True}}},
        {"setting": {"normalize": True, "normalizeScale": 100, "binWidth": 5}},
        {"setting": {"normalize": True, "normalizeScale": 100, "removeOutliers": 2, "resampledPixelSpacing": [1, 1, 1]}},
        {"setting": {"resegmentRange": [80, 140]}},
        {"setting": {"resegmentRange": [80, 140], "resegmentShape": True}},
        {"setting": {"resegmentRange": [0.4], "resegmentMode": "relative"}},
        {"setting": {"resegmentRange": [-1, 1], "resegmentMode": "sigma", "resampledPixelSpacing": [1, 1, 1]}},
        {"setting": {"resegmentRange": [-1, 1], "resegmentMode": "sigma", "resegmentShape": True}, "imageType": FILTERS},
        {"setting": {"force2D": True}, "imageType": {"Original": {}, "Wavelet": {}}},
        {
            "setting": {"force2D": True, "force2Ddimension": 2, "distances": [1, 2]},
            "imageType": {"Original": {}, "Wavelet": {}},
        },
        {"setting": {"symmetricalGLCM": False, "weightingNorm": "euclidean", "gldm_a": 1, "voxelArrayShift": 300}},
        {"setting": {"label": 2, "minimumROIDimensions": 3, "minimumROISize": 20}},
        {"setting": {"geometryTolerance": 1e-3}},
        {"featureClass": {"ngtdm": [], "shape": ["Sphericity", "Compactness2"], "firstorder": ["StandardDeviation", "Mean"]}},
        {"featureClass": {"glcm": ["Contrast", "SumVariance"], "gldm": ["DependencePercentage"]}},
    ],
    ids=lambda content: json.dumps(content)[1:60],
)
def test_the_whole_extraction_is_pyradiomics(
    oracle: Any, disagreements: Any, lesion: Callable[..., Pair], content: dict[str, Any]
) -> None:
    image, mask = lesion()
    assert_same(Extractor(content).execute(image, mask), oracle.extract(content, image, mask), disagreements)


@pytest.mark.parametrize("direction", [IDENTITY, PERMUTED], ids=["identity", "permuted"])
@pytest.mark.parametrize("kind", ["u2", "f4", "f8"])
def test_any_voxel_type_and_direction_is_pyradiomics(
    oracle: Any, disagreements: Any, lesion: Callable[..., Pair], kind: str, direction: tuple[float, ...]
) -> None:
    image, mask = lesion(kind=kind, direction=direction) if kind != "u2" else lesion(direction=direction)
    image = sitk.Cast(image + 1000, sitk.sitkUInt16) if kind == "u2" else image
    content = {"imageType": FILTERS, "setting": {"resampledPixelSpacing": [2, 2, 2]}}
    assert_same(Extractor(content).execute(image, mask), oracle.extract(content, image, mask), disagreements)


@pytest.mark.parametrize("spacing", [None, [1, 1, 1]])
def test_one_slice_is_pyradiomics(
    oracle: Any, disagreements: Any, lesion: Callable[..., Pair], spacing: list[int] | None
) -> None:
    image, mask = lesion(slices=slice(6, 7))
    content = {"imageType": FILTERS, "setting": {"resampledPixelSpacing": spacing}}
    found = Extractor(content).execute(image, mask)
    assert_same(found, oracle.extract(content, image, mask), disagreements)
    assert found["original_shape_LeastAxisLength"] == pytest.approx(0.0, abs=1e-6)


def test_a_uniform_region_is_pyradiomics(oracle: Any, disagreements: Any, volume: Any, lesion: Callable[..., Pair]) -> None:
    _, mask = lesion()
    image = volume(np.full(mask.GetSize()[::-1], 40, np.int16), mask.GetSpacing())
    found = Extractor().execute(image, mask)
    assert_same(found, oracle.extract({}, image, mask), disagreements)
    assert found["original_glcm_Correlation"] == found["original_glcm_MCC"] == 1.0


def test_a_mask_that_is_full_is_measured_though_pyradiomics_takes_it_for_empty(
    oracle: Any, disagreements: Any, lesion: Callable[..., Pair], volume: Any
) -> None:
    image, _ = lesion()
    image = image[8:16, 8:16, 4:9]
    full = volume(np.ones(image.GetSize()[::-1], np.uint8), image.GetSpacing())
    full.CopyInformation(image)
    with pytest.raises(ValueError, match="No labels found"):
        oracle.extract({}, image, full)
    content = {"setting": {"additionalInfo": False}}
    padded = [sitk.ConstantPad(part, [1, 1, 1], [1, 1, 1], 0) for part in (image, full)]
    assert disagreements(Extractor(content).execute(image, full), oracle.extract(content, *padded)) == {}


def test_texture_across_a_line_is_undefined_where_pyradiomics_fails(oracle: Any, volume: Any) -> None:
    inside = np.zeros((3, 4, 6), bool)
    inside[1, 2, 1:5] = True
    image, mask = volume(np.arange(72, dtype=np.int16).reshape(3, 4, 6) * 9), volume(inside)
    content = {"setting": {"force2D": True, "force2Ddimension": 2, "minimumROIDimensions": 1}}
    with pytest.raises(RuntimeError, match="angle count"):
        oracle.extract(content, image, mask)
    found = Extractor(content).execute(image, mask)
    assert np.isnan(found["original_glcm_Contrast"])
    assert np.isnan(found["original_glrlm_RunEntropy"])
    assert np.isfinite(found["original_firstorder_Entropy"])


def test_a_mask_on_another_grid_is_pyradiomics_where_it_may_be_corrected(
    oracle: Any, disagreements: Any, lesion: Callable[..., Pair]
) -> None:
    image, mask = lesion()
    content = {"setting": {"correctMask": True}}
    part = mask[2:21, 1:24, 1:12]
    found = Extractor(content).execute(image, part)
    assert_same(found, oracle.extract(content, image, part), disagreements)
    assert found["diagnostics_Mask-corrected_Size"] == image.GetSize()


def test_a_channel_of_a_mask_is_pyradiomics(oracle: Any, disagreements: Any, lesion: Callable[..., Pair]) -> None:
    image, mask = lesion()
    both = sitk.Compose(mask * 0, sitk.Cast(mask == 2, sitk.sitkUInt8))
    content = {"setting": {"label_channel": 1}}
    theirs = oracle.extract(content, image, both)
    assert_same(Extractor(content).execute(image, both), theirs, disagreements)
    by_argument = Extractor().execute(image, both, label_channel=1)
    assert features_of(by_argument) == features_of(Extractor(content).execute(image, both))


def test_a_label_by_argument_is_pyradiomics(oracle: Any, disagreements: Any, lesion: Callable[..., Pair]) -> None:
    image, mask = lesion()
    assert_same(Extractor().execute(image, mask, 2), oracle.extract({}, image, mask, label=2), disagreements)


def small_volumes() -> st.SearchStrategy[tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]]:
    """Volumes of up to 12 voxels a side with a random region of at least two; not of 2 voxels, where ITK's spline fails."""
    return st.builds(
        make_small_volume,
        seed=st.integers(0, 2**32 - 1),
        size=st.tuples(*[st.sampled_from([1, 3, 4, 5, 7, 8, 12])] * 3).filter(lambda size: np.prod(size) > 3),
        share=st.sampled_from([0.1, 0.5, 0.9]),
        kind=st.sampled_from(["i2", "f4", "f8"]),
        spread=st.sampled_from([0.0, 5.0, 40.0, 200.0]),
    )


def make_small_volume(
    seed: int, size: tuple[int, int, int], share: float, kind: str, spread: float
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(30, spread, size)
    inside = rng.random(size) < share
    inside.ravel()[rng.choice(inside.size, 3, replace=False)] = [True, True, False]  # PyRadiomics refuses a mask that is full
    return (values.round() if kind == "i2" else values).astype(kind), inside


small_settings = st.fixed_dictionaries(
    {"minimumROIDimensions": st.just(1)},
    optional={
        "binWidth": st.sampled_from([10, 25, 0.5]),
        "binCount": st.sampled_from([4, 16]),
        "resampledPixelSpacing": st.tuples(*[st.sampled_from([0, 0.75, 1, 2])] * 3).map(list),
        "padDistance": st.sampled_from([0, 5]),
        "distances": st.sampled_from([[1], [2], [1, 2]]),
        "force2D": st.booleans(),
        "gldm_a": st.integers(0, 2),
        "preCrop": st.booleans(),
    },
).filter(lambda known: "binCount" in known or known.get("binWidth") != 0.5)
small_filters = st.sampled_from([{"Original": {}}, {"Wavelet": {}}, {"LoG": {"sigma": [1.0]}, "Gradient": {}}])
spacings = st.tuples(*[st.sampled_from([0.5, 0.7, 1.0, 1.5, 3.0, 5.0])] * 3)


@settings(derandomize=True, deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=small_volumes(), spacing=spacings, setting=small_settings, filters=small_filters)
def test_any_small_volume_is_pyradiomics(
    oracle: Any, disagreements: Any, volume: Any, drawn: Any, spacing: Any, setting: dict[str, Any], filters: dict[str, Any]
) -> None:
    values, inside = drawn
    image, mask = volume(values, spacing), volume(inside, spacing)
    content = {"setting": setting, "imageType": filters}
    try:
        theirs = oracle.extract(content, image, mask)
    except (ValueError, RuntimeError) as error:
        if "angle count" in str(error):  # a line across the slices, which has a test of its own
            return
        with pytest.raises(InputError):  # no label is left after resampling, or a range that is rounding is to be parted
            Extractor(content).execute(image, mask)
        return
    assert_same(Extractor(content).execute(image, mask), theirs, disagreements)


# Calls


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz"])
def test_files_and_images_give_the_same(lesion: Callable[..., Pair], tmp_path: Path, suffix: str) -> None:
    image, mask = lesion()
    paths = [tmp_path / f"{name}.{suffix}" for name in ("image", "mask")]
    for volume, path in zip((image, mask), paths, strict=True):
        sitk.WriteImage(volume, str(path))
    extractor = Extractor()
    for label in (1, 2):  # the second time from what was read the first
        by_path = extractor.execute(paths[0], str(paths[1]), label=label)
        by_image = Extractor().execute(*(sitk.ReadImage(str(path)) for path in paths), label=label)
        assert by_path == by_image


SUFFIXES = ("nrrd", "nii.gz", "nii", "NII.GZ", "mha")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("value", "code"), [(np.nan, "nan"), (np.inf, "inf")])
def test_what_a_reader_hides_is_refused_in_every_format(
    lesion: Callable[..., Pair], tmp_path: Path, suffix: str, value: float, code: str
) -> None:
    image, mask = with_voxel(value)(lesion())
    paths = [tmp_path / f"{name}.{suffix.lower()}" for name in ("image", "mask")]
    for volume, path in zip((image, mask), paths, strict=True):
        sitk.WriteImage(volume, str(path))
    paths = [path.rename(path.with_name(f"{path.name.split('.')[0]}_.{suffix}")) for path in paths]
    with pytest.raises(CaseRefused) as refused:
        Extractor().execute(*paths)
    assert refused.value.code == code
    sitk.WriteImage(lesion()[0], str(tmp_path / "whole.nii.gz"))
    paths[1].write_bytes(paths[1].read_bytes()[:-200])
    with pytest.raises(CaseRefused) as refused:
        Extractor().execute(tmp_path / "whole.nii.gz", paths[1])
    assert refused.value.code == "unreadable"


def test_voxels_of_a_pair_that_changed_are_read_anew(lesion: Callable[..., Pair], tmp_path: Path) -> None:
    image, mask = lesion()
    extractor = Extractor({"featureClass": {"firstorder": ["Mean"]}})
    means = []
    for shift in (0.0, 100.0):
        sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat64) + shift, str(tmp_path / "image.mhd"))
        os.utime(tmp_path / "image.mhd", ns=(0, 0))
        os.utime(tmp_path / "image.raw", ns=(int(shift), int(shift)))
        means.append(extractor.execute(tmp_path / "image.mhd", mask)["original_firstorder_Mean"])
    assert means[1] - means[0] == pytest.approx(100)


@pytest.mark.parametrize(("off", "code"), [(2.5e-9, None), (4.9e-4, None), (5.1e-4, "mask-fraction"), (0.4, "mask-fraction")])
def test_a_mask_of_floats_a_hair_off_is_measured_as_labels(lesion: Callable[..., Pair], off: float, code: str | None) -> None:
    image, mask = lesion()  # whose labels are 1 and 2
    floats = sitk.Cast(mask, sitk.sitkFloat64) * (1 - off)
    if code is None:
        shape = {"featureClass": {"shape": ["VoxelVolume"]}}
        found, known = (Extractor(shape).execute(image, one)["original_shape_VoxelVolume"] for one in (floats, mask))
        assert found == known
        return
    with pytest.raises(CaseRefused) as refused:
        Extractor().execute(image, floats)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda mask: mask.SetOrigin([a + 1e-4 for a in mask.GetOrigin()]), "its origin is off by up to 0.0001 mm;"),
        (lambda mask: mask.SetSpacing((0.8, 0.7, 2.501)), "its spacing is off by up to 0.001 mm;"),
        (
            lambda mask: mask.SetDirection((1, 1e-4, 0, -1e-4, 1, 0, 0, 0, 1)),
            "its direction is off by up to 0.0001 in",
        ),
    ],
)
def test_the_message_says_what_of_two_grids_differs(
    lesion: Callable[..., Pair], change: Callable[[sitk.Image], None], words: str
) -> None:
    image, mask = lesion()
    change(mask)
    with pytest.raises(CaseRefused, match="mask-geometry") as refused:
        Extractor().execute(image, mask)
    assert words in refused.value.reason


def test_a_small_shear_of_a_file_is_warned_of(lesion: Callable[..., Pair], tmp_path: Path) -> None:
    image, mask = lesion()
    image.SetDirection((1, 0, 0, 0, 1, 5e-4, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    mask.SetDirection((1, 0, 0, 0, 1, 2.5e-4, 0, -2.5e-4, 1))
    with pytest.warns(UserWarning, match="nearest right-angled grid"):
        Extractor(geometryTolerance=1e-3, additionalInfo=False).execute(tmp_path / "image.nrrd", mask)


def test_a_file_that_changed_is_read_anew(lesion: Callable[..., Pair], tmp_path: Path) -> None:
    image, mask = lesion()
    path = tmp_path / "image.nrrd"
    extractor = Extractor({"featureClass": {"firstorder": ["Mean"]}})
    means = []
    for shift in (0, 100):
        sitk.WriteImage(sitk.Cast(image + shift, (sitk.sitkInt16, sitk.sitkInt32)[shift > 0]), str(path))
        means.append(extractor.execute(path, mask)["original_firstorder_Mean"])
    assert means[1] - means[0] == pytest.approx(100)


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_parameter_file_and_its_content_give_the_same(lesion: Callable[..., Pair], tmp_path: Path, suffix: str) -> None:
    content = {
        "setting": {"binWidth": 10, "additionalInfo": False},
        "imageType": {"Original": {}, "LoG": {"sigma": [2.0]}},
        "featureClass": {"firstorder": None, "glcm": ["Contrast"]},
    }
    file = tmp_path / f"params.{suffix}"
    file.write_text(yaml.safe_dump(content, sort_keys=False) if suffix == "yaml" else json.dumps(content), encoding="utf-8")
    found = Extractor(file).execute(*lesion())
    assert found == Extractor(content).execute(*lesion()) == Extractor(str(file)).execute(*lesion())
    assert list(found)[-1] == "log-sigma-2-0-mm-3D_glcm_Contrast"


def test_settings_by_keyword_go_before_those_of_the_file(lesion: Callable[..., Pair]) -> None:
    content = {"setting": {"binWidth": 10, "additionalInfo": False}, "featureClass": {"firstorder": ["Entropy"]}}
    coarse = Extractor(content, binWidth=50)
    assert coarse.settings["binWidth"] == 50
    entropies = [extractor.execute(*lesion())["original_firstorder_Entropy"] for extractor in (coarse, Extractor(content))]
    assert entropies[0] < entropies[1]


def test_the_content_that_was_given_is_left_alone(lesion: Callable[..., Pair]) -> None:
    content = {"setting": {"binWidth": 10}, "imageType": {"Original": {}}, "featureClass": {"firstorder": ["Mean"]}}
    before = json.dumps(content)
    extractor = Extractor(content)
    extractor.enableImageTypeByName("Wavelet")
    extractor.enableFeaturesByName(glcm=["Contrast"])
    extractor.addProvenance(False)
    extractor.execute(*lesion(), label=2)
    assert json.dumps(content) == before
    assert extractor.settings["label"] == 1


def test_defaults_are_pyradiomics(oracle: Any) -> None:
    theirs = oracle.module.featureextractor.RadiomicsFeatureExtractor()
    ours = Extractor()
    assert ours.settings == theirs.settings == DEFAULTS
    assert list(ours.settings) == list(theirs.settings)
    assert ours.enabledImagetypes == theirs.enabledImagetypes
    assert list(ours.enabledFeatures.items()) == list(theirs.enabledFeatures.items())


Calls = list[tuple[str, tuple[Any, ...], dict[str, Any]]]


@pytest.mark.parametrize(
    "calls",
    [
        [("addProvenance", (False,), {}), ("addProvenance", (), {})],
        [("disableAllImageTypes", (), {}), ("enableImageTypeByName", ("LoG", True, {"sigma": [2.0]}), {})],
        [("enableImageTypeByName", ("Wavelet",), {}), ("enableImageTypeByName", ("Original", False), {})],
        [("enableImageTypeByName", ("Wavelet", False), {})],
        [("disableAllFeatures", (), {}), ("enableFeaturesByName", (), {"glcm": ["Contrast"], "firstorder": []})],
        [("enableFeaturesByName", (), {"glcm": ["Contrast"]})],
        [("disableAllFeatures", (), {}), ("enableFeatureClassByName", ("ngtdm",), {})],
        [("enableFeatureClassByName", ("glcm", False), {}), ("enableFeatureClassByName", ("glcm",), {})],
        [("enableImageTypes", (), {"LoG": {"sigma": [2.0]}})],
        [("enableImageTypeByName", ("Wavelet",), {}), ("enableImageTypeByName", ("Original",), {})],
        [("enableFeatureClassByName", ("glcm",), {})],
    ],
    ids=lambda calls: "-".join(call[0] for call in calls),
)
def test_calls_do_what_they_do_in_pyradiomics(oracle: Any, calls: Calls) -> None:
    ours, theirs = Extractor(), oracle.module.featureextractor.RadiomicsFeatureExtractor()
    for extractor in (ours, theirs):
        for name, arguments, keywords in calls:
            getattr(extractor, name)(*arguments, **keywords)
    theirs.enabledFeatures.pop("shape2D", None)
    assert ours.settings == theirs.settings
    assert list(ours.enabledImagetypes.items()) == list(theirs.enabledImagetypes.items())
    assert list(ours.enabledFeatures.items()) == list(theirs.enabledFeatures.items())


def test_everything_can_be_enabled(oracle: Any) -> None:
    ours, theirs = Extractor(), oracle.module.featureextractor.RadiomicsFeatureExtractor()
    for extractor in (ours, theirs):
        extractor.disableAllFeatures()
        extractor.enableAllFeatures()
        extractor.enableAllImageTypes()
    assert set(theirs.enabledImagetypes) - set(ours.enabledImagetypes) == {"LBP2D"}
    assert set(theirs.enabledFeatures) - set(ours.enabledFeatures) == {"shape2D"}


def test_without_provenance_there_are_features_only(lesion: Callable[..., Pair]) -> None:
    extractor = Extractor()
    extractor.addProvenance(False)
    found = extractor.execute(*lesion())
    assert len(found) == sum(len(known.names()) for known in CLASSES.values()) == 107
    assert not any(map(is_diagnostic, found))


def test_diagnostics_tell_who_computed_and_in_which_mode(lesion: Callable[..., Pair]) -> None:
    found = Extractor().execute(*lesion())
    assert found["diagnostics_Versions_PyRadiomics"].startswith("3.0.1 by ccrcc-radiomics ")
    assert "diagnostics_Configuration_Mode" not in found
    told = Extractor(mode="canonical").execute(*lesion())
    assert told["diagnostics_Configuration_Mode"] == "canonical"
    assert told["diagnostics_Configuration_Orientation"] == "LPS"


# What cannot be used


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"setting": {"binwidth": 5}}, "No setting 'binwidth'; known ones are additionalInfo, binCount, binWidth"),
        ({"imageType": {"LoG": {"sigmas": [1]}}}, "No setting 'sigmas'; known ones are"),
        ({"imageType": {"LBP2D": {}}}, "No image type 'LBP2D'; known ones are Original, Wavelet, LoG"),
        ({"featureClass": {"glcm": ["Kontrast"]}}, "glcm has no feature 'Kontrast'; known ones are Autocorrelation"),
        ({"featureClass": {"shape2D": None}}, "No feature class 'shape2D'; known ones are firstorder, glcm"),
        ({"settings": {}}, "Parameters have the keys featureClass, imageType, setting; found settings"),
        (
            {"voxelSetting": {"kernelRadius": 2}},
            "Parameters have the keys featureClass, imageType, setting; found voxelSetting",
        ),
    ],
)
def test_what_is_unknown_lists_what_is_known(content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Extractor(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"setting": {"binWidth": 0}}, "binWidth: Input should be greater than 0; found 0"),
        ({"setting": {"binWidth": "wide"}}, "binWidth: .*; found 'wide'"),
        ({"setting": {"binCount": 0}}, "binCount: "),
        ({"setting": {"distances": 1}}, "distances: "),
        ({"setting": {"distances": []}}, "distances: "),
        ({"setting": {"force2D": True, "force2Ddimension": 3}}, "force2Ddimension: "),
        ({"setting": {"weightingNorm": "euclidian"}}, "weightingNorm: Input should be 'manhattan', 'euclidean', "),
        ({"imageType": {"LoG": {"sigma": 3}}}, "sigma: "),
        ({"imageType": ["Original"]}, "imageType maps image types to their settings; found"),
        ({"featureClass": ["glcm"]}, "featureClass maps classes to their features"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Extractor(content)


def test_a_number_that_yaml_takes_for_text_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("setting: {binWidth: 1e-1}", encoding="utf-8")  # YAML 1.1 wants 1.0e-1
    assert Extractor(tmp_path / "params.yaml").settings["binWidth"] == 0.1


def test_what_one_extractor_is_told_no_other_hears(lesion: Callable[..., Pair]) -> None:
    extractor = Extractor()
    found = extractor.execute(*lesion())
    extractor.settings["distances"].append(2)
    extractor.enableImageTypeByName("Square")
    assert Extractor().settings["distances"] == [1]
    assert found["diagnostics_Configuration_EnabledImageTypes"] == {"Original": {}}


def test_a_call_that_is_refused_changes_nothing() -> None:
    extractor = Extractor()
    with pytest.raises(InputError):
        extractor.enableImageTypeByName("LoG", customArgs={"sigma": 3})
    assert extractor.enabledImagetypes == {"Original": {}}


def test_an_unknown_mode_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="No mode 'ibsi'; known ones are canonical, pyradiomics"):
        Extractor(mode="ibsi")  # type: ignore[arg-type]


def test_what_is_unknown_is_refused_by_calls_too() -> None:
    extractor = Extractor()
    for call in (
        lambda: extractor.enableImageTypeByName("Wavelets"),
        lambda: extractor.enableImageTypes(Wavelets={}),
        lambda: extractor.enableFeatureClassByName("glcmm"),
        lambda: extractor.enableFeaturesByName(glcm=["Kontrast"]),
    ):
        with pytest.raises(InputError, match="known ones are"):
            call()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No parameter file at"),
        ("setting: [", "is not readable YAML"),
        ("- 1", "Parameters have the keys featureClass, imageType, setting; found 1"),
        ("", None),  # an empty file asks for the defaults
        ("1", "Parameters have the keys featureClass, imageType, setting; found 1"),
    ],
)
def test_a_parameter_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, message: str | None) -> None:
    file = tmp_path / "params.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    if message is None:
        assert Extractor(file).settings == DEFAULTS
        return
    with pytest.raises(InputError, match=message):
        Extractor(file)


def with_voxel(value: float, *, at: tuple[int, int, int] = (6, 12, 11)) -> Callable[[Pair], Pair]:
    """Return a change to a lesion: one voxel, inside its region by default, has another value."""

    def change(pair: Pair) -> Pair:
        image = sitk.Cast(pair[0], sitk.sitkFloat64)
        image[at[::-1]] = value
        return image, pair[1]

    return change


def with_mask(change: Callable[[sitk.Image], sitk.Image]) -> Callable[[Pair], Pair]:
    return lambda pair: (pair[0], change(pair[1]))


def moved(mask: sitk.Image) -> sitk.Image:
    mask.SetOrigin([a + 3 for a in mask.GetOrigin()])
    return mask


def stretched(mask: sitk.Image) -> sitk.Image:
    mask.SetSpacing((0.8, 0.7, 5.0))
    return mask


def turned(mask: sitk.Image) -> sitk.Image:
    mask.SetDirection(PERMUTED)
    return mask


def one_voxel(mask: sitk.Image) -> sitk.Image:
    mask = mask * 0
    mask[11, 12, 6] = 1
    return mask


def bright(pair: Pair) -> Pair:
    return sitk.Compose(pair[0], pair[0], pair[0]), pair[1]


BAD: dict[str, tuple[Callable[[Pair], Pair], str, str]] = {
    "nan": (with_voxel(np.nan), "nan", "1 voxel"),
    "inf": (with_voxel(np.inf), "inf", "1 voxel"),
    "minus-inf": (with_voxel(-np.inf), "inf", "1 voxel"),
    "no-label": (with_mask(lambda mask: mask * 0), "label-absent", "no voxel of label 1"),
    "other-label": (with_mask(lambda mask: mask * 5), "label-absent", "no voxel of label 1"),
    "moved-mask": (with_mask(moved), "mask-geometry", "grid"),
    "stretched-mask": (with_mask(stretched), "mask-geometry", "grid"),
    "turned-mask": (with_mask(turned), "mask-geometry", "grid"),
    "smaller-mask": (with_mask(lambda mask: mask[:20]), "mask-geometry", "the mask"),
    "one-voxel": (with_mask(one_voxel), "roi-dimensions", "one voxel"),
    "flat-image": (lambda pair: (pair[0][:, :, 6], pair[1]), "not-3d", "the image has 2 dimensions; 3 are needed"),
    "flat-mask": (lambda pair: (pair[0], pair[1][:, :, 6]), "not-3d", "the mask has 2 dimensions; 3 are needed"),
    "colours": (bright, "not-scalar", "the image has 3"),
}
"""For each bad input what is done to a lesion, the code that refuses it, and words of the reason."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_a_code_and_a_line(lesion: Callable[..., Pair], mode: Any, name: str) -> None:
    change, code, words = BAD[name]
    with pytest.raises(CaseRefused, match=words) as refused:
        Extractor(mode=mode).execute(*change(lesion()))
    assert refused.value.code == code
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mode", MODES)
def test_an_unchanged_lesion_is_measured(lesion: Callable[..., Pair], mode: Any) -> None:
    found = features_of(Extractor(mode=mode).execute(*lesion()))
    assert len(found) == 107
    assert np.isfinite(list(found.values())).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_are_looked_for_in_the_whole_image_that_is_filtered(lesion: Callable[..., Pair], value: float) -> None:
    pair = with_voxel(value, at=(0, 0, 0))(lesion())
    with pytest.raises(CaseRefused, match="1 voxel"):
        Extractor().execute(*pair)
    found = Extractor(preCrop=True, padDistance=1).execute(*pair)  # which leaves the corner out
    assert np.isfinite(list(features_of(found).values())).all()


def test_a_resampled_nan_is_refused(lesion: Callable[..., Pair]) -> None:
    with pytest.raises(CaseRefused) as refused:
        Extractor(resampledPixelSpacing=[1, 1, 1]).execute(*with_voxel(np.nan)(lesion()))
    assert refused.value.code == "nan"


def test_a_resampled_inf_is_refused_as_such(lesion: Callable[..., Pair]) -> None:
    with pytest.raises(CaseRefused) as refused:
        Extractor(resampledPixelSpacing=[1, 1, 1]).execute(*with_voxel(np.inf)(lesion()))
    assert refused.value.code == "inf"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("settings", [{}, {"binCount": 64}])
def test_an_absurd_voxel_does_not_take_the_memory(lesion: Callable[..., Pair], mode: Any, settings: dict[str, int]) -> None:
    pair = with_voxel(1e6)(lesion())
    extractor = Extractor(mode=mode, **settings)
    extractor.execute(*lesion())  # compiles
    tracemalloc.start()
    try:
        found = extractor.execute(*pair)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found["original_firstorder_Maximum"] == 1e6
    assert peak < 300e6  # PyRadiomics would take 166 GB for the co-occurrences of 40 001 levels


def test_wrapped_hu_are_measured_as_the_numbers_that_they_are(lesion: Callable[..., Pair]) -> None:
    image, mask = lesion()
    wrapped = sitk.GetImageFromArray(sitk.GetArrayFromImage(image - 130).astype(np.uint16))  # -1 HU comes out as 65 535
    wrapped.CopyInformation(image)
    found = features_of(Extractor().execute(wrapped, mask))
    assert found["original_firstorder_Maximum"] > 65_000
    assert found == pytest.approx(features_of(Extractor().execute(sitk.Cast(wrapped, sitk.sitkFloat64), mask)))


@pytest.mark.parametrize(("levels", "known"), [(1000, True), (1001, False)])
def test_more_than_a_thousand_grey_levels_are_refused(volume: Any, levels: int, known: bool) -> None:
    inside = np.ones((12, 12, 12), bool)
    inside[:, :, 11] = False
    values = np.zeros(inside.shape)
    values[inside] = 25.0 * (np.arange(inside.sum()) % levels)
    image, mask = volume(values), volume(inside)
    content = {"featureClass": {"firstorder": ["Maximum"]}}
    if known:
        assert Extractor(content).execute(image, mask)["original_firstorder_Maximum"] == 25 * (levels - 1)
        return
    with pytest.raises(CaseRefused, match="1001 grey levels in one region; at most 1000") as refused:
        Extractor(content).execute(image, mask)
    assert refused.value.code == "grey-levels"


@pytest.mark.parametrize(("settings", "code"), [({}, "roi-dimensions"), ({"minimumROISize": 2}, "roi-size")])
def test_a_resegmented_region_needs_its_dimensions_and_voxels_too(volume: Any, settings: dict[str, Any], code: str) -> None:
    values = np.zeros((4, 4, 4), np.int16)
    values[1, 1, 1:3] = 100
    inside = np.ones(values.shape, bool)
    inside[0, 0, 0] = False
    setting = {"resegmentRange": [50], **({"minimumROIDimensions": 1} if settings else {}), **settings}
    with pytest.raises(CaseRefused) as refused:
        Extractor({"setting": setting}).execute(volume(values), volume(inside))
    assert refused.value.code == code


@pytest.mark.parametrize("kind", ["Square", "SquareRoot", "Logarithm", "Exponential"])
def test_an_image_of_zeros_is_scaled_by_1(volume: Any, lesion: Callable[..., Pair], kind: str) -> None:
    _, mask = lesion()
    image = volume(np.zeros(mask.GetSize()[::-1]), mask.GetSpacing())
    found = Extractor({"imageType": {kind: {}}}).execute(image, mask)
    assert found[f"{kind.lower()}_firstorder_Mean"] == (1.0 if kind == "Exponential" else 0.0)


def test_samples_without_a_spread_have_the_kurtosis_that_scipy_gave_them(volume: Any, lesion: Callable[..., Pair]) -> None:
    _, mask = lesion()
    image = volume(np.full(mask.GetSize()[::-1], 7.0), mask.GetSpacing())
    found = Extractor({"imageType": {"LBP3D": {}}}).execute(image, mask)
    assert found["lbp-3D-k_firstorder_Mean"] == -3.0  # SciPy before 1.9, of PyRadiomics 3.0.1's time


def test_a_range_that_is_rounding_does_not_hold_16_bins(volume: Any, lesion: Callable[..., Pair]) -> None:
    _, mask = lesion()
    values = np.full(mask.GetSize()[::-1], 100.0)
    values[6, 12, 11] = np.nextafter(100.0, 200.0)
    with pytest.raises(CaseRefused, match="16 bins do not fit between 100 and 100") as refused:
        Extractor(binCount=16).execute(volume(values, mask.GetSpacing()), mask)
    assert refused.value.code == "grey-levels"


@pytest.mark.parametrize("what", ["image", "mask"])
@pytest.mark.parametrize(("content", "words"), [(None, "no {what} at"), (b"no volume", "SimpleITK cannot read the {what}")])
def test_a_file_that_cannot_be_read_is_refused(
    lesion: Callable[..., Pair], tmp_path: Path, what: str, content: bytes | None, words: str
) -> None:
    file = tmp_path / "volume.nrrd"
    if content is not None:
        file.write_bytes(content)
    image, mask = lesion()
    with pytest.raises(CaseRefused, match=words.format(what=what)) as refused:
        Extractor().execute(file if what == "image" else image, file if what == "mask" else mask)
    assert refused.value.code == "unreadable"
    assert "\n" not in str(refused.value)


# The mode canonical

CANONICAL = {
    "setting": {"resampledPixelSpacing": [2, 2, 2], "binWidth": 25},
    "imageType": {"Original": {}, "Wavelet": {}, "LoG": {"sigma": [3.0]}},
    "featureClass": dict.fromkeys(CLASSES),
}


def test_canonical_values_are_those_of_a_table(two_balls: TwoBalls, default_backend: Backend) -> None:
    scan = two_balls()
    scale = Scale("2mm", Parameters.model_validate(CANONICAL))
    preset = Preset("one-scale", RegionRules(structures=("tumour",)), (scale,), "")
    (row,) = measure_case(scan, preset, default_backend).values
    table = dict(zip(feature_columns(preset, default_backend), row.tolist(), strict=True))
    found = features_of(Extractor(CANONICAL, mode="canonical").execute(scan.image, scan.mask, label=int(Label.TUMOUR)))
    assert [f"tumour__2mm__{name}" for name in found] == list(table)
    for name, value in found.items():
        close = 1e-4 if "_log-" in f"_{name}" else 1e-9  # a LoG is float32, and a table filters a larger box
        assert float(value) == pytest.approx(table[f"tumour__2mm__{name}"], rel=close, abs=close, nan_ok=True), name


@pytest.mark.parametrize("spacing", [None, [2.0, 2.0, 2.0]])
def test_canonical_values_do_not_depend_on_the_crop(volume: Any, spacing: list[float] | None) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(50, 40, (120, 120, 120)).round().astype(np.int16)
    inside = np.zeros(values.shape, bool)
    inside[54:66, 55:64, 56:67] = rng.random((12, 9, 11)) < 0.9
    image, mask = volume(values), volume(inside)
    content = {**CANONICAL, "imageType": {"Original": {}, "Wavelet": {}, "LoG": {"sigma": [1.0]}}}
    content["setting"] = {"resampledPixelSpacing": spacing}
    extractor = Extractor(content, mode="canonical")
    whole = features_of(extractor.execute(image, mask))
    part = slice(10, 110)  # leaves 44 voxels; an even start keeps the voxels of 2 mm where they are
    crop = features_of(extractor.execute(image[part, part, part], mask[part, part, part]))
    assert crop == pytest.approx(whole, rel=1e-9, abs=1e-9)
    padded = Extractor({**content, "setting": {**content["setting"], "padDistance": 1}}, mode="canonical")
    assert features_of(padded.execute(image, mask)) == whole


@pytest.mark.parametrize(
    "setting",
    [
        {"interpolator": "sitkLanczosWindowedSinc"},
        {"weightingNorm": "no_weighting"},
        {"resegmentMode": "sigma"},
        {"correctMask": True},
        {"geometryTolerance": 0.1},
        {"normalize": True},
        {"normalizeScale": 100},
        {"removeOutliers": 3},
        {"preCrop": True},
        {"force2D": True},
        {"force2Ddimension": 1},
        {"resegmentRange": [-3, 3]},
        {"minimumROIDimensions": 3},
        {"minimumROISize": 100_000},
    ],
    ids=str,
)
def test_the_canonical_mode_refuses_what_it_does_not_honour(lesion: Callable[..., Pair], setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(InputError, match=name):
        Extractor({"setting": setting}, mode="canonical").execute(*lesion())


@pytest.mark.parametrize(
    ("place", "spacing", "code"),
    [
        (np.s_[2:4, 2:4, 2:4], 4, "roi-dimensions"),  # one voxel of 4 mm
        (np.s_[2:4, 2:4, 2:12], 4, "roi-dimensions"),  # a line of them
        (np.s_[18:20, 3:7, 3:7], 8, "label-absent"),  # beyond the last voxel centre
        (np.s_[5:6, 5:7, 5:7], 4, "label-absent"),  # between voxel centres
    ],
)
def test_a_region_that_its_grid_does_not_show_is_refused(volume: Any, place: Any, spacing: int, code: str) -> None:
    inside = np.zeros((20, 20, 20), np.uint8)
    inside[place] = 1
    values = np.random.default_rng(0).normal(0, 50, inside.shape)
    extractor = Extractor(mode="canonical", resampledPixelSpacing=[spacing] * 3, minimumROIDimensions=2)
    with pytest.raises(CaseRefused) as refused:
        extractor.execute(volume(values), volume(inside))
    assert refused.value.code == code


def test_the_canonical_mode_refuses_too_many_grey_levels(volume: Any) -> None:
    values, inside = np.random.default_rng(0).normal(0, 50, (12, 12, 12)), np.ones((12, 12, 12), np.uint8)
    with pytest.raises(CaseRefused, match="at most 1000") as refused:
        Extractor(mode="canonical", binWidth=0.01).execute(volume(values), volume(inside))
    assert refused.value.code == "grey-levels"


def test_the_canonical_mode_takes_a_channel_of_the_mask(lesion: Callable[..., Pair]) -> None:
    image, mask = lesion()
    channels = sitk.Compose(mask * 0, mask)
    extractor = Extractor(mode="canonical")
    assert features_of(extractor.execute(image, channels, label_channel=1)) == features_of(extractor.execute(image, mask))


@pytest.mark.parametrize("kind", ["Square", "Gradient", "LBP3D"])
def test_the_canonical_mode_refuses_filters_that_depend_on_the_crop(lesion: Callable[..., Pair], kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        Extractor({"imageType": {kind: {}}}, mode="canonical").execute(*lesion())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit(lesion: Callable[..., Pair], mode: Any, threads: int) -> None:
    image, mask = lesion()
    kinds = ("Original", "Wavelet", "LoG") if mode == "canonical" else FILTERS
    asked = {"imageType": {name: FILTERS[name] for name in kinds}}
    one = Extractor(asked, mode=mode).execute(image, mask)
    several = Extractor(asked, mode=mode, threads=threads).execute(image, mask)
    assert list(several) == list(one)
    for name, value in features_of(one).items():
        assert np.float64(several[name]).tobytes() == np.float64(value).tobytes(), name


def test_an_extractor_has_at_least_one_thread() -> None:
    with pytest.raises(InputError, match="threads must be at least 1; found 0"):
        Extractor(threads=0)
