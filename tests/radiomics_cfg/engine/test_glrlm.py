import numpy as np
import pytest

from radiomics_cfg.engine.discretise import GreyLevels
from radiomics_cfg.engine.glcm import Weighting
from radiomics_cfg.engine.glrlm import GLRLM, RunLengths
from radiomics_cfg.engine.matrices import Layout, Neighbourhood

EVERY = GLRLM.names()


def features_of(region: np.ndarray, weighting: Weighting = Weighting()) -> dict[str, float]:
    inside = region > 0
    levels, ranks = np.unique(region[inside], return_inverse=True)
    matrices = Layout(inside, Neighbourhood()).matrices(GreyLevels((ranks + 1).astype(np.uint16), levels))
    return GLRLM.compute(RunLengths.of(matrices, weighting), EVERY)


def test_a_uniform_row_is_one_run() -> None:
    found = features_of(np.full((1, 1, 5), 1))  # directions across it hold no two voxels and do not count
    assert found["LongRunEmphasis"] == 25
    assert found["ShortRunEmphasis"] == pytest.approx(1 / 25)
    assert found["RunPercentage"] == pytest.approx(1 / 5)
    ones = ("RunLengthNonUniformity", "GrayLevelNonUniformity", "RunLengthNonUniformityNormalized", "HighGrayLevelRunEmphasis")
    assert [found[name] for name in ones] == [1.0] * 4
    assert [found[name] for name in ("RunVariance", "GrayLevelVariance", "RunEntropy")] == pytest.approx([0.0] * 3)


def test_a_row_of_levels_in_turn_is_runs_of_one_voxel() -> None:
    found = features_of(np.array([[[1, 3, 1, 3]]]))
    assert found["ShortRunEmphasis"] == found["LongRunEmphasis"] == found["RunPercentage"] == 1.0
    assert found["HighGrayLevelRunEmphasis"] == found["LongRunHighGrayLevelEmphasis"] == (1 + 9) / 2
    assert found["LowGrayLevelRunEmphasis"] == pytest.approx((1 + 1 / 9) / 2)
    assert found["GrayLevelNonUniformity"] == (2**2 + 2**2) / 4
    assert found["RunLengthNonUniformity"] == 4
    assert found["GrayLevelVariance"] == 1.0
    assert found["RunEntropy"] == pytest.approx(1.0)


def test_runs_of_1_and_3_voxels() -> None:
    found = features_of(np.array([[[2, 1, 1, 1]]]))
    assert found["LongRunEmphasis"] == (1 + 9) / 2
    assert found["LongRunLowGrayLevelEmphasis"] == (9 + 1 / 4) / 2
    assert found["ShortRunHighGrayLevelEmphasis"] == pytest.approx((4 + 1 / 9) / 2)
    assert found["RunVariance"] == 1.0
    assert found["RunPercentage"] == 2 / 4


def test_directions_are_averaged_feature_by_feature() -> None:
    found = features_of(np.full((1, 2, 4), 1))
    # Two runs of 4 along x, four of 2 along y, and along each diagonal 3 of 2 with 2 single voxels.
    expected = [16.0, 4.0, (3 * 4 + 2) / 5, (3 * 4 + 2) / 5]
    assert found["LongRunEmphasis"] == pytest.approx(np.mean(expected))


def test_weights_merge_the_directions_first() -> None:
    square = np.array([[[1, 1], [1, 2]]])
    spacing = (1.0, 2.0, 3.0)
    found = features_of(square, Weighting("euclidean", spacing))["LongRunEmphasis"]
    along_x, along_y, diagonal = 3.0, 2.0, np.sqrt(13.0)
    # Along x a run of 2 and two of 1, along y the same; along one diagonal four of 1, along the other a run of 2 and two.
    total = (along_x + along_y + diagonal) * (4 + 1 + 1) + diagonal * 4
    assert found == pytest.approx(total / ((along_x + along_y + diagonal) * 3 + diagonal * 4))


def test_voxels_of_which_no_two_share_a_line_have_no_runs() -> None:
    apart = np.zeros((1, 2, 3), int)
    apart[0, 0, 0] = apart[0, 1, 2] = 1
    assert np.isnan(list(features_of(apart).values())).all()
