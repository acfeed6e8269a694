"""Threads that share the work on one case: each call is one that would be made anyway, so that values stay the same."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

_Made = TypeVar("_Made")

_AHEAD = 12
"""Calls that wait for each thread, while a long one is under way; what they were given stays in memory."""


@dataclass(frozen=True)
class Crew:
    """So many threads.

    Args:
        threads: With 1, calls are made one after the other in the thread that asks.
    """

    threads: int = 1

    def in_order(self, calls: Iterable[Callable[[], _Made]]) -> Iterator[_Made]:
        """Yield what each call returns, in the order of the calls.

        Args:
            calls: Drawn in the present thread, a few ahead of what is yielded; each must be independent of the others.
        """
        if self.threads == 1:
            yield from (call() for call in calls)
            return
        pool = ThreadPoolExecutor(self.threads)
        begun: deque[Future[_Made]] = deque()
        try:
            for call in calls:
                begun.append(pool.submit(call))
                if len(begun) > _AHEAD * self.threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


ALONE = Crew()
