# Also of: radiomics_cfg.engine.extent, radiomics_cfg.engine.matrix_kernels.

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnunet_ext.ground.errors import CaseRefused
from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.matrices import Layout, Matrices, Neighbourhood

derandomised = settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Region = npt.NDArray[np.int64]
"""Grey levels, shape (z, y, x); 0 is outside."""

regions = hnp.arrays(
    np.int64,
    st.tuples(*[st.integers(1, 7)] * 3),
    elements=st.sampled_from([0, 0, 1, 2, 2, 3, 7, 12]),  # gaps between the levels, and holes that part the region
).filter(lambda region: region.any())
blobs = hnp.arrays(np.int64, st.tuples(*[st.integers(3, 9)] * 3), elements=st.sampled_from([1, 1, 1, 2, 4, 0]))
sparse = hnp.arrays(
    np.int64, st.tuples(*[st.integers(1, 8)] * 3), elements=st.sampled_from([0] * 12 + [1, 3]), fill=st.nothing()
).filter(lambda region: region.any())
any_region = st.one_of(regions, blobs.filter(lambda region: region.any()), sparse)
distances = st.sampled_from([(1,), (2,), (1, 2), (1, 3)])
flat_axes = st.sampled_from([None, None, 0, 1, 2])


def measured(
    region: Region, *, distances: tuple[int, ...] = (1,), flat_axis: int | None = None, tolerance: int = 0
) -> Matrices:
    inside = region > 0
    levels, ranks = np.unique(region[inside], return_inverse=True)
    grey = GreyLevels((ranks + 1).astype(np.uint16), levels)
    return Layout(inside, Neighbourhood(distances, flat_axis)).matrices(grey, tolerance=tolerance)


def spread(matrices: Matrices, counts: npt.NDArray[Any], axis: int = 0) -> npt.NDArray[Any]:
    """Return a matrix with a row for every grey level up to the highest, as PyRadiomics has it."""
    shape = list(counts.shape)
    shape[axis] = matrices.highest
    every = np.zeros(shape, counts.dtype)
    np.moveaxis(every, axis, 0)[matrices.levels - 1] = np.moveaxis(counts, axis, 0)
    return every


def flat(flat_axis: int | None) -> tuple[bool, int]:
    return flat_axis is not None, flat_axis or 0


def has_a_direction(region: Region, flat_axis: int | None, distances: tuple[int, ...] = (1,)) -> bool:
    """Tell whether the box holds two neighbours along an axis that counts; PyRadiomics fails where it does not."""
    return any(n > min(distances) for axis, n in enumerate(region.shape) if axis != flat_axis)


@derandomised
@given(region=any_region, distances=distances, flat_axis=flat_axes)
def test_cooccurrences_are_pyradiomics(oracle: Any, region: Region, distances: tuple[int, ...], flat_axis: int | None) -> None:
    assume(has_a_direction(region, flat_axis, distances))
    ours = measured(region, distances=distances, flat_axis=flat_axis)
    theirs, angles = oracle.matrices.calculate_glcm(region, region > 0, np.array(distances), ours.highest, *flat(flat_axis))
    counts = spread(ours, spread(ours, ours.cooccurrence, 1), 2)
    found = {tuple(offset): matrix for offset, matrix in zip(ours.offsets.tolist(), counts, strict=True) if matrix.any()}
    known = {tuple(angle): theirs[0, :, :, a] for a, angle in enumerate(angles.tolist()) if theirs[0, :, :, a].any()}
    assert list(found) == list(known)  # in the same order, which sums over directions depend on
    assert all(np.array_equal(found[offset], known[offset]) for offset in known)


@derandomised
@given(region=any_region, flat_axis=flat_axes)
def test_run_lengths_are_pyradiomics(oracle: Any, region: Region, flat_axis: int | None) -> None:
    assume(has_a_direction(region, flat_axis))
    ours = measured(region, flat_axis=flat_axis)
    longest = max(region.shape)
    theirs, angles = oracle.matrices.calculate_glrlm(region, region > 0, ours.highest, longest, *flat(flat_axis))
    found = {
        tuple(direction): runs
        for direction, runs in zip(ours.directions.tolist(), spread(ours, ours.runs, 1), strict=True)
        if runs.any()
    }
    known = {tuple(angle): theirs[0, :, :, a] for a, angle in enumerate(angles.tolist()) if theirs[0, :, :, a].any()}
    assert list(found) == list(known)
    assert all(np.array_equal(found[angle], known[angle]) for angle in known)


@derandomised
@given(region=any_region, flat_axis=flat_axes)
def test_zones_are_pyradiomics(oracle: Any, region: Region, flat_axis: int | None) -> None:
    assume(has_a_direction(region, flat_axis))
    ours = measured(region, flat_axis=flat_axis)
    voxels = int((region > 0).sum())
    theirs = oracle.matrices.calculate_glszm(region, region > 0, ours.highest, voxels, *flat(flat_axis))[0]
    counts = np.zeros((ours.highest, voxels))
    rows, sizes = ours.zones.T
    np.add.at(counts, (ours.levels[rows] - 1, sizes - 1), 1)
    assert not theirs[:, voxels:].any()
    assert np.array_equal(counts[:, : theirs.shape[1]], theirs[:, :voxels])
    assert not counts[:, theirs.shape[1] :].any()


@derandomised
@given(region=any_region, distances=distances, flat_axis=flat_axes, tolerance=st.integers(0, 2))
def test_dependences_are_pyradiomics(
    oracle: Any, region: Region, distances: tuple[int, ...], flat_axis: int | None, tolerance: int
) -> None:
    assume(has_a_direction(region, flat_axis, distances))
    ours = measured(region, distances=distances, flat_axis=flat_axis, tolerance=tolerance)
    theirs = oracle.matrices.calculate_gldm(
        region, region > 0, np.array(distances), ours.highest, tolerance, *flat(flat_axis)
    )[0]
    counts = spread(ours, ours.dependence)
    shared = min(counts.shape[1], theirs.shape[1])
    assert np.array_equal(counts[:, :shared], theirs[:, :shared])
    assert not counts[:, shared:].any()
    assert not theirs[:, shared:].any()


@derandomised
@given(region=any_region, distances=distances, flat_axis=flat_axes)
def test_tone_differences_are_pyradiomics(
    oracle: Any, region: Region, distances: tuple[int, ...], flat_axis: int | None
) -> None:
    assume(region.size > 1)  # PyRadiomics has no directions in a box of one voxel
    assume(has_a_direction(region, flat_axis, distances))
    ours = measured(region, distances=distances, flat_axis=flat_axis)
    theirs = oracle.matrices.calculate_ngtdm(region, region > 0, np.array(distances), ours.highest, *flat(flat_axis))[0]
    assert spread(ours, ours.difference)[:, 0].tolist() == theirs[:, 0].tolist()
    assert spread(ours, ours.difference)[:, 1] == pytest.approx(theirs[:, 1], rel=1e-12, abs=1e-12)


@derandomised
@given(region=any_region)
def test_a_layout_serves_one_image_after_another(region: Region) -> None:
    inside = region > 0
    layout = Layout(inside, Neighbourhood())
    for shift in (0, 1, 0):  # the scratch memory of one image must not leak into the next
        levels, ranks = np.unique((region[inside] + shift * np.arange(inside.sum())) % 5 + 1, return_inverse=True)
        grey = GreyLevels((ranks + 1).astype(np.uint16), levels)
        again, fresh = layout.matrices(grey), Layout(inside, Neighbourhood()).matrices(grey)
        for name in ("cooccurrence", "dependence", "difference", "runs", "zones"):
            assert np.array_equal(getattr(again, name), getattr(fresh, name)), name


@pytest.mark.parametrize("levels", [2, 12, 40, 300])
@pytest.mark.parametrize("flat_axis", [None, 0, 1, 2])
def test_large_regions_are_counted_as_pyradiomics_counts_them(oracle: Any, levels: int, flat_axis: int | None) -> None:
    # Few levels share a table between two directions, many do not; 300 take a wider type; runs of 1 to 300 are short and long.
    rng = np.random.default_rng(levels)
    region = rng.integers(1, levels + 1, (14, 17, 300)) * (rng.random((14, 17, 300)) < 0.8)
    region[3, 4] = region[:, 9, 70] = region[7, :, 200] = levels  # a run through the whole of each axis
    region[2:12, 2:12, 100:140] = levels
    region[0, 0, :3] = levels, 0, levels
    np.einsum("iij->ij", region[:, :14])[:, 210:230] = 1
    ours = measured(region, flat_axis=flat_axis)
    everywhere, along = (region, region > 0), flat(flat_axis)
    pairs, _ = oracle.matrices.calculate_glcm(*everywhere, np.array([1]), levels, *along)
    runs, _ = oracle.matrices.calculate_glrlm(*everywhere, levels, max(region.shape), *along)
    dependent = oracle.matrices.calculate_gldm(*everywhere, np.array([1]), levels, 0, *along)[0]
    assert np.array_equal(np.moveaxis(spread(ours, spread(ours, ours.cooccurrence, 1), 2), 0, -1), pairs[0])
    assert np.array_equal(np.moveaxis(spread(ours, ours.runs, 1), 0, -1), runs[0])
    assert np.array_equal(spread(ours, ours.dependence), dependent[:, : ours.dependence.shape[1]])


@pytest.mark.parametrize(("distances", "gap"), [((1,), 1), ((1,), 2), ((1, 3), 3), ((1, 3), 4)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_parts_far_apart_are_measured_as_if_nothing_lay_between(distances: tuple[int, ...], gap: int, axis: int) -> None:
    # Planes of empty voxels are dropped but for as many as keep two parts from being neighbours: 1, or 3.
    part = np.array([1, 2, 2, 3, 1, 1, 2, 3], np.int64).reshape(2, 2, 2)
    near, far = (
        measured(np.concatenate([part, np.zeros_like(np.take(part, [0] * n, axis)), part], axis), distances=distances)
        for n in (gap, 300)
    )
    alone = measured(part, distances=distances)
    for name in ("cooccurrence", "dependence", "difference"):
        assert np.array_equal(getattr(far, name), 2 * getattr(alone, name)), name
        assert np.array_equal(getattr(far, name), getattr(near, name)), name
    assert np.array_equal(far.runs[:, :, :2], 2 * alone.runs)
    assert sorted(far.zones.tolist()) == sorted(2 * alone.zones.tolist())


@pytest.mark.parametrize(("length", "is_measured"), [(32766, True), (32767, False)])
def test_a_run_fits_into_its_type(length: int, is_measured: bool) -> None:
    line = np.ones((1, 1, length), np.int64)
    if is_measured:
        assert measured(line).runs.max(axis=1)[-1, -1] == 1
    else:
        with pytest.raises(CaseRefused, match="32767 voxels long"):
            measured(line)


def test_grey_levels_whose_sums_would_not_fit_are_refused() -> None:
    highest = np.iinfo(np.int32).max // 26
    assert measured(np.array([[[1, highest]]])).difference[:, 1] == pytest.approx([highest - 1, highest - 1])
    with pytest.raises(CaseRefused, match="grey levels up to"):
        measured(np.array([[[1, highest + 1]]]))


def test_what_lies_between_two_parts_takes_no_memory() -> None:
    inside = np.zeros((2, 2, 10_000), bool)
    inside[:, :, [0, -1]] = True
    assert Layout(inside, Neighbourhood()).voxels.max() < 4 * 4 * 5  # two columns, one between and one at each end


IBSI_SLICE = np.array([[[1, 2, 2, 3], [1, 2, 3, 3], [4, 2, 4, 1], [4, 1, 2, 3]]])
"""The example image of the IBSI reference manual's texture sections (arXiv:1612.07003, 3.6 to 3.8)."""


def test_cooccurrences_of_the_ibsi_example() -> None:
    found = measured(IBSI_SLICE)
    to_the_right = found.cooccurrence[found.offsets.tolist().index([0, 0, 1])]
    assert to_the_right.tolist() == [[0, 3, 0, 0], [0, 1, 3, 1], [0, 0, 1, 0], [2, 1, 0, 0]]


def test_runs_of_the_ibsi_example() -> None:
    found = measured(IBSI_SLICE)
    along_x = found.runs[found.directions.tolist().index([0, 0, 1])]
    assert along_x[:, :2].tolist() == [[4, 0], [3, 1], [2, 1], [3, 0]]
    assert not along_x[:, 2:].any()


def test_zones_of_the_ibsi_example() -> None:
    found = measured(IBSI_SLICE)
    assert sorted(found.zones.tolist()) == [[0, 1], [0, 1], [0, 2], [1, 5], [2, 1], [2, 3], [3, 1], [3, 2]]


def test_dependences_of_the_ibsi_example() -> None:
    found = measured(IBSI_SLICE)
    assert found.dependence[:, :4].tolist() == [[2, 2, 0, 0], [0, 1, 3, 1], [1, 0, 3, 0], [1, 2, 0, 0]]
    assert not found.dependence[:, 4:].any()


def test_neighbours_within_the_tolerance_are_dependent() -> None:
    row = np.array([[[1, 2, 4]]])
    assert measured(row, tolerance=0).dependence[:, :3].tolist() == [[1, 0, 0]] * 3
    assert measured(row, tolerance=1).dependence[:, :3].tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert measured(row, tolerance=2).dependence[:, :3].tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_a_voxel_differs_from_the_mean_of_its_neighbours() -> None:
    found = measured(np.array([[[1, 2, 6, 0, 9]]]))  # 1 against 2; 2 against 3.5; 6 against 2; 9 has no neighbour
    assert found.levels.tolist() == [1, 2, 6, 9]
    assert found.difference.tolist() == [[1, 1.0], [1, 1.5], [1, 4.0], [1, 0.0]]


@pytest.mark.parametrize(
    ("distances", "flat_axis", "count"),
    [((1,), None, 13), ((2,), None, 49), ((1, 2), None, 62), ((1,), 0, 4), ((1,), 2, 4), ((2,), 1, 8)],
)
def test_half_of_the_neighbours_are_looked_at(distances: tuple[int, ...], flat_axis: int | None, count: int) -> None:
    offsets = Neighbourhood(distances, flat_axis).offsets()
    assert len(offsets) == count  # half of 3**3 - 1, of 5**3 - 3**3, of both; of 3**2 - 1, of 5**2 - 3**2
    opposite = {tuple(-step for step in offset) for offset in offsets}
    assert not opposite & set(offsets)
    assert {max(map(abs, offset)) for offset in offsets} == set(distances)


def test_a_direction_in_which_no_line_holds_two_voxels_has_no_runs() -> None:
    found = measured(np.array([[[1, 1, 0, 1]]]))
    runs = {tuple(direction): matrix for direction, matrix in zip(found.directions.tolist(), found.runs, strict=True)}
    assert runs.pop((0, 0, 1))[0, :2].tolist() == [1, 1]
    assert not any(matrix.any() for matrix in runs.values())


def test_two_voxels_apart_on_one_line_are_two_runs_along_it() -> None:
    found = measured(np.array([[[5, 0, 0, 5]]]))
    along = found.runs[found.directions.tolist().index([0, 0, 1])]
    assert along[0, 0] == 2


def test_zones_join_across_corners_but_not_across_slices_where_texture_is_flat() -> None:
    corners = np.zeros((2, 2, 2), int)
    corners[0, 0, 0] = corners[1, 1, 1] = 3
    assert measured(corners).zones.tolist() == [[0, 2]]
    assert measured(corners, flat_axis=0).zones.tolist() == [[0, 1], [0, 1]]


def test_a_thousand_grey_levels_keep_their_counts_apart() -> None:
    levels = np.arange(1, 1001)
    found = measured(levels.reshape(10, 10, 10))
    to_the_right = found.cooccurrence[found.offsets.tolist().index([0, 0, 1])]
    assert to_the_right.sum() == 900
    assert all(to_the_right[i, i + 1] == (1 if (i + 1) % 10 else 0) for i in range(999))
