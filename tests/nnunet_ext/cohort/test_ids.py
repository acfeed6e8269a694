import pytest

from nnunet_ext.cohort.ids import LONGEST_ID, near_misses, refuse_alike
from nnunet_ext.ground.errors import InputError


@pytest.mark.parametrize(
    ("first", "second", "fold"),
    [
        ("a b", "a  b", False),
        ("ab", "a\u200bb", False),
        ("caf\u00e9", "cafe\u0301", False),
        ("A1", "a1", True),
        ("p\u00a01", "p1", False),
    ],
)
def test_names_that_look_the_same_are_refused(first: str, second: str, fold: bool) -> None:
    with pytest.raises(InputError, match="cases: .* differ in"):
        refuse_alike([first, "other", second], "cases", fold=fold)


def test_different_names_and_one_name_twice_are_fine() -> None:
    refuse_alike(["007", "7", "a1", "A1", "a1", "x" * LONGEST_ID], "cases", fold=False)


@pytest.mark.parametrize("name", ["a\nb", "a\x07", "x" * (LONGEST_ID + 1)])
def test_an_id_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match="an id is one line"):
        refuse_alike([name], "cases", fold=False)


@pytest.mark.parametrize(
    ("unknown", "known", "reason"),
    [
        (["007", "012"], ["7", "12"], "2 match except for leading zeros"),
        (["12"], ["12.0"], "1 match except for leading zeros or '.0'"),
        (["a1"], ["A 1"], "1 match except for blanks, case"),
        (["a1", "00"], ["b1", "1"], ""),
    ],
)
def test_ids_that_nearly_match_say_why(unknown: list[str], known: list[str], reason: str) -> None:
    assert reason in near_misses(unknown, known)
    assert bool(near_misses(unknown, known)) == bool(reason)
