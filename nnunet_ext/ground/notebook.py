"""How a value shows itself in a notebook."""

from collections.abc import Sequence
from html import escape

MOST_NAMES = 3
"""So many names are listed; more are counted."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 case`` or ``2 cases``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Return names, such as ``north, south, west and 2 more``; ``nothing`` for none."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}" or "nothing"


def as_html(text: str) -> str:
    """Return lines of text, such as a ``repr``, as HTML."""
    return f"<pre>{escape(text)}</pre>"
