from command_line import ccrcc_here, mistake_here


def test_a_fault_is_met_by_the_command_that_doctor_belongs_to() -> None:
    ran = ccrcc_here("doctor", "--faults", "--only", "option-given-twice", "--only", "unfinished-file-in-a-series")
    assert ran.status == 0, ran.said
    lines = ran.said.splitlines()
    assert lines[-3].startswith("held       option-given-twice: ccrcc: --slice-mm is given 2 times")
    assert lines[-1] == "2 of 2 faults held, 0 not, 0 not tried"


def test_a_fault_that_there_is_not_and_a_doctor_without_a_task_are_refused() -> None:
    assert "No fault is called flu" in mistake_here("doctor", "--faults", "--only", "flu")
    assert "Say what to check: --faults" in mistake_here("doctor")
