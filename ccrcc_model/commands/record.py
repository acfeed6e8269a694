"""The ``run.json`` of a command: every option as it was given or by default, every version."""

from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any

from typer.core import TyperCommand

from nnunet_ext.ground.record import write_record

_OPTIONS: ContextVar[Mapping[str, Any]] = ContextVar("options", default=MappingProxyType({}))
_TYPED: ContextVar[frozenset[str]] = ContextVar("typed", default=frozenset())


_DEFAULTS = ("DEFAULT", "DEFAULT_MAP")


class RecordedCommand(TyperCommand):
    """A command whose options are known while it runs, so that its record states every one of them."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        given = _OPTIONS.set(ctx.params)
        typed = _TYPED.set(frozenset(name for name in ctx.params if ctx.get_parameter_source(name).name not in _DEFAULTS))
        try:
            return super().invoke(ctx)
        finally:
            _OPTIONS.reset(given)
            _TYPED.reset(typed)


def given_options() -> Mapping[str, Any]:
    """Return the options of the command that is running, by name; none outside of one."""
    return _OPTIONS.get()


def typed_options() -> frozenset[str]:
    """Return the names of the options that the user gave, rather than left at their defaults."""
    return _TYPED.get()


def record_run(path: Path, command: str, *, without: Collection[str] = (), **facts: Any) -> None:
    """Write the record of the command that is running.

    Args:
        path: ``run.json`` in a folder of results, or after the stem of a file of results.
        command: Its name, such as ``"import table"``.
        without: Options that are not stated, since what they name stays with the user.
        facts: What came of it, by name.
    """
    settings = {name: _plain(value) for name, value in given_options().items() if name not in without}
    write_record(path, f"ccrcc {command}", settings, **facts)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, Iterable) and not isinstance(value, str) else value
