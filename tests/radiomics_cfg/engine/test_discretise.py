from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.engine.discretise import MAXIMUM_GREY_LEVELS, Binning, bin_edges, discretise

derandomised = settings(
    derandomize=True, deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def bins_of(values: np.ndarray, binning: Binning) -> list[int]:
    grey = discretise(values, binning)
    return grey.levels[grey.ranks - 1].tolist()


def pyradiomics_bins(oracle: Any, values: np.ndarray, **settings: Any) -> list[int]:
    region = values.reshape(1, 1, -1)
    everywhere = tuple(np.nonzero(np.ones(region.shape, bool)))
    return oracle.module.imageoperations.binImage(region, everywhere, **settings)[0].ravel().tolist()


widths = st.sampled_from([1, 5, 25, 100, 0.7, 2.5, 1 / 3, 0.1])
counts = st.sampled_from([1, 2, 8, 32, 100])
hu = st.integers(-1024, 3071)
grid = st.sampled_from([-75.0, -50.0, -25.0, 0.0, 0.7, 2.1, 2.5, 25.0, 50.0, 100.0])  # on edges of bins


@pytest.mark.parametrize("kind", ["i2", "i4", "f4", "f8"])
@derandomised
@given(values=st.lists(hu, min_size=1, max_size=30), width=widths)
def test_bins_of_whole_hu_are_pyradiomics(oracle: Any, kind: str, values: list[int], width: float) -> None:
    region = np.array(values, kind)
    assert bins_of(region, Binning(width=width)) == pyradiomics_bins(oracle, region, binWidth=width)


@pytest.mark.parametrize("kind", ["f4", "f8"])
@derandomised
@given(values=st.lists(st.one_of(grid, st.floats(-500, 500, width=32)), min_size=1, max_size=30), width=widths)
def test_bins_of_fractions_are_pyradiomics(oracle: Any, kind: str, values: list[float], width: float) -> None:
    region = np.array(values, kind)
    assert bins_of(region, Binning(width=width)) == pyradiomics_bins(oracle, region, binWidth=width)


@pytest.mark.parametrize("kind", ["i2", "f4", "f8"])
@derandomised
@given(values=st.lists(st.one_of(hu, grid), min_size=1, max_size=30), count=counts)
def test_a_fixed_number_of_bins_is_pyradiomics(oracle: Any, kind: str, values: list[float], count: int) -> None:
    region = np.array(values).astype(kind)
    assert bins_of(region, Binning(count=count)) == pyradiomics_bins(oracle, region, binCount=count)


def test_bins_begin_at_a_multiple_of_their_width_and_hold_their_lower_edge() -> None:
    assert bins_of(np.array([-26, -25, -1, 0, 24, 25]), Binning(width=25)) == [1, 2, 2, 3, 3, 4]
    assert bin_edges(np.int64(54), np.int64(166), Binning(width=25)).tolist()[:7] == [50, 75, 100, 125, 150, 175, 200]


def test_a_number_of_bins_parts_the_range_and_the_maximum_belongs_to_the_last() -> None:
    assert bins_of(np.array([0.0, 2.4, 2.5, 7.4, 7.5, 10.0]), Binning(count=4)) == [1, 1, 2, 3, 4, 4]


def test_the_number_of_bins_goes_before_their_width() -> None:
    assert bins_of(np.array([0.0, 99.0, 100.0]), Binning(width=1, count=2)) == [1, 2, 2]


@pytest.mark.parametrize("value", [-30.0, 0.0, 25.0, 26.1])
def test_a_uniform_region_has_one_bin(value: float) -> None:
    assert bins_of(np.full(5, value), Binning(width=25)) == [1] * 5


def test_ranks_pass_over_the_levels_that_do_not_occur() -> None:
    grey = discretise(np.array([0, 300, 10, 300]), Binning(width=25))
    assert grey.levels.tolist() == [1, 13]
    assert grey.ranks.tolist() == [1, 2, 1, 2]
    assert grey.highest == 13


@pytest.mark.parametrize(("levels", "known"), [(MAXIMUM_GREY_LEVELS, True), (MAXIMUM_GREY_LEVELS + 1, False)])
def test_a_thousand_levels_are_the_most(levels: int, known: bool) -> None:
    values = np.arange(levels) * 25.0
    if known:
        assert len(discretise(values, Binning(width=25)).levels) == levels
    else:
        with pytest.raises(CaseRefused, match="1001 grey levels in one region; at most 1000. Choose wider bins") as refused:
            discretise(values, Binning(width=25))
        assert refused.value.code == "grey-levels"


@pytest.mark.parametrize("wild", [1e6, -1e6, 1e9])
def test_one_absurd_voxel_has_a_level_of_its_own(wild: float) -> None:
    grey = discretise(np.array([0.0, 30.0, wild]), Binning(width=25))
    assert len(grey.levels) == 3
    bins = grey.levels[grey.ranks - 1]
    assert bins[2] - bins[0] == wild // 25


@pytest.mark.parametrize(("wild", "known"), [(25 * 2.0**31 - 100, True), (25 * 2.0**31 + 100, False)])
def test_bins_are_counted_up_to_2_to_the_31(wild: float, known: bool) -> None:
    values = np.array([0.0, wild])
    if known:
        assert discretise(values, Binning(width=25)).highest == wild // 25 + 1
    else:
        with pytest.raises(CaseRefused, match="too many bins") as refused:
            discretise(values, Binning(width=25))
        assert refused.value.code == "grey-levels"


@pytest.mark.parametrize(("kind", "value"), [("u1", 250), ("i2", 32718), ("i2", -32768), ("u2", 65511)])
def test_the_ends_of_an_integer_type_are_values_like_any_others(kind: str, value: int) -> None:
    values = np.array([value // 2, value // 2 + 60, value], kind)
    assert bins_of(values, Binning(width=25)) == bins_of(values.astype(np.float64), Binning(width=25))


def test_a_bin_may_be_wider_than_an_integer_type() -> None:
    assert bins_of(np.array([0, 100, 300], np.int16), Binning(width=40_000)) == [1, 1, 1]


def test_values_one_rounding_apart_are_refused_or_binned() -> None:
    try:
        levels = bins_of(np.array([100.0, np.nextafter(100.0, 200)]), Binning(count=8))
    except CaseRefused:
        return
    assert levels[0] <= levels[1]
