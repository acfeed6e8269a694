import numpy as np
import pytest
import SimpleITK as sitk
from two_kidneys import MARK_AT, MARK_HU, ORDERS, SPACING, stored, two_kidneys

from ccrcc_model.patient import shown_scan
from ccrcc_model.patient.grey_codes import decode_hu
from ccrcc_model.patient.shown_scan import MARGIN_MM, ring_rules, show
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.measurements.patient import measure_patient
from radiomics_cfg.preset import load_preset


def grid(hu: np.ndarray, labels: np.ndarray, spacing: tuple[float, ...]) -> Scan:
    image, mask = sitk.GetImageFromArray(hu), sitk.GetImageFromArray(labels)
    for one in (image, mask):
        one.SetSpacing(spacing)
    return Scan(image, mask)


def test_all_48_orders_of_storage_show_the_same() -> None:
    scan = two_kidneys()
    reference = show(scan)
    assert len(set(ORDERS)) == 48
    for order in ORDERS:
        shown = show(stored(scan, order))
        assert np.array_equal(shown.codes, reference.codes), order
        assert np.array_equal(shown.labels, reference.labels), order
        assert (shown.first, shown.lesions) == (reference.first, reference.lesions), order
        assert all(np.array_equal(shown.regions[name], reference.regions[name]) for name in reference.regions), order
        assert np.allclose(shown.spacing_mm, reference.spacing_mm)


@pytest.mark.parametrize("order", ["LPS", "RAS", "SAR", "PIL"])
def test_a_mark_on_the_left_in_front_and_above_lies_there(order: str) -> None:
    shown = show(stored(two_kidneys(), order))
    x, y, z = (at - first for at, first in zip(MARK_AT, shown.first, strict=True))
    hu = decode_hu(shown.codes)
    assert hu[z : z + 3, y : y + 3, x : x + 3].min() > MARK_HU - 60
    assert x > shown.size[0] / 2
    assert y < shown.size[1] / 2
    assert z > shown.size[2] / 2


def test_a_click_on_a_lesion_leads_into_it() -> None:
    shown = show(two_kidneys())
    tumour, cyst = shown.lesions
    assert (tumour.label, tumour.number, tumour.side, cyst.label) == ("tumour", 1, "left", "cyst")
    for lesion, label in ((tumour, Label.TUMOUR), (cyst, Label.CYST)):
        x, y, z = lesion.at
        assert shown.labels[z, y, x] == label
        assert lesion.volume_ml == pytest.approx(shown.volume_ml(label))
    area = (shown.labels == Label.TUMOUR).sum(axis=(1, 2))
    assert tumour.at[2] == area.argmax() == shown.slice_of_interest


@pytest.mark.parametrize("order", ["LPS", "RAI", "SLP"])
def test_cysts_of_one_volume_have_the_numbers_of_the_measurements(order: str) -> None:
    scan = two_kidneys(cyst=False)
    labels = sitk.GetArrayFromImage(scan.mask)
    for x, y, z in ((66, 40, 12), (20, 34, 26), (24, 30, 15), (20, 40, 20)):
        labels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = Label.CYST
    stored_scan = stored(Scan(scan.image, _like(labels, scan.mask)), order)
    shown = show(stored_scan)
    upright = sitk.DICOMOrient(stored_scan.image, "LPS")
    measured = {(one.label, one.lesion): one.centroid_voxel_xyz for one in measure_patient(stored_scan).lesions}
    assert (
        [(one.label, one.number) for one in shown.lesions]
        == list(measured)
        == [("tumour", 1), *(("cyst", n) for n in (2, 3, 4, 5))]
    )
    for lesion in shown.lesions:
        centre = stored_scan.image.TransformContinuousIndexToPhysicalPoint(measured[lesion.label, lesion.number])
        expected = upright.TransformPhysicalPointToContinuousIndex(centre)
        assert np.allclose(np.add(lesion.at, shown.first), expected, atol=1.01)


def _like(labels: np.ndarray, mask: sitk.Image) -> sitk.Image:
    made = sitk.GetImageFromArray(labels)
    made.CopyInformation(mask)
    return made


def test_the_margin_is_shown_and_no_more() -> None:
    shown = show(two_kidneys())
    z, y, x = np.nonzero(shown.labels)
    margins = [(part.min(), n - 1 - part.max()) for part, n in zip((x, y, z), shown.size, strict=True)]
    wanted = [int(np.ceil(MARGIN_MM / mm)) for mm in SPACING]
    assert all(side <= most for pair, most in zip(margins, wanted, strict=True) for side in pair)
    assert margins[1][1] == wanted[1]


def test_rings_are_whole_around_every_lesion_and_end_at_their_width() -> None:
    shown = show(two_kidneys(cyst=False))
    names = [ring.region_name("whole") for ring in load_preset("multiscale").regions.rings]
    assert list(shown.regions) == ["tumour", *names]
    assert np.array_equal(shown.regions["tumour"], shown.labels == Label.TUMOUR)
    ring = shown.regions[names[0]]
    assert ring.any()
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(
            _spaced((shown.labels == Label.TUMOUR).astype(np.uint8), shown.spacing_mm),
            squaredDistance=False,
            useImageSpacing=True,
        )
    )
    assert distance[ring].min() > 0
    assert distance[ring].max() <= 3.0 + max(SPACING)
    assert ring_rules().names == tuple(shown.regions)


def _spaced(array: np.ndarray, spacing: tuple[float, ...]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def test_a_mask_without_a_tumour_shows_kidneys_and_no_lesion() -> None:
    shown = show(two_kidneys(tumour=False, cyst=False))
    assert shown.lesions == ()
    assert shown.regions == {}
    assert shown.volume_ml(Label.KIDNEY) > 50


def test_an_empty_mask_shows_the_whole_scan() -> None:
    scan = two_kidneys()
    empty = sitk.GetImageFromArray(np.zeros(scan.mask.GetSize()[::-1], np.uint8))
    empty.CopyInformation(scan.mask)
    shown = show(Scan(scan.image, empty))
    assert shown.size == scan.image.GetSize()
    assert shown.slice_of_interest == scan.image.GetSize()[2] // 2


@pytest.mark.parametrize(("slice_mm", "merged"), [(1.0, (1, 1, 2)), (1.6, (2, 2, 1))])
def test_noise_that_does_not_fit_is_averaged_over_thin_slices_first(
    monkeypatch: pytest.MonkeyPatch, slice_mm: float, merged: tuple[int, ...]
) -> None:
    hu = np.random.default_rng(0).normal(100, 40, (21, 33, 35)).astype(np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    labels[8:12, 10:20, 10:20] = Label.TUMOUR
    whole = show(grid(hu, labels, (1.0, 1.0, slice_mm)))
    assert whole.merged == (1, 1, 1)
    monkeypatch.setattr(shown_scan, "MOST_BYTES", len(whole.image))
    assert show(grid(hu, labels, (1.0, 1.0, slice_mm))).merged == (1, 1, 1)  # just fits
    monkeypatch.setattr(shown_scan, "MOST_BYTES", len(whole.image) - 1)
    shown = show(grid(hu, labels, (1.0, 1.0, slice_mm)))
    assert shown.merged == merged
    assert shown.labels.shape == whole.labels.shape
    assert shown.codes.shape == tuple(-(-n // m) for n, m in zip(whole.labels.shape, merged[::-1], strict=True))
    x, y, z = merged
    assert decode_hu(shown.codes)[3, 4, 5] == pytest.approx(
        hu[3 * z : 3 * z + z, 4 * y : 4 * y + y, 5 * x : 5 * x + x].mean(), abs=2
    )


def test_a_turned_scan_states_its_angle() -> None:
    scan = two_kidneys()
    turn = sitk.Euler3DTransform((0, 0, 0), 0, 0, float(np.radians(12))).GetMatrix()
    for image in (scan.image, scan.mask):
        image.SetDirection(turn)
    assert show(scan).oblique_degrees == pytest.approx(12)
    assert show(two_kidneys()).oblique_degrees == 0
