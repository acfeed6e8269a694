from typing import Any

import pytest

from ccrcc_model.models.made_by import made_by, refuse_other_origin
from nnunet_ext.ground.errors import InputError

NOW = {
    "preset": "quick",
    "preset_sha256": "0123456789",
    "mode": "canonical",
    "orientation": "LPS",
    "versions": {"engine": "1", "extraction": "4", "numpy": "2.0"},
}
BEFORE = {key: value for key, value in NOW.items() if key != "orientation"} | {"versions": {"engine": "1", "extraction": "3"}}


def test_what_changes_values_is_named_and_no_more() -> None:
    assert made_by(NOW | {"cases": {}, "cohorts": {}}) == {
        "preset": "quick",
        "preset_sha256": "0123456789",
        "mode": "canonical",
        "orientation": "LPS",
        "versions": {"engine": "1", "extraction": "4"},
    }
    assert made_by({"preset": "quick", "preset_sha256": "0", "mode": "pyradiomics", "orientation": "as stored"}) == {
        "preset": "quick",
        "preset_sha256": "0",
        "mode": "pyradiomics",
    }


@pytest.mark.parametrize(
    "other",
    [
        NOW,
        NOW | {"versions": {"engine": "1", "extraction": "4", "numpy": "2.3"}},  # a library's values are not ours to judge
        NOW | {"versions": {"pyradiomics": "3.0.1", "extraction": "4"}},  # the other backend
        {key: value for key, value in NOW.items() if key != "versions"},
    ],
)
def test_features_that_were_made_alike_pass(other: dict[str, Any]) -> None:
    refuse_other_origin(made_by(NOW), made_by(other))


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"orientation": "RAS"}, "turned to RAS"),
        ({"versions": {"engine": "1", "extraction": "3"}}, "extraction 3"),
        ({"versions": {"engine": "0", "extraction": "4"}}, "engine 0"),
        ({"mode": "pyradiomics", "orientation": "as stored"}, "pyradiomics"),
        ({"deep_sha256": "abcdef0123"}, "deep features abcdef01"),
    ],
)
def test_features_that_were_made_otherwise_are_refused_with_what_was_found(other: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError, match=rf"preset quick \(01234567, .*the table holds quick \(.*{found}.*; extract it again"):
        refuse_other_origin(made_by(NOW), made_by(NOW | other))


def test_tables_from_before_scans_were_turned_are_not_mixed_with_new_ones() -> None:
    with pytest.raises(InputError, match=r"canonical, turned to LPS, .* extraction 3\); extract it again"):
        refuse_other_origin(made_by(NOW), made_by(BEFORE))
    old_model = {key: BEFORE[key] for key in ("preset", "preset_sha256", "mode")}  # said no more of what it was fitted on
    with pytest.raises(InputError, match="extract the development cohort again and fit the model to that"):
        refuse_other_origin(old_model, made_by(NOW))


@pytest.mark.parametrize("versions", [{"extraction": "10"}, {"engine": "2"}])
def test_a_model_that_is_older_than_the_table_is_what_has_to_be_made_again(versions: dict[str, str]) -> None:
    with pytest.raises(InputError, match="extract the development cohort again and fit the model to that"):
        refuse_other_origin(made_by(NOW), made_by(NOW | {"versions": versions}))


def test_tables_that_were_measured_as_stored_still_mix_with_old_models() -> None:
    as_stored = NOW | {"mode": "pyradiomics", "orientation": "as stored"}
    refuse_other_origin({"preset": "quick", "preset_sha256": "0123456789", "mode": "pyradiomics"}, made_by(as_stored))
