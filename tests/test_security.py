"""Every promise of SECURITY.md names a test that is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_is_held_by_a_file_of_tests_that_exists() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.MULTILINE)[2:]
    assert len(rows) > 10
    for promise, held_by in rows:
        files = [ROOT / name for name in re.findall(r"`(tests/\S+\.py)`", held_by)]
        assert files, promise
        for file in files:
            assert "def test_" in file.read_text(encoding="utf-8"), f"{promise}: {file.name}"
