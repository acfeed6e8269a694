"""A list of regions, as PyRadiomics' batch command takes it, through the command and the stage."""

import csv
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from command_line import ccrcc_here, mistake_here

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.backends.extractor import Extractor
from radiomics_cfg.listed_regions import measure_listed_regions, read_listed_regions

PARAMS = {"setting": {"binWidth": 10}, "featureClass": {"shape": ["VoxelVolume"], "firstorder": ["Mean", "Entropy"]}}


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Return a folder with two scans, a mask of two labels for each, ``params.yaml``, and ``cases.csv`` of four regions."""
    rng = np.random.default_rng(3)
    for name in ("a", "b"):
        mask = np.zeros((9, 10, 11), np.uint8)
        mask[2:6, 2:7, 2:8], mask[6:8, 3:8, 3:9] = 1, 2
        for what, values in (("image", rng.normal(50, 20, mask.shape).astype(np.float32)), ("mask", mask)):
            image = sitk.GetImageFromArray(values)
            image.SetSpacing((1.0, 1.5, 2.0))
            sitk.WriteImage(image, str(tmp_path / f"{name}_{what}.nrrd"))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    rows = ["Image,Mask,Label,Site", *(f"{n}_image.nrrd,{n}_mask.nrrd,{label},x" for n in "ab" for label in (1, 2))]
    (tmp_path / "cases.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def words(folder: Path, *more: str | Path) -> tuple[str | Path, ...]:
    return ("extract", folder / "cases.csv", "--params", folder / "params.yaml", "--out", folder / "f.csv", *more)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_region_has_the_row_that_the_extractor_gives(listed: Path, jobs: str) -> None:
    ran = ccrcc_here(*words(listed, "--jobs", jobs))
    assert ran.status == 0, ran.said
    assert "the checks of kidneys and tumours do not apply" in ran.said
    rows = rows_of(listed / "f.csv")
    assert [(row["Image"], row["Label"], row["Site"]) for row in rows] == [
        (f"{name}_image.nrrd", label, "x") for name in "ab" for label in "12"
    ]
    extractor = Extractor(PARAMS)
    for row in rows:
        files = [str(listed / row[what]) for what in ("Image", "Mask")]
        expected = extractor.execute(files[0], files[1], label=int(row["Label"]))
        assert list(row)[4:] == list(expected)
        assert [float(row[name]) for name in expected if name.startswith("original_")] == [
            float(value) for name, value in expected.items() if name.startswith("original_")
        ]


def test_a_region_that_cannot_be_measured_has_an_empty_row_and_its_reason(listed: Path) -> None:
    with (listed / "cases.csv").open("a", encoding="utf-8") as stream:
        stream.write("\na_image.nrrd,a_mask.nrrd,7,x\ngone.nrrd,a_mask.nrrd,1,x\n")
    ran = ccrcc_here(*words(listed))
    assert ran.status == 3
    rows = rows_of(listed / "f.csv")
    assert [row["original_firstorder_Mean"] != "" for row in rows] == [True] * 4 + [False] * 2
    refused = rows_of(listed / "f.quarantine.csv")
    assert [(row["case_id"], row["code"]) for row in refused] == [("line 6", "label-absent"), ("line 7", "image-missing")]


def test_a_mask_of_another_grid_is_another_patients(listed: Path) -> None:
    small = sitk.ReadImage(str(listed / "b_mask.nrrd"))[:-1]
    sitk.WriteImage(small, str(listed / "b_mask.nrrd"))
    assert ccrcc_here(*words(listed)).status == 3
    refused = rows_of(listed / "f.quarantine.csv")
    assert [(row["case_id"], row["code"]) for row in refused] == [("line 4", "mask-geometry"), ("line 5", "mask-geometry")]


def test_a_second_run_measures_only_what_changed(listed: Path) -> None:
    ccrcc_here(*words(listed))
    first = {path.name: path.stat().st_mtime_ns for path in (listed / "f.cases").iterdir()}
    damaged = next((listed / "f.cases").iterdir())
    damaged.write_text(damaged.read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8")
    before = (listed / "f.csv").read_bytes()
    ccrcc_here(*words(listed))
    second = {path.name: path.stat().st_mtime_ns for path in (listed / "f.cases").iterdir()}
    assert {name for name in first if first[name] != second[name]} == {damaged.name}
    assert (listed / "f.csv").read_bytes() == before


def test_the_mode_of_a_list_is_pyradiomics_unless_it_is_asked_for(listed: Path) -> None:
    ccrcc_here(*words(listed))
    assert "diagnostics_Configuration_Mode" not in rows_of(listed / "f.csv")[0]
    ccrcc_here(*words(listed, "--mode", "canonical"))
    assert rows_of(listed / "f.csv")[0]["diagnostics_Configuration_Mode"] == "canonical"


def test_mistakes_end_in_one_line(listed: Path) -> None:
    assert "--preset is for a cohort" in mistake_here(*words(listed, "--preset", "quick"))
    assert "--shard is for a cohort" in mistake_here(*words(listed, "--shard", "0/2"))
    assert "No setting 'binWith'" in _with_params(listed, {"setting": {"binWith": 5}})
    card = listed / "card.yaml"
    card.write_text("name: x", encoding="utf-8")
    assert "use --preset" in mistake_here("extract", card, "--params", listed / "params.yaml", "--out", listed / "g.csv")
    assert "is an input of this command" in mistake_here("extract", listed / "cases.csv", "--out", listed / "cases.csv")


def _with_params(folder: Path, content: object) -> str:
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return mistake_here(*words(folder))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Image\na.nrrd\n", "has no column Mask"),
        ("Image,Mask\n", "lists no region"),
        ("Image,Mask\na.nrrd,a.nrrd\nb.nrrd,\n", "line 3: the cell Mask is empty"),
        ("Image,Mask,Label\na.nrrd,a.nrrd,1\nb.nrrd,b.nrrd,one\n", "line 3: Label is 'one'"),
        ("Image,Mask,Label\na.nrrd,a.nrrd,1.5\n", "line 2: Label is '1.5'"),
    ],
)
def test_a_faulty_list_is_refused_before_anything_is_measured(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cases.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_listed_regions(tmp_path / "cases.csv")


def test_without_a_label_that_of_the_parameters_counts(listed: Path) -> None:
    (listed / "cases.csv").write_text("Image;Mask\na_image.nrrd;a_mask.nrrd\n", encoding="utf-8")
    (listed / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"setting": {"label": 2}}), encoding="utf-8")
    table, _ = measure_listed_regions(read_listed_regions(listed / "cases.csv"), listed / "params.yaml", listed / "kept")
    assert float(table["original_shape_VoxelVolume"].iloc[0]) == 2 * 5 * 6 * 3.0


@pytest.mark.data
@pytest.mark.parametrize("configuration", ["", "_resampling", "_FBN"])
def test_pyradiomics_own_baseline(real_data: Path, tmp_path: Path, configuration: str) -> None:
    folder = real_data / "pyradiomics_baseline"
    if not folder.is_dir():
        pytest.skip("PyRadiomics' baseline is not in the real data folder")
    with (folder / "baseline_glcm.csv").open(newline="", encoding="utf-8") as file:
        header, *table = csv.reader(file)
    known = {column: {row[0]: row[at] for row in table} for at, column in enumerate(header) if at}
    for image in ("brain1", "brain2", "breast1"):
        published = known[image + configuration]
        setting = literal_eval(published["diagnostics_Configuration_Settings"])
        params = {"setting": setting, "featureClass": {"glcm": None}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        row = f"Image,Mask\n{folder / f'{image}_image.nrrd'},{folder / f'{image}_label.nrrd'}\n"
        (tmp_path / "cases.csv").write_text(row, encoding="utf-8")
        assert ccrcc_here(*words(tmp_path)).status == 0
        (found,) = rows_of(tmp_path / "f.csv")
        features = [name for name in published if not name.startswith("diagnostics")]
        assert len(features) > 20
        for name in features:
            column = name if name.startswith("original_glcm_") else f"original_glcm_{name}"
            assert float(found[column]) == pytest.approx(float(published[name]), rel=1e-10, abs=1e-12), name
