from dataclasses import dataclass

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import distance_transform_edt

from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.preset import RegionRules, Ring
from radiomics_cfg.regions.grid import Grid, bounds
from radiomics_cfg.regions.lesions import LEFT, RIGHT, Anatomy, Lesion, find_anatomy
from radiomics_cfg.regions.regions_of_interest import Region, distance_mm, find_regions, mask_name

FAT, TISSUE = -100.0, 100.0


@dataclass
class Ball:
    """A tumour of ``radius_mm`` in a scan of 100 mm, whose HU are one value unless set."""

    spacing: tuple[float, float, float]
    radius_mm: float = 20.0
    centre_mm: tuple[float, float, float] = (50.0, 50.0, 50.0)

    def __post_init__(self) -> None:
        size = [round(100 / step) for step in self.spacing]
        x, y, z = ((np.arange(n) + 0.5) * step for n, step in zip(size, self.spacing, strict=True))
        self.z, self.y, self.x = np.meshgrid(z, y, x, indexing="ij")
        at = self.centre_mm
        inside = (self.x - at[0]) ** 2 + (self.y - at[1]) ** 2 + (self.z - at[2]) ** 2 <= self.radius_mm**2
        self.labels = np.where(inside, np.uint8(Label.TUMOUR), np.uint8(0))

    @property
    def anatomy(self) -> Anatomy:
        mask = sitk.GetImageFromArray(self.labels)
        mask.SetSpacing(self.spacing)
        image = sitk.Image(mask.GetSize(), sitk.sitkInt16)
        image.CopyInformation(mask)
        return find_anatomy(Scan(image, mask))

    def paint(self, label: Label, centre_mm: tuple[float, float, float], radius_mm: float) -> None:
        x, y, z = centre_mm
        self.labels[(self.x - x) ** 2 + (self.y - y) ** 2 + (self.z - z) ** 2 <= radius_mm**2] = label

    def regions(
        self, rules: RegionRules, *, scale_mm: float | None = None, hu: float | np.ndarray = TISSUE
    ) -> dict[str, Region]:
        """Return the regions of all tumours together, by their own names."""
        return {name.removeprefix("0/"): region for name, region in self.masks(rules, scale_mm=scale_mm, hu=hu).items()}

    def masks(
        self, rules: RegionRules, *, scale_mm: float | None = None, hu: float | np.ndarray = TISSUE
    ) -> dict[str, Region]:
        scan = sitk.GetImageFromArray(self.labels)
        scan.SetSpacing(self.spacing)
        grid = Grid.of(scan, None if scale_mm is None else (scale_mm,) * 3)
        box = grid.box_of(bounds(self.labels > 0), rules.reach_mm)
        inside = box.within(grid.size)
        if isinstance(hu, np.ndarray):  # given on the scan's own grid
            hu = hu[tuple(slice(a, b) for a, b in zip(inside.lower[::-1], inside.upper[::-1], strict=True))]
        return find_regions(rules, self.anatomy, np.broadcast_to(hu, inside.size[::-1]), grid=grid, box=box)


def rings(*edges: tuple[float, float], sides: tuple[str, ...] = ("whole",)) -> RegionRules:
    return RegionRules(rings=tuple(Ring(inner_mm=a, outer_mm=b, sides=sides) for a, b in edges))  # type: ignore[arg-type]


def shell_volume(radius: float, inner: float, outer: float) -> float:
    return 4 / 3 * np.pi * ((radius + outer) ** 3 - (radius + inner) ** 3)


@pytest.mark.parametrize(("inner", "outer"), [(0, 3), (3, 5), (5, 10)])
@pytest.mark.parametrize("thickness", [1.0, 5.0])
def test_a_shell_around_a_ball_has_its_volume_on_thin_and_on_thick_slices(thickness: float, inner: int, outer: int) -> None:
    # A distance transform between the centres of 5 mm slices finds 0.69 of the innermost ring.
    found = Ball((1.0, 1.0, thickness)).regions(rings((inner, outer)), scale_mm=1.0)
    volume = int(found[f"shell_{inner}_{outer}mm"].mask.sum())
    assert volume == pytest.approx(shell_volume(20, inner, outer), rel=0.06 if thickness == 1 else 0.1)


def test_a_shell_reaches_as_far_across_thick_slices_as_within_them() -> None:
    ball = Ball((1.0, 1.0, 5.0))
    mask = ball.regions(rings((0, 10)), scale_mm=1.0)["shell_0_10mm"].mask
    extent = [np.ptp(np.flatnonzero(mask.any(axis=axes))) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
    tumour = [np.ptp(np.flatnonzero((ball.labels > 0).any(axis=axes))) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
    assert extent == [tumour[0] * 5 + 20, tumour[1] + 20, tumour[2] + 20]


def test_shells_are_disjoint_and_fill_the_space_between_them() -> None:
    found = Ball((1.0, 1.0, 3.0)).regions(rings((0, 3), (3, 5), (5, 10), (0, 10)), scale_mm=2.0)
    parts = np.array([found[name].mask for name in ("tumour", "shell_0_3mm", "shell_3_5mm", "shell_5_10mm")], int)
    assert parts.sum(axis=0).max() == 1
    assert np.array_equal(parts[1:].sum(axis=0) > 0, found["shell_0_10mm"].mask)


def test_between_voxels_of_equal_sides_it_is_the_usual_distance_transform() -> None:
    structure = np.random.default_rng(4).random((9, 8, 7)) < 0.05
    centres = tuple((np.arange(n) + 0.5) * 3 for n in structure.shape)
    found = distance_mm(structure, (3.0, 3.0, 3.0), centres, reach_mm=100.0)
    assert found == pytest.approx(distance_transform_edt(~structure, sampling=3.0), abs=1e-6)


def test_distance_from_thick_slices_is_what_brute_force_finds() -> None:
    rng = np.random.default_rng(5)
    structure = rng.random((4, 6, 7)) < 0.05
    spacing = np.array((5.0, 1.0, 1.1))
    centres = (np.arange(-3.0, 24.0, 2.0), np.arange(-2.0, 7.0, 0.7), np.arange(-2.0, 10.0, 0.9))
    points = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1)[..., None, :]
    middles = (np.argwhere(structure) + 0.5) * spacing
    ends = (spacing - 1.0) / 2  # of the column of cubes of 1 mm in each voxel
    expected = np.linalg.norm(np.maximum(np.abs(points - middles) - ends, 0), axis=-1).min(axis=-1)
    found = distance_mm(structure, tuple(spacing), centres, reach_mm=4.0)
    assert found == pytest.approx(np.where(expected <= 4.0, expected, np.inf), abs=1e-6)
    assert np.isinf(found).any()


def test_kidney_side_and_fat_side_part_the_shell() -> None:
    ball = Ball((2.0, 2.0, 2.0))
    ball.labels[(ball.x < 50) & (ball.labels == 0)] = Label.KIDNEY
    hu = np.where(ball.x < 50, TISSUE, FAT)
    found = ball.regions(rings((0, 10), sides=("whole", "kidney", "fat")), hu=hu)
    whole, kidney, fat = (found[f"shell_0_10mm{side}"] for side in ("", "_kidney", "_fat"))
    assert not (kidney.mask & fat.mask).any()
    assert np.array_equal(kidney.mask | fat.mask, whole.mask)
    assert kidney.mask.sum() == fat.mask.sum() > 0
    assert (whole.kept_fraction, kidney.kept_fraction, fat.kept_fraction) == (1.0, 0.5, 0.5)
    assert found["kidney"].kept_fraction is None


def test_other_tumours_and_cysts_are_not_part_of_a_shell() -> None:
    alone = Ball((2.0, 2.0, 2.0), radius_mm=15, centre_mm=(40.0, 50.0, 50.0))
    before = alone.regions(rings((0, 10)))["shell_0_10mm"]
    beside = Ball((2.0, 2.0, 2.0), radius_mm=15, centre_mm=(40.0, 50.0, 50.0))
    second = (beside.x - 62) ** 2 + (beside.y - 50) ** 2 + (beside.z - 50) ** 2 <= 4**2
    cyst = (beside.x - 40) ** 2 + (beside.y - 68) ** 2 + (beside.z - 50) ** 2 <= 4**2
    beside.labels[cyst & (beside.labels == 0)] = Label.CYST
    with_cyst = beside.regions(rings((0, 10)))["shell_0_10mm"]
    dropped = int(before.mask.sum() - with_cyst.mask.sum())
    assert dropped == np.count_nonzero(beside.labels == Label.CYST) > 0
    assert with_cyst.kept_fraction == pytest.approx(1 - dropped / before.mask.sum())
    beside.labels[second] = Label.TUMOUR
    both = beside.regions(rings((0, 10)))
    assert both["tumour"].mask.sum() == np.count_nonzero(beside.labels == Label.TUMOUR)
    assert not (both["tumour"].mask & both["shell_0_10mm"].mask).any()
    assert both["shell_0_10mm"].mask.sum() > with_cyst.mask.sum()


def of_lesions(rule: str, rules: RegionRules, *structures: str) -> RegionRules:
    return rules.model_copy(update={"lesions": rule, "structures": structures or ("tumour",)})


def test_a_lesion_is_measured_as_if_the_others_were_not_tumour_but_still_dropped() -> None:
    alone = Ball((2.0, 2.0, 2.0), radius_mm=15, centre_mm=(35.0, 50.0, 50.0))
    before = alone.regions(rings((0, 10), (4, 10)))
    beside = Ball((2.0, 2.0, 2.0), radius_mm=15, centre_mm=(35.0, 50.0, 50.0))
    beside.paint(Label.TUMOUR, (60.0, 50.0, 50.0), 8)
    found = beside.masks(of_lesions("each", rings((0, 10), (4, 10))))
    both = found["1/tumour"].mask | found["2/tumour"].mask
    assert both.sum() == np.count_nonzero(beside.labels == Label.TUMOUR)
    assert found["1/tumour"].mask.sum() == before["tumour"].mask.sum()
    for ring in ("shell_0_10mm", "shell_4_10mm"):
        first, second = found[f"1/{ring}"], found[f"2/{ring}"]
        assert not ((first.mask | second.mask) & both).any()
        lost = int(before[ring].mask.sum() - first.mask.sum())
        assert lost > 0
        assert first.kept_fraction == pytest.approx(1 - lost / before[ring].mask.sum())
        assert (first.mask & second.mask).any()


def test_the_index_lesion_is_the_first_of_each() -> None:
    ball = Ball((2.0, 2.0, 2.0), radius_mm=15, centre_mm=(35.0, 50.0, 50.0))
    ball.paint(Label.TUMOUR, (60.0, 50.0, 50.0), 8)
    rules = rings((0, 5), (5, 10))
    index, each = (ball.masks(of_lesions(rule, rules)) for rule in ("index", "each"))
    assert list(index) == [name for name in each if name.startswith("1/")]
    for name, region in index.items():
        assert np.array_equal(region.mask, each[name].mask)
        assert region.kept_fraction == each[name].kept_fraction


def test_a_crumb_is_no_lesion_but_never_part_of_a_shell() -> None:
    ball = Ball((2.0, 2.0, 2.0), radius_mm=15, centre_mm=(35.0, 50.0, 50.0))
    whole = ball.regions(rings((0, 10)))["shell_0_10mm"]
    ball.paint(Label.TUMOUR, (57.0, 51.0, 51.0), 2)
    crumb = ball.labels.copy()
    found = ball.masks(of_lesions("each", rings((0, 10))))
    assert list(found) == ["1/tumour", "1/shell_0_10mm"]
    dropped = int(whole.mask.sum() - found["1/shell_0_10mm"].mask.sum())
    assert dropped == np.count_nonzero(crumb == Label.TUMOUR) - found["1/tumour"].mask.sum() == 7


def kidneys_beside(ball: Ball, *, left: bool = True, right: bool = True) -> None:
    """Paint a kidney around x = 85 on the patient's left, and one around x = 15."""
    for there, x in ((left, 85.0), (right, 15.0)):
        near = (ball.x - x) ** 2 + (ball.y - 50) ** 2 + (ball.z - 50) ** 2 <= 14**2
        ball.labels[near & (ball.labels == 0) & there] = Label.KIDNEY


def test_kidneys_are_the_lesions_own_and_the_other_one() -> None:
    ball = Ball((2.0, 2.0, 2.0), radius_mm=10, centre_mm=(80.0, 50.0, 50.0))
    ball.paint(Label.TUMOUR, (15.0, 50.0, 60.0), 6)
    kidneys_beside(ball)
    rules = of_lesions("each", RegionRules(), "kidney_contralateral", "kidney_ipsilateral", "kidney")
    found = ball.masks(rules)
    assert sorted(found) == ["kidney", "left/kidney", "right/kidney"]
    left, right = Lesion(1, "left"), Lesion(2, "right")
    assert ball.anatomy.lesions == (left, right)
    assert mask_name("kidney_ipsilateral", left) == mask_name("kidney_contralateral", right) == "left/kidney"
    assert mask_name("kidney_contralateral", left) == mask_name("kidney_ipsilateral", right) == "right/kidney"
    for name, side in (("left/kidney", LEFT), ("right/kidney", RIGHT)):
        assert found[name].absent is None
        expected = (ball.labels == Label.KIDNEY) & (ball.anatomy.sides == side)
        assert found[name].mask.sum() == expected.sum() > 600
    assert np.array_equal(found["left/kidney"].mask | found["right/kidney"].mask, found["kidney"].mask)


def test_tumours_of_both_kidneys_together_have_no_other_kidney() -> None:
    ball = Ball((2.0, 2.0, 2.0), radius_mm=10, centre_mm=(80.0, 50.0, 50.0))
    ball.paint(Label.TUMOUR, (15.0, 50.0, 60.0), 6)
    kidneys_beside(ball)
    found = ball.masks(of_lesions("merged", RegionRules(), "kidney_ipsilateral", "kidney_contralateral", "kidney"))
    assert np.array_equal(found["both/kidney"].mask, found["kidney"].mask)
    assert found["neither/kidney"].shortfall(30) == "both kidneys hold a tumour, so neither is the other one"


@pytest.mark.parametrize(
    ("voxels", "reason"),
    [
        (625, None),
        (624, "no right kidney: 4.99 ml of parenchyma there; a kidney has at least 5 ml"),
        (0, "no right kidney: 0.00 ml"),
    ],
)
def test_a_kidney_that_is_not_there_is_missing_for_a_stated_reason(voxels: int, reason: str | None) -> None:
    ball = Ball((2.0, 2.0, 2.0), radius_mm=10, centre_mm=(80.0, 50.0, 50.0))
    kidneys_beside(ball, right=False)
    block = np.zeros(8 * 9 * 9, np.uint8)
    block[:voxels] = Label.KIDNEY
    ball.labels[20:29, 20:29, 4:12] = block.reshape(9, 9, 8)
    found = ball.masks(of_lesions("index", RegionRules(), "kidney_ipsilateral", "kidney_contralateral"))
    assert found["left/kidney"].shortfall(30) is None
    shortfall = found["right/kidney"].shortfall(30)
    assert shortfall is None if reason is None else str(shortfall).startswith(reason)


@pytest.mark.parametrize(
    ("hu", "outside_kidney", "inside_kidney", "is_fat"),
    [
        (-191.0, False, False, False),
        (-190.0, True, True, True),
        (-30.0, True, True, True),
        (-29.0, True, True, False),
        (300.0, True, True, False),
        (301.0, False, True, False),
    ],
)
def test_air_and_bone_are_dropped_but_not_the_enhanced_kidney(
    hu: float, outside_kidney: bool, inside_kidney: bool, is_fat: bool
) -> None:
    rules = rings((0, 6), sides=("whole", "kidney", "fat"))
    in_fat = Ball((2.0, 2.0, 2.0)).regions(rules, hu=hu)
    assert in_fat["shell_0_6mm"].mask.any() == outside_kidney
    assert in_fat["shell_0_6mm_fat"].mask.any() == is_fat
    within = Ball((2.0, 2.0, 2.0))
    within.labels[within.labels == 0] = Label.KIDNEY
    in_kidney = within.regions(rules, hu=hu)
    assert in_kidney["shell_0_6mm_kidney"].mask.any() == inside_kidney
    assert not in_kidney["shell_0_6mm_fat"].mask.any()


@pytest.mark.parametrize(("centre", "kept"), [(50.0, 1.0), (0.0, 0.5)])
def test_a_shell_is_cut_at_the_edge_of_the_scan_and_says_so(centre: float, kept: float) -> None:
    # Half of a ball is all that the mask can show of a tumour centred on the edge; its flat side has a ring outside the scan.
    ball = Ball((1.0, 1.0, 1.0), centre_mm=(centre, 50.0, 50.0))
    ring = ball.regions(rings((0, 10)))["shell_0_10mm"]
    half = shell_volume(20, 0, 10) / 2
    flat = np.pi * 20**2 * 10 + np.pi**2 / 2 * 10**2 * (20 + 4 * 10 / (3 * np.pi))  # disc, and a quarter torus (Pappus)
    expected = 1.0 if centre else half / (half + flat)
    assert ring.kept_fraction == pytest.approx(expected, rel=0.02)
    assert (ring.kept_fraction == 1) == (kept == 1)


@pytest.mark.parametrize(("voxels", "reason"), [(30, None), (29, "29 voxels; at least 30 are needed")])
def test_a_region_needs_a_stated_number_of_voxels(voxels: int, reason: str | None) -> None:
    mask = np.zeros((6, 6, 6), bool)
    mask.flat[:voxels] = True
    mask.flat[0], mask.flat[40] = False, True
    assert Region(mask).shortfall(30) == reason


@pytest.mark.parametrize(("thickness", "reason"), [(2, None), (1, "one voxel thick along y; at least 2 are needed")])
def test_a_region_needs_two_voxels_along_every_axis(thickness: int, reason: str | None) -> None:
    mask = np.zeros((8, 8, 8), bool)
    mask[:, :thickness] = True
    assert Region(mask).shortfall(30) == reason


def test_an_empty_region_has_a_reason_too() -> None:
    assert Region(np.zeros((4, 4, 4), bool)).shortfall(30) == "0 voxels; at least 30 are needed"
