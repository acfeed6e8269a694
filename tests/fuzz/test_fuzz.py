"""Damaged files of every kind that is read: each is read or refused in one line, soon, and within bounded memory.

``tests/fuzz/guided.py`` looks for the same with coverage as its guide.
"""

import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from fuzz_targets import TARGETS, Target
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nnunet_ext.ground.errors import InputError

SECONDS = 20
"""In which a file of these sizes is read or refused on a busy machine."""

MEBIBYTES = 700
"""By which reading them may raise this process's peak."""

EXAMPLES = 200

LETTERS = 1000
"""Of a line that a person reads."""

pytestmark = pytest.mark.slow


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise ``TimeoutError`` if the block runs longer."""

    def stop(_: int, __: FrameType | None) -> None:
        msg = f"still reading after {seconds} s"
        raise TimeoutError(msg)

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_damaged_file_is_read_or_refused_in_one_line(target: Target, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = tmp_path_factory.mktemp("whole")
    content = target.make(whole)
    target.read(whole)  # the undamaged file is read
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said: list[str] = []

    @settings(
        max_examples=target.examples or EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def meet(data: st.DataObject) -> None:
        damaged = data.draw(target.damage(content))
        target.put(whole, damaged)
        try:
            with within(SECONDS):
                target.read(whole)
        except InputError as error:
            said.append(str(error))
        else:
            said.append("")
        assert len(said[-1]) < LETTERS
        assert len(said[-1].splitlines()) < 2

    meet()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    refused = sum(map(bool, said))
    sys.stderr.write(f"{target.name}: {refused} refused, {len(said) - refused} read, peak +{grown:.0f} MiB\n")
    assert refused > 0, "no damage was noticed at all"
    assert grown < MEBIBYTES
