"""How a long function reports its progress, without knowing to whom."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called with the number of items done and the number of items in all."""


def silent(done: int, total: int, /) -> None:
    """Listen to nothing: the default of every function that takes ``on_progress``."""


OnNote = Callable[[str], None]
"""Called with a line that the user should read although the work goes on."""


def quiet(line: str, /) -> None:
    """Listen to nothing: the default of every function that takes ``on_note``."""
