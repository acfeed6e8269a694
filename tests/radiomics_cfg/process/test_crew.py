import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from radiomics_cfg.process.crew import ALONE, Crew


@pytest.mark.parametrize("crew", [ALONE, Crew(2), Crew(5)])
def test_results_come_in_the_order_of_the_calls(crew: Crew) -> None:
    assert list(crew.in_order(partial(pow, 2, n) for n in range(100))) == [2**n for n in range(100)]


def test_calls_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=60)
    assert sorted(Crew(2).in_order([meeting.wait, meeting.wait])) == [0, 1]


def test_one_thread_makes_each_call_when_it_is_asked_for() -> None:
    made: list[int] = []
    results = ALONE.in_order(partial(made.append, n) for n in range(3))
    next(results)
    assert made == [0]


def test_calls_are_drawn_a_few_ahead_only() -> None:
    drawn: list[int] = []

    def calls() -> Iterator[Callable[[], int]]:
        for n in range(10_000):
            drawn.append(n)
            yield partial(int, n)

    results = Crew(2).in_order(calls())
    next(results)
    assert len(drawn) < 100
    results.close()


@pytest.mark.parametrize("crew", [ALONE, Crew(2)])
def test_a_call_that_fails_fails_where_its_result_is_asked_for(crew: Crew) -> None:
    results = crew.in_order([partial(int, "1"), partial(int, "x"), partial(int, "3")])
    assert next(results) == 1
    with pytest.raises(ValueError, match="x"):
        next(results)
