import numpy as np
import pytest

from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.gldm import GLDM, dependences
from radiomics_cfg.engine.matrices import Layout, Neighbourhood


def features_of(region: np.ndarray, *, tolerance: int = 0) -> dict[str, float]:
    inside = region > 0
    levels, ranks = np.unique(region[inside], return_inverse=True)
    matrices = Layout(inside, Neighbourhood()).matrices(GreyLevels((ranks + 1).astype(np.uint16), levels), tolerance=tolerance)
    return GLDM.compute(dependences(matrices), GLDM.names())


def test_in_a_uniform_cube_a_voxel_depends_on_its_neighbours_and_itself() -> None:
    found = features_of(np.full((3, 3, 3), 1))
    sizes = [8] * 8 + [12] * 12 + [18] * 6 + [27]  # corners, edges, faces, the middle
    assert found["LargeDependenceEmphasis"] == pytest.approx(np.mean(np.square(sizes)))
    assert found["SmallDependenceEmphasis"] == pytest.approx(np.mean(np.array(sizes, float) ** -2))
    assert found["DependenceVariance"] == pytest.approx(np.var(sizes))
    assert found["DependenceNonUniformity"] == pytest.approx((8**2 + 12**2 + 6**2 + 1) / 27)
    assert found["DependenceNonUniformityNormalized"] == pytest.approx((8**2 + 12**2 + 6**2 + 1) / 27**2)
    assert found["GrayLevelNonUniformity"] == 27
    shares = np.array([8, 12, 6, 1]) / 27
    assert found["DependenceEntropy"] == pytest.approx(-(shares * np.log2(shares)).sum())


def test_where_no_neighbour_is_alike_every_voxel_depends_on_itself_alone() -> None:
    found = features_of(np.array([[[1, 2, 4]]]))
    assert found["SmallDependenceEmphasis"] == found["LargeDependenceEmphasis"] == 1.0
    assert found["HighGrayLevelEmphasis"] == found["LargeDependenceHighGrayLevelEmphasis"] == (1 + 4 + 16) / 3
    assert (
        found["LowGrayLevelEmphasis"]
        == found["SmallDependenceLowGrayLevelEmphasis"]
        == pytest.approx((1 + 1 / 4 + 1 / 16) / 3)
    )
    assert found["DependenceVariance"] == 0.0
    assert found["GrayLevelVariance"] == pytest.approx(np.var([1, 2, 4]))


@pytest.mark.parametrize(("tolerance", "expected"), [(0, 1.0), (1, (4 + 4 + 1) / 3), (2, (4 + 9 + 4) / 3)])
def test_levels_within_the_tolerance_are_alike(tolerance: int, expected: float) -> None:
    found = features_of(np.array([[[1, 2, 4]]]), tolerance=tolerance)
    assert found["LargeDependenceEmphasis"] == pytest.approx(expected)
