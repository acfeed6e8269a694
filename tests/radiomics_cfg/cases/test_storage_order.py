"""Features do not follow from the order and the direction in which a scan's axes are stored."""

from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.backends.backend import Backend
from radiomics_cfg.backends.extractor import Extractor
from radiomics_cfg.cases.measure import measure_case
from radiomics_cfg.cases.perturbed import measure_masks
from radiomics_cfg.perturbation.perturbed_mask import usual_perturbations
from radiomics_cfg.preset import Parameters, Preset, RegionRules, Ring, Scale
from radiomics_cfg.regions.grid import Box, Grid, resample
from radiomics_cfg.regions.lesions import LEFT, find_anatomy

ORDERS = ["".join(order) for ends in permutations(("LR", "PA", "SI")) for order in product(*ends)]
SOME = ("RAI", "SAR", "PSL", "ILA")
CLASSES = ("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
TILTED = (3, -4, 10)


def scan_of(labels: npt.NDArray[np.uint8], spacing: tuple[float, ...], degrees: tuple[float, ...] = (0, 0, 0)) -> Scan:
    """HU 160 in kidney, 90 in tumour, -60 around, air at the front; with noise, at an odd place."""
    hu = np.choose(labels, [-60, 160, 90, 10]) + np.random.default_rng(0).normal(0, 20, labels.shape)
    hu[:, :2] = -1000
    image, mask = sitk.GetImageFromArray(hu.round().astype(np.int16)), sitk.GetImageFromArray(labels)
    image.SetSpacing(spacing)
    image.SetOrigin((-70.123, -60.7, 10.33))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees).tolist()).GetMatrix())
    mask.CopyInformation(image)
    return Scan(image, mask)


def two_kidneys(degrees: tuple[float, ...] = (0, 0, 0)) -> Scan:
    """Two kidneys with a tumour of equal volume on each, on anisotropic voxels."""
    z, y, x = np.indices((15, 24, 44))
    labels = np.zeros(z.shape, np.uint8)
    for middle, kidney_at, tumour_at in ((10, 7, 8), (33, 8, 6)):
        labels[((z - kidney_at) / 5) ** 2 + ((y - 13) / 5) ** 2 + ((x - middle) / 4) ** 2 < 1] = Label.KIDNEY
        labels[((z - tumour_at) / 2) ** 2 + ((y - 9) / 3) ** 2 + ((x - middle - 1) / 3) ** 2 <= 1] = Label.TUMOUR
    return scan_of(labels, (2.6, 2.6, 4.1), degrees)


def stored_as(scan: Scan, order: str) -> Scan:
    return Scan(sitk.DICOMOrient(scan.image, order), sitk.DICOMOrient(scan.mask, order))


def read_back(scan: Scan, folder: Path) -> Scan:
    """Return a scan as a NIfTI file keeps it: origin and direction in single floats."""
    found = []
    for name, image in (("image", scan.image), ("mask", scan.mask)):
        sitk.WriteImage(image, folder / f"{name}.nii.gz")
        found.append(sitk.ReadImage(folder / f"{name}.nii.gz"))
    found[1].CopyInformation(found[0])
    return Scan(*found)


def preset(
    *classes: str,
    lesions: str = "merged",
    filters: tuple[str, ...] = ("Original",),
    mm: float | None = 3.0,
    interpolator: str = "sitkBSpline",
) -> Preset:
    kinds: dict[str, Any] = {"Original": {}, "LoG": {"sigma": [3.0]}, "Wavelet": {"wavelet": "coif1"}}
    content = {
        "setting": {"binWidth": 25, "interpolator": interpolator} | ({"resampledPixelSpacing": [mm] * 3} if mm else {}),
        "imageType": {kind: kinds[kind] for kind in filters},
        "featureClass": dict.fromkeys(classes),
    }
    ring = Ring(inner_mm=0, outer_mm=5, sides=("whole", "kidney"))
    rules = RegionRules(lesions=lesions, structures=("tumour", "kidney_ipsilateral"), rings=(ring,), minimum_voxels=10)  # type: ignore[arg-type]
    return Preset("test", rules, (Scale("scale", Parameters.model_validate(content)),), "")


@pytest.mark.parametrize("degrees", [(0, 0, 0), TILTED], ids=["straight", "tilted"])
def test_a_scan_stored_in_48_ways_has_one_table(degrees: tuple[float, ...], default_backend: Backend, tmp_path: Path) -> None:
    scan, whole = two_kidneys(degrees), preset(*CLASSES, lesions="each", filters=("Original", "LoG", "Wavelet"))
    few = preset(*CLASSES, filters=("Original", "LoG"))
    for one, orders in ((whole, (*SOME, "LPS")), (few, ORDERS)):
        first = measure_case(read_back(scan, tmp_path), one, default_backend)
        assert np.isfinite(first.values).mean() > 0.9
        for order in orders:
            found = measure_case(read_back(stored_as(scan, order), tmp_path), one, default_backend)
            np.testing.assert_allclose(found.values, first.values, rtol=1e-9, err_msg=order)
            assert (found.keys, found.missing) == (first.keys, first.missing), order


def test_pyradiomics_values_follow_the_order_as_they_do_there(default_backend: Backend) -> None:
    scan, one = two_kidneys(), preset("shape", "firstorder", filters=("Wavelet",))
    first, other = (measure_case(stored_as(scan, order), one, default_backend, mode="pyradiomics") for order in ("LPS", "SAR"))
    assert np.nanmax(np.abs(other.values / first.values - 1)) > 0.1
    assert first.keys == other.keys


@pytest.mark.parametrize("interpolator", ["sitkBSpline", "sitkLinear", "sitkNearestNeighbor"])
@pytest.mark.parametrize("mm", [2.0, 3.0])
def test_a_tie_between_voxels_is_decided_alike(interpolator: str, mm: float, default_backend: Backend, tmp_path: Path) -> None:
    # On a grid of 2 mm every third centre lies between two voxels of 3 mm; on one of 3 mm it is the scan's own.
    z, y, x = np.indices((12, 20, 22))
    labels = np.where((z - 5) ** 2 + (y - 11) ** 2 + (x - 9) ** 2 < 16, Label.TUMOUR, Label.BACKGROUND).astype(np.uint8)
    scan, one = scan_of(labels, (3.0, 3.0, 3.0)), preset("shape", "firstorder", mm=mm, interpolator=interpolator)
    first = measure_case(scan, one, default_backend).values
    for order in SOME:
        found = measure_case(read_back(stored_as(scan, order), tmp_path), one, default_backend).values
        np.testing.assert_allclose(found, first, rtol=1e-9, err_msg=order)


@pytest.mark.parametrize("origin", [0.0, -70.123, 1e5 / 3])
def test_the_nearest_voxel_does_not_follow_from_where_a_scan_lies(origin: float) -> None:
    values = np.arange(12 * 12 * 12, dtype=np.int16).reshape(12, 12, 12)
    scan = sitk.GetImageFromArray(values)
    scan.SetSpacing((3.0, 3.0, 3.0))
    scan.SetOrigin((origin, -origin, origin / 7))
    grid = Grid.of(scan, (2.0, 2.0, 2.0))
    found = sitk.GetArrayFromImage(resample(scan, grid, Box((0, 0, 0), grid.size), interpolator="sitkNearestNeighbor"))
    at = (np.arange(18) * 2 + 1) // 3  # the voxel of 3 mm that holds a centre of the grid; a centre between two, the upper
    np.testing.assert_array_equal(found, values[np.ix_(at, at, at)])


def test_a_linear_value_is_the_mean_of_its_neighbours() -> None:
    values = np.random.default_rng(0).integers(-100, 300, (12, 13, 14)).astype(np.int16)
    scan = sitk.GetImageFromArray(values)
    scan.SetSpacing((3.0, 3.0, 3.0))
    scan.SetOrigin((-70.123, 3.3, 5.7))
    grid, box = Grid.of(scan, (6.0, 6.0, 6.0)), Box((1, 2, 0), (5, 5, 6))
    found = sitk.GetArrayFromImage(resample(scan, grid, box, interpolator="sitkLinear"))
    expected = values[:12, :12, :14].reshape(6, 2, 6, 2, 7, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(found, expected[0:6, 2:5, 1:5], atol=1e-6)


def test_perturbed_masks_do_not_follow_the_order(default_backend: Backend, tmp_path: Path) -> None:
    scan, one = two_kidneys(), preset("firstorder", lesions="index")
    first = measure_masks(read_back(scan, tmp_path), one, default_backend, perturbations=usual_perturbations())
    assert len(np.unique(first.values[:, 0])) == 10
    for order in SOME[:2]:
        again = read_back(stored_as(scan, order), tmp_path)
        found = measure_masks(again, one, default_backend, perturbations=usual_perturbations())
        np.testing.assert_allclose(found.values, first.values, rtol=1e-9)
        assert found.lost == first.lost


@pytest.mark.parametrize("order", SOME)
def test_the_extractors_canonical_mode_does_not_follow_the_order(order: str) -> None:
    scan, settings = two_kidneys(TILTED), {"setting": {"binWidth": 25}, "imageType": {"Wavelet": {}}}
    values = []
    for one in (scan, stored_as(scan, order)):
        found = Extractor(settings, mode="canonical").execute(one.image, one.mask, label=int(Label.TUMOUR))
        values.append({name: value for name, value in found.items() if not name.startswith("diagnostics")})
    assert values[0] == values[1]
    assert len(values[0]) > 700


@pytest.mark.parametrize("shift", [-0.5, 0, 0.5])
def test_what_lies_on_the_midline_has_one_side(shift: float, tmp_path: Path) -> None:
    labels = np.zeros((10, 12, 21), np.uint8)
    labels[3:7, 4:8, 8 + round(shift + 0.5) : 13 + round(shift - 0.5) if shift else 13] = Label.TUMOUR
    scan = scan_of(labels, (2.6, 2.6, 4.1))
    sides = {find_anatomy(read_back(stored_as(scan, order), tmp_path)).lesions[0].side for order in ORDERS[::3]}
    assert sides == {"left" if shift > 0 else "right"}


def test_a_horseshoe_kidney_is_cut_along_the_same_voxels(tmp_path: Path) -> None:
    labels = np.zeros((10, 16, 51), np.uint8)
    labels[3:8, 6:10, 2:49] = Label.KIDNEY
    labels[4:6, 6:9, 4:8] = Label.TUMOUR
    scan = scan_of(labels, (2.6, 2.6, 4.1))
    first = find_anatomy(scan).sides == LEFT
    assert not first[:, :, 25].any()  # the body's midline lies on the centres of these voxels
    assert first[5, 8, 26]
    for order in ORDERS[::3]:
        again = read_back(stored_as(scan, order), tmp_path)
        sides = sitk.GetImageFromArray(find_anatomy(again).sides)
        sides.CopyInformation(again.image)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.DICOMOrient(sides, "LPS")) == LEFT, first, err_msg=order)
