"""A user's own table: what of it becomes a feature, and what is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.notebook import as_html
from radiomics_cfg.table import FeatureTable

VOLUME = "original_shape_MeshVolume"


@pytest.fixture
def frame() -> pd.DataFrame:
    """Three patients as PyRadiomics' batch script writes them, with an outcome and a diagnostic beside the features."""
    return pd.DataFrame(
        {
            "ID": ["007", "008", "009"],
            "hospital": ["a", "b", "a"],
            "diagnostics_Versions_PyRadiomics": "v3.0.1",
            "diagnostics_Mask-original_VoxelNum": [10, 20, 30],
            VOLUME: [900.5, 4200.0, 37.0],
            "wavelet-HHH_glcm_Contrast": [0.1, np.nan, 0.3],
            "log-sigma-3-0-mm-3D_firstorder_Mean": [-4, 5, 6],
            "isup_grade": [1, 2, 3],
        }
    )


def taken(frame: Any, **other: Any) -> FeatureTable:
    return FeatureTable.of(frame, **({"patient": "ID", "volume": VOLUME} | other))


def test_features_of_pyradiomics_are_taken_and_nothing_else(frame: pd.DataFrame) -> None:
    table = taken(frame, centre="hospital", cohort="clinic")
    assert table.feature_names == [
        f"tumour__foreign__{name}" for name in (VOLUME, "wavelet-HHH_glcm_Contrast", "log-sigma-3-0-mm-3D_firstorder_Mean")
    ]
    np.testing.assert_array_equal(table.features.to_numpy()[:, 0], frame[VOLUME])
    assert table.rows["patient_id"].tolist() == ["007", "008", "009"]
    assert table.rows["centre"].tolist() == ["a", "b", "a"]
    assert table.volume_column == f"tumour__foreign__{VOLUME}"
    assert table.provenance["foreign"] == {"columns_left_out": 3, "volume": VOLUME}
    assert table.provenance["cohorts"] == {"clinic": "development"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_gives_what_its_frame_gives(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    pd.testing.assert_frame_equal(taken(str(path)).rows, taken(frame).rows)


def test_it_survives_a_file_of_ours(frame: pd.DataFrame, tmp_path: Path) -> None:
    table = taken(frame, role="external")
    table.write(str(tmp_path / "t.parquet"))
    again = FeatureTable.read(str(tmp_path / "t.parquet"))
    assert again.provenance == table.provenance
    pd.testing.assert_frame_equal(again.rows, table.rows)


def test_a_volume_of_another_name_becomes_the_tumours(frame: pd.DataFrame) -> None:
    table = taken(frame.rename(columns={VOLUME: "tumour_mm3"}), volume="tumour_mm3")
    assert table.rows[f"tumour__foreign__{VOLUME}"].tolist() == [900.5, 4200.0, 37.0]


def test_columns_named_as_ours_stay_as_they_are(frame: pd.DataFrame) -> None:
    own = f"tumour__1mm__{VOLUME}"
    table = taken(frame.rename(columns={VOLUME: own}), volume=own)
    assert table.volume_column == own


def test_whole_numbers_are_ids_without_a_decimal_point(frame: pd.DataFrame) -> None:
    assert taken(frame.assign(ID=[7.0, 8.0, 9.0])).rows["patient_id"].tolist() == ["7", "8", "9"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(ID=["007", "007", "009"]), "one row per patient; 1 rows repeat a patient of the column ID"),
        (lambda t: t.assign(ID=["007", None, "009"]), "the column ID is empty in 1 of 3 rows"),
        (lambda t: t.drop(columns="ID"), "has no column 'ID', which was named as patient; it has hospital"),
        (lambda t: t.drop(columns=VOLUME), "has no column 'original_shape_MeshVolume', which was named as volume"),
        (lambda t: t.assign(**{VOLUME: 5.0}), "is 5 in every row, so it is no volume"),
        (lambda t: t.assign(**{VOLUME: np.nan}), "has no value above 0"),
        (
            lambda t: t.assign(original_glcm_Idm=["1", "1,5", "2"]),
            "features are numbers; the column original_glcm_Idm holds '1,5'",
        ),
        (lambda t: pd.concat([t, t[[VOLUME]]], axis=1), "has each column once; original_shape_MeshVolume is there several"),
        (lambda t: t.iloc[:0], "has no row"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(frame: pd.DataFrame, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        taken(change(frame))
    assert "\n" not in str(refused.value)


def test_two_volumes_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="The columns original_shape_MeshVolume and vol are both tumour__foreign__original"):
        taken(frame.assign(vol=[1.0, 2.0, 3.0]), volume="vol")


def test_a_role_that_there_is_none_of_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="No role 'test'; known ones are development, external"):
        taken(frame, role="test")


@pytest.mark.parametrize("content", [None, b"PAR1 no parquet"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"t\.parquet"):
        taken(path)


def test_it_says_in_three_lines_what_it_is_and_what_is_not_known(frame: pd.DataFrame) -> None:
    table = taken(frame, centre="hospital", cohort="clinic")
    assert repr(table).splitlines() == [
        "FeatureTable of clinic: 3 rows, 3 features",
        "3 cases of 3 patients from 2 centres",
        "a table made elsewhere (foreign): image hashes and preset are not known; 3 columns left out",
    ]
    assert table._repr_html_() == as_html(repr(table))
