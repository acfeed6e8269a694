from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.phantom import CENTRES, Biology, Phase, draw_biology, render_on_mask


@pytest.fixture(scope="module")
def biology() -> Biology:
    return draw_biology(np.random.default_rng(1))


def two_kidneys(spacing: float = 3.0) -> sitk.Image:
    """Two ellipsoid kidneys, a tumour on the patient's right one, a cyst on the left one; LPS."""
    z, y, x = np.mgrid[0:44, 0:40, 0:80] * spacing

    def ball(centre: tuple[int, int, int], half: tuple[int, int, int]) -> np.ndarray:
        return sum(((axis - c) / h) ** 2 for axis, c, h in zip((x, y, z), centre, half, strict=True)) < 1

    labels = np.zeros(x.shape, np.uint8)
    labels[ball((54, 60, 66), (28, 24, 52)) | ball((186, 60, 66), (28, 24, 52))] = Label.KIDNEY
    labels[ball((36, 48, 90), (22, 22, 22))] = Label.TUMOUR
    labels[ball((200, 50, 40), (14, 14, 14))] = Label.CYST
    mask = sitk.GetImageFromArray(labels)
    mask.SetSpacing((spacing,) * 3)
    mask.SetOrigin((11.0, -200.0, 1300.0))
    return mask


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "SLP", "IPR"])
def test_the_image_lies_on_the_masks_grid_and_shows_its_labels(biology: Biology, orientation: str) -> None:
    mask = sitk.DICOMOrient(two_kidneys(), orientation)
    image = render_on_mask(mask, biology, centre=CENTRES[1], seed=0)
    for property_ in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(image, property_)() == getattr(mask, property_)()
    hu, labels = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(mask)
    assert np.median(hu[labels == Label.KIDNEY]) == pytest.approx(185, abs=15)
    assert 15 < np.median(hu[labels == Label.TUMOUR]) < 150
    assert np.median(hu[labels == Label.CYST]) == pytest.approx(8, abs=15)


def test_orientation_does_not_change_what_is_seen(biology: Biology) -> None:
    upright = render_on_mask(two_kidneys(), biology, centre=CENTRES[1], seed=0)
    turned = render_on_mask(sitk.DICOMOrient(two_kidneys(), "SAR"), biology, centre=CENTRES[1], seed=0)
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(turned, "LPS"))
    assert (back == sitk.GetArrayFromImage(upright)).all()


def test_the_body_is_built_around_the_kidneys(biology: Biology) -> None:
    hu = sitk.GetArrayFromImage(render_on_mask(two_kidneys(), biology, centre=CENTRES[1], seed=0))
    # The spine stands midway between the kidneys (x = 120 mm) and 13 mm behind their middles (y = 60 mm).
    vertebra = hu[:, 22:28, 37:43].mean(axis=(1, 2))
    assert np.median(vertebra) > 150
    front, back = hu[:, :6, 37:43], hu[:, -6:, 37:43]
    assert np.median(front) < np.median(back)


def test_phase_changes_the_parenchyma(biology: Biology) -> None:
    labels = sitk.GetArrayFromImage(two_kidneys())
    spread = {
        phase: sitk.GetArrayFromImage(render_on_mask(two_kidneys(), biology, centre=CENTRES[3], seed=0, phase=phase))[
            labels == Label.KIDNEY
        ].std()
        for phase in Phase
    }
    assert spread[Phase.CORTICOMEDULLARY] > spread[Phase.NEPHROGRAPHIC] + 5


def test_a_single_kidney_without_a_tumour_is_enough(biology: Biology) -> None:
    labels = sitk.GetArrayFromImage(two_kidneys())
    labels[:, :, 40:] = 0
    labels[labels != Label.KIDNEY] = 0
    mask = sitk.GetImageFromArray(labels)
    mask.SetSpacing((3, 3, 3))
    hu = sitk.GetArrayFromImage(render_on_mask(mask, biology, centre=CENTRES[1], seed=0))
    assert np.median(hu[labels == Label.KIDNEY]) == pytest.approx(185, abs=15)


def test_a_mask_without_kidney_or_tumour_is_refused(biology: Biology) -> None:
    empty = two_kidneys() * 0
    with pytest.raises(InputError, match="no kidney"):
        render_on_mask(empty, biology, centre=CENTRES[1], seed=0)
    one_tumour_voxel = sitk.Image(empty)
    one_tumour_voxel[10, 10, 10] = int(Label.TUMOUR)
    assert render_on_mask(one_tumour_voxel, biology, centre=CENTRES[1], seed=0).GetSize() == empty.GetSize()


def test_a_single_slice_is_refused(biology: Biology) -> None:
    with pytest.raises(InputError, match="give a volume"):
        render_on_mask(two_kidneys()[:, :, 20:21], biology, centre=CENTRES[1], seed=0)


@pytest.mark.data
@pytest.mark.parametrize("case", ["00004", "00006", "00007", "00011", "00012"])
def test_real_masks_can_be_scanned(real_data: Path, biology: Biology, case: str) -> None:
    mask = sitk.ReadImage(str(real_data / "kits23" / "masks" / f"case_{case}.nii.gz"))
    image = render_on_mask(mask, biology, centre=CENTRES[1], seed=0)
    assert (image.GetSize(), image.GetDirection(), image.GetOrigin()) == (
        mask.GetSize(),
        mask.GetDirection(),
        mask.GetOrigin(),
    )
    hu, labels = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(mask)
    assert np.median(hu[labels == Label.KIDNEY]) == pytest.approx(185, abs=20)
    assert np.median(hu[labels == Label.TUMOUR]) < 150
