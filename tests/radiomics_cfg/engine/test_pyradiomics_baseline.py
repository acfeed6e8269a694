"""PyRadiomics' own test cases: against the values that it publishes, and against what it gives here."""

import csv
from ast import literal_eval
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk

from radiomics_cfg.backends.extractor import Extractor
from radiomics_cfg.engine.region import CLASSES

pytestmark = pytest.mark.data

IMAGES = ("brain1", "brain2", "breast1")
"""Those of the baseline's five images that are here; the two of the lung are not."""

CONFIGURATIONS = ("", "_normalization", "_resampling", "_resegmentation", "_2d", "_FBN", "_combined", "_flatRegion")

PUBLISHED_RELATIVE = 1e-10
"""The baseline holds 12 digits of shape and MCC, 16 of the rest. Its makers were PyRadiomics 1.3 to 2.1 with SimpleITK 0.9."""

SINCE_CHANGED = {"brain1": ("MeshVolume", "SurfaceArea", "SurfaceVolumeRatio", "Sphericity")}
"""Shape features that PyRadiomics 3.0.1 itself answers otherwise than its baseline, by less than 0.1 %."""


@dataclass(frozen=True)
class Case:
    """One column of the baseline: image, mask, settings, and for each class its published values."""

    image: sitk.Image
    mask: sitk.Image
    content: dict[str, Any]
    published: dict[str, float]


def tables(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return the baseline by class, column and row."""
    found = {}
    for name in CLASSES:
        with (folder / f"baseline_{name}.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        found[name] = {column: {row[0]: row[at] for row in rows} for at, column in enumerate(header) if at}
    return found


@pytest.fixture(scope="module")
def baseline(real_data: Path) -> tuple[Path, dict[str, dict[str, dict[str, str]]]]:
    folder = real_data / "pyradiomics_baseline"
    if not folder.is_dir():
        pytest.skip("PyRadiomics' baseline is not in the real data folder")
    return folder, tables(folder)


@pytest.fixture
def case(baseline: Any, image: str, configuration: str) -> Case:
    folder, known = baseline
    columns = {name: table[image + configuration] for name, table in known.items() if image + configuration in table}
    settings = {column["diagnostics_Configuration_Settings"] for column in columns.values()}
    asked = [literal_eval(text) for text in settings]
    assert all(setting == asked[0] for setting in asked)  # the same for every class
    volume, mask = (sitk.ReadImage(str(folder / f"{image}_{what}.nrrd")) for what in ("image", "label"))
    published = {
        f"original_{name}_{row.removeprefix(f'original_{name}_')}": float(value)
        for name, column in columns.items()
        for row, value in column.items()
        if not row.startswith("diagnostics")
    }
    content = {"setting": {**asked[0], "additionalInfo": False}, "featureClass": dict.fromkeys(columns)}
    return Case(volume, mask, content, published)


every_case = pytest.mark.parametrize(
    ("image", "configuration"), list(product(IMAGES, CONFIGURATIONS)), ids=lambda part: part.strip("_") or "defaults"
)


@every_case
def test_values_are_those_published(case: Case, image: str, configuration: str) -> None:
    found = Extractor(case.content).execute(case.image, case.mask)
    assert set(found) == set(case.published)
    changed = SINCE_CHANGED.get(image, ()) if not configuration else ()
    for name, value in case.published.items():
        loose = name.startswith("original_shape_") and name.rsplit("_", 1)[1] in changed
        assert found[name] == pytest.approx(value, rel=1e-3 if loose else PUBLISHED_RELATIVE, abs=1e-12), name


@every_case
def test_values_are_those_that_pyradiomics_gives_here(
    oracle: Any, disagreements: Any, case: Case, image: str, configuration: str
) -> None:
    del image, configuration
    found = Extractor(case.content).execute(case.image, case.mask)
    assert disagreements(found, oracle.extract(case.content, case.image, case.mask)) == {}


def test_no_case_whose_image_is_here_is_left_out(baseline: Any) -> None:
    folder, known = baseline
    columns = {column for table in known.values() for column in table}
    here = {column for column in columns if (folder / f"{column.split('_')[0]}_image.nrrd").is_file()}
    assert here == {image + configuration for image, configuration in product(IMAGES, CONFIGURATIONS)}
    assert len(here) == 24
