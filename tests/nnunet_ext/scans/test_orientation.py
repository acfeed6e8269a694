from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.cohort.acquisition import slice_spacing_mm
from nnunet_ext.scans.geometry import Scan
from nnunet_ext.scans.orientation import CANONICAL, Orientation, oriented

SPACING = (2.6, 2.7, 4.1)
CODES = [
    "".join(ends[way] for ends, way in zip(order, ways, strict=True))
    for order in permutations(("LR", "PA", "SI"))
    for ways in product((0, 1), repeat=3)
]
TURNS = {
    "straight": (0, 0, 0),
    "tilted": (3, -4, 10),
    "a gantry's tilt": (30, 0, 0),
    "half way about z": (0, 0, 45),
    "half way about x": (45, 0, 0),
    "half way about y": (0, 45, 0),
    "half way about all": (45, 45, 45),
}


def scan_at(degrees: tuple[float, float, float], kind: type = np.int16) -> Scan:
    """Make a scan without a symmetry whose axes are turned about x, y and z."""
    values = np.arange(5 * 6 * 7).reshape(5, 6, 7).astype(kind)
    image, mask = sitk.GetImageFromArray(values), sitk.GetImageFromArray((values % 3).astype(np.uint8))
    image.SetSpacing(SPACING)
    image.SetOrigin((-70.123, 33.77, 10.1))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees).tolist()).GetMatrix())
    mask.CopyInformation(image)
    return Scan(image, mask)


def stored_as(scan: Scan, axes: tuple[int, ...], flips: tuple[bool, ...]) -> Scan:
    """Return the same scan with its axes in another order and direction."""

    def turn(image: sitk.Image) -> sitk.Image:
        corner = [size - 1 if flip else 0 for size, flip in zip(image.GetSize(), flips, strict=True)]
        flipped = image[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        values = sitk.GetArrayFromImage(sitk.PermuteAxes(flipped, axes))
        found = sitk.GetImageFromArray(values)
        found.SetSpacing([image.GetSpacing()[axis] for axis in axes])
        columns = np.array(image.GetDirection()).reshape(3, 3) * np.where(flips, -1, 1)
        found.SetDirection(columns[:, axes].ravel().tolist())
        found.SetOrigin(image.TransformIndexToPhysicalPoint(corner))
        return found

    return Scan(turn(scan.image), turn(scan.mask))


WAYS = list(product(permutations(range(3)), product((False, True), repeat=3)))


@pytest.mark.parametrize("turn", TURNS)
def test_all_48_ways_to_store_a_scan_lead_to_one(turn: str) -> None:
    scan = scan_at(TURNS[turn])
    first = oriented(scan)
    assert len(WAYS) == 48
    for axes, flips in WAYS:
        found = oriented(stored_as(scan, axes, flips))
        for one, other in ((found.image, first.image), (found.mask, first.mask)):
            np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other))
            assert (one.GetSpacing(), one.GetDirection()) == (other.GetSpacing(), other.GetDirection())
            assert one.GetOrigin() == pytest.approx(other.GetOrigin(), abs=1e-9)


@pytest.mark.parametrize("turn", TURNS)
def test_what_a_file_keeps_of_a_direction_chooses_no_other_order(turn: str, tmp_path: Path) -> None:
    scan = scan_at(TURNS[turn])
    first = sitk.GetArrayFromImage(oriented(scan).image)
    for axes, flips in WAYS[::5]:
        file = tmp_path / "stored.nii.gz"
        sitk.WriteImage(stored_as(scan, axes, flips).image, file)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(oriented(Scan(sitk.ReadImage(file), None)).image), first)


@pytest.mark.parametrize("code", CODES)
def test_axes_are_found_as_itk_finds_them(code: str) -> None:
    scan = sitk.DICOMOrient(scan_at(TURNS["tilted"]).image, code)
    found = oriented(Scan(scan, None)).image
    expected = sitk.DICOMOrient(scan, CANONICAL)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    assert found.GetDirection() == pytest.approx(expected.GetDirection())
    assert found.GetOrigin() == pytest.approx(expected.GetOrigin())
    assert slice_spacing_mm(scan) == 4.1


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_every_voxel_keeps_its_value_its_type_and_its_place(kind: type) -> None:
    stored = stored_as(scan_at(TURNS["tilted"], kind), (2, 0, 1), (True, False, True)).image
    found = oriented(Scan(stored, None)).image
    assert found.GetPixelID() == stored.GetPixelID()
    for index in product(range(7), range(6), range(5)):
        there = stored.TransformPhysicalPointToIndex(found.TransformIndexToPhysicalPoint(index))
        assert found[index] == stored[there]


def test_more_voxels_than_are_copied_at_a_time() -> None:
    values = np.random.default_rng(0).integers(0, 255, (40, 70, 33)).astype(np.uint8)
    stored = sitk.DICOMOrient(sitk.GetImageFromArray(values), "SAL")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(oriented(Scan(stored, None)).image), values)


def test_a_scan_that_is_stored_so_is_not_touched() -> None:
    scan = scan_at(TURNS["tilted"])
    assert oriented(scan) is scan
    turned = oriented(stored_as(scan, (1, 2, 0), (True, True, False)))
    assert oriented(turned) is turned
    assert Orientation.of(turned.image) == Orientation((0, 1, 2), (False, False, False))


@pytest.mark.parametrize("degrees", [44.9, 45.1])
def test_the_nearer_order_is_taken_on_either_side_of_half_way(degrees: float) -> None:
    found = np.array(oriented(scan_at((0, 0, degrees))).image.GetDirection()).reshape(3, 3)
    assert np.degrees(np.arctan2(found[1, 0], found[0, 0])) == pytest.approx(degrees if degrees < 45 else degrees - 90)
