"""Long-lived worker processes of one thread each, on one machine."""

import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Protocol, TypeVar

from nnunet_ext.ground.case import Case
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.process.one_thread import ENVIRONMENT

_PATIENCE_S = 5
"""Seconds that a process may take to end on request before it is killed."""


_Outcome = TypeVar("_Outcome")
_Made_co = TypeVar("_Made_co", covariant=True)


class Work(Protocol[_Made_co]):
    """What is done with each case. It travels to the processes, so it has to be picklable."""

    def get_ready(self) -> None:
        """Load what the first case would wait for."""

    def measure(self, case: Case, /) -> _Made_co:
        """Measure a case and keep the result; raise an ``InputError`` if it cannot be written."""

    def lost(self, case: Case, reason: str, /) -> _Made_co:
        """Return, and keep where that is usual, what came of a case whose process is gone."""


def measure_in_processes(cases: Sequence[Case], work: Work[_Outcome], *, jobs: int) -> Iterator[tuple[Case, _Outcome]]:
    """Measure cases in worker processes, and yield each with what came of it as soon as it is done.

    Not joblib, whose workers are replaced once a scan has made them grow, nor a pool of the standard library, which breaks as
    a whole when the system kills one of its processes, and hides on which case. Here that case is refused as ``worker-lost``,
    and another process takes the lost one's place.

    Args:
        cases: To be measured, in any order.
        work: How.
        jobs: Number of processes. They are started afresh, so a script needs ``if __name__ == "__main__"``.

    Raises:
        InputError: If the last process left ends before its first case, or a result cannot be written.
    """
    todo = deque(cases)
    workers: list[_Worker[_Outcome]] = []
    try:
        workers += (_Worker(work) for _ in range(min(jobs, len(cases))))
        while todo or any(worker.case is not None for worker in workers):
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                case = worker.case
                try:
                    outcome = worker.receive()
                except (EOFError, OSError):  # nobody holds the other end of the pipe
                    workers.remove(worker)
                    outcome = _lost(case, worker.death(), work, others=len(workers))
                    workers += [_Worker(work)] if todo and case is not None else []
                else:
                    if todo:
                        worker.give(todo.popleft())
                    else:
                        workers.remove(worker)
                        worker.end()
                if case is not None and outcome is not None:
                    yield case, outcome
    finally:
        for worker in workers:
            worker.end()


class _Worker(Generic[_Outcome]):
    """A process that measures one case after another, and our end of the pipe to it.

    Its first message is that it is ready; each later one answers the case that it was given.
    """

    def __init__(self, work: Work[_Outcome]) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.case: Case | None = None
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with _inherited():
            self._process.start()
        theirs.close()  # theirs alone keeps the pipe open now, so that we notice when the process is gone

    def give(self, case: Case) -> None:
        self.case = case
        with suppress(OSError):  # it died a moment ago, which the next look at the pipe shows
            self.pipe.send(case)

    def receive(self) -> _Outcome | None:
        answer: _Outcome | InputError | str | None = self.pipe.recv()
        if isinstance(answer, InputError):
            raise answer
        if isinstance(answer, str):
            msg = f"A worker process failed:\n{answer}"
            raise RuntimeError(msg)  # noqa: TRY004 - a bug, not a type
        return answer

    def end(self) -> None:
        """End the process, whatever it is doing: a result file is whole or absent."""
        self.pipe.close()
        self._process.terminate()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def death(self) -> str:
        """Tell how the process came to its end, which its end of the pipe has come to already."""
        self._process.join(_PATIENCE_S)
        self.end()
        code = self._process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit status {code}"


def _lost(case: Case | None, death: str, work: Work[_Outcome], *, others: int) -> _Outcome | None:
    """Tell that a case's process is gone; one that had none yet is done without, as long as there are others."""
    if case is not None:
        reason = f"its worker process died ({death}), most likely for lack of memory; run again, with fewer jobs"
        return work.lost(case, reason)
    if others:
        return None
    msg = f"A worker process ended before its first case ({death}): for lack of memory, or of what it says above"
    raise InputError(msg)


@contextmanager
def _inherited() -> Iterator[None]:
    """Start processes that make no threads, and that Ctrl-C leaves alone, because it is for their parent to end them."""
    usual_variables = {name: os.environ.get(name) for name in ENVIRONMENT}
    in_main_thread = threading.current_thread() is threading.main_thread()  # no other may touch signals
    usual_response = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in usual_variables.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if usual_response is not None:
            signal.signal(signal.SIGINT, usual_response)


def _serve(pipe: "Connection[Any, Any]", work: Work[Any]) -> None:
    """Measure the cases that come through ``pipe`` until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone; what is done is kept
        pipe.send(_answer(work.get_ready))
        while True:
            pipe.send(_answer(partial(work.measure, pipe.recv())))


def _answer(call: Callable[[], Any]) -> Any:
    """Return the result of ``call``, or the error that it raises, to be raised by the caller."""
    try:
        return call()
    except InputError as error:
        return error
    except Exception:
        return traceback.format_exc()
