import pytest

from radiomics_cfg.feature_name import FeatureName


@pytest.mark.parametrize(
    "name",
    [
        "tumour__1mm__wavelet-LLH_glcm_Contrast",
        "shell_0_3mm_fat__2mm__original_region_KeptFraction",
        "tumour__net2mm__deep_stage0_mean_3",
        "clinical_age",
        "age",
    ],
)
def test_a_name_is_printed_as_it_was_read(name: str) -> None:
    assert str(FeatureName.of(name)) == name


def test_a_name_has_its_parts() -> None:
    found = FeatureName.of("shell_0_3mm_fat__2mm__log-sigma-3-0-mm-3D_firstorder_Mean")
    assert found == FeatureName("shell_0_3mm_fat", "2mm", "log-sigma-3-0-mm-3D", "firstorder", "Mean")
    assert found.pyradiomics == "log-sigma-3-0-mm-3D_firstorder_Mean"
    assert FeatureName.of("age") == FeatureName("other", "other", "other", "other", "age")


@pytest.mark.parametrize(
    ("name", "is_volume"),
    [
        ("tumour__1mm__original_shape_MeshVolume", True),
        ("tumour__1mm__original_shape_VoxelVolume", True),
        ("kidney__1mm__original_shape_MeshVolume", False),
        ("tumour__1mm__original_shape_SurfaceArea", False),
    ],
)
def test_the_tumours_volume_is_known_by_its_name(name: str, is_volume: bool) -> None:
    assert FeatureName.of(name).is_tumour_volume == is_volume
