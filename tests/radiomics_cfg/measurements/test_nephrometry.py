"""Points of the R.E.N.A.L. score: the last value of each beside the first of the next."""

import pytest

from radiomics_cfg.measurements.measurement import Assessed
from radiomics_cfg.measurements.nephrometry import (
    exophytic_points,
    location_points,
    nearness_points,
    radius_points,
    score,
)


@pytest.mark.parametrize(("mm", "points"), [(40, 1), (40.001, 2), (69.999, 2), (70, 3)])
def test_points_of_the_radius(mm: float, points: int) -> None:
    assert radius_points(mm) == points


@pytest.mark.parametrize(("share", "points"), [(0.5, 1), (0.499, 2), (0.01, 2), (0.009, 3)])
def test_points_of_the_exophytic_share(share: float, points: int) -> None:
    assert exophytic_points(share) == points


@pytest.mark.parametrize(("mm", "points"), [(7, 1), (6.999, 2), (4.001, 2), (4, 3)])
def test_points_of_the_distance_to_the_sinus(mm: float, points: int) -> None:
    assert nearness_points(mm) == points


@pytest.mark.parametrize(
    ("share", "crosses", "points"), [(0.009, False, 1), (0.01, False, 2), (0.5, False, 2), (0.501, False, 3), (0.0, True, 3)]
)
def test_points_of_the_place_between_polar_lines(share: float, crosses: bool, points: int) -> None:
    assert location_points(share, crosses_middle=crosses) == points


def test_a_score_lacks_what_its_components_lack() -> None:
    there, lacking = Assessed(1.0, 2), Assessed.not_assessable("no sinus")
    assert score(radius=there, exophytic=there, nearness=there, location=there).value == 8
    found = score(radius=there, exophytic=there, nearness=lacking, location=there)
    assert (found.value, found.reason) == (None, "not assessable: N")
