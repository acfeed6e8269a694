import numpy as np
import pytest

from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.glszm import GLSZM, zone_sizes
from radiomics_cfg.engine.matrices import Layout, Neighbourhood


def features_of(region: np.ndarray) -> dict[str, float]:
    inside = region > 0
    levels, ranks = np.unique(region[inside], return_inverse=True)
    matrices = Layout(inside, Neighbourhood()).matrices(GreyLevels((ranks + 1).astype(np.uint16), levels))
    return GLSZM.compute(zone_sizes(matrices), GLSZM.names())


def test_a_uniform_region_is_one_zone() -> None:
    found = features_of(np.full((3, 3, 3), 1))
    assert found["LargeAreaEmphasis"] == 27**2
    assert found["SmallAreaEmphasis"] == pytest.approx(27.0**-2)
    assert found["ZonePercentage"] == pytest.approx(1 / 27)
    assert found["SizeZoneNonUniformity"] == found["GrayLevelNonUniformity"] == found["HighGrayLevelZoneEmphasis"] == 1.0
    assert [found[name] for name in ("ZoneVariance", "GrayLevelVariance", "ZoneEntropy")] == pytest.approx([0.0] * 3)


def test_a_checkerboard_is_two_zones_because_they_join_across_edges() -> None:
    found = features_of(np.indices((4, 4, 4)).sum(0) % 2 + 1)
    assert found["ZonePercentage"] == 2 / 64
    assert found["LargeAreaEmphasis"] == 32**2
    assert found["LargeAreaHighGrayLevelEmphasis"] == 32**2 * (1 + 4) / 2
    assert found["ZoneEntropy"] == pytest.approx(1.0)


def test_parts_of_one_level_that_do_not_touch_are_zones_of_their_own() -> None:
    found = features_of(np.array([[[5, 5, 1, 5, 0, 5]]]))  # sizes 2, 1, 1 of level 5, and 1 of level 1
    assert found["SmallAreaEmphasis"] == (3 + 1 / 4) / 4
    assert found["LargeAreaLowGrayLevelEmphasis"] == pytest.approx((1 + (4 + 1 + 1) / 25) / 4)
    assert found["SmallAreaHighGrayLevelEmphasis"] == pytest.approx((1 + 25 * (1 / 4 + 1 + 1)) / 4)
    assert found["SizeZoneNonUniformityNormalized"] == (3**2 + 1) / 16
    assert found["GrayLevelNonUniformityNormalized"] == (3**2 + 1) / 16
    assert found["GrayLevelVariance"] == pytest.approx(np.var([1, 5, 5, 5]))
    assert found["ZoneVariance"] == pytest.approx(np.var([1, 1, 1, 2]))
    assert found["ZonePercentage"] == 4 / 5
