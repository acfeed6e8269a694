"""Measurements of phantoms whose geometry is known in closed form."""
# Also of: radiomics_cfg.measurements.kidney, radiomics_cfg.measurements.measurement

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.measurements.definitions import OF_KIDNEYS, OF_LESIONS
from radiomics_cfg.measurements.measurement import LesionMeasurements
from radiomics_cfg.measurements.patient import measure_patient
from tests.support.kidney_phantom import CENTRE, ball, block, cap_share, ellipsoid, phantom
from tests.support.orientations import ORIENTATIONS, turned

KIDNEY, TUMOUR, CYST, NOTHING = Label.KIDNEY, Label.TUMOUR, Label.CYST, Label.BACKGROUND

BODY = (KIDNEY, ellipsoid((30, 26, 55)))
HILUM = (NOTHING, block((14, 9, 16), (-24, 0, 0)))
"""A notch to the middle of the patient: the medial lip is interrupted from -16 to 16 mm."""


def half_a_voxel(radius: float, voxel: float = 1) -> float:
    """Share of a ball between its middle plane and one half a voxel off, and a little for the ball's own voxels."""
    return 0.5 - cap_share(radius, voxel / 2) + 0.01


def lesion_of(scan: Scan, *, phase: str | None = None) -> LesionMeasurements:
    return measure_patient(scan, phase=phase).lesions[0]


def test_every_defined_measurement_is_reported_in_order() -> None:
    found = measure_patient(phantom(BODY, HILUM, (TUMOUR, ball(10, (20, 0, 30)))))
    assert [one.name for one in found.lesions[0].measurements] == list(OF_LESIONS)
    assert [[one.name for one in kidney.measurements] for kidney in found.kidneys] == [list(OF_KIDNEYS)] * 2


def test_what_has_no_value_has_a_reason_and_no_other_has_one() -> None:
    found = measure_patient(phantom((KIDNEY, ball(25)), (TUMOUR, ball(10, (20, 0, 0)))))
    measured = [*found.lesions[0].measurements, *(one for kidney in found.kidneys for one in kidney.measurements)]
    assert {one.name for one in measured if one.value is None} >= {"sinus_distance_mm", "renal_score", "enhancement_hu"}
    assert all((one.value is None) == (one.reason is not None) for one in measured)


@pytest.mark.parametrize("beyond", [-6.0, 0.0, 6.0])
def test_exophytic_share_of_a_ball_in_a_flat_face_is_that_of_its_cap(beyond: float) -> None:
    scan = phantom((KIDNEY, block((25, 30, 50))), (TUMOUR, ball(12, (25 - beyond, 0, 5))))
    assert lesion_of(scan)["exophytic_share"].value == pytest.approx(cap_share(12, beyond), abs=half_a_voxel(12))


@pytest.mark.parametrize("distance", [26.0, 32.0, 38.0])
def test_exophytic_share_on_a_sphere_is_the_part_beyond_the_plane_through_the_rim(distance: float) -> None:
    scan = phantom((KIDNEY, ball(32)), (TUMOUR, ball(14, (distance, 0, 0))))
    rim = (distance**2 + 32**2 - 14**2) / (2 * distance)
    assert lesion_of(scan)["exophytic_share"].value == pytest.approx(cap_share(14, rim - distance), abs=half_a_voxel(14))


def test_a_ball_inside_an_ellipsoid_is_entirely_endophytic() -> None:
    share = lesion_of(phantom(BODY, (TUMOUR, ball(10, (5, 0, 10)))))["exophytic_share"]
    assert (share.value, share.points) == (0.0, 3)


@pytest.mark.parametrize("apart", [12.0, 20.0, 30.0])
def test_distance_to_an_enclosed_sinus_is_that_of_two_balls(apart: float) -> None:
    scan = phantom(BODY, (NOTHING, ball(7)), (TUMOUR, ball(8, (0, 0, 15 + apart - 12))))
    expected = max(15 + apart - 12 - 15, 0)
    assert lesion_of(scan)["sinus_distance_mm"].value == pytest.approx(expected, abs=1.0)


def test_volume_of_an_enclosed_sinus_is_that_of_its_ball() -> None:
    kidney = measure_patient(phantom(BODY, (NOTHING, ball(10)))).kidneys[0]
    assert kidney["sinus_volume_ml"].value == pytest.approx(4.189, rel=0.03)
    assert kidney["volume_ml"].value == pytest.approx(4 / 3 * np.pi * (3 * 2.6 * 5.5 - 1), rel=0.01)
    assert kidney["length_mm"].value == pytest.approx(110, abs=1)


@pytest.mark.parametrize(
    ("z", "share", "points"),
    [(40, 0.0, 1), (22, 1 - cap_share(8, -6), 2), (14, 1 - cap_share(8, 2), 3), (11, 1 - cap_share(8, 5), 3)],
)
def test_share_between_the_polar_lines_is_that_of_a_balls_cap(z: float, share: float, points: int) -> None:
    found = lesion_of(phantom(BODY, HILUM, (TUMOUR, ball(8, (18, 0, z)))))["between_polar_lines_share"]
    assert found.value == pytest.approx(share, abs=half_a_voxel(8))
    assert found.points == points


def test_a_lesion_across_the_middle_has_three_points_where_there_is_no_sinus() -> None:
    found = lesion_of(phantom(BODY, (TUMOUR, ball(8, (18, 0, 3)))))
    assert (found["between_polar_lines_share"].value, found["between_polar_lines_share"].points) == (None, 3)
    assert found["above_middle_share"].value == pytest.approx(cap_share(8, -3), abs=half_a_voxel(8))


@pytest.mark.parametrize("z", [-44.0, 0.0, 22.0])
def test_polar_position_is_the_place_of_the_centre_between_the_poles(z: float) -> None:
    assert lesion_of(phantom(BODY, (TUMOUR, ball(6, (0, 0, z)))))["polar_position"].value == pytest.approx(z / 55, abs=0.02)


@pytest.mark.parametrize(
    ("y", "face", "share"),
    [(-15, "anterior", 1.0), (15, "posterior", 0.0), (-1, "x", cap_share(8, -1)), (1, "x", cap_share(8, 1))],
)
def test_face_of_a_ball_beside_the_plane_of_the_hilum(y: float, face: str, share: float) -> None:
    found = lesion_of(phantom(BODY, HILUM, (TUMOUR, ball(8, (8, y, 30)))))
    assert found["face"].value == face
    assert found["anterior_share"].value == pytest.approx(share, abs=2 * half_a_voxel(8))


def test_diameters_of_an_ellipsoid_are_its_axes() -> None:
    found = lesion_of(phantom(BODY, (TUMOUR, ellipsoid((20, 14, 10), (20, 0, 0)))))
    assert found.diameters_mm == pytest.approx((40, 28, 20), abs=1.5)
    assert found["axial_diameter_mm"].value == pytest.approx(40, abs=1)
    assert found["volume_ml"].value == pytest.approx(4 / 3 * np.pi * 2 * 1.4, rel=0.02)


def test_renal_score_is_the_sum_of_its_four_components() -> None:
    found = lesion_of(phantom(BODY, HILUM, (TUMOUR, ball(10, (30, 0, 0)))))
    names = ("maximum_diameter_mm", "exophytic_share", "sinus_distance_mm", "between_polar_lines_share")
    assert [found[name].points for name in names] == [1, 1, 1, 3]
    assert found["renal_score"].value == 6


def test_cortex_is_the_shell_below_the_surface_away_from_the_tumour() -> None:
    outer, inner = ball(40), ball(34)

    def hu(points: np.ndarray) -> np.ndarray:
        return np.select([ball(13, (40, 0, 0))(points), inner(points), outer(points)], [600, 100, 200], -100)

    scan = phantom((KIDNEY, outer), (TUMOUR, ball(10, (40, 0, 0))), hu=hu)
    found = measure_patient(scan, phase="corticomedullary")
    assert found.kidneys[0]["cortex_hu"].value == 200
    assert found.lesions[0]["cortex_difference_hu"].value == pytest.approx(400, abs=1)
    assert found.lesions[0]["attenuation_class"].value == "above cortex"


def test_a_lesion_without_its_kidney_is_compared_with_the_other_one() -> None:
    found = lesion_of(phantom((TUMOUR, ball(10))), phase="nephrographic")
    assert found["exophytic_share"].reason == "there is no kidney on this side"
    assert found["cortex_difference_hu"].value == pytest.approx(90 - 160)


def test_cysts_follow_the_tumours_and_crumbs_of_them_are_left_out() -> None:
    cysts = ((CYST, ball(9, (0, 0, -30))), (CYST, ball(2, (0, 0, 0))))
    found = measure_patient(phantom(BODY, (TUMOUR, ball(7, (0, 0, 30))), *cysts)).lesions
    assert [(one.lesion, one.label) for one in found] == [(1, "tumour"), (2, "cyst")]


def test_an_empty_mask_has_no_lesion_and_no_kidney() -> None:
    scan = phantom(BODY)
    empty = sitk.Image(scan.image.GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(scan.image)
    assert measure_patient(Scan(scan.image, empty)).to_json() == {"lesions": [], "kidneys": []}


def test_kidneys_without_a_tumour_are_measured() -> None:
    found = measure_patient(phantom(BODY, HILUM))
    assert found.lesions == ()
    assert [kidney.side for kidney in found.kidneys] == ["left", "right"]


ODD = phantom(
    BODY,
    HILUM,
    (TUMOUR, ball(12, (24, -8, 22))),
    (CYST, ball(8, (10, 10, -40))),
    spacing=(1.6, 1.7, 3.0),
)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_all_ways_to_store_a_scan_give_equal_numbers(axes: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    usual, found = measure_patient(ODD), measure_patient(turned(ODD, axes, flips))
    assert [one.measurements for one in found.lesions] == [one.measurements for one in usual.lesions]
    assert found.kidneys == usual.kidneys


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS[::7])
def test_the_centroid_is_a_voxel_of_the_scan_as_it_is_stored(axes: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    scan = turned(ODD, axes, flips)
    place = scan.image.TransformContinuousIndexToPhysicalPoint(lesion_of(scan).centroid_voxel_xyz)
    assert place == pytest.approx((CENTRE[0] + 24, -8, 22), abs=0.6)


OBLIQUE = np.array(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.2, -0.15, 0.25).GetMatrix()).reshape(3, 3)


@pytest.mark.parametrize(
    ("spacing", "cosines"),
    [((0.8, 0.8, 0.8), None), ((0.9, 0.9, 3.0), None), ((1.0, 1.0, 1.0), OBLIQUE), ((0.9, 1.1, 2.5), OBLIQUE)],
)
def test_grids_of_other_voxels_and_directions_agree_within_a_voxel(
    spacing: tuple[float, ...], cosines: np.ndarray | None
) -> None:
    parts = (BODY, HILUM, (TUMOUR, ball(12, (24, -8, 22))))
    usual, found = (
        lesion_of(phantom(*parts)),
        lesion_of(phantom(*parts, spacing=spacing, cosines=cosines, half_mm=(75, 70, 80))),
    )
    lengths = ("maximum_diameter_mm", "second_diameter_mm", "third_diameter_mm", "axial_diameter_mm", "sinus_distance_mm")
    shares = ("exophytic_share", "between_polar_lines_share", "above_middle_share", "anterior_share")
    apart = {name: abs(found[name].value - usual[name].value) for name in (*lengths, *shares)}
    assert max(apart[name] for name in lengths) <= 1 + max(spacing), apart
    assert max(apart[name] for name in shares) <= 2 * half_a_voxel(12, max(spacing)), apart
    assert found["polar_position"].value == pytest.approx(usual["polar_position"].value, abs=0.03)
    assert found["volume_ml"].value == pytest.approx(usual["volume_ml"].value, rel=0.02)
    assert found["face"].value == usual["face"].value == "anterior"
