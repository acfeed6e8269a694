"""A fault: input that says something and could be believed to say something else, and the check that it is not."""

import contextlib
import importlib
import io
import pkgutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

Check = Callable[[Path], str]
"""Makes the fault in an empty folder, and returns in a line how it was met; raises ``NotHeld`` if it was not."""


class NotHeld(AssertionError):  # noqa: N818 - a verdict
    """The fault was believed, or ended in a traceback. The message says what came of it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one fault.

    Args:
        fault: Name.
        held: Whether it was read right or refused by its true name; None if it could not be tried here.
        said: One line: how it was met, or why it could not be tried.
    """

    fault: str
    held: bool | None
    said: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command ended with.

    Args:
        status: Exit status.
        said: Standard output and standard error.
    """

    status: int
    said: str


class Command(Protocol):
    """The ``ccrcc`` command, by which a check meets its fault as a user would."""

    def __call__(self, *words: object) -> Ran:
        """Run the command of these words."""


_COMMAND: ContextVar[Command] = ContextVar("command")
"""What `Fault.meet` was handed: this package stands below the command line and does not import it."""


def ccrcc(*words: object) -> Ran:
    """Run a command, as the one who meets the faults runs it."""
    return _COMMAND.get()(*words)


@contextlib.contextmanager
def met_by(command: Command) -> Iterator[None]:
    """Let ``ccrcc`` run this command while the block runs."""
    handed = _COMMAND.set(command)
    try:
        yield
    finally:
        _COMMAND.reset(handed)


def in_this_process(main: Callable[[], object]) -> Command:
    """Return a command that runs here, not in a process of its own. An exception that would show as a traceback is raised.

    Args:
        main: Reads ``sys.argv``, runs the command and ends with ``SystemExit`` unless all went well.
    """

    def run(*words: object) -> Ran:
        said = io.StringIO()
        arguments, sys.argv = sys.argv, ["ccrcc", *map(str, words)]
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                main()
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        finally:
            sys.argv = arguments
        if status == 1 or (status and not said.getvalue().strip()):
            msg = f"`ccrcc {words[0]}` ended with {status} and no line of its own: {said.getvalue()[-300:]}"
            raise NotHeld(msg)
        return Ran(status, said.getvalue())

    return run


@dataclass(frozen=True, slots=True)
class Fault:
    """One situation.

    Args:
        name: Unique, such as ``seg-bottom-up``.
        kind: What is believed wrongly where this does not hold.
        check: Makes and meets it.
        needs: Modules that it cannot be tried without.
    """

    name: str
    kind: str
    check: Check
    needs: tuple[str, ...] = ()

    def meet(self, command: Command) -> Verdict:
        """Meet the fault in a folder of its own, which is gone afterwards.

        Args:
            command: By which it is met.
        """
        absent = [module for module in self.needs if find_spec(module) is None]
        if absent:
            return Verdict(self.name, None, f"needs {', '.join(absent)}")
        with met_by(command), tempfile.TemporaryDirectory(prefix="ccrcc-fault-") as folder:
            try:
                return Verdict(self.name, True, self.check(Path(folder)).replace(folder, "…"))
            except NotHeld as error:
                return Verdict(self.name, False, " ".join(str(error).split()).replace(folder, "…"))
            except Exception as error:
                return Verdict(self.name, False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


_FOUND: dict[str, Fault] = {}


def fault(kind: str, *, needs: Sequence[str] = ()) -> Callable[[Check], Check]:
    """Enter a check in the corpus under its own name.

    Args:
        kind: What is believed wrongly where it does not hold.
        needs: Modules that it cannot be tried without.
    """

    def enter(check: Check) -> Check:
        name = check.__name__.replace("_", "-")
        if name in _FOUND:
            msg = f"two faults are called {name}"
            raise ValueError(msg)
        _FOUND[name] = Fault(name, kind, check, tuple(needs))
        return check

    return enter


def corpus() -> tuple[Fault, ...]:
    """Return all faults, in the order of their modules and places."""
    package = importlib.import_module(__package__)
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{__package__}.{module}")
    return tuple(_FOUND.values())


def expect(held: bool, said: str) -> str:
    """Return what was found, if the fault was held.

    Raises:
        NotHeld: With the same words, if it was not.
    """
    if not held:
        raise NotHeld(said)
    return said
