"""A scan is recognised under another name by its image or by its features, and no stranger is."""

import json

import numpy as np
import pytest

from ccrcc_model.models.alike_rows import FEWEST_FEATURES, telling_features
from ccrcc_model.models.scan_prints import GUESSES_BITS, MOST_UNKNOWN, ScanPrints, patients_of_one_scan, together
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable


def renamed(table: FeatureTable, values=None) -> FeatureTable:
    """The same scans as another hospital's, with other values of the features if given."""
    rows = table.rows.assign(cohort="north", patient_id=[f"n{place}" for place in range(len(table.rows))])
    if values is not None:
        rows[table.feature_names] = values
    return FeatureTable(rows, table.provenance)


ROUNDINGS = {
    "as they are": lambda values: values,
    "the 12th digit": lambda values: values * (1 + 1e-12 * np.cos(np.arange(values.size)).reshape(values.shape)),
    "single precision": lambda values: values.astype(np.float32).astype(np.float64),
    "six digits": np.vectorize(lambda value: float(f"{value:.6g}")),
    "four digits": np.vectorize(lambda value: float(f"{value:.4g}")),
    "four decimals": lambda values: np.round(values, 4),
}


@pytest.mark.parametrize("rounded", ROUNDINGS.values(), ids=ROUNDINGS)
def test_the_same_scan_stored_otherwise_is_recognised(planted, rounded) -> None:
    table, _ = planted(40)
    again = renamed(table, rounded(table.features.to_numpy()))
    found = ScanPrints.of(table, "salt").matches(again)
    assert (found.n_cases, found.n_known, found.by_image, found.by_features, found.any) == (40, 40, 0, 40, True)
    assert len(patients_of_one_scan(together([table, again]))) == 80


def test_another_reading_of_the_same_scan_is_no_match(planted) -> None:
    table, _ = planted(40)
    values = table.features.to_numpy()
    again = renamed(table, values + np.random.default_rng(0).normal(size=values.shape) * values.std(axis=0))
    found = ScanPrints.of(table, "salt").matches(again)
    assert (found.by_features, found.comparable, found.any) == (0, True, False)
    assert patients_of_one_scan(together([table, again])) == frozenset()


def test_a_missing_value_and_a_missing_column_leave_other_marks(planted) -> None:
    table, _ = planted(40, features=200)
    known = ScanPrints.of(table, "salt")
    values = table.features.to_numpy(copy=True)
    for case in range(40):
        values[case, case::50] = np.nan
    assert known.matches(renamed(table, values)).by_features == 40
    lacking = table.rows.drop(columns=table.feature_names[:20])
    assert known.matches(renamed(FeatureTable(lacking, table.provenance))).by_features == 40


def test_a_scan_of_which_too_little_is_known_has_no_mark(planted) -> None:
    table, _ = planted(40)
    known = ScanPrints.of(table, "salt")
    values = table.features.to_numpy(copy=True)
    values[0, : int(2 * MOST_UNKNOWN * values.shape[1])] = np.nan
    assert known.matches(renamed(table, values)).by_features == 39


def test_a_mark_leaves_as_many_guesses_as_its_width_says(planted) -> None:
    """The cells of independent normal features: entropy of each is log2(sqrt(2 pi e) / width)."""
    table, _ = planted(400, features=24, informative=0)
    known = ScanPrints.of(table, "salt")
    bits = len(known.scale.names) * np.log2(np.sqrt(2 * np.pi * np.e) / np.median(known.widths))
    assert bits == pytest.approx(GUESSES_BITS, abs=12)  # arcsinh narrows the tails; covariances are estimated
    assert all(width < 0.5 for width in known.widths)


def test_few_features_are_sorted_into_narrower_cells(planted) -> None:
    many, few = (ScanPrints.of(planted(200, features=n, informative=0)[0], "salt") for n in (60, 6))
    assert max(few.widths) < 0.01 * min(many.widths)


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
    assert set(telling_features(rows, [*table.feature_names, "constant", "count"])) == set(table.feature_names)


def test_nothing_to_compare_by_is_said(planted) -> None:
    few, _ = planted(40, features=FEWEST_FEATURES - 1)
    found = ScanPrints.of(few, "salt").matches(renamed(few))
    assert (found.comparable, found.any) == (False, False)
    assert "neither image hashes nor features" in str(found)


def test_prints_hold_no_value_no_name_and_differ_between_fits(planted) -> None:
    table, _ = planted(20)
    text, other = (ScanPrints.of(table, salt).to_json() for salt in ("one", "two"))
    assert "home-000" not in text
    assert not any(str(value) in text for value in table.features.to_numpy().ravel().tolist())
    first, second = (set(json.loads(each)["marks"]) for each in (text, other))
    assert first
    assert not first & second


def test_what_was_written_is_read_again_and_anything_else_is_refused(planted) -> None:
    table, _ = planted(20)
    known = ScanPrints.of(table, "salt")
    again = ScanPrints.from_json(known.to_json())
    assert again.matches(renamed(table)) == known.matches(renamed(table))
    content = json.loads(known.to_json())
    changes = [{"marks": ["a"]}, {"images": ["0"]}, {"widths": [1.0]}, {"spread": [0.0]}, {"scans": "many"}]
    for text in ("[]", "{}", "{", *(json.dumps(content | change) for change in changes)):
        with pytest.raises(InputError, match="prints of its development scans are damaged"):
            ScanPrints.from_json(text)
