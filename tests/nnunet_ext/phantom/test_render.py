# Also of: nnunet_ext.phantom.anatomy, nnunet_ext.phantom.fields, nnunet_ext.phantom.kidneys, nnunet_ext.phantom.organs,
# nnunet_ext.phantom.scanner, nnunet_ext.phantom.torso, nnunet_ext.phantom.tumour.

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.phantom import (
    CENTRES,
    DEMO_GRID,
    FULL_GRID,
    Biology,
    Grid,
    Phase,
    Protocol,
    draw_anatomy,
    draw_protocol,
    render,
)
from nnunet_ext.phantom.fields import Points
from nnunet_ext.phantom.render import expose
from nnunet_ext.phantom.scanner import KERNELS, noise, noise_sigma_hu
from nnunet_ext.phantom.shapes import Column, Layer
from nnunet_ext.phantom.torso import Torso
from nnunet_ext.scans.geometry import HU_RANGE, Scan

PLAIN = Biology(
    grade_liability=0, proliferation_liability=0, isup_grade=2, ki67_percent=10, diameter_mm=50, heterogeneity_hu=15,
    correlation_length_mm=6, necrotic_fraction=0.1, rim_hu=20, enhancement_hu=0, margin_irregularity=0.05, stranding=0.3,
)  # fmt: skip
ROUND = Torso(150, 150, 10, 8)


def scan(
    biology: Biology = PLAIN, *, phase: Phase = Phase.NEPHROGRAPHIC, centre: int = 1, body: int = 0, seed: int = 0
) -> Scan:
    anatomy = draw_anatomy(biology, np.random.default_rng(body))
    return render(anatomy, CENTRES[centre], Protocol(250, 3, phase), DEMO_GRID, seed=seed)


def arrays(scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    assert scan.mask is not None
    return sitk.GetArrayFromImage(scan.image), sitk.GetArrayFromImage(scan.mask)


def labels(biology: Biology = PLAIN, *, body: int = 0) -> np.ndarray:
    """Mask alone, which takes a tenth of the time."""
    return draw_anatomy(biology, np.random.default_rng(body)).labels(DEMO_GRID.points(3.0))


def at(scan: Scan, place: tuple[float, float, float]) -> float:
    """Mean HU of 3x3x3 voxels around a place in mm, LPS."""
    x, y, z = scan.image.TransformPhysicalPointToIndex(place)
    return float(arrays(scan)[0][z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2].mean())


@pytest.fixture(scope="module")
def nephrographic() -> Scan:
    return scan()


def water(protocol: Protocol, kernel: str, *, seed: int) -> np.ndarray:
    axis = np.arange(-30, 31, 2, dtype=np.float32)
    points = Points(np.arange(24, dtype=np.float32) * protocol.slice_thickness_mm, axis, axis)
    layers = [Layer(Column((0, 0), (300, 300)), 0.0)]
    return expose(layers, points, ROUND, protocol, kernel=kernel, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_noise_falls_with_the_root_of_slice_thickness_and_tube_current(kernel: str) -> None:
    thin, thick, strong = (
        water(Protocol(current, thickness, Phase.NEPHROGRAPHIC), kernel, seed=1).std()
        for current, thickness in ((200, 2), (200, 5), (400, 2))
    )
    assert thin / thick == pytest.approx(np.sqrt(5 / 2), rel=0.03)
    assert thin / strong == pytest.approx(np.sqrt(400 / 200), rel=0.03)


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_noise_has_unit_variance_and_the_stated_sigma_at_the_reference(kernel: str) -> None:
    drawn = noise((20, 64, 64), kernel, (0.8, 0.8), np.random.default_rng(0))
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert noise_sigma_hu(kernel, Protocol(250, 3, Phase.NEPHROGRAPHIC)) == 8.0 * KERNELS[kernel].noise_factor


def test_a_slice_averages_over_its_thickness() -> None:
    # Tissue fills z < 0; a 5 mm slice centred 1 mm above holds (2.5 - 1) / 5 of it.
    axis = np.arange(-6, 7, 3, dtype=np.float32)
    points = Points(np.array([-9, 1, 9], np.float32), axis, axis)
    layers = [Layer(Column((0, 0), (300, 300)), 0.0), Layer(Column((0, 0), (300, 300), z_high=0.0), 1000.0)]
    quiet = Protocol(1e9, 5, Phase.NEPHROGRAPHIC)
    hu = expose(layers, points, ROUND, quiet, kernel="soft", rng=np.random.default_rng(0))
    assert hu[:, 2, 2] == pytest.approx([1000, 300, 0], abs=10)


def test_values_are_int16_and_clipped_below_at_minus_1024() -> None:
    axis = np.arange(-6, 7, 3, dtype=np.float32)
    loud = Protocol(1, 3, Phase.NEPHROGRAPHIC)
    hu = expose([], Points(axis, axis, axis), ROUND, loud, kernel="sharp", rng=np.random.default_rng(0))
    assert hu.dtype == np.int16
    assert hu.min() == -1024


def test_image_and_mask_share_an_upright_lps_grid(nephrographic: Scan) -> None:
    image, mask = nephrographic.image, nephrographic.mask
    assert mask is not None
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert image.GetSize() == mask.GetSize() == (112, 80, 64)
    assert image.GetSpacing() == mask.GetSpacing() == (3, 3, 3)
    assert image.GetOrigin() == mask.GetOrigin()
    assert (image.GetPixelIDTypeAsString(), mask.GetPixelID()) == ("16-bit signed integer", sitk.sitkUInt8)
    assert HU_RANGE[0] < -1024 <= arrays(nephrographic)[0].min()


@pytest.mark.parametrize("body", [1, 2])
def test_the_liver_is_on_the_patients_right_and_up(body: int) -> None:
    seen = scan(body=body)
    right_up, left_up, right_down = ((-60, -25, 70), (60, -25, 70), (-60, -25, -80))
    assert at(seen, right_up) == pytest.approx(112, abs=20)
    assert abs(at(seen, left_up) - 112) > 40
    assert abs(at(seen, right_down) - 112) > 12


def test_the_spine_is_at_the_back_and_the_corners_are_air(nephrographic: Scan) -> None:
    assert at(nephrographic, (0, 42, 20)) > 150
    assert at(nephrographic, (0, -42, -20)) < 150
    hu, _ = arrays(nephrographic)
    assert np.median(hu[:, :4, :4]) == pytest.approx(-1000, abs=3)


def test_one_kidney_lies_on_each_side(nephrographic: Scan) -> None:
    _, mask = arrays(nephrographic)
    x = np.nonzero(mask == Label.KIDNEY)[2] * 3 + nephrographic.image.GetOrigin()[0]
    assert (x < 0).mean() == pytest.approx(0.5, abs=0.15)
    assert not ((x > -15) & (x < 15)).any()
    litres = (mask == Label.KIDNEY).sum() * 27e-6
    assert 0.22 < litres < 0.40


def test_masks_hold_the_four_labels_and_a_cyst_is_watery() -> None:
    body = next(body for body in range(40) if (labels(body=body) == Label.CYST).sum() > 100)
    hu, mask = arrays(scan(body=body))
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    assert np.median(hu[mask == Label.CYST]) == pytest.approx(8, abs=15)


@pytest.mark.parametrize("phase", list(Phase))
def test_kidney_and_tumour_have_the_hu_of_their_phase(phase: Phase) -> None:
    hu, mask = arrays(scan(phase=phase))
    kidney, tumour = hu[mask == Label.KIDNEY], hu[mask == Label.TUMOUR]
    assert 50 < np.median(tumour) < 140
    assert np.median(tumour) < np.percentile(kidney, 75) - 40
    if phase is Phase.NEPHROGRAPHIC:
        assert np.median(kidney) == pytest.approx(185, abs=15)
    else:
        medulla, cortex = np.percentile(kidney, (20, 80))
        assert medulla == pytest.approx(95, abs=30)
        assert cortex == pytest.approx(180, abs=20)


def test_two_phases_of_one_body_differ_in_enhancement_alone(nephrographic: Scan) -> None:
    early = scan(phase=Phase.CORTICOMEDULLARY)
    assert (arrays(nephrographic)[1] == arrays(early)[1]).all()
    assert at(early, (8, 12, 40)) > at(nephrographic, (8, 12, 40)) + 60


def test_a_seed_gives_the_same_scan_and_another_seed_another(nephrographic: Scan) -> None:
    one, again, other = (arrays(seen)[0] for seen in (nephrographic, scan(), scan(seed=4)))
    assert (one == again).all()
    assert (one != other).mean() > 0.5


@pytest.mark.parametrize("centre", range(7))
def test_every_centre_keeps_the_order_of_heterogeneity(centre: int) -> None:
    spread = []
    for amplitude in (8.0, 16.0):
        hu, mask = arrays(scan(replace(PLAIN, heterogeneity_hu=amplitude, necrotic_fraction=0.0), centre=centre))
        spread.append(hu[mask == Label.TUMOUR].std())
    assert spread[0] + 2 < spread[1]


def test_necrosis_fills_its_share_of_the_tumour() -> None:
    hu, mask = arrays(scan(replace(PLAIN, necrotic_fraction=0.4, heterogeneity_hu=4.0, rim_hu=0.0)))
    assert (hu[mask == Label.TUMOUR] < 50).mean() == pytest.approx(0.4, abs=0.07)


def test_a_rim_is_brighter_than_what_lies_under_it() -> None:
    plain, rimmed = (
        arrays(scan(replace(PLAIN, rim_hu=rim, heterogeneity_hu=4.0, necrotic_fraction=0.0, enhancement_hu=0.0)))
        for rim in (0.0, 50.0)
    )
    assert (plain[1] == rimmed[1]).all()
    more = (rimmed[0] - plain[0])[plain[1] == Label.TUMOUR]
    assert np.percentile(more, 10) == pytest.approx(0, abs=2)
    assert np.percentile(more, 90) > 25


def test_an_irregular_margin_has_more_surface_for_its_volume() -> None:
    def surface_per_volume(irregularity: float) -> float:
        tumour = labels(replace(PLAIN, margin_irregularity=irregularity), body=1) == Label.TUMOUR
        faces = sum(np.abs(np.diff(tumour.astype(int), axis=axis)).sum() for axis in range(3))
        return float(faces / tumour.sum() ** (2 / 3))

    assert surface_per_volume(0.2) > 1.05 * surface_per_volume(0.0)


def test_tumours_differ_in_number_and_side() -> None:
    rng = np.random.default_rng(0)
    bodies = [draw_anatomy(PLAIN, rng) for _ in range(150)]
    several = np.mean([len(body.tumours) > 1 for body in bodies])
    bilateral = np.mean([len({tumour.centre[0] > 0 for tumour in body.tumours}) > 1 for body in bodies])
    right = np.mean([body.tumours[0].centre[0] < 0 for body in bodies])
    assert several == pytest.approx(0.155, abs=0.09)
    assert bilateral == pytest.approx(0.06, abs=0.05)
    assert right == pytest.approx(0.5, abs=0.12)
    assert np.mean([len(body.cysts) > 0 for body in bodies]) == pytest.approx(0.3, abs=0.11)
    heights = [kidney.centre[2] for body in bodies for kidney in body.kidneys]
    assert min(heights) < -20 < 0 < max(heights)


@pytest.mark.parametrize("diameter", [10.0, 100.0])
def test_the_smallest_and_the_largest_tumour_lie_whole_in_the_smallest_grid(diameter: float) -> None:
    tumour = labels(replace(PLAIN, diameter_mm=diameter, margin_irregularity=0.02), body=4) == Label.TUMOUR
    border = np.ones_like(tumour)
    border[1:-1, 1:-1, 1:-1] = False
    assert not (tumour & border).any()
    ball_ml = np.pi / 6 * (diameter / 10) ** 3
    assert tumour.sum() * 0.027 == pytest.approx(ball_ml, rel=0.35 if diameter < 20 else 0.15)


def test_protocols_stay_within_the_centres_habits_and_the_grid() -> None:
    rng = np.random.default_rng(0)
    demo = {draw_protocol(CENTRES[0], DEMO_GRID, rng).slice_thickness_mm for _ in range(40)}
    full = {draw_protocol(CENTRES[3], FULL_GRID, rng).slice_thickness_mm for _ in range(40)}
    thinnest = {draw_protocol(CENTRES[2], FULL_GRID, rng).slice_thickness_mm for _ in range(5)}
    assert (demo, full, thinnest) == ({3.0, 5.0}, {1.0, 2.0}, {1.0})
    phases = [draw_protocol(CENTRES[5], DEMO_GRID, rng).phase is Phase.CORTICOMEDULLARY for _ in range(400)]
    assert np.mean(phases) == pytest.approx(CENTRES[5].corticomedullary_share, abs=0.08)


def test_table_s1_is_kept() -> None:
    # Supplementary Table S1: tube current, slice thickness and pitch of cohorts 2 to 7.
    table = [(220, {1, 0.625}, 0.83), (280, {0.625}, 0.89), (360, {1, 2}, 0.98), (200, {1, 0.625}, 0.92), (340, {0.625}, 0.96),
             (200, {0.625}, 0.87)]  # fmt: skip
    ours = [(centre.tube_current_ma, set(centre.slice_thickness_mm), centre.pitch) for centre in CENTRES[1:]]
    assert ours == [((current,), thickness, pitch) for current, thickness, pitch in table]
    assert set(CENTRES[0].slice_thickness_mm) == {2, 5}
    assert [centre.reported for centre in CENTRES] == [False] + [True] * 6


@pytest.mark.parametrize("broken", [{"columns": 1}, {"spacing_mm": 0.0}, {"z_extent_mm": -1.0}])
def test_a_grid_without_extent_is_refused(broken: dict[str, float]) -> None:
    with pytest.raises(InputError, match="positive lengths"):
        replace(DEMO_GRID, **broken)


def test_a_grid_is_centred_and_full_size_is_clinical() -> None:
    points = Grid(columns=4, rows=2, spacing_mm=2, z_extent_mm=9, minimum_slice_spacing_mm=3).points(3)
    assert (points.x.tolist(), points.y.tolist(), points.z.tolist()) == ([-3, -1, 1, 3], [-1, 1], [-3, 0, 3])
    assert FULL_GRID.points(1.0).shape == (300, 512, 512)


def test_correlation_length_shows_in_the_image() -> None:
    def neighbour_correlation(length: float) -> float:
        fine = replace(PLAIN, correlation_length_mm=length, heterogeneity_hu=25.0, necrotic_fraction=0.0, rim_hu=0.0)
        hu, mask = arrays(scan(fine, centre=2))
        inside = (mask == Label.TUMOUR)[:, :, 2:] & (mask == Label.TUMOUR)[:, :, :-2]
        return float(np.corrcoef(hu[:, :, 2:][inside], hu[:, :, :-2][inside])[0, 1])

    # Without noise and blur, exp(-(6 / 3)^2) = 0.02 and exp(-(6 / 12)^2) = 0.78 at two voxels.
    assert neighbour_correlation(3.0) < 0.3
    assert neighbour_correlation(12.0) > 0.5
