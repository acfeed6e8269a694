"""How a long function tells how far it is, without knowing who listens."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called with the number of items done and the number of items in all."""


def silent(done: int, total: int, /) -> None:
    """Listen to nothing: the default of every function that takes ``on_progress``."""


OnNote = Callable[[str, str], None]
"""Called with a case's id and a line that its user should see."""


def unsaid(case_id: str, note: str, /) -> None:
    """Pass a note on to nobody: the default of every function that takes ``on_note``."""
