"""Public names of a package that are imported when they are first asked for, not with the package."""

import sys


def attribute_of(package: str, homes: dict[str, str], name: str) -> object:
    """Return a public name of a package: its ``__getattr__`` (PEP 562).

    Args:
        package: Name of the package.
        homes: Module of each public name, relative to the package.
        name: What is asked for.

    Raises:
        AttributeError: If it is no public name.
    """
    if name not in homes:
        msg = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415 - this module is loaded at every interpreter start

    return getattr(import_module(f"{package}.{homes[name]}"), name)


def names_of(package: str, homes: dict[str, str]) -> list[str]:
    """Return what ``dir`` lists of a package: its ``__dir__``."""
    return sorted({*vars(sys.modules[package]), *homes})
