from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from scipy import ndimage

from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.perturbation.perturbed_mask import (
    ContourRandomisation,
    Perturbation,
    Translation,
    VolumeChange,
    perturb,
    usual_perturbations,
)
from radiomics_cfg.regions.tumours import MARGIN_MM, Tumours

Labels = npt.NDArray[np.uint8]
TwoBalls = Callable[..., Scan]

THICK = (0.8, 0.8, 5.0)
EXTENT_MM = (80.0, 70.0, 60.0)


def scan_of(labels: Labels, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), *, noise_hu: float = 15) -> Scan:
    """HU 160 in kidney, 90 in tumour, 10 in a cyst, -100 around, and noise."""
    hu = np.choose(labels, [-100, 160, 90, 10]) + np.random.default_rng(0).normal(0, noise_hu, labels.shape)
    image, mask = sitk.GetImageFromArray(hu.round().astype(np.int16)), sitk.GetImageFromArray(labels)
    image.SetSpacing(spacing)
    mask.CopyInformation(image)
    return Scan(image, mask)


def ball(radius_mm: float, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), *, x_mm: float = 40.3) -> Labels:
    z, y, x = ((np.arange(round(size / step)) + 0.5) * step for size, step in zip(EXTENT_MM[::-1], spacing[::-1], strict=True))
    z, y, x = np.meshgrid(z, y, x, indexing="ij")
    inside = (x - x_mm) ** 2 + (y - 35.2) ** 2 + (z - 30.1) ** 2 <= radius_mm**2
    return np.where(inside, Label.TUMOUR, Label.BACKGROUND).astype(np.uint8)


def labels_of(scan: Scan) -> Labels:
    labels: Labels = sitk.GetArrayFromImage(scan.mask)
    return labels


def changed(scan: Scan, perturbation: Perturbation) -> Labels:
    return labels_of(perturb(Tumours.of(scan), perturbation))


def count(labels: Labels) -> int:
    return int(np.count_nonzero(labels == Label.TUMOUR))


def centre_mm(scan: Scan) -> npt.NDArray[np.float64]:
    middle = [float(index.mean()) for index in np.nonzero(labels_of(scan) == Label.TUMOUR)]
    return np.array(scan.mask.TransformContinuousIndexToPhysicalPoint(middle[::-1]))


def dice(one: Labels, other: Labels) -> float:
    both = np.count_nonzero((one == Label.TUMOUR) & (other == Label.TUMOUR))
    return 2 * both / (count(one) + count(other))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 3.0, 3.0), THICK])
@pytest.mark.parametrize("fraction", [-0.2, -0.1, 0.1, 0.2])
def test_a_volume_changes_by_its_fraction_to_the_last_voxel(fraction: float, spacing: tuple[float, float, float]) -> None:
    labels = ball(14, spacing)
    new = changed(scan_of(labels, spacing), VolumeChange(fraction))
    assert count(new) == round(count(labels) * (1 + fraction))
    smaller, larger = sorted((new == Label.TUMOUR, labels == Label.TUMOUR), key=np.count_nonzero)
    assert not (smaller & ~larger).any()


@pytest.mark.parametrize("fraction", [-0.2, 0.2])
def test_a_ball_stays_a_ball_within_a_voxel(fraction: float) -> None:
    new = changed(scan_of(ball(14)), VolumeChange(fraction)) == Label.TUMOUR
    radius = 14 * (1 + fraction) ** (1 / 3)
    assert not (new & (ball(radius + 1) != Label.TUMOUR)).any()
    assert new[ball(radius - 1) == Label.TUMOUR].all()


def test_a_thick_slice_is_not_taken_for_a_near_one() -> None:
    labels = ball(14, THICK)
    grown = changed(scan_of(labels, THICK), VolumeChange(0.2))
    # The radius grows by 0.9 mm: in the plane that is a voxel, but the nearest face of the next slice is 2.5 mm away.
    slices, grown_slices = ((found == Label.TUMOUR).any(axis=(1, 2)) for found in (labels, grown))
    np.testing.assert_array_equal(grown_slices, slices)
    assert count(grown[6]) > 1.1 * count(labels[6])


@pytest.mark.parametrize("shift", [(3.0, 0.0, 0.0), (0.0, -2.0, 0.0), (1.0, 1.0, -4.0)])
def test_a_shift_by_whole_voxels_moves_the_mask_as_it_is(shift: tuple[float, float, float]) -> None:
    labels = ball(9)
    new = changed(scan_of(labels), Translation(*shift))
    np.testing.assert_array_equal(new, np.roll(labels, [int(mm) for mm in shift[::-1]], axis=(0, 1, 2)))


@pytest.mark.parametrize(
    ("spacing", "shift", "tolerance"),
    [((1.0, 1.0, 1.0), (0.3, -0.4, 0.6), 0.05), (THICK, (1.0, 0.0, 0.0), 0.05), (THICK, (0.0, 0.0, 2.0), 0.6)],
)
def test_a_shift_moves_the_centre_by_what_was_asked(
    spacing: tuple[float, float, float], shift: tuple[float, float, float], tolerance: float
) -> None:
    scan = scan_of(ball(14, spacing), spacing)
    moved = perturb(Tumours.of(scan), Translation(*shift))
    assert centre_mm(moved) - centre_mm(scan) == pytest.approx(shift, abs=tolerance)
    assert count(labels_of(moved)) == count(labels_of(scan))


def test_a_shift_follows_the_patient_not_the_order_of_the_voxels() -> None:
    scan = scan_of(ball(9))
    for image in (scan.image, scan.mask):
        image.SetDirection((0, 0, 1, -1, 0, 0, 0, -1, 0))
    moved = perturb(Tumours.of(scan), Translation(2.0, 3.0, -1.0))
    assert centre_mm(moved) - centre_mm(scan) == pytest.approx((2, 3, -1))


@pytest.mark.parametrize("nothing", [VolumeChange(0.0), Translation(0.0, 0.0, 0.0)])
def test_what_changes_nothing_leaves_every_label(nothing: Perturbation, two_balls: TwoBalls) -> None:
    scan = two_balls()
    np.testing.assert_array_equal(changed(scan, nothing), labels_of(scan))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), THICK])
def test_a_random_contour_follows_its_seed_and_stays_near(spacing: tuple[float, float, float]) -> None:
    labels = ball(14, spacing)
    scan = scan_of(np.where(labels, labels, Label.KIDNEY).astype(np.uint8), spacing, noise_hu=60)
    first, again, second = (changed(scan, ContourRandomisation(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    for drawn in (first, second):
        assert 0.8 < dice(drawn, labels) < 0.99
        assert abs(count(drawn) / count(labels) - 1) < 0.15
        _, pieces = ndimage.label(drawn == Label.TUMOUR, structure=np.ones((3, 3, 3)))
        assert pieces == 1


def test_a_random_contour_is_drawn_along_edges_in_the_image() -> None:
    labels = ball(14)
    clear = scan_of(labels)
    blurred = replace(clear, image=sitk.SmoothingRecursiveGaussian(clear.image, 8.0))
    clear_dice, blurred_dice = (dice(changed(scan, ContourRandomisation(0)), labels) for scan in (clear, blurred))
    assert 0.8 < blurred_dice < 0.9
    assert 0.98 < clear_dice < 1


@pytest.mark.parametrize("perturbation", usual_perturbations(), ids=lambda perturbation: perturbation.name)
def test_other_labels_give_way_or_fill_in(perturbation: Perturbation) -> None:
    labels = np.zeros((40, 50, 60), np.uint8)
    labels[5:35, 5:45, :30] = Label.KIDNEY
    labels[12:28, 15:35, 20:40] = Label.TUMOUR  # one half in the kidney
    labels[12:28, 10:15, 20:26] = Label.CYST
    new = changed(scan_of(labels), perturbation)
    np.testing.assert_array_equal(new == Label.CYST, labels == Label.CYST)
    given_up = (labels == Label.TUMOUR) & (new != Label.TUMOUR)
    x = np.nonzero(given_up)[2]
    assert (new[given_up][x < 28] == Label.KIDNEY).all()
    assert (new[given_up][x > 32] == Label.BACKGROUND).all()
    elsewhere = (labels != Label.TUMOUR) & (new != Label.TUMOUR)
    np.testing.assert_array_equal(new[elsewhere], labels[elsewhere])


@pytest.mark.parametrize("perturbation", usual_perturbations(), ids=lambda perturbation: perturbation.name)
def test_a_tumour_at_the_edge_stays_in_the_scan(perturbation: Perturbation) -> None:
    labels = ball(14)[25:, :, 38:].copy()
    new = changed(scan_of(labels), perturbation)
    assert new.shape == labels.shape
    assert dice(new, labels) > 0.8
    if isinstance(perturbation, VolumeChange):
        assert count(new) == round(count(labels) * (1 + perturbation.fraction))


def test_two_tumours_change_each_by_its_fraction_and_stay_apart() -> None:
    labels = ball(12, x_mm=25) | ball(6, x_mm=46)  # 3 mm apart
    _, before = ndimage.label(labels)
    new = changed(scan_of(labels), VolumeChange(0.2))
    pieces, after = ndimage.label(new, structure=np.ones((3, 3, 3)))
    assert (before, after) == (2, 2)
    sizes = np.bincount(pieces.ravel())[1:].tolist()
    assert sizes == [round(1.2 * count(ball(radius, x_mm=x))) for radius, x in ((12, 25), (6, 46))]


def test_a_tumour_of_one_voxel_never_vanishes() -> None:
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[15, 15, 15] = Label.TUMOUR
    assert min(count(changed(scan_of(labels), perturbation)) for perturbation in usual_perturbations()) >= 1


def test_distance_grows_by_millimetres_from_the_surface() -> None:
    (tumour,) = Tumours.of(scan_of(ball(14, THICK), THICK)).pieces
    z, y, x = (np.array(tumour.inside.shape) // 2).tolist()
    along_x = tumour.signed_distance_mm[z, y]
    first = int(np.flatnonzero(tumour.inside[z, y])[0])
    assert along_x[first - 3 : first + 2] == pytest.approx([2.0, 1.2, 0.4, -0.4, -1.2], abs=0.2)
    top = int(np.flatnonzero(tumour.inside[:, y, x])[-1])
    assert tumour.signed_distance_mm[top + 1, y, x] == pytest.approx(2.5)
    assert np.abs(tumour.signed_distance_mm).max() <= MARGIN_MM


def test_a_mask_without_a_tumour_is_refused(two_balls: TwoBalls) -> None:
    scan = two_balls()
    healthy = Scan(scan.image, sitk.Cast(scan.mask == int(Label.KIDNEY), sitk.sitkUInt8))
    with pytest.raises(CaseRefused, match="tumour-absent"):
        Tumours.of(healthy)


@pytest.mark.parametrize("fraction", [-0.31, 0.31, float("nan")])
def test_a_volume_changes_by_less_than_a_third(fraction: float) -> None:
    assert VolumeChange(-0.3).name == "volume -30%"
    with pytest.raises(InputError, match=r"-0.3 to 0.3 of itself; found"):
        VolumeChange(fraction)


def test_a_translation_is_small() -> None:
    assert Translation(3.0, 0.0, -4.0).name == "translation 3 0 -4 mm"
    with pytest.raises(InputError, match=r"at most 5 mm long; found 5.1"):
        Translation(0.0, -5.1, 0.0)


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(InputError, match="found -1"):
        ContourRandomisation(-1)


def test_the_usual_perturbations_follow_their_seed() -> None:
    names = [perturbation.name for perturbation in usual_perturbations(2)]
    assert names[:4] == ["volume -20%", "volume -10%", "volume +10%", "volume +20%"]
    assert names[4:6] == ["translation -1 -1 -1 mm", "translation 1 1 1 mm"]
    assert names[6:] == ["contour 6", "contour 7", "contour 8"]


@pytest.mark.data
def test_a_real_mask_is_perturbed_about_as_much_as_two_readers_differ(real_data: Path) -> None:
    mask = sitk.Cast(sitk.ReadImage(real_data / "kits23" / "masks" / "case_00136.nii.gz"), sitk.sitkUInt8)
    scan = scan_of(sitk.GetArrayFromImage(mask), mask.GetSpacing(), noise_hu=40)
    # Two readers of KiTS19 have a Dice of 0.92 on tumours; this one is small, 8.5 ml on slices of 5 mm.
    found = [dice(changed(scan, perturbation), labels_of(scan)) for perturbation in usual_perturbations()]
    assert 0.84 < min(found) < max(found) < 0.96
