from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nnunet_ext.csv_table import read_csv
from nnunet_ext.errors import InputError
from radiomics_cfg.table import FeatureTable

VOLUME = "original_shape_MeshVolume"


@pytest.fixture
def two_cases() -> FeatureTable:
    rows = pd.DataFrame(
        {
            "cohort": ["a", "a"],
            "case_id": ["1", "2"],
            "patient_id": ["p1", "p2"],
            "centre": ["north", "south"],
            "lesion": [1, 0],
            "side": ["left", "both"],
            f"kidney__1mm__{VOLUME}": [9.0, 8.0],
            f"tumour__1mm__{VOLUME}": [1.5, float("nan")],
            f"tumour__2mm__{VOLUME}": [1.25, 2.0],
        }
    )
    return FeatureTable(rows, {"cohorts": {"a": "external"}})


def test_a_table_comes_back_as_it_was_written(two_cases: FeatureTable, tmp_path: Path) -> None:
    two_cases.write(tmp_path / "t.parquet")
    back = FeatureTable.read(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(back.rows, two_cases.rows)
    assert back.provenance == two_cases.provenance
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


def test_features_are_what_does_not_name_the_row(two_cases: FeatureTable) -> None:
    assert two_cases.feature_names == [f"{place}__{VOLUME}" for place in ("kidney__1mm", "tumour__1mm", "tumour__2mm")]
    assert two_cases.features.shape == (2, 3)


def test_the_volume_is_the_tumours_on_the_first_scale(two_cases: FeatureTable) -> None:
    assert two_cases.volume_column == f"tumour__1mm__{VOLUME}"
    without = FeatureTable(two_cases.rows.drop(columns=[f"tumour__{scale}__{VOLUME}" for scale in ("1mm", "2mm")]), {})
    with pytest.raises(InputError, match="no tumour volume"):
        _ = without.volume_column


@pytest.fixture
def two_lesions(two_cases: FeatureTable) -> FeatureTable:
    """The table of two cases, of which the first has a further lesion on the other side."""
    further = two_cases.rows.iloc[[0]].assign(lesion=2, side="right")
    return FeatureTable(pd.concat([two_cases.rows, further], ignore_index=True), two_cases.provenance)


def test_a_case_is_one_row_of_its_index_lesion(two_cases: FeatureTable, two_lesions: FeatureTable) -> None:
    pd.testing.assert_frame_equal(two_lesions.index_lesions().rows, two_cases.rows)
    assert two_lesions.index_lesions().provenance == two_lesions.provenance
    assert two_cases.index_lesions() is two_cases


def test_lesions_come_back_as_whole_numbers(two_lesions: FeatureTable, tmp_path: Path) -> None:
    two_lesions.write(tmp_path / "t.parquet")
    assert FeatureTable.read(tmp_path / "t.parquet").rows["lesion"].tolist() == [1, 0, 2]
    assert FeatureTable.read(tmp_path / "t.parquet").rows["lesion"].dtype == "int64"


def test_a_table_from_before_there_were_lesions_has_all_tumours_in_a_row(two_cases: FeatureTable, tmp_path: Path) -> None:
    two_cases.write(tmp_path / "t.parquet")
    old = pq.read_table(tmp_path / "t.parquet")
    pq.write_table(old.drop_columns(["lesion", "side"]), tmp_path / "old.parquet")
    back = FeatureTable.read(tmp_path / "old.parquet")
    assert list(back.rows.columns) == list(two_cases.rows.columns)
    assert back.rows["lesion"].tolist() == [0, 0]
    assert back.rows["side"].tolist() == ["unknown", "unknown"]
    pd.testing.assert_frame_equal(back.features, two_cases.features)


@pytest.mark.parametrize(
    ("lesion", "side", "message"),
    [
        ([1, 1, 1], "left", r"one row a lesion; lesion 1 of case 1 has several"),
        ([0, 1, 1], "left", r"lesion 0 or of lesion 1, not of both; case 1 has 2 of them"),
        ([2, 1, 3], "left", r"lesion 0 or of lesion 1, not of both; case 1 has 0 of them"),
        ([1.0, 1.0, 2.0], "left", r"whole numbers from 0, .* found float64"),
        ([1, 1, -2], "left", r"whole numbers from 0, .* found -2"),
        ([1, 1, 2], "L", r"side holds left, right, both, unknown; found 'L'"),
    ],
)
def test_a_case_has_one_index_lesion(two_lesions: FeatureTable, lesion: list[float], side: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureTable(two_lesions.rows.assign(lesion=lesion, side=side), {})


def test_csv_has_a_row_a_case(two_cases: FeatureTable, tmp_path: Path) -> None:
    two_cases.write(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv", dtype={"case_id": str}), two_cases.rows)


def test_cases_of_two_cohorts_may_have_one_name(two_cases: FeatureTable) -> None:
    other = two_cases.rows.assign(cohort="b")
    both = pd.concat([two_cases.rows, other], ignore_index=True)
    assert len(FeatureTable(both, {}).rows) == 4
    with pytest.raises(InputError, match="lesion 1 of case 1 has several"):
        FeatureTable(both.assign(cohort="a"), {})


def test_a_missing_key_is_named(two_cases: FeatureTable) -> None:
    with pytest.raises(InputError, match="missing here: centre"):
        FeatureTable(two_cases.rows.drop(columns="centre"), {})


def test_a_feature_is_a_number(two_cases: FeatureTable) -> None:
    with pytest.raises(InputError, match="column note holds"):
        FeatureTable(two_cases.rows.assign(note="x"), {})


def test_a_missing_table_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No feature table at .*ccrcc extract"):
        FeatureTable.read(tmp_path / "none.parquet")


def test_what_is_not_parquet_is_refused(two_cases: FeatureTable, tmp_path: Path) -> None:
    two_cases.write(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-30])
    with pytest.raises(InputError, match="not a readable Parquet file"):
        FeatureTable.read(tmp_path / "t.parquet")


def test_parquet_without_provenance_is_not_ours(two_cases: FeatureTable, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(two_cases.rows), tmp_path / "foreign.parquet")
    with pytest.raises(InputError, match="carries no provenance"):
        FeatureTable.read(tmp_path / "foreign.parquet")


def test_csv_holds_no_formula_of_whoever_named_a_patient(two_cases: FeatureTable, tmp_path: Path) -> None:
    rows = two_cases.rows.assign(patient_id=["=cmd|' /C calc'!A0", "@p"], centre=["+1+1", "-south"])
    FeatureTable(rows, two_cases.provenance).write(tmp_path / "t.csv")
    cells = (tmp_path / "t.csv").read_text().replace("\n", ",").split(",")
    assert not any(cell.startswith(("=", "+", "@", "-s")) for cell in cells)
    assert read_csv(tmp_path / "t.csv")["patient_id"].tolist() == rows["patient_id"].tolist()
