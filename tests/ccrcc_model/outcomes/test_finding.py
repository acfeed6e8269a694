"""A check has one code and one question, and its finding knows both."""

import pytest

from ccrcc_model.outcomes.finding import Finding, check


@check("ZZ001", "The number is even.")
def evenness(number: int | None) -> tuple[str, bool] | None:
    """ZZ001: a number is odd."""
    return None if number is None else (f"It is {number}.", number % 2 == 0)


def test_a_check_returns_its_finding_or_nothing_where_it_does_not_apply() -> None:
    assert evenness(3) == Finding("The number is even.", "It is 3.", passed=False)
    assert evenness(None) is None
    assert evenness.__name__ == "evenness"


def test_a_finding_prints_its_code_and_what_was_asked() -> None:
    assert str(evenness(3)) == "ZZ001 failed: The number is even. It is 3."
    assert str(evenness(4)) == "ZZ001 passed: The number is even. It is 4."
    assert Finding("Of an older version.", "Well.", passed=True).code == ""


@pytest.mark.parametrize(("code", "question"), [("ZZ001", "Another one."), ("ZZ002", "The number is even.")])
def test_codes_and_questions_are_given_once(code: str, question: str) -> None:
    with pytest.raises(ValueError, match="already"):
        check(code, question)
