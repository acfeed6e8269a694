import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.backends.backend import Backend
from radiomics_cfg.preset import PRESETS, RegionRules, Ring, load_preset


@pytest.fixture
def own_preset(tmp_path: Path) -> Path:
    """A copy of the quick preset, for a user to change."""
    folder = tmp_path / "own"
    shutil.copytree(PRESETS / "quick", folder)
    return folder


def edit(file: Path, **changes: object) -> None:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for path, value in changes.items():
        *parents, key = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[key] = value
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def test_multiscale_is_what_the_design_asks_for() -> None:
    preset = load_preset("multiscale")
    assert [(scale.name, scale.parameters.setting.spacing_mm) for scale in preset.scales] == [
        ("1mm", (1.0, 1.0, 1.0)),
        ("2mm", (2.0, 2.0, 2.0)),
    ]
    rings = [f"shell_{width}mm{side}" for width in ("0_3", "3_5", "5_10") for side in ("", "_kidney", "_fat")]
    assert preset.regions.names == ("tumour", "kidney", *rings)
    assert preset.regions.lesions == load_preset("quick").regions.lesions == "index"
    for scale in preset.scales:
        assert list(scale.parameters.image_types) == ["Original", "Wavelet", "LoG"]
        assert scale.parameters.image_types["LoG"].sigma == (1.0, 2.0, 3.0, 4.0, 5.0)
        assert scale.parameters.setting.bin_width == 25
        assert len(scale.parameters.feature_classes) == 7


@pytest.mark.filterwarnings("ignore:the load_module")  # pykwalify's, which PyRadiomics reads parameter files with
@pytest.mark.parametrize("file", sorted(PRESETS.glob("*/*mm.yaml")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_pyradiomics_reads_every_parameter_file_unchanged(file: Path, pyradiomics: Backend) -> None:
    del pyradiomics
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    extractor = RadiomicsFeatureExtractor(str(file))
    spacing = extractor.settings["resampledPixelSpacing"]
    assert f"{spacing[0]:g}mm" == file.stem
    widest = max(extractor.enabledImagetypes["LoG"]["sigma"])
    assert extractor.settings["padDistance"] * spacing[0] >= 10 * widest


def test_all_tumours_are_one_region_unless_a_preset_says_otherwise(own_preset: Path) -> None:
    edit(own_preset / "regions.yaml", lesions="each", structures=["kidney_ipsilateral", "kidney_contralateral", "cyst"])
    assert load_preset(own_preset).regions.lesions == "each"
    assert load_preset(own_preset).regions.names[:3] == ("kidney_ipsilateral", "kidney_contralateral", "cyst")
    content = yaml.safe_load((own_preset / "regions.yaml").read_text(encoding="utf-8"))
    del content["lesions"]
    (own_preset / "regions.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_preset(own_preset).regions.lesions == "merged"


def test_hash_follows_names_and_contents_only(own_preset: Path) -> None:
    assert load_preset(own_preset).sha256 == load_preset("quick").sha256
    (own_preset / "5mm.yaml").rename(own_preset / "coarse.yaml")
    renamed = load_preset(own_preset)
    assert renamed.sha256 != load_preset("quick").sha256
    with (own_preset / "coarse.yaml").open("a") as stream:
        stream.write("\n")
    assert load_preset(own_preset).sha256 != renamed.sha256


def test_scales_come_finest_first_whatever_their_names(own_preset: Path) -> None:
    (own_preset / "3mm.yaml").rename(own_preset / "z.yaml")
    assert [scale.name for scale in load_preset(own_preset).scales] == ["z", "5mm"]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("regions.yaml", {"margin": 1}, "unknown key 'margin'"),
        ("regions.yaml", {"structures": ["liver"]}, "structures.0"),
        ("regions.yaml", {"lesions": "largest"}, "lesions: Input should be 'merged', 'index' or 'each'"),
        ("regions.yaml", {"structures": [], "shells": []}, "at least one region"),
        ("regions.yaml", {"structures": ["tumour", "tumour"]}, "each once"),
        ("regions.yaml", {"fat_hu": [-30, -190]}, "from low to high"),
        ("3mm.yaml", {"settings": {}}, "unknown key 'settings'"),
        ("3mm.yaml", {"setting__normalize": True}, r"unknown key 'setting\.normalize'"),
        ("3mm.yaml", {"setting__binWidth": 0}, r"setting\.binWidth"),
        ("3mm.yaml", {"setting__resampledPixelSpacing": [0, 3, 3]}, "must exceed 0 mm"),
        ("3mm.yaml", {"imageType__Square": {}}, "Square"),
        ("3mm.yaml", {"imageType__LoG": {}}, "at least one sigma"),
        ("3mm.yaml", {"imageType__LoG": {"sigma": [2.0, 3.0, 2.0]}}, "and each once; found 2.0, 3.0, 2.0"),
        ("3mm.yaml", {"imageType__Wavelet": {"sigma": [2.0]}}, "sigma is a setting of LoG, not of Wavelet"),
        ("3mm.yaml", {"featureClass__shape2D": None}, "shape2D"),
    ],
)
def test_a_bad_key_or_value_is_named_with_its_file(
    own_preset: Path, file: str, change: dict[str, object], message: str
) -> None:
    edit(own_preset / file, **change)
    with pytest.raises(InputError, match=message) as refused:
        load_preset(own_preset)
    assert file in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_yaml_is_refused(own_preset: Path) -> None:
    (own_preset / "3mm.yaml").write_text("setting: [", encoding="utf-8")
    with pytest.raises(InputError, match="not readable YAML"):
        load_preset(own_preset)


def test_a_scale_may_not_hold_the_sign_that_parts_a_column_name(own_preset: Path) -> None:
    (own_preset / "3mm.yaml").rename(own_preset / "3_mm.yaml")
    assert load_preset(own_preset).scales[0].name == "3_mm"
    (own_preset / "3_mm.yaml").rename(own_preset / "3__mm.yaml")
    with pytest.raises(InputError, match="single '_' only"):
        load_preset(own_preset)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"No preset 'fast'; known ones are multiscale, quick"):
        load_preset("fast")


def test_a_preset_without_a_scale_is_refused(own_preset: Path) -> None:
    (own_preset / "3mm.yaml").unlink()
    assert len(load_preset(own_preset).scales) == 1
    (own_preset / "5mm.yaml").unlink()
    with pytest.raises(InputError, match="at least one parameter file"):
        load_preset(own_preset)


def test_a_shell_has_a_width() -> None:
    assert Ring(inner_mm=3, outer_mm=3.5, sides=("fat",)).region_name("fat") == "shell_3_3p5mm_fat"
    with pytest.raises(ValidationError, match="outer_mm must exceed inner_mm"):
        Ring(inner_mm=3, outer_mm=3, sides=("fat",))


@pytest.mark.parametrize(
    "faulty",
    [
        "binWidth: true",
        'binWidth: "25"',
        "binWidth: 1e3",
        "binWidth: .inf",
        "binCount: 010",
        "label: true",
        "binWidth: 25\n  binWidth: 5",
    ],
)
def test_a_number_of_a_preset_is_a_number(tmp_path: Path, faulty: str) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "regions.yaml").write_text("structures: [tumour]\n", encoding="utf-8")
    text = "setting:\n  {}\nimageType:\n  Original: {{}}\nfeatureClass:\n  firstorder:\n"
    (folder / "1mm.yaml").write_text(text.format("binWidth: 25"), encoding="utf-8")
    load_preset(folder)
    (folder / "1mm.yaml").write_text(text.format(faulty), encoding="utf-8")
    with pytest.raises(InputError, match=r"1mm\.yaml"):
        load_preset(folder)


def test_rings_may_be_spelt_as_they_were_before() -> None:
    ring = {"inner_mm": 0, "outer_mm": 5, "sides": ["whole"]}
    now, before = RegionRules.model_validate({"rings": [ring]}), RegionRules.model_validate({"shells": [ring]})
    assert now == before
    assert now.model_dump(mode="json", by_alias=True)["shells"] == before.model_dump(mode="json")["rings"]


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("quick", "c9a821e7c3fe87b539372e2a8b1939f22e808497b8aecdeaa4755183c0ac8c89"),
        ("multiscale", "bf81658bc4a4149d8f75d4db927484dd53501555505281b3724cb8b6a1839718"),
    ],
)
def test_the_hashes_of_our_presets_stay(name: str, sha256: str) -> None:
    assert load_preset(name).sha256 == sha256
