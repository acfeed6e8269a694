import pytest

from ccrcc_model.commands.console import FASTEST_PACE, QUARANTINED, StageProgress, finish, time_left_s
from nnunet_ext.ground.case import Refusal


def test_the_status_tells_whether_a_case_was_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish("done: table.csv", ()) == 0
    assert finish("done: table.csv", (Refusal("case_7", "check", "nan", "3 voxels are not a number"),)) == QUARANTINED
    printed = capsys.readouterr()
    assert printed.out == "done: table.csv\n" * 2
    assert "case_7" in printed.err
    assert "nan" in printed.err


def test_what_an_earlier_run_had_done_tells_nothing_of_the_time_left() -> None:
    assert time_left_s(90, 100, done_before=90, running_s=60.0) is None
    assert time_left_s(92, 100, done_before=90, running_s=60.0) == pytest.approx(30 * 8)
    assert time_left_s(100, 100, done_before=90, running_s=300.0) == 0


def test_time_left_is_scaled_by_the_pace_so_far() -> None:
    progress = StageProgress({"scan": 10.0, "train": 100.0, "report": 30.0})
    assert progress._left_s("scan", 0.0, 0.0) == 140.0
    progress.seconds["scan"] = 20.0  # twice as slow as expected
    assert progress._left_s("train", 0.5, 100.0) == pytest.approx(2 * (50 + 30))
    progress.seconds["scan"] = 0.1  # done by an earlier run
    assert progress._left_s("train", 0.0, 0.0) == pytest.approx(FASTEST_PACE * (100 + 30))


def test_a_stage_is_named_and_timed_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = StageProgress({"scan": 1.0, "train": 1.0})
    with progress.stage("scan") as on_progress:
        on_progress(1, 2)
    assert set(progress.seconds) == {"scan"}
    assert capsys.readouterr().err.startswith("[1/2] scan (0:02 left in all)\n[1/2] scan: 0 s")
