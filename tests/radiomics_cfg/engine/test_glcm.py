from math import exp, sqrt

import numpy as np
import pytest

from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.glcm import GLCM, Cooccurrence, Weighting
from radiomics_cfg.engine.matrices import Layout, Neighbourhood

EVERY = GLCM.names()


def cooccurrence_of(region: np.ndarray, weighting: Weighting = Weighting(), *, symmetrical: bool = True) -> Cooccurrence:
    inside = region > 0
    levels, ranks = np.unique(region[inside], return_inverse=True)
    grey = GreyLevels((ranks + 1).astype(np.uint16), levels)
    return Cooccurrence.of(Layout(inside, Neighbourhood()).matrices(grey), weighting, symmetrical=symmetrical)


def features_of(region: np.ndarray, weighting: Weighting = Weighting(), *, symmetrical: bool = True) -> dict[str, float]:
    return GLCM.compute(cooccurrence_of(region, weighting, symmetrical=symmetrical), EVERY)


@pytest.fixture
def checkerboard() -> np.ndarray:
    """Levels 1 and 2 in turn along each axis, so they differ in 7 of 13 directions and agree in 6."""
    return np.indices((4, 4, 4)).sum(0) % 2 + 1


def test_a_checkerboard_differs_along_axes_and_body_diagonals(checkerboard: np.ndarray) -> None:
    found = features_of(checkerboard)
    assert found["Contrast"] == found["DifferenceAverage"] == pytest.approx(7 / 13)
    assert found["Correlation"] == pytest.approx((6 - 7) / 13)
    assert found["Id"] == found["Idm"] == pytest.approx((6 + 7 / 2) / 13)
    assert found["Idn"] == pytest.approx((6 + 7 / (1 + 1 / 2)) / 13)
    assert found["Idmn"] == pytest.approx((6 + 7 / (1 + 1 / 4)) / 13)
    assert found["InverseVariance"] == pytest.approx(7 / 13)
    assert found["JointEnergy"] == found["MaximumProbability"] == pytest.approx(0.5)
    assert found["JointEntropy"] == pytest.approx(1.0)
    assert found["JointAverage"] == pytest.approx(1.5)
    assert found["SumAverage"] == pytest.approx(3.0)
    assert found["SumEntropy"] == pytest.approx(6 / 13)
    assert found["Autocorrelation"] == pytest.approx((7 * 2 + 6 * 2.5) / 13)
    assert found["SumSquares"] == pytest.approx(0.25)
    assert found["ClusterTendency"] == found["ClusterProminence"] == pytest.approx(6 / 13)
    assert [found[name] for name in ("ClusterShade", "DifferenceEntropy", "DifferenceVariance")] == pytest.approx([0.0] * 3)


def test_one_level_of_a_checkerboard_tells_the_other(checkerboard: np.ndarray) -> None:
    found = features_of(checkerboard)
    assert found["Imc1"] == pytest.approx(-1.0)
    assert found["Imc2"] == pytest.approx(sqrt(1 - exp(-2)))  # of one bit, PyRadiomics' mix of bits and e
    assert found["MCC"] == pytest.approx(1.0)


def test_a_uniform_region_is_certain() -> None:
    found = features_of(np.full((3, 3, 3), 1))
    ones = ("Correlation", "Id", "Idm", "Idn", "Idmn", "JointEnergy", "MaximumProbability", "MCC", "Autocorrelation")
    assert [found[name] for name in ones] == pytest.approx([1.0] * 9)
    rest = set(EVERY) - {*ones, "JointAverage", "SumAverage"}
    assert [found[name] for name in rest] == pytest.approx([0.0] * len(rest))


def test_two_voxels_count_in_both_orders() -> None:
    row = np.array([[[1, 4]]])
    assert cooccurrence_of(row).p.tolist() == [[[0, 0.5], [0.5, 0]]]
    assert cooccurrence_of(row, symmetrical=False).p.tolist() == [[[0, 1], [0, 0]]]
    assert features_of(row)["Contrast"] == 9.0


def test_a_region_without_neighbours_has_no_features_but_a_lone_levels_mcc() -> None:
    apart = np.zeros((1, 1, 3), int)
    apart[0, 0, [0, 2]] = 1
    found = features_of(apart)
    assert found.pop("MCC") == 1.0
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize(
    ("norm", "across"), [("manhattan", 25.0), ("euclidean", 13.0), ("infinity", 9.0), ("no_weighting", 0.0), (None, None)]
)
def test_directions_are_weighted_by_their_length_in_mm(norm: str | None, across: float | None) -> None:
    # One diagonal over 2 and 3 mm, and one step of 3 mm; of levels that differ by 1 and by 0.
    square = np.array([[[1, 1], [0, 2]]])
    found = features_of(square, Weighting(norm, (1.0, 2.0, 3.0)))
    if across is None:  # each of the three directions by itself
        assert found["Contrast"] == pytest.approx((0 + 1 + 1) / 3)
    else:
        along_x, along_y, diagonal = (exp(-w) if across else 1.0 for w in (9.0, 4.0, across))
        assert found["Contrast"] == pytest.approx((along_y + diagonal) / (along_x + along_y + diagonal))


def test_an_unknown_norm_weighs_all_alike_as_in_pyradiomics() -> None:
    square = np.array([[[1, 1], [0, 2]]])
    assert features_of(square, Weighting("manhatten")) == features_of(square, Weighting("no_weighting"))


def test_mcc_is_the_second_largest_correlation_of_any_recoding() -> None:
    # Where the joint probability is the independent one plus r times a product, the correlations are r and 0.
    r, margin, swing = 0.3, np.array([0.5, 0.25, 0.25]), np.array([1.0, -1.0, -1.0])
    p = np.outer(margin, margin) * (1 + r * np.outer(swing, swing))
    assert p.sum() == pytest.approx(1)
    found = GLCM.compute(Cooccurrence(p[None], np.array([1.0, 2.0, 5.0]), 5), ("MCC",))
    assert found["MCC"] == pytest.approx(r, abs=1e-9)


def test_mcc_of_many_levels_is_that_of_the_whole_matrix() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((4, 40, 40)) ** 6
    p = p + p.transpose(0, 2, 1)
    p /= p.sum((1, 2), keepdims=True)
    found = GLCM.compute(Cooccurrence(p, np.arange(1.0, 41), 40), ("MCC",))["MCC"]
    directly = []
    for joint in p:
        q = np.einsum("ik,jk,i,k->ij", joint, joint, 1 / joint.sum(1), 1 / joint.sum(0))
        directly.append(sqrt(np.sort(np.linalg.eigvals(q).real)[-2]))
    assert found == pytest.approx(np.mean(directly), rel=1e-9)
