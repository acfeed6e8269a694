"""Errors of the user's input, as opposed to bugs."""

import re
from typing import Self

from nnunet_ext.ground.refusals import REASONS


def one_line(text: str) -> str:
    """Return a text in one line."""
    return re.sub(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+\s*", " ", text)


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what was asked, what was found, what to do. The command line prints it and exits with 2.

    Args:
        message: Line breaks in it, which a name from a file may hold, become blanks.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


class CaseRefused(InputError):  # noqa: N818 - a decision about a case, not a fault
    """One case cannot be used; the rest of its cohort can.

    Args:
        code: Stable name of the reason, such as ``"mask-shape"``: one of ``nnunet_ext.ground.refusals.REASONS``.
        reason: One plain line with the value found and the value allowed.

    Raises:
        LookupError: If the code is none that the page of refusals explains.
    """

    def __init__(self, code: str, reason: str) -> None:
        if code not in REASONS:
            msg = f"{code!r} is no code of nnunet_ext.ground.refusals"
            raise LookupError(msg)
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = one_line(reason)

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Travel between processes: of its arguments an exception keeps only the line."""
        return type(self), (self.code, self.reason)


def last_line(error: BaseException) -> str:
    """Return the kind of ``error`` and the last line of its message, at most its last 200 letters."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip()[-200:]}" if lines else type(error).__name__
