import json
from pathlib import Path

import pytest
from command_line import ccrcc_here, mistake_here


def test_a_fault_is_met_by_the_command_that_doctor_belongs_to() -> None:
    ran = ccrcc_here("doctor", "--faults", "--only", "option-given-twice", "--only", "unfinished-file-in-a-series")
    assert ran.status == 0, ran.said
    lines = ran.said.splitlines()
    assert lines[-3].startswith("held       option-given-twice: ccrcc: --slice-mm is given 2 times")
    assert lines[-1] == "2 of 2 faults held, 0 not, 0 not tried"


def test_a_fault_that_there_is_not_and_a_doctor_without_a_task_are_refused() -> None:
    assert "No fault is called flu" in mistake_here("doctor", "--faults", "--only", "flu")
    assert "--only names a fault; add --faults" in mistake_here("doctor", "--only", "flu")
    assert "leave the model and --json out" in mistake_here("doctor", "--faults", "--json")


def test_the_installation_states_what_is_usable() -> None:
    ran = ccrcc_here("doctor", "--json")
    assert ran.status == 0, ran.said
    found = json.loads(ran.said)
    assert found["devices"][0] == "cpu"
    assert found["cores"] >= 1
    assert found["extras"].keys() == {"nnunet", "dicom", "pyradiomics", "cluster"}
    assert "python" in found["versions"]


def test_a_network_states_its_labels_and_what_a_scan_takes(tmp_path: Path) -> None:
    pytest.importorskip("nnunetv2")
    from threshold_network import write_threshold_network

    network = write_threshold_network(tmp_path / "network", labels={"kidney": 1, "renal mass": 2})
    ran = ccrcc_here("doctor", network, "--json")
    assert ran.status == 0, ran.said
    found = json.loads(ran.said)
    assert found["structures"] == {"kidney": [1], "mass": [2]}
    assert found["classes"] == {"1": "kidney", "2": "renal mass"}
    assert (found["trainer"], found["architecture"], found["patch"]) == ("nnUNetTrainer", "PlainConvUNet", [32, 40, 48])
    assert 0 < found["window_seconds"] < found["kidneys_seconds"]
    assert found["files"].keys() == {"plans.json", "dataset.json", "fold_0/checkpoint_best.pth"}
    plain = ccrcc_here("doctor", network, "--labels", "kidney=1,tumour=2")
    assert "The class renal mass is taken as tumour, as declared" in plain.said
    (network / "dataset.json").write_text("{}", encoding="utf-8")
    assert "dataset.json" in mistake_here("doctor", network)
    assert "No model folder at" in mistake_here("doctor", tmp_path / "absent")
