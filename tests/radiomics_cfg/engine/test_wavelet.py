from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pywt
import SimpleITK as sitk

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.engine.wavelet import stationary_wavelets, wavelet_filters

Volume = Callable[..., sitk.Image]


def noise(shape: tuple[int, int, int], kind: str = "f8") -> np.ndarray:
    return (100 + 30 * np.random.default_rng(0).normal(size=shape)).astype(kind)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 12), (3, 5, 7), (6, 8, 10), (21, 16, 33)])
@pytest.mark.parametrize("wavelet", ["coif1", "haar", "db2", "rbio3.9", "dmey"])
def test_every_band_equals_pyradiomics_to_the_last_bit(
    oracle: Any, volume: Volume, wavelet: str, shape: tuple[int, int, int]
) -> None:
    for kind in ("i2", "f4", "f8"):
        values = noise(shape, kind)
        for asked in ({}, {"level": 2}, {"start_level": 1}, {"level": 2, "start_level": 1}):
            ours = dict(stationary_wavelets(values, wavelet=wavelet, **asked))
            theirs = oracle.images("Wavelet", volume(values), None, wavelet=wavelet, **asked)
            assert list(ours) == list(theirs)
            for name, band in theirs.items():
                assert ours[name].dtype == band.dtype
                assert np.array_equal(ours[name], band), (name, kind, asked)


@pytest.mark.parametrize("flat_axis", [0, 1, 2])
def test_slice_by_slice_equals_pyradiomics_to_the_last_bit(oracle: Any, volume: Volume, flat_axis: int) -> None:
    values = noise((7, 10, 13), "i2")
    axes = tuple(axis for axis in (2, 1, 0) if axis != flat_axis)
    ours = dict(stationary_wavelets(values, axes=axes, level=2))
    theirs = oracle.images("Wavelet", volume(values), None, force2D=True, force2Ddimension=flat_axis, level=2)
    assert list(ours) == list(theirs)
    assert len(ours) == 7
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    "keep",
    [
        (slice(0, 12), slice(0, 15), slice(0, 301)),
        (slice(0, 1), slice(14, 15), slice(300, 301)),
        (slice(5, 7), slice(6, 9), slice(120, 135)),
        (slice(None), slice(None), slice(20, 21)),
    ],
)
@pytest.mark.parametrize("levels", [(1, 0), (2, 1)])
def test_a_kept_part_is_that_part_of_the_whole(keep: tuple[slice, slice, slice], levels: tuple[int, int]) -> None:
    values = noise((12, 15, 301))
    asked = {"level": levels[0], "start_level": levels[1]}
    whole = dict(stationary_wavelets(values, **asked))
    part = dict(stationary_wavelets(values, keep=keep, **asked))
    assert list(part) == list(whole)
    assert all(np.array_equal(part[name], whole[name][keep]) for name in whole)


def test_the_first_letter_is_x() -> None:
    x = np.broadcast_to(np.array([1.0, -1.0] * 8), (16, 16, 16)).copy()  # alternates along x, the array's last axis
    bands = dict(stationary_wavelets(x, wavelet="haar"))
    strongest = max(bands, key=lambda name: float((bands[name] ** 2).sum()))
    assert strongest == "wavelet-HLL"
    assert np.abs(bands["wavelet-LLL"]).max() < 1e-12


def test_the_low_pass_of_a_flat_image_is_root_8_of_it_and_nothing_else_is_left() -> None:
    bands = dict(stationary_wavelets(np.full((8, 8, 8), 100.0)))
    assert bands.pop("wavelet-LLL") == pytest.approx(100 * 8**0.5)
    assert max(np.abs(band).max() for band in bands.values()) < 1e-10


def test_haar_averages_and_differences_of_neighbours() -> None:
    values = np.zeros((2, 2, 4))
    values[..., :] = [1.0, 3.0, 8.0, 0.0]
    bands = dict(stationary_wavelets(values, wavelet="haar"))
    # Along y and z nothing changes, so each gives a factor of the root of 2.
    assert bands["wavelet-LLL"][0, 0] == pytest.approx(2 * np.array([4, 11, 8, 1]) / 2**0.5)
    assert np.abs(bands["wavelet-HLL"][0, 0]) == pytest.approx(2 * np.array([2, 5, 8, 1]) / 2**0.5)


@pytest.mark.parametrize("name", ["haar", "coif1", "db4", "bior1.3"])
def test_filters_are_pywavelets_own(name: str) -> None:
    known = pywt.Wavelet(name)
    low, high = wavelet_filters(name)
    assert low.tolist() == known.dec_lo
    assert high.tolist() == known.dec_hi


@pytest.mark.parametrize("name", ["coif99", "gaus1"])  # the second is a wavelet, but not a discrete one
def test_an_unknown_wavelet_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=f"No wavelet '{name}'; known ones are bior1.1, .*coif1"):
        next(stationary_wavelets(noise((4, 4, 4)), wavelet=name))
