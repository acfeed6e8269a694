"""What goes wrong through the user's input, as opposed to through a bug."""

from typing import Self


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what was asked, what was found, what to do. The command line prints it and exits with 2.
    """


class CaseRefused(InputError):  # noqa: N818 - a decision about a case, not a fault
    """One case cannot be used; the rest of its cohort can.

    Args:
        code: Stable name of the reason, such as ``"mask-shape"``.
        reason: One plain line with the value found and the value allowed.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Travel between processes: of its arguments an exception keeps only the line."""
        return type(self), (self.code, self.reason)
