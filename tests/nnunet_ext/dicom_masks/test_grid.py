"""Points of the patient as indices of voxels."""

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.dicom_masks.grid import ScanGrid


def test_an_index_is_itks() -> None:
    image = sitk.Image(7, 8, 9, sitk.sitkInt16)
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((-3.0, 4.0, 5.0))
    image.SetDirection((0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    grid = ScanGrid.of(image)
    index = np.array([[0, 0, 0], [6, 7, 8], [2.25, 3.5, 1.75], [-2, 9.5, 11.25]], float)
    points = np.array([image.TransformContinuousIndexToPhysicalPoint(one.tolist()) for one in index])
    assert grid.index_of(points) == pytest.approx(index)
    assert grid.shape == (9, 8, 7)


def test_slices_count_where_their_headers_put_them() -> None:
    image = sitk.Image(4, 4, 4, sitk.sitkInt16)
    image.SetSpacing((1.0, 1.0, 5.0))
    heights = [0.0, 4.6, 10.0, 15.0]
    grid = ScanGrid.of(image, [(0.0, 0.0, z) for z in heights])
    found = grid.index_of(np.array([[0, 0, z] for z in [*heights, 2.3, 20.0, -5.0]]))
    assert found[:, 2] == pytest.approx([0, 1, 2, 3, 0.5, 4, -1])


def test_positions_of_another_grid_do_not_count() -> None:
    image = sitk.Image(4, 4, 4, sitk.sitkInt16)
    image.SetSpacing((1.0, 1.0, 5.0))
    grid = ScanGrid.of(image, [(0.0, 0.0, 100.0 + z) for z in (0, 5, 10, 15)])
    assert grid.index_of(np.array([[0.0, 0.0, 5.0]]))[0] == pytest.approx([0, 0, 1])
    assert ScanGrid.of(image, [None] * 4).index_of(np.array([[0.0, 0.0, 5.0]]))[0] == pytest.approx([0, 0, 1])


def test_headers_alone_give_the_same_grid() -> None:
    grid = ScanGrid.of_slices([(1.0, 2.0, 3.0), (1.0, 2.0, 5.0)], (1, 0, 0, 0, 1, 0), (0.5, 0.25, 8, 6))
    assert grid.size == (6, 8, 2)
    assert grid.index_of(np.array([[1.5, 3.0, 4.0]]))[0] == pytest.approx([2, 2, 0.5])
