import json
from pathlib import Path

import pytest

from nnunet_ext.ground.errors import InputError
from nnunet_ext.plans import add_cpu_configuration


@pytest.fixture
def plans_file(tmp_path: Path) -> Path:
    """Plans with the one configuration that a CPU cannot train."""
    file = tmp_path / "nnUNetPlans.json"
    full = {"data_identifier": "nnUNetPlans_3d_fullres", "spacing": [1.0, 0.8, 0.8], "batch_size": 2}
    file.write_text(json.dumps({"plans_name": "nnUNetPlans", "configurations": {"3d_fullres": full}}), encoding="utf-8")
    return file


def test_the_small_configuration_inherits_spacing_and_data_from_the_full_one(plans_file: Path) -> None:
    pytest.importorskip("nnunetv2")
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    add_cpu_configuration(plans_file)
    small = PlansManager(str(plans_file)).get_configuration("3d_cpu")
    assert small.data_identifier == "nnUNetPlans_3d_fullres"
    assert small.spacing == [1.0, 0.8, 0.8]
    assert (small.patch_size, small.batch_size, small.batch_dice) == ([32, 48, 64], 2, True)


def test_the_rest_of_the_plans_stays_and_adding_twice_changes_nothing(plans_file: Path) -> None:
    before = json.loads(plans_file.read_text(encoding="utf-8"))
    add_cpu_configuration(plans_file)
    once = plans_file.read_bytes()
    add_cpu_configuration(plans_file)
    assert plans_file.read_bytes() == once
    after = json.loads(once)
    del after["configurations"]["3d_cpu"]
    assert after == before


def test_another_configuration_of_that_name_is_not_overwritten(plans_file: Path) -> None:
    plans = json.loads(plans_file.read_text(encoding="utf-8"))
    plans["configurations"]["3d_cpu"] = {"inherits_from": "3d_fullres"}
    plans_file.write_text(json.dumps(plans), encoding="utf-8")
    with pytest.raises(InputError, match="already has another configuration '3d_cpu'"):
        add_cpu_configuration(plans_file)
    assert json.loads(plans_file.read_text(encoding="utf-8")) == plans


def test_an_unknown_parent_names_the_known_ones(plans_file: Path) -> None:
    with pytest.raises(InputError, match="no configuration '3d_lowres' to inherit from; known ones are 3d_fullres"):
        add_cpu_configuration(plans_file, parent="3d_lowres")


@pytest.mark.parametrize(("content", "line"), [(None, "No plans at"), ("{", "not readable JSON"), ("[]", "no plans file")])
def test_what_is_no_plans_file_is_refused(content: str | None, line: str, tmp_path: Path) -> None:
    file = tmp_path / "plans.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=line):
        add_cpu_configuration(file)
