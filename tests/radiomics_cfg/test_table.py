# Also of: radiomics_cfg.provenance, radiomics_cfg.sealed_table.

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nnunet_ext.documents.csv_table import read_csv
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.sealed_table import HASH
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


def test_a_table_without_a_hash_is_refused(two_cases: FeatureTable, tmp_path: Path) -> None:
    two_cases.write(tmp_path / "t.parquet")
    old = pq.read_table(tmp_path / "t.parquet")
    metadata = {key: value for key, value in old.schema.metadata.items() if key != HASH}
    pq.write_table(old.replace_schema_metadata(metadata), tmp_path / "old.parquet")
    with pytest.raises(InputError, match=r"no hash of its content, .*`ccrcc extract`"):
        FeatureTable.read(tmp_path / "old.parquet")


def test_the_hash_does_not_depend_on_the_layout_of_the_file(two_cases: FeatureTable, tmp_path: Path) -> None:
    two_cases.write(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet")
    pq.write_table(
        table, tmp_path / "other.parquet", row_group_size=1, compression="zstd", version="1.0", use_dictionary=False
    )
    pd.testing.assert_frame_equal(FeatureTable.read(tmp_path / "other.parquet").rows, two_cases.rows)


def _other_value(table: pa.Table) -> pa.Table:
    return table.set_column(6, table.schema.field(6), pa.array([9.0, 8.000000000000002]))


def _missing_value(table: pa.Table) -> pa.Table:
    return table.set_column(6, table.schema.field(6), pa.array([9.0, None]))


def _other_patient(table: pa.Table) -> pa.Table:
    return table.set_column(2, table.schema.field(2), pa.array(["p1", "p3"]).cast(table.schema.field(2).type))


def _names_exchanged(table: pa.Table) -> pa.Table:
    names = [*table.column_names[:6], *reversed(table.column_names[6:])]
    return table.rename_columns(names).replace_schema_metadata(table.schema.metadata)


def _other_provenance(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata({**table.schema.metadata, b"ccrcc_provenance": b'{"cohorts": {"a": "development"}}'})


@pytest.mark.parametrize("change", [_other_value, _missing_value, _other_patient, _names_exchanged, _other_provenance])
def test_what_is_not_what_was_written_is_refused(
    two_cases: FeatureTable, tmp_path: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    two_cases.write(tmp_path / "t.parquet")
    pq.write_table(change(pq.read_table(tmp_path / "t.parquet")), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="does not match the SHA-256"):
        FeatureTable.read(tmp_path / "t.parquet")


def test_no_flipped_bit_gives_another_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    keys = {
        "cohort": "a",
        "case_id": [str(n) for n in range(20)],
        "patient_id": "p",
        "centre": "c",
        "lesion": 1,
        "side": "left",
    }
    values = pd.DataFrame(rng.normal(size=(10, 6)), columns=[f"tumour__1mm__original_glcm_F{n}" for n in range(6)])
    table = FeatureTable(pd.concat([pd.DataFrame(keys), values], axis=1), {"cohorts": {"a": "external"}})
    table.write(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    refused = 0
    for at in rng.choice(len(whole), 400, replace=False).tolist():
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "t.parquet").write_bytes(spoilt)
        try:
            back = FeatureTable.read(tmp_path / "t.parquet")
        except InputError:
            refused += 1
        else:
            pd.testing.assert_frame_equal(back.rows, table.rows)
            assert back.provenance == table.provenance
    assert refused > 200


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        ({"cohorts": {"a": "both"}}, r"cohorts\.a: Input should be 'development' or 'external'"),
        ({"cohorts": ["a"]}, r"cohorts: Input should be a valid dictionary"),
        ({"preset_sha256": "no hash"}, r"preset_sha256: String should match"),
        ({"mode": "quick"}, r"mode: Input should be"),
        ({"cases": {"1": {"image_sha256": 7}}}, r"cases\.1\.image_sha256: Input should be a valid string"),
        ({"cases": {"1": {"acquisition": {"tube_voltage_kv": None}}}}, r"cases\.1\.acquisition"),
        (["a"], "all of it"),
    ],
)
def test_what_a_table_says_of_itself_is_checked(
    two_cases: FeatureTable, tmp_path: Path, provenance: object, message: str
) -> None:
    replace(two_cases, provenance=provenance).write(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=message):
        FeatureTable.read(tmp_path / "t.parquet")


def test_a_folder_or_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "folder.parquet").mkdir()
    for name, what in (("pipe", "a pipe"), ("folder", "a folder")):
        with pytest.raises(InputError, match=f"is {what}"):
            FeatureTable.read(tmp_path / f"{name}.parquet")


def test_a_column_is_there_once(two_cases: FeatureTable) -> None:
    with pytest.raises(InputError, match="each column once"):
        FeatureTable(pd.concat([two_cases.rows, two_cases.rows.iloc[:, -1:]], axis=1), {})


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
    cells = (tmp_path / "t.csv").read_text(encoding="utf-8").replace("\n", ",").split(",")
    assert not any(cell.startswith(("=", "+", "@", "-s")) for cell in cells)
    assert read_csv(tmp_path / "t.csv")["patient_id"].tolist() == rows["patient_id"].tolist()
