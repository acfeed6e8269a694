import numpy as np
import pytest

from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.matrices import Layout, Neighbourhood
from radiomics_cfg.engine.ngtdm import COARSEST, NGTDM, ToneDifferences


def features_of(region: np.ndarray) -> dict[str, float]:
    inside = region > 0
    levels, ranks = np.unique(region[inside], return_inverse=True)
    matrices = Layout(inside, Neighbourhood()).matrices(GreyLevels((ranks + 1).astype(np.uint16), levels))
    return NGTDM.compute(ToneDifferences.of(matrices), NGTDM.names())


def test_a_uniform_region_is_as_coarse_as_can_be() -> None:
    found = features_of(np.full((3, 3, 3), 1))
    assert found.pop("Coarseness") == COARSEST == 1e6
    assert set(found.values()) == {0.0}


def test_two_voxels_of_two_levels() -> None:
    # Each differs by 1 from its one neighbour: p = 1/2, s = 1 for both levels.
    assert features_of(np.array([[[1, 2]]])) == pytest.approx(
        {"Busyness": 1.0, "Coarseness": 1.0, "Complexity": 1.0, "Contrast": 0.25, "Strength": 1.0}
    )


def test_a_row_of_three_levels() -> None:
    # 1 against 2, 2 against 2, 3 against 2: p = 1/3, s = 1, 0, 1.
    found = features_of(np.array([[[1, 2, 3]]]))
    assert found["Coarseness"] == pytest.approx(1 / (2 / 3))
    assert found["Contrast"] == pytest.approx((2 * (1 + 1 + 4) / 9) / (3 * 2) * 2 / 3)
    assert found["Busyness"] == pytest.approx((2 / 3) / (2 * (1 + 1 + 2) / 3))
    assert found["Complexity"] == pytest.approx(2 * (1 * 1 / 2 + 1 * 1 / 2 + 2 * 2 / 2) / 3)
    assert found["Strength"] == pytest.approx(2 * (2 / 3) * (1 + 1 + 4) / 2)


def test_levels_that_tell_nothing_of_each_other_are_not_busy() -> None:
    # i p(i) is the same for both levels, so the sum that busyness divides by is 0.
    found = features_of(np.array([[[2, 1, 1]]]))
    assert found["Busyness"] == 0.0
