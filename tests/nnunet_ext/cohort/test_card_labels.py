import pytest

from nnunet_ext.cohort.card_labels import check_labels, parse_labels
from nnunet_ext.ground.errors import InputError


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        ({"kidney": "1", "tumour": 255}, {"kidney": 1, "tumour": 255}),
        ({"kidney": ["3", "2"], "tumour": "1"}, {"kidney": (2, 3), "tumour": 1}),
        ({"Kidney": 1, "TUMOR": [2]}, {"kidney": 1, "tumour": 2}),
        ({"Tumor": 1}, {"tumour": 1}),
    ],
)
def test_labels_are_whole_numbers_or_lists_of_them(stated: dict[str, object], read: dict[str, object]) -> None:
    assert check_labels(stated) == read
    assert check_labels(check_labels(stated)) == read


NO_LABELS = (True, "true", 1.0, "1.0", "010", "1_0", 0, "0", 256, -1, "-1", "", None, "\u0661", [[1]], {})


@pytest.mark.parametrize("value", NO_LABELS)
def test_what_is_no_whole_number_from_1_to_255_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="1 to 255; kidney has"):
        check_labels({"kidney": value})


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"kidney": 1, "tumour": 1}, "two structures share a value: 1 is kidney and tumour"),
        ({"kidney": [1, 2], "tumour": [2, 3]}, "2 is kidney and tumour"),
        ({"kidney": [2, 2]}, "2 is given twice for kidney"),
        ({"kidney": []}, "kidney has no value"),
        ({"tumor": 1, "tumour": 2}, "tumour is named twice"),
        ({"spleen": 1}, "unknown structure 'spleen'; known ones are kidney, tumour, cyst"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(stated: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_labels(stated)


def test_a_structure_that_is_named_again_has_several_values() -> None:
    assert parse_labels(["kidney=2", "tumour=1", "kidney=3"]) == {"kidney": (2, 3), "tumour": 1}
    for texts in (["kidney=2", "kidney=2"], ["kidney"], ["kidney=x"], ["kidney=1.0"], ["kidney=1", "cyst=1"]):
        with pytest.raises(InputError):
            parse_labels(texts)
