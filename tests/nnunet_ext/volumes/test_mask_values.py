"""Labels are whole numbers, also where a file stores them a hair off."""

# Also of: nnunet_ext.ground.digits, nnunet_ext.ground.labels.

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.digits import told_apart
from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.volumes.mask_values import WHOLE_TOLERANCE, whole_numbers


def mask(value: float, kind: str = "f8") -> sitk.Image:
    return sitk.GetImageFromArray(np.full((2, 3, 4), value, kind))


@pytest.mark.parametrize(("value", "whole"), [(0.9999999975, 1), (1 + 0.9 * WHOLE_TOLERANCE, 1), (2.0, 2), (254.9999, 255)])
def test_a_value_a_hair_off_is_taken_for_the_whole_number(value: float, whole: int) -> None:
    assert (sitk.GetArrayViewFromImage(whole_numbers(mask(value))) == whole).all()


@pytest.mark.parametrize("value", [1 + 1.1 * WHOLE_TOLERANCE, 0.5, 1.4999])
def test_a_fraction_is_no_label_and_the_message_shows_it(value: float) -> None:
    with pytest.raises(CaseRefused, match=rf"the value {told_apart(value, 1.0)};.*threshold it") as refused:
        whole_numbers(mask(value))
    assert refused.value.code == "mask-fraction"


@pytest.mark.parametrize(("value", "code"), [(np.nan, "nan"), (np.inf, "inf")])
def test_what_is_no_number_is_no_label(value: float, code: str) -> None:
    with pytest.raises(CaseRefused) as refused:
        whole_numbers(mask(value))
    assert refused.value.code == code


def test_whole_masks_are_handed_on_as_they_are() -> None:
    for kind in ("u1", "f4"):
        given = mask(2, kind)
        assert whole_numbers(given) is given


def test_several_channels_stay_several_channels() -> None:
    found = whole_numbers(sitk.Compose(mask(0.99999), mask(2.0)))
    assert sitk.GetArrayFromImage(found)[0, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("found", "other", "text"),
    [(1.0004, 1.0, "1.0004"), (1.1, 1.0, "1.1"), (1 + 1e-12, 1.0, "1.000000000001"), (2.0, 2.0, "2")],
)
def test_a_number_does_not_read_like_the_one_it_differs_from(found: float, other: float, text: str) -> None:
    assert told_apart(found, other) == text
