from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.regions.lesions import LEFT, RIGHT, Anatomy, Laterality, Lesion, body_midline_mm, find_anatomy
from tests.support.orientations import ORIENTATIONS, turned

Part = tuple[Label, tuple[float, float, float], tuple[float, float, float]]

# Centres and radii along x, y, z of a body whose midline is x = 0; x grows to the patient's left.
LEFT_KIDNEY: Part = (Label.KIDNEY, (65, 20, 0), (28, 25, 50))
RIGHT_KIDNEY: Part = (Label.KIDNEY, (-65, 20, 0), (28, 25, 50))
ISTHMUS: Part = (Label.KIDNEY, (0, 10, -30), (50, 12, 14))
LEFT_TUMOUR: Part = (Label.TUMOUR, (95, 20, 20), (20, 20, 20))
RIGHT_TUMOUR: Part = (Label.TUMOUR, (-90, 20, -20), (12, 12, 12))


def body(*parts: Part, midline_mm: float = 0.0) -> Scan:
    """Paint an elliptical body, off the centre of a scan of 5 x 4 x 6 mm voxels, and in it the parts in turn."""
    x, y, z = np.arange(-180.0, 130, 5), np.arange(-100.0, 100, 4), np.arange(-75.0, 75, 6)
    zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
    labels = np.zeros(xx.shape, np.uint8)
    for label, (at_x, at_y, at_z), (rx, ry, rz) in parts:
        inside = ((xx - at_x) / rx) ** 2 + ((yy - at_y) / ry) ** 2 + ((zz - at_z) / rz) ** 2 <= 1
        labels[inside] = label
    image = sitk.GetImageFromArray(np.where((xx / 125) ** 2 + (yy / 80) ** 2 <= 1, 40, -1000).astype(np.int16))
    image.SetSpacing((5.0, 4.0, 6.0))
    image.SetOrigin((x[0] + midline_mm, y[0], z[0]))
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(image)
    return Scan(image, mask)


def rotation(degrees: float) -> np.ndarray:
    """Matrix of a turn by ``degrees`` about each of the three axes."""
    angle = np.radians(degrees)
    return np.array(sitk.Euler3DTransform((0.0, 0.0, 0.0), angle, angle, angle).GetMatrix()).reshape(3, 3)


def rotated(scan: Scan, matrix: np.ndarray) -> Scan:
    """Return the anatomy turned in space, image axes and all."""
    images = [sitk.Image(image) for image in (scan.image, scan.mask)]
    for image in images:
        image.SetDirection((matrix @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
        image.SetOrigin((matrix @ image.GetOrigin()).tolist())
    return Scan(*images)


def side_at(anatomy: Anatomy, scan: Scan, point_mm: tuple[float, float, float]) -> int:
    x, y, z = scan.mask.TransformPhysicalPointToIndex(point_mm)
    return int(anatomy.sides[z, y, x])


def blocks(*blocks: tuple[int, int, int], shape: tuple[int, int, int] = (20, 30, 40)) -> Scan:
    """Make tumours of 1 mm voxels: a row of so many voxels along x from each (count, y, x), at z 10."""
    labels = np.zeros(shape, np.uint8)
    for count, y, x in blocks:
        labels[10, y, x : x + count] = Label.TUMOUR
    mask = sitk.GetImageFromArray(labels)
    image = sitk.GetImageFromArray(np.zeros(shape, np.int16))
    return Scan(image, mask)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_lesions_of_both_kidneys_are_told_apart_in_every_orientation(axes: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    scan = turned(body(LEFT_KIDNEY, RIGHT_KIDNEY, LEFT_TUMOUR, RIGHT_TUMOUR), axes, flips)
    found = find_anatomy(scan)
    assert found.lesions == (Lesion(1, "left"), Lesion(2, "right"))
    assert (side_at(found, scan, (65, 20, 0)), side_at(found, scan, (-65, 20, 0))) == (LEFT, RIGHT)
    x, y, z = scan.mask.TransformPhysicalPointToIndex((95, 20, 20))
    assert found.numbers[z, y, x] == 1
    assert found.kidney_ml["left"] == pytest.approx(found.kidney_ml["right"], rel=0.15)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
@pytest.mark.parametrize(("x", "side", "other"), [(15, "left", "right"), (-15, "right", "left")])
def test_a_single_kidney_is_on_its_side_of_the_bodys_midline_in_every_orientation(
    axes: tuple[int, ...], flips: tuple[bool, ...], x: float, side: Laterality, other: Laterality
) -> None:
    # The middle of the scan is at x = -27.5: both kidneys are to its left.
    single: Part = (Label.KIDNEY, (x, 20, 0), (28, 25, 50))
    lateral: Part = (Label.TUMOUR, (3 * x, 20, 0), (12, 12, 12))
    found = find_anatomy(turned(body(single, lateral), axes, flips))
    assert found.lesions == (Lesion(1, side),)
    assert found.kidney_ml[side] > 100
    assert found.kidney_ml[other] == 0


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_a_horseshoe_kidney_is_parted_at_the_midline_in_every_orientation(
    axes: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    scan = turned(body(LEFT_KIDNEY, RIGHT_KIDNEY, ISTHMUS, RIGHT_TUMOUR), axes, flips)
    found = find_anatomy(scan)
    assert found.lesions == (Lesion(1, "right"),)
    assert [side_at(found, scan, (x, 10, -30)) for x in (-40, -10, 10, 40)] == [RIGHT, RIGHT, LEFT, LEFT]
    assert found.kidney_ml["left"] == pytest.approx(found.kidney_ml["right"], rel=0.15)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_sides_hold_in_a_scan_with_oblique_axes(degrees: float) -> None:
    turn = rotation(degrees)
    pair = rotated(body(LEFT_KIDNEY, RIGHT_KIDNEY, LEFT_TUMOUR, RIGHT_TUMOUR), turn)
    assert [lesion.side for lesion in find_anatomy(pair).lesions] == ["left", "right"]
    single = rotated(body(RIGHT_KIDNEY, RIGHT_TUMOUR), turn)
    assert find_anatomy(single).lesions == (Lesion(1, "right"),)
    assert body_midline_mm(single) == pytest.approx(float((turn @ (0, 20, 0))[0]), abs=4)


@pytest.mark.parametrize("midline_mm", [0.0, 500.0, -500.0])
def test_the_midline_is_the_bodys_not_the_scans(midline_mm: float) -> None:
    scan = body(LEFT_KIDNEY, LEFT_TUMOUR, midline_mm=midline_mm)
    assert body_midline_mm(scan) == pytest.approx(midline_mm, abs=2.5)
    assert scan.image.TransformContinuousIndexToPhysicalPoint((30.5, 0, 0))[0] == pytest.approx(midline_mm - 27.5)


def test_two_kidneys_are_a_left_and_a_right_one_wherever_the_midline_is() -> None:
    pushed: Part = (Label.KIDNEY, (-10, 20, 0), (28, 25, 50))
    found = find_anatomy(body(pushed, (Label.TUMOUR, (15, 20, 0), (15, 15, 15)), (Label.KIDNEY, (-75, 20, 0), (28, 25, 50))))
    assert found.lesions == (Lesion(1, "left"),)
    assert found.kidney_ml["left"] == pytest.approx(found.kidney_ml["right"], rel=0.2)


def test_a_large_tumour_across_the_midline_stays_with_its_kidney() -> None:
    across: Part = (Label.TUMOUR, (15, 0, 20), (50, 40, 40))
    assert find_anatomy(body(LEFT_KIDNEY, across, RIGHT_KIDNEY)).lesions == (Lesion(1, "left"),)


def test_a_single_kidney_is_where_its_parenchyma_is_not_where_its_tumour_is() -> None:
    across: Part = (Label.TUMOUR, (-35, 10, 0), (75, 40, 40))
    found = find_anatomy(body(across, LEFT_KIDNEY))
    assert found.lesions == (Lesion(1, "left"),)
    assert found.kidney_ml["right"] == 0


def test_a_tumour_that_bridges_both_kidneys_is_on_the_side_of_most_of_it() -> None:
    bridge: Part = (Label.TUMOUR, (15, 20, 20), (75, 20, 20))
    found = find_anatomy(body(LEFT_KIDNEY, RIGHT_KIDNEY, bridge))
    assert found.lesions == (Lesion(1, "left"),)
    assert found.kidney_ml["left"] < found.kidney_ml["right"] < 1.5 * found.kidney_ml["left"]


def test_two_pieces_of_one_kidney_are_not_a_left_and_a_right_one() -> None:
    upper: Part = (Label.KIDNEY, (-55, 20, 35), (24, 20, 20))
    lower: Part = (Label.KIDNEY, (-75, 20, -35), (24, 20, 20))
    found = find_anatomy(body(upper, lower, RIGHT_TUMOUR))
    assert found.lesions == (Lesion(1, "right"),)
    assert found.kidney_ml["left"] == 0
    assert find_anatomy(body(upper, lower, LEFT_KIDNEY, RIGHT_TUMOUR)).kidney_ml["left"] > 100


def test_a_single_kidney_across_the_midline_is_not_cut() -> None:
    pelvic: Part = (Label.KIDNEY, (10, 20, 0), (40, 25, 30))
    found = find_anatomy(body(pelvic, (Label.TUMOUR, (-20, 20, 0), (12, 12, 12))))
    assert found.lesions == (Lesion(1, "left"),)
    assert found.kidney_ml["right"] == 0


def test_what_touches_no_kidney_goes_by_where_it_lies() -> None:
    apart: Part = (Label.TUMOUR, (20, -40, 0), (15, 15, 15))
    assert find_anatomy(body(LEFT_KIDNEY, RIGHT_KIDNEY, apart)).lesions == (Lesion(1, "left"),)


def test_lesions_are_ordered_by_volume() -> None:
    found = find_anatomy(blocks((120, 3, 5), (200, 8, 5), (150, 20, 5), shape=(20, 30, 240)))
    assert np.bincount(found.numbers.ravel())[1:].tolist() == [200, 150, 120]


@pytest.mark.parametrize(("gap", "lesions"), [(0, 1), (1, 2)])
def test_voxels_that_share_a_corner_are_one_lesion(gap: int, lesions: int) -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[2:7, 2:7, 2:7] = labels[7 + gap : 12, 7:12, 7:12] = Label.TUMOUR
    scan = Scan(sitk.GetImageFromArray(labels.astype(np.int16)), sitk.GetImageFromArray(labels))
    assert len(find_anatomy(scan).lesions) == lesions


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS[::5])
def test_of_equal_lesions_the_one_further_to_the_right_comes_first(axes: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    scan = turned(blocks((150, 3, 20), (150, 8, 10), (150, 20, 30), shape=(20, 30, 200)), axes, flips)
    found = find_anatomy(scan)
    for number, point in enumerate([(10, 8, 10), (20, 3, 10), (30, 20, 10)], start=1):
        x, y, z = scan.mask.TransformPhysicalPointToIndex(point)
        assert found.numbers[z, y, x] == number


@pytest.mark.parametrize(("voxels", "lesions"), [(99, 1), (100, 2)])
def test_a_lesion_has_a_tenth_of_a_millilitre(voxels: int, lesions: int) -> None:
    found = find_anatomy(blocks((150, 3, 5), (voxels, 8, 5), shape=(20, 30, 200)))
    assert len(found.lesions) == lesions
    assert (found.numbers[10, 8, 5] == 2) == (lesions == 2)


def test_where_all_are_crumbs_the_largest_is_the_index_lesion() -> None:
    found = find_anatomy(blocks((4, 3, 5), (6, 8, 5)))
    assert len(found.lesions) == 1
    assert np.count_nonzero(found.numbers) == 6


def test_rows_are_the_largest_lesion_or_each_or_all_together() -> None:
    found = find_anatomy(body(LEFT_KIDNEY, RIGHT_KIDNEY, LEFT_TUMOUR, RIGHT_TUMOUR))
    assert found.rows("index") == (Lesion(1, "left"),)
    assert found.rows("each") == (Lesion(1, "left"), Lesion(2, "right"))
    assert found.rows("merged") == (Lesion(0, "both"),)
    assert find_anatomy(body(RIGHT_KIDNEY, LEFT_KIDNEY, RIGHT_TUMOUR)).rows("merged") == (Lesion(0, "right"),)


def test_all_tumours_together_include_the_crumbs() -> None:
    found = find_anatomy(blocks((150, 3, 5), (20, 8, 5), shape=(20, 30, 200)))
    assert found.voxels(found.rows("merged")[0]).sum() == 170
    assert found.voxels(found.rows("index")[0]).sum() == 150


def test_a_mask_without_a_tumour_is_refused() -> None:
    with pytest.raises(CaseRefused, match="tumour-absent"):
        find_anatomy(body(LEFT_KIDNEY, RIGHT_KIDNEY))


@pytest.mark.data
@pytest.mark.parametrize(
    ("case", "sides"),
    [
        ("00005", ["left"]),  # a horseshoe kidney
        ("00078", ["left"]),  # and a crumb of 2 mm3
        ("00184", ["left", *["right"] * 8]),
        ("00289", ["left", "right"]),
    ],
)
def test_lesions_of_real_masks(real_data: Path, case: str, sides: list[str]) -> None:
    mask = sitk.Cast(sitk.ReadImage(real_data / "kits23" / "masks" / f"case_{case}.nii.gz"), sitk.sitkUInt8)
    image = sitk.Image(mask.GetSize(), sitk.sitkInt16)
    image.CopyInformation(mask)
    found = find_anatomy(Scan(image, mask))
    assert [lesion.side for lesion in found.lesions] == sides
    assert min(found.kidney_ml["left"], found.kidney_ml["right"]) > 80
