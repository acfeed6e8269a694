"""Weighted statistics are numpy's where weights are equal, and those of repeated rows where they are not."""

import numpy as np
import pytest

from ccrcc_model.models.combat import fit_combat
from ccrcc_model.models.components import fit_projections
from ccrcc_model.models.distance import FeatureDistance
from ccrcc_model.models.start import fit_linear
from ccrcc_model.models.volume import fit_volume, scale_volume
from ccrcc_model.models.weighted import weighted_mean, weighted_median, weighted_quantiles
from ccrcc_model.outcomes.cases import LabelledCases

VOLUME = "tumour__1mm__original_shape_MeshVolume"
DEEP = tuple(f"tumour__1mm__deep_stage1_mean_{place}" for place in range(4))


@pytest.fixture
def values() -> np.ndarray:
    found = np.random.default_rng(0).lognormal(size=(31, 5))
    found[::7, 2] = np.nan
    return found


def test_equal_weights_give_what_numpy_gives_to_the_last_bit(values: np.ndarray) -> None:
    for weight in (np.ones(31), np.full(31, 0.5)):
        np.testing.assert_array_equal(weighted_median(values, weight), np.nanmedian(values, axis=0))
        shares = (0.25, 0.75)
        np.testing.assert_array_equal(weighted_quantiles(values, shares, weight), np.nanquantile(values, shares, axis=0))
    np.testing.assert_array_equal(weighted_mean(values, np.ones(31)), np.nanmean(values, axis=0))


def test_a_weighted_mean_is_that_of_repeated_rows(values: np.ndarray) -> None:
    times = np.arange(31) % 3 + 1
    often = np.nanmean(np.repeat(values, times, axis=0), axis=0)
    np.testing.assert_allclose(weighted_mean(values, times.astype(float)), often)


def test_a_weighted_median_parts_the_weight_in_halves() -> None:
    column = np.array([[5.0], [1.0], [2.0], [3.0], [4.0]])
    assert weighted_median(column, np.array([1.0, 1.0, 1.0, 1.0, 1.0])) == 3.0
    assert weighted_median(column, np.array([10.0, 1.0, 1.0, 1.0, 1.0])) > 4.0
    assert weighted_quantiles(column, (0.0, 1.0), np.array([2.0, 1.0, 1.0, 1.0, 1.0]))[:, 0].tolist() == [1.0, 5.0]


def cohort(scans: int) -> LabelledCases:
    """Forty patients; the first has so many scans, all equal."""
    rng = np.random.default_rng(1)
    rows = np.repeat(np.arange(40), [scans, *[1] * 39])
    features = rng.lognormal(size=(40, 6))[rows]
    ids = np.array([f"p{row:02d}" for row in rows])
    centre = np.array(["east", "west"])[rows % 2]
    return LabelledCases((VOLUME, "f", *DEEP), features, ids, centre, (rows // 2) % 2)


def test_scans_of_one_patient_that_are_equal_change_nothing_that_a_fold_fits() -> None:
    one, many = cohort(1), cohort(9)
    volumes = [scale_volume(cases) for cases in (one, many)]
    assert volumes[1].mean_log == pytest.approx(volumes[0].mean_log)
    assert volumes[1].sd_log == pytest.approx(volumes[0].sd_log)
    assert fit_volume(many).slope == pytest.approx(fit_volume(one).slope, rel=1e-3)
    starts = [fit_linear(cases, volume, ["f"], prior=0.1)[0] for cases, volume in zip((one, many), volumes, strict=True)]
    assert starts[1].centre == pytest.approx(starts[0].centre, rel=0.1)
    assert starts[1].spread == pytest.approx(starts[0].spread, rel=0.1)
    harmonised = [fit_combat(cases, ["f", VOLUME]) for cases in (one, many)]
    for name in ("mean", "spread"):
        np.testing.assert_allclose(getattr(harmonised[1], name), getattr(harmonised[0], name))
    for centre in ("east", "west"):
        np.testing.assert_allclose(harmonised[1].shift[centre], harmonised[0].shift[centre], rtol=1e-6)
        np.testing.assert_allclose(harmonised[1].scale[centre], harmonised[0].scale[centre], rtol=1e-6)
    axes = [fit_projections(cases)[0] for cases in (one, many)]
    np.testing.assert_allclose(axes[1].centre, axes[0].centre)
    np.testing.assert_allclose(np.abs(axes[1].axes), np.abs(axes[0].axes), atol=1e-6)
    distances = [
        FeatureDistance.fit(cases.features, cases.names, weight=cases.weight).distances(one.features) for cases in (one, many)
    ]
    np.testing.assert_allclose(distances[1], distances[0], rtol=0.1)
