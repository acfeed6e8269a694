"""Reference values of the Image Biomarker Standardisation Initiative; docs/reference/ibsi.md shows them all."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from radiomics_cfg import Extractor
from radiomics_cfg.engine.region import CLASSES

ROOT = Path(__file__).parents[3]
PUBLISHED = json.loads((ROOT / "tests" / "reference" / "ibsi_digital_phantom.json").read_text(encoding="utf-8"))["features"]

INTENSITIES = """
14411 14611 41641 44641
14411 11611 11311 44611
14411 11111 11911 11611
14411 11111 11111 11611
"""
REGION = """
11111 11111 11111 11111
11111 11111 01111 11111
11100 11111 11011 11111
11100 11111 11111 11111
"""
"""The digital phantom of the reference manual (arXiv:1612.07003, chapter 5): a line is a slice, its words run along y."""

SETTINGS: dict[str, dict[str, Any]] = {
    "3D_avg": {},
    "3D_comb": {"weightingNorm": "no_weighting"},
    "2_5D_avg": {"force2D": True},
    "2_5D_comb": {"force2D": True, "weightingNorm": "no_weighting"},
}
"""PyRadiomics' settings for the IBSI's aggregations; zones, tone differences and dependences know no directions."""

AXES = ("shape_MajorAxisLength", "shape_MinorAxisLength", "shape_LeastAxisLength")
DEVIATING = ("firstorder_Kurtosis", *AXES)

Values = dict[tuple[str, str], float]


def volume(digits: str) -> sitk.Image:
    slices = [[list(map(int, row)) for row in line.split()] for line in digits.strip().splitlines()]
    image = sitk.GetImageFromArray(np.array(slices, np.int16))
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


def aggregation(name: str, settings: str) -> str:
    if name.startswith(("shape_", "firstorder_")):
        return ""
    return settings if name.startswith(("glcm_", "glrlm_")) else settings.rsplit("_", 1)[0]


def three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def published(name: str) -> float:
    return next(float(row["value"]) for row in PUBLISHED if row["name"] == name)


def label(row: dict[str, Any]) -> str:
    return " ".join(filter(None, (row["name"], row["aggregation"])))


@pytest.fixture(scope="module")
def computed() -> Values:
    """All features of the digital phantom, whose intensities are its grey levels."""
    asked: dict[str, list[str]] = {}
    for row in PUBLISHED:
        kind, feature = row["name"].split("_", 1)
        asked.setdefault(kind, []).append(feature)
    found: Values = {}
    for settings, own in SETTINGS.items():
        extractor = Extractor({"featureClass": asked}, binWidth=1, additionalInfo=False, **own)
        for key, value in extractor.execute(volume(INTENSITIES), volume(REGION)).items():
            name = key.removeprefix("original_")
            found[name, aggregation(name, settings)] = float(value)
    return found


@pytest.mark.parametrize("row", [row for row in PUBLISHED if row["name"] not in DEVIATING], ids=label)
def test_digital_phantom_has_the_published_value(row: dict[str, Any], computed: Values) -> None:
    ours = three_digits(computed[row["name"], row["aggregation"]])
    assert ours == pytest.approx(row["value"], rel=1e-9, abs=row["tolerance"])


def test_kurtosis_is_3_more_than_the_excess_of_the_ibsi(computed: Values) -> None:
    assert three_digits(computed["firstorder_Kurtosis", ""] - 3) == published("firstorder_Kurtosis")


@pytest.mark.parametrize("name", AXES)
def test_published_axis_lengths_divide_by_one_voxel_less(name: str, computed: Values) -> None:
    assert three_digits(computed[name, ""] * np.sqrt(74 / 73)) == published(name)


@pytest.mark.parametrize(("name", "identifier"), sorted({(row["name"], row["ibsi"]) for row in PUBLISHED}))
def test_feature_has_its_ibsi_identifier(name: str, identifier: str) -> None:
    kind, feature = name.split("_", 1)
    assert CLASSES[kind].features[feature].ibsi == identifier


@pytest.mark.data
@pytest.mark.parametrize(("file", "digits"), [("image/phantom", INTENSITIES), ("mask/mask", REGION)])
def test_digital_phantom_is_the_file_of_the_ibsi(file: str, digits: str, real_data: Path) -> None:
    theirs = sitk.ReadImage(real_data / "ibsi" / "ibsi_1_digital_phantom" / "nifti" / f"{file}.nii.gz")
    ours = volume(digits)
    assert ours.GetSpacing() == theirs.GetSpacing()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))


@pytest.fixture(scope="module")
def comparisons(real_data: Path) -> dict[str, Any]:
    """What benchmarks/ibsi.py compares, by data set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        found = importlib.import_module("ibsi_comparison").compare(real_data / "ibsi")
    return {comparison.title.split()[-1]: comparison for comparison in found}


def row_of(comparison: Any, tag: str) -> Any:
    return next(row for row in comparison.rows if row.reference.tag == tag)


@pytest.mark.data
@pytest.mark.parametrize("configuration", ["C", "D", "E"])
def test_ct_phantom_is_prepared_as_the_ibsi_asks(configuration: str, comparisons: dict[str, Any]) -> None:
    assert comparisons[configuration].diagnostics == (60, 60)


@pytest.mark.data
@pytest.mark.parametrize(
    "tag",
    ["morph_volume", "stat_mean", "ih_entropy", "cm_contrast_3D_avg", "cm_joint_entr_3D_comb", "rlm_sre_3D_avg",
     "rlm_glnu_3D_comb", "szm_lze_3D", "ngt_coarseness_3D", "ngl_dc_entr_3D"],
)  # fmt: skip
@pytest.mark.parametrize("configuration", ["C", "D", "E"])
def test_ct_phantom_has_the_published_value(configuration: str, tag: str, comparisons: dict[str, Any]) -> None:
    row = row_of(comparisons[configuration], tag)
    ours = three_digits(row.ours[0].value)
    assert ours == pytest.approx(row.reference.value, rel=1e-9, abs=row.reference.tolerance)


@pytest.mark.data
@pytest.mark.parametrize(("configuration", "matches"), [("C", 112), ("D", 143), ("E", 143)])
def test_only_definitions_make_features_of_the_ct_phantom_deviate(
    configuration: str, matches: int, comparisons: dict[str, Any]
) -> None:
    reasons = [row.ours[0].why for row in comparisons[configuration].rows]
    assert reasons.count("") == matches
    assert set(reasons) <= {"", "kurtosis", "numbering"}


@pytest.mark.data
def test_grey_levels_are_2_lower_than_those_of_the_ibsi(comparisons: dict[str, Any]) -> None:
    average = row_of(comparisons["C"], "cm_joint_avg_3D_avg").ours[0]
    assert average.otherwise == pytest.approx(average.value + 2)


@pytest.mark.data
def test_page_is_what_the_benchmark_writes(comparisons: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    page = importlib.import_module("ibsi").page(list(comparisons.values()))
    assert (ROOT / "docs" / "reference" / "ibsi.md").read_text(encoding="utf-8") == page
