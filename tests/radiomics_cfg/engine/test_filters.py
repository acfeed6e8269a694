from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.engine.filters import IMAGE_TYPES, Source, filtered_images, image_names, wavelet_reach

SPACING = (2.5, 0.7, 0.8)
KEEP = (slice(9, 14), slice(12, 20), slice(8, 17))
EDGE = (slice(0, 4), slice(22, 31), slice(0, 27))


def noise(kind: str = "i2") -> npt.NDArray[Any]:
    return (200 * np.random.default_rng(0).normal(size=(24, 31, 27)) - 50).astype(kind)


def source_of(values: npt.NDArray[Any], keep: tuple[slice, slice, slice]) -> Source:
    return Source(values, keep, SPACING)


@pytest.mark.parametrize("keep", [KEEP, EDGE], ids=["middle", "edge"])
@pytest.mark.parametrize("kind", ["i2", "f4", "f8"])
@pytest.mark.parametrize(
    ("image_type", "settings"),
    [
        ("Original", {}),
        ("Wavelet", {}),
        ("Wavelet", {"wavelet": "haar", "level": 2, "start_level": 1}),
        ("Wavelet", {"force2D": True, "force2Ddimension": 1}),
        ("LoG", {"sigma": [1.0, 3]}),
        ("Square", {}),
        ("SquareRoot", {}),
        ("Logarithm", {}),
        ("Exponential", {}),
        ("Gradient", {}),
        ("Gradient", {"gradientUseSpacing": False}),
    ],
)
def test_the_kept_part_equals_pyradiomics_whole_image(
    oracle: Any, volume: Any, image_type: str, settings: dict[str, Any], kind: str, keep: tuple[slice, slice, slice]
) -> None:
    values = noise(kind)
    theirs = oracle.images(image_type, volume(values, SPACING[::-1]), None, **settings)
    found = dict(filtered_images(image_type, source_of(values, keep), settings))
    assert list(found) == list(theirs)
    assert all(np.array_equal(found[name], theirs[name][keep]) for name in theirs)


def test_what_a_wavelet_needs_does_not_reach_further_than_it_says() -> None:
    assert wavelet_reach("haar", 1) == 2
    assert wavelet_reach("coif1", 3) == 18  # six taps a level
    values = np.random.default_rng(1).normal(size=(60, 60, 60))
    keep = (slice(29, 31),) * 3
    near, far = values.copy(), values.copy()
    far[:, :, : 29 - wavelet_reach("coif1", 2)] += 1000
    settings = {"level": 1, "start_level": 1}
    ours = [dict(filtered_images("Wavelet", source_of(v, keep), settings)) for v in (near, far)]
    assert all(np.array_equal(ours[0][name], ours[1][name]) for name in ours[0])


def test_a_log_too_wide_for_the_image_is_passed_over_as_in_pyradiomics(oracle: Any, volume: Any) -> None:
    values = noise()[:, :, :6]  # six voxels of 0.8 mm: at least ceil(sigma / 0.8) + 1 are needed
    settings = {"sigma": [4.0, 4.001, 0, -1.0]}
    everything = (slice(None), slice(None), slice(None))
    found = dict(filtered_images("LoG", source_of(values, everything), settings))
    assert (
        list(found) == ["log-sigma-4-0-mm-3D"] == list(oracle.images("LoG", volume(values, SPACING[::-1]), None, **settings))
    )


@pytest.mark.parametrize(("thickness", "images"), [(4, 1), (3, 0)])
def test_a_log_takes_four_voxels(thickness: int, images: int) -> None:
    everything = (slice(None), slice(None), slice(None))
    source = Source(np.ones((thickness, 8, 8)), everything, (1.0, 1.0, 1.0))
    assert len(dict(filtered_images("LoG", source, {"sigma": [1.0]}))) == images


def test_squares_roots_and_logarithms_keep_the_largest_value() -> None:
    values = np.array([[[-100.0, 0.0, 25.0]]])
    everything = (slice(None), slice(None), slice(None))
    expected = {
        "Square": ("square", [100.0, 0.0, 6.25]),  # loses the sign, whatever PyRadiomics' documentation says
        "SquareRoot": ("squareroot", [-100.0, 0.0, 50.0]),
        "Logarithm": ("logarithm", [-100.0, 0.0, 100 * np.log(26) / np.log(101)]),
        "Exponential": ("exponential", [0.01, 1.0, 100**0.25]),
    }
    for kind, (name, filtered) in expected.items():
        ((found, image),) = filtered_images(kind, source_of(values, everything), {})
        assert found == name
        assert image.ravel() == pytest.approx(filtered), kind


def test_a_ramp_has_its_slope_as_gradient() -> None:
    values = np.broadcast_to(3.0 * np.arange(10), (10, 10, 10)).copy()
    for settings, slope in (({}, 3 / 0.8), ({"gradientUseSpacing": False}, 3.0)):
        ((_, found),) = filtered_images("Gradient", source_of(values, (slice(1, 9),) * 3), settings)
        assert found == pytest.approx(slope, rel=1e-6)


def test_names_tell_the_filter_and_its_settings() -> None:
    assert image_names("Original", {}) == ("original",)
    assert image_names("LoG", {"sigma": [1, 2.5]}) == ("log-sigma-1-mm-3D", "log-sigma-2-5-mm-3D")
    assert len(image_names("Wavelet", {"level": 2})) == 15
    assert image_names("Wavelet", {"level": 2})[-1] == "wavelet2-LLL"
    assert image_names("LBP3D", {"lbp3DLevels": 3}) == ("lbp-3D-m1", "lbp-3D-m2", "lbp-3D-m3", "lbp-3D-k")


def test_the_image_types_are_pyradiomics_less_lbp2d(oracle: Any) -> None:
    assert set(oracle.module.getImageTypes()) - set(IMAGE_TYPES) == {"LBP2D"}


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("LBP2D", {}, "No image type 'LBP2D'; known ones are Original, Wavelet, .*LBP3D"),
        ("Wavelet", {"wavelet": "coif99"}, "No wavelet 'coif99'; known ones are bior1.1"),
    ],
)
def test_what_is_unknown_lists_what_is_known(kind: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        image_names(kind, settings)


@pytest.mark.parametrize("kind", ["Square", "Logarithm", "Exponential"])
def test_an_image_of_zeros_is_filtered_or_passed_over_without_a_warning(kind: str) -> None:
    everything = (slice(None), slice(None), slice(None))
    for _, image in filtered_images(kind, source_of(np.zeros((4, 4, 4)), everything), {}):
        assert np.isfinite(image).all()
