"""How a value shows itself in a notebook."""

from html import escape


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 case`` or ``2 cases``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_html(text: str) -> str:
    """Return lines of text, such as a ``repr``, as HTML."""
    return f"<pre>{escape(text)}</pre>"
