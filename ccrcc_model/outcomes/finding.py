"""What a methodological check found. A check is one function with a code and a question; a finding is its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec

_CODES: dict[str, str] = {}
"""Code of each check, by the question that it asks."""

_Asked = ParamSpec("_Asked")


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check.

    Args:
        question: What must hold for the figures to be honest.
        finding: What was found, with its numbers.
        passed: Whether it holds.
    """

    question: str
    finding: str
    passed: bool

    @property
    def code(self) -> str:
        """Code of the check, such as ``"BA001"``; empty for a check that this version does not know."""
        return _CODES.get(self.question, "")

    def __str__(self) -> str:
        return f"{self.code or 'Check'} {'passed' if self.passed else 'failed'}: {self.question} {self.finding}"


def check(code: str, question: str) -> Callable[[Callable[_Asked, tuple[str, bool] | None]], Callable[_Asked, Finding | None]]:
    """Make a function that returns what it found and whether that is well, or None where it does not apply, a check.

    Args:
        code: Two letters and three digits, once in the whole program.
        question: What must hold, as reports print it.

    Raises:
        ValueError: If another check has the code or the question.
    """
    if code in _CODES.values() or question in _CODES:
        msg = f"There is a check {code}, or one that asks {question!r}, already"
        raise ValueError(msg)
    _CODES[question] = code

    def register(find: Callable[_Asked, tuple[str, bool] | None]) -> Callable[_Asked, Finding | None]:
        @wraps(find)
        def ask(*args: _Asked.args, **kwargs: _Asked.kwargs) -> Finding | None:
            found = find(*args, **kwargs)
            return None if found is None else Finding(question, *found)

        return ask

    return register
