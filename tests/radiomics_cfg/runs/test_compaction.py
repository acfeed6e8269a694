import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunet_ext.ground.case import Case, Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.shard import Shard
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.cases import features as case_file
from radiomics_cfg.cases.measure import CaseRows
from radiomics_cfg.extraction import extract
from radiomics_cfg.preset import Preset
from radiomics_cfg.runs.batch import Batch
from radiomics_cfg.runs.compaction import compact, write_table
from radiomics_cfg.table import FeatureTable

WriteCase = Callable[[str, Scan], Case]

pytestmark = pytest.mark.usefixtures("default_backend")


@pytest.fixture
def mixed(cohort: Cohort) -> Cohort:
    """Three good cases, and one without a mask before the last."""
    *good, last = cohort.cases
    return cohort.with_cases([*good, replace(last, id="unsegmented", mask=None), last])


def parquet(table: FeatureTable, file: Path) -> bytes:
    write_table(table, file)
    return file.read_bytes()


def test_shards_compact_to_what_one_run_extracts(mixed: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    one, refusals = extract(mixed, small_preset, cache_dir=tmp_path / "one")
    for index in (1, 0):
        part = Batch.of(mixed, small_preset, tmp_path / "shards").part(Shard(index, 2))
        part.measure(part.find())
    compacted, same_refusals = compact(mixed, small_preset, cache_dir=tmp_path / "shards")
    assert parquet(compacted, tmp_path / "c.parquet") == parquet(one, tmp_path / "e.parquet")
    assert same_refusals == refusals
    assert [refusal.code for refusal in refusals] == ["mask-absent"]
    assert compacted.rows["case_id"].tolist() == ["case0", "case1", "case2"]


def test_a_case_without_a_result_stops_the_table_unless_a_partial_one_is_wanted(
    mixed: Cohort, small_preset: Preset, tmp_path: Path
) -> None:
    part = Batch.of(mixed, small_preset, tmp_path / "cases").part(Shard(0, 4))
    part.measure(part.find())
    with pytest.raises(InputError, match=r"2 of 4 cases of cohort phantoms have no result in .*, the first is case1"):
        compact(mixed, small_preset, cache_dir=tmp_path / "cases")
    table, refusals = compact(mixed, small_preset, cache_dir=tmp_path / "cases", partial=True)
    assert table.rows["case_id"].tolist() == ["case0"]
    assert [(refusal.case_id, refusal.code) for refusal in refusals] == [
        ("case1", "not-extracted"),
        ("unsegmented", "mask-absent"),
        ("case2", "not-extracted"),
    ]


def test_a_table_of_no_row_is_not_made(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No case of cohort phantoms could be used; the first was refused as not-extracted"):
        compact(cohort, small_preset, cache_dir=tmp_path / "none", partial=True)


def test_a_case_gives_as_many_rows_as_lesions(
    cohort: Cohort, small_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesions: list[dict[str, str | int]] = [{"lesion": 1, "side": "left"}, {"lesion": 2, "side": "right"}]

    def two_lesions(*_: object, **__: object) -> CaseRows:
        values = np.arange(2 * 76, dtype=float).reshape(2, 76)
        return CaseRows(values, tuple(lesions), ({}, {"tumour__6mm": "7 voxels"}))

    monkeypatch.setattr(case_file, "measure_case", two_lesions)
    table, _ = extract(cohort.with_cases(cohort.cases[:2]), small_preset, cache_dir=tmp_path / "cases")
    assert table.rows.iloc[:, :6].to_numpy().tolist() == [
        ["phantoms", case, f"patient-{case}", "north", number, side]
        for case in ("case0", "case1")
        for number, side in ((1, "left"), (2, "right"))
    ]
    assert table.features.iloc[:, 0].tolist() == [0.0, 76.0, 0.0, 76.0]
    assert table.provenance["cases"]["case1"]["missing"] == [{}, {"tumour__6mm": "7 voxels"}]


def test_csv_has_the_same_rows_and_its_provenance_beside_it(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    table, _ = extract(cohort, small_preset, cache_dir=tmp_path / "cases")
    write_table(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table.rows, check_dtype=False)
    assert json.loads((tmp_path / "t.provenance.json").read_text(encoding="utf-8")) == table.provenance


def test_the_table_keeps_how_each_case_was_scanned(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> None:
    header = "case_id,tube_voltage_kv,tube_current_ma,rows,columns,slice_thickness_mm,pitch,kernel\n"
    (tmp_path / "acquisition.csv").write_text(header + "case1,120,,,,2.5,,\n", encoding="utf-8")
    first, *others = cohort.cases
    known = replace(cohort.with_cases([replace(first, phase="excretory"), *others]), acquisition=tmp_path / "acquisition.csv")
    table, _ = extract(known, small_preset, cache_dir=tmp_path / "cases")
    acquisition = {case: about["acquisition"] for case, about in table.provenance["cases"].items()}
    assert acquisition == {
        "case0": {"slice_spacing_mm": 3.0, "phase": "excretory"},
        "case1": {"slice_spacing_mm": 3.0, "tube_voltage_kv": "120", "slice_thickness_mm": "2.5"},
        "case2": {"slice_spacing_mm": 3.0},
    }


def test_a_faulty_acquisition_file_stops_an_extraction_before_it_begins(
    cohort: Cohort, small_preset: Preset, tmp_path: Path
) -> None:
    (tmp_path / "acquisition.csv").write_text("case_id,kernel\n", encoding="utf-8")
    with pytest.raises(InputError, match="lacks the column tube_voltage_kv"):
        extract(replace(cohort, acquisition=tmp_path / "acquisition.csv"), small_preset, cache_dir=tmp_path / "cases")
    assert not (tmp_path / "cases").exists()
