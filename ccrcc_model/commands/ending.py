"""How a command ends: its exit status, and the one line where it did not do all that was asked."""

import errno
import io
import os
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from typer.core import TyperGroup

from nnunet_ext.ground.errors import InputError

USER_MISTAKE = 2
"""Exit status when the user's input, or the place for the result, cannot be used."""

BY_SIGNAL = 128
"""Exit status after a signal, as shells have it, less the number of the signal."""

GOES_ON = frozenset({"demo", "phantom", "thicken", "segment", "extract", "deep", "stability", "look"})
"""Commands that keep what each case came to, so that the same command goes on where it stopped."""

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_FULL = "make room there, then run the same command again"
_LOST = "see whether the disk or the network share is still there, then run the same command again"
_CLOSED = "choose another place for the result"

_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the system allows no larger file there; " + _CLOSED,
    errno.EIO: _LOST,
    errno.ENOTCONN: _LOST,
    errno.ESTALE: _LOST,
    errno.ENODEV: _LOST,
    errno.ENXIO: _LOST,
    errno.ETIMEDOUT: _LOST,
    errno.EHOSTDOWN: _LOST,
    errno.EROFS: _CLOSED,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EMFILE: "allow more open files (ulimit -n), or use fewer --jobs",
    errno.ENFILE: "close other programs, or use fewer --jobs",
    errno.ENOENT: "it is not there, or was moved or removed meanwhile",
}
"""What to do, by the system's number. With these numbers an error is of a disk or a file, even where it names none."""


class Stopped(BaseException):
    """A signal asked the command to stop: Ctrl-C, or the system.

    Args:
        number: Number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status."""
        return BY_SIGNAL + self.number


def run_to_its_end(app: Callable[[], object]) -> None:
    """Run the command that ``sys.argv`` names; a user's mistake, a full disk or a signal ends it with one line and a status.

    Libraries' warnings are for developers: they are shown only where ``PYTHONWARNINGS`` or ``-W`` asks for them.

    Args:
        app: Reads ``sys.argv`` and runs the command.
    """
    open_closed_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"  # for worker processes
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ± gets a ?, not a traceback
    try:
        with heeded_signals():
            _run(app)
    finally:
        if fault := flush_output():
            _end(fault, USER_MISTAKE)


def _run(app: Callable[[], object]) -> None:
    """Run the command, and end with one line what its user or its machine can mend."""
    try:
        refuse_empty(sys.argv[1:])
        app()
    except InputError as error:
        _end(str(error), USER_MISTAKE)
    except OSError as error:
        line = storage_line(error)
        if line is None:
            raise
        _end(line, USER_MISTAKE)
    except (KeyboardInterrupt, Stopped) as error:
        stopped = error if isinstance(error, Stopped) else Stopped(signal.SIGINT)
        _end(stopped_line(stopped, sys.argv[1:]), stopped.status)


def _end(line: str, status: int) -> NoReturn:
    with suppress(OSError):  # where standard error cannot be written either, the status says it alone
        sys.stderr.write(f"ccrcc: {line}\n")
    sys.exit(status)


class Commands(TyperGroup):
    """A group of commands, each of whose options is given once."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, and refuse an option that is given twice: the last one would win without a word.

        Raises:
            InputError: If one is.
        """
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, TyperGroup):
            refuse_repeated(command.params, rest)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Typer would end it without a word after Ctrl-C, and call a file that ends early an abort."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Stopped(signal.SIGINT) from error
        except EOFError as error:
            msg = "a file ended early"
            raise RuntimeError(msg) from error


def refuse_repeated(params: Sequence[Any], words: Sequence[str]) -> None:
    """Refuse words of a command that give an option of one value twice.

    Args:
        params: Parameters of the command.
        words: After its name.

    Raises:
        InputError: If so.
    """
    options = {name: param for param in params for name in (*param.opts, *param.secondary_opts) if name.startswith("-")}
    given: Counter[str] = Counter()
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            break
        name, _, value = word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])
        option = options.get(name)
        if option is None:
            continue
        if not option.multiple:
            given[option.opts[0]] += 1
        if not option.is_flag and not value and "=" not in word:
            next(waiting, None)  # its value, which may look like an option
    if repeated := next((name for name, times in given.items() if times > 1), None):
        msg = f"{repeated} is given {given[repeated]} times, and only one can be meant; give it once"
        raise InputError(msg)


def refuse_empty(words: Sequence[str]) -> None:
    """Refuse words that are empty, such as a variable that is not set, or that no record could hold.

    Raises:
        InputError: If one is.
    """
    for before, word in zip(("the first word", *words), words, strict=False):
        if not word.strip() or (word.startswith("--") and word.endswith("=")):
            msg = f"A word of the command is empty, after {before!r}: is a variable not set? Give its value, or leave it out"
            raise InputError(msg)
        if "\0" in word or any("\ud800" <= letter <= "\udfff" for letter in word):
            msg = f"A word of the command, after {before!r}, is not UTF-8 text, so no record could state it; rename the file"
            raise InputError(msg)


@contextmanager
def heeded_signals() -> Iterator[None]:
    """Let the signals by which a system ends a command raise ``Stopped``, so that no unfinished file and no worker is left."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    usual: dict[int, Any] = {}
    with suppress(ValueError):  # of a thread that is not the main one: no other may touch signals
        for number in _SIGNALS:
            if signal.getsignal(number) == signal.SIG_DFL:  # not one that nohup has set aside
                usual[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, response in usual.items():
            signal.signal(number, response)


def stopped_line(stopped: Stopped, words: Sequence[str]) -> str:
    """Return the line about a command that was stopped: whether the same command continues from there."""
    command = next((word for word in words if not word.startswith("-")), "")
    studies = any(word.split("=")[0] == "--studies" for word in words)
    if command in GOES_ON:
        rest = "what is done is kept, so the same command goes on from there"
    elif command == "fit" and studies:
        rest = "the trials are kept in --studies, so the same command goes on from there"
    else:
        rest = "nothing half done is left, and the same command begins anew"
    by = "" if stopped.number == signal.SIGINT else f" by {signal.Signals(stopped.number).name}"
    return f"stopped{by}; {rest}"


def storage_line(error: OSError) -> str | None:
    """Return the line about an error of a disk or a file; None if it is of neither, and thus a bug."""
    if error.errno is None or (error.filename is None and error.errno not in _REMEDIES):
        return None
    where = f"{error.filename}: " if error.filename is not None else ""
    name = errno.errorcode.get(error.errno, str(error.errno))
    reason = " ".join((error.strerror or os.strerror(error.errno)).split())
    return f"{where}{reason} ({name}); {_REMEDIES.get(error.errno, _CLOSED)}"


def open_closed_streams() -> None:
    """Give standard streams that are closed a place, so that no file of a result takes theirs."""
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
            pass
        os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the end


def flush_output() -> str | None:
    """Write out what was said; return a line if that cannot be done. A reader that is gone, as of ``| head``, is no fault."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            silence(stream)
        except OSError as error:
            silence(stream)
            return f"standard output cannot be written: {error.strerror}; the result itself is whole"
    return None


def silence(stream: Any) -> None:
    """Let a stream that nobody reads any more lead nowhere: the work goes on."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
