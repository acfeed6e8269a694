import numpy as np
import pytest
from scipy import ndimage

from nnunet_ext.anatomy.tumour_shape import TumourShape
from nnunet_ext.ground.labels import TOUCHING, Label

SPACING_MM = (10.0, 10.0, 10.0)
"""A voxel is 1 ml."""


def shape(mask: np.ndarray, spacing_mm: tuple[float, float, float] = SPACING_MM) -> TumourShape:
    bodies, n_bodies = ndimage.label(mask > 0, structure=TOUCHING)
    parenchyma = np.bincount(bodies[mask == Label.KIDNEY], minlength=n_bodies + 1)
    return TumourShape.of(mask, bodies, parenchyma, spacing_mm=spacing_mm)


def on_a_kidney(*tumour: int) -> np.ndarray:
    """A plate of kidney of 1 x 20 x 20 ml with a box of tumour upon it (zyx)."""
    z, y, x = tumour
    mask = np.zeros((60, 20, 20), np.uint8)
    mask[0] = Label.KIDNEY
    mask[1 : 1 + z, :y, :x] = Label.TUMOUR
    return mask


def test_a_cube_on_a_kidney_touches_it_with_a_sixth_of_its_surface() -> None:
    assert shape(on_a_kidney(4, 4, 4)) == TumourShape(1, 0.0, round(1 / 6, 3))


def test_faces_count_by_their_area() -> None:
    assert shape(on_a_kidney(1, 1, 1), (1.0, 10.0, 10.0)).contact == round(100 / (2 * 100 + 4 * 10), 3)


@pytest.mark.parametrize(("height", "is_raised"), [(4, False), (5, True)])
def test_a_contact_below_15_per_cent_is_told(height: int, is_raised: bool) -> None:
    found = shape(on_a_kidney(height, 4, 4))
    assert found.contact == round(16 / (2 * 16 + 4 * 4 * height), 3)
    assert found.flags()["tumour-contact"] is is_raised


def test_a_tumour_apart_has_no_contact_to_speak_of() -> None:
    mask = on_a_kidney(0, 0, 0)
    mask[10:12] = Label.TUMOUR
    assert shape(mask) == TumourShape(1, 0.0, None)
    assert not any(shape(mask).flags().values())


@pytest.mark.parametrize(("n_pieces", "is_raised"), [(3, False), (4, True)])
def test_more_than_three_pieces_are_told(n_pieces: int, is_raised: bool) -> None:
    mask = on_a_kidney(0, 0, 0)
    for piece in range(n_pieces):
        mask[1, 0, 4 * piece] = Label.TUMOUR
    found = shape(mask)
    assert (found.n_pieces, found.flags()["tumour-pieces"]) == (n_pieces, is_raised)


def test_a_piece_below_a_tenth_of_a_ml_is_none() -> None:
    mask = on_a_kidney(1, 1, 1)
    assert shape(mask, (4.6, 4.6, 4.7)).n_pieces == 0, "0.0995 ml"
    assert shape(mask, (4.7, 4.7, 4.7)).n_pieces == 1, "0.104 ml"


@pytest.mark.parametrize(("second_ml", "is_raised"), [(20, False), (21, True)])
def test_more_than_20_ml_of_tumour_in_either_kidney_is_told(second_ml: int, is_raised: bool) -> None:
    mask = on_a_kidney(3, 20, 20)
    mask[-1] = Label.KIDNEY
    mask[-2].reshape(-1)[:second_ml] = Label.TUMOUR
    found = shape(mask)
    assert (found.second_ml, found.flags()["both-kidneys"]) == (second_ml, is_raised)
