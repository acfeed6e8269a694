import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
from scipy.special import sph_harm_y

from radiomics_cfg.engine.local_binary_pattern import icosphere, local_binary_patterns


@pytest.fixture
def lbp_oracle(oracle: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """PyRadiomics with what its LBP3D imports: SciPy dropped two names, and trimesh is asked for a sphere only."""
    interpolation, trimesh, creation = ModuleType("interpolation"), ModuleType("trimesh"), ModuleType("creation")
    interpolation.map_coordinates = scipy.ndimage.map_coordinates  # type: ignore[attr-defined]
    creation.icosphere = lambda n, radius: SimpleNamespace(vertices=icosphere(n) * radius)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "scipy.ndimage.interpolation", interpolation)
    monkeypatch.setitem(sys.modules, "trimesh", trimesh)
    monkeypatch.setitem(sys.modules, "trimesh.creation", creation)
    former = lambda m, n, theta, phi: sph_harm_y(n, m, phi, theta)  # noqa: E731
    monkeypatch.setattr(scipy.special, "sph_harm", former, raising=False)
    return oracle


@pytest.mark.parametrize("kind", ["f8", "i2", "f4"])
@pytest.mark.parametrize("settings", [{}, {"lbp3DLevels": 3}, {"lbp3DIcosphereRadius": 2.5, "lbp3DIcosphereSubdivision": 0}])
def test_patterns_are_pyradiomics(lbp_oracle: Any, volume: Any, kind: str, settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    values = (100 * rng.normal(size=(9, 10, 11))).astype(kind)
    inside = rng.random(values.shape) < 0.4
    theirs = lbp_oracle.images("LBP3D", volume(values), volume(inside), **settings)
    ours = dict(
        local_binary_patterns(
            values,
            inside,
            levels=settings.get("lbp3DLevels", 2),
            radius=settings.get("lbp3DIcosphereRadius", 1),
            subdivisions=settings.get("lbp3DIcosphereSubdivision", 1),
        )
    )
    assert list(ours) == list(theirs)
    for name, pattern in theirs.items():  # which outside the region is memory as it was found
        assert ours[name][inside] == pytest.approx(pattern[inside], rel=1e-9, abs=1e-9), name
        assert not ours[name][~inside].any()


def test_the_corners_of_the_sphere_are_trimeshs_icosahedron() -> None:
    golden = (1 + 5**0.5) / 2
    corners = {(0.0, s, t * golden) for s in (1.0, -1.0) for t in (1.0, -1.0)}  # trimesh.creation.icosahedron, any order
    corners |= {(y, z, x) for x, y, z in corners} | {(z, x, y) for x, y, z in corners}
    expected = np.array(sorted(corners)) / np.hypot(1, golden)
    found = icosphere(0)
    assert found[np.lexsort(found.round(9).T[::-1])] == pytest.approx(expected)


@pytest.mark.parametrize("subdivisions", [0, 1, 2])
def test_a_sphere_has_its_corners_on_the_unit_sphere_in_pairs(subdivisions: int) -> None:
    sphere = icosphere(subdivisions)
    assert len(sphere) == 10 * 4**subdivisions + 2
    assert np.linalg.norm(sphere, axis=1) == pytest.approx(1.0)
    pairs = sphere @ sphere.T
    assert pairs.min(axis=1) == pytest.approx(-1.0)
    assert len(np.unique(sphere.round(9), axis=0)) == len(sphere)


def test_patterns_do_not_change_with_a_shift_of_the_grey_values() -> None:
    rng = np.random.default_rng(1)
    values, inside = rng.normal(size=(8, 8, 8)), np.zeros((8, 8, 8), bool)
    inside[3:5, 3:5, 3:5] = True
    ours, shifted = (dict(local_binary_patterns(v, inside)) for v in (values, 2 * values + 64))
    assert all(ours[name] == pytest.approx(shifted[name]) for name in ("lbp-3D-m1", "lbp-3D-m2"))
