"""Every fault of the corpus is held, one test each; and the corpus itself can fail."""

from pathlib import Path

import pytest
from command_line import ccrcc_here

from ccrcc_model.faults import Fault, NotHeld, corpus, in_this_process
from ccrcc_model.faults.fault import Check, expect


@pytest.mark.parametrize("fault", corpus(), ids=lambda fault: fault.name)
def test_the_fault_is_held(fault: Fault) -> None:
    verdict = fault.meet(ccrcc_here)
    assert verdict.held, f"{fault.kind}: {verdict.said}"


def believed(_: Path) -> str:
    return expect(False, "1024 HU off")


def raising(_: Path) -> str:
    return str({}["absent"])


def untried(_: Path) -> str:
    raise NotHeld


@pytest.mark.parametrize(("check", "said"), [(believed, "1024 HU off"), (raising, "KeyError: 'absent'")])
def test_what_is_believed_or_escapes_is_not_held(check: Check, said: str) -> None:
    verdict = Fault("made-up", "anything is believed", check).meet(ccrcc_here)
    assert (verdict.held, verdict.said) == (False, said)


def test_a_fault_that_needs_what_is_not_installed_is_not_tried() -> None:
    verdict = Fault("made-up", "anything is believed", untried, needs=("no_such_module",)).meet(ccrcc_here)
    assert (verdict.held, verdict.said) == (None, "needs no_such_module")


def test_a_command_that_fails_without_a_line_is_not_held() -> None:
    def main() -> None:
        raise SystemExit(2)

    with pytest.raises(NotHeld, match="no line of its own"):
        in_this_process(main)("check", "card.yaml")
