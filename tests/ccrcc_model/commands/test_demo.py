# Also of: ccrcc_model.demo.flow, ccrcc_model.demo.plan, ccrcc_model.demo.synthetic_study.

from pathlib import Path

from command_line import mistake_here


def test_a_demo_is_not_written_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    assert "is not a demo's folder" in mistake_here("demo", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
