"""A scan is recognised under another name by its image or by its features, and no stranger is."""

import json

import numpy as np
import pytest

from ccrcc_model.models.scan_prints import CELL, FEWEST_FEATURES, ScanPrints, patients_of_one_scan, telling_features, together
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable


def renamed(table: FeatureTable, values=None) -> FeatureTable:
    """The same scans as another hospital's, with other values of the features if given."""
    rows = table.rows.assign(cohort="north", patient_id=[f"n{place}" for place in range(len(table.rows))])
    if values is not None:
        rows[table.feature_names] = values
    return FeatureTable(rows, table.provenance)


@pytest.mark.parametrize("change", [0.0, 1e-9, CELL / 2.1])
def test_the_same_scan_stored_otherwise_is_recognised(planted, change: float) -> None:
    table, _ = planted(40)
    known = ScanPrints.of(table, "salt")
    found = known.matches(renamed(table, table.features.to_numpy() * (1 + change)))
    assert (found.n_cases, found.n_known, found.by_image, found.by_features, found.any) == (40, 40, 0, 40, True)


def test_values_further_apart_than_a_cell_are_no_match(planted) -> None:
    table, _ = planted(40)
    found = ScanPrints.of(table, "salt").matches(renamed(table, table.features.to_numpy() * (1 + 2 * CELL)))
    assert (found.by_features, found.comparable, found.any) == (0, True, False)


def test_strangers_are_not_taken_for_one_another(planted) -> None:
    table, _ = planted(300)
    others, _ = planted(300, seed=1)
    assert not ScanPrints.of(table, "salt").matches(renamed(others)).any
    assert patients_of_one_scan(table) == frozenset()


def test_a_scan_that_is_there_twice_is_found_even_if_all_are(planted) -> None:
    table, _ = planted(30)
    rows = table.rows.loc[np.repeat(np.arange(30), 2)].reset_index(drop=True)
    rows["case_id"], rows["patient_id"] = [f"c{i}" for i in range(60)], [f"p{i}" for i in range(60)]
    assert len(patients_of_one_scan(FeatureTable(rows, {}))) == 60
    rows["patient_id"] = np.repeat([f"p{i}" for i in range(30)], 2)  # two cases of one patient are no leak
    assert patients_of_one_scan(FeatureTable(rows, {})) == frozenset()


def test_a_scan_in_two_cohorts_is_found_and_equal_ids_alone_are_no_match(planted) -> None:
    north, south = planted(20, cohort="north")[0], planted(20, cohort="south", seed=1)[0]
    same_ids = south.rows.assign(patient_id=north.rows["patient_id"], case_id=north.rows["case_id"])
    assert patients_of_one_scan(together([north, FeatureTable(same_ids, {})])) == frozenset()
    same_ids.loc[3, south.feature_names] = north.rows.loc[7, north.feature_names]
    shared = patients_of_one_scan(together([north, FeatureTable(same_ids, {})]))
    assert shared == {"north/north-007", "south/north-003"}


def test_counts_and_constants_do_not_tell_scans_apart(planted) -> None:
    table, _ = planted(100, features=FEWEST_FEATURES + 1)
    rows = table.rows.assign(constant=1.0, count=[float(place % 4) for place in range(100)])
    assert set(telling_features(FeatureTable(rows, {}))) == set(table.feature_names)


def test_nothing_to_compare_by_is_said(planted) -> None:
    few, _ = planted(40, features=FEWEST_FEATURES - 1)
    found = ScanPrints.of(few, "salt").matches(renamed(few))
    assert (found.comparable, found.any) == (False, False)
    assert "neither image hashes nor features" in str(found)


def test_prints_hold_no_value_no_name_and_differ_between_fits(planted) -> None:
    table, _ = planted(20)
    text, other = (ScanPrints.of(table, salt).to_json() for salt in ("one", "two"))
    assert "home-000" not in text
    first, second = (json.loads(each)["scans"] for each in (text, other))
    assert not {mark for scan in first for mark in scan} & {mark for scan in second for mark in scan}


def test_what_was_written_is_read_again_and_anything_else_is_refused(planted) -> None:
    table, _ = planted(20)
    known = ScanPrints.of(table, "salt")
    again = ScanPrints.from_json(known.to_json())
    assert again.matches(renamed(table)) == known.matches(renamed(table))
    for text in ("[]", "{}", "{", json.dumps({"salt": "", "features": ["f"], "images": [], "scans": [["a"]]})):
        with pytest.raises(InputError, match="prints of its development scans are damaged"):
            ScanPrints.from_json(text)
