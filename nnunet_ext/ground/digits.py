"""Numbers in messages, with as many digits as it takes to see that they differ."""

MOST_DIGITS = 17
"""Digits that distinguish any two doubles."""


def told_apart(found: float, *others: float, digits: int = 3) -> str:
    """Return a number with the fewest digits, ``digits`` or more, by which it does not read like another.

    Args:
        found: The number.
        others: Numbers from which it must be distinguishable, if it differs at all.
        digits: Fewest significant digits.

    Example:
        >>> told_apart(1.0004, 1.0)
        '1.0004'
        >>> told_apart(0.5, 1.0)
        '0.5'
    """
    for n in range(digits, MOST_DIGITS + 1):
        text = f"{found:.{n}g}"
        if all(float(text) != float(f"{other:.{n}g}") for other in others if other != found):
            return text
    return repr(found)
