from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ccrcc_model.outcomes.study import Study
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable


def cohort(folder: Path) -> Cohort:
    outcomes = folder / "outcomes.csv"
    outcomes.write_text("patient_id,isup_grade\nnorth-000,3\n", encoding="utf-8")
    case = Case("c0", "north-000", "east", folder / "c0.nii.gz")
    return Cohort("north", Role.EXTERNAL, (case,), outcomes=outcomes)


def test_outcomes_are_read_from_the_card_where_none_are_given(planted, tmp_path):
    table, given = planted(3, cohort="north")
    assert Study(cohort(tmp_path), table).outcomes["isup_grade"].tolist() == [3]
    assert Study(cohort(tmp_path), table, given).outcomes is given
    shown = ["Study of north, external", "3 cases with 40 features", "outcomes of 3 patients: isup_grade, ki67_percent"]
    assert repr(Study(cohort(tmp_path), table, given)).splitlines() == shown


def test_a_study_without_card_needs_outcomes_and_one_cohort_to_have_a_name(planted):
    table, outcomes = planted(3, cohort="north")
    with pytest.raises(InputError, match="without a card needs its outcomes"):
        Study(None, table)
    assert Study(None, table, outcomes).name == "north"
    both = FeatureTable(pd.concat([table.rows, table.rows.assign(cohort="south")]), table.provenance)
    with pytest.raises(InputError, match=r"holds 2 cohorts \(north, south\)"):
        _ = Study(None, both, outcomes).name
    assert replace(Study(None, table, outcomes), table=table).name == "north"
