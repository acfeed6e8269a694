import json
from pathlib import Path

import pytest

from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.estimate import Estimate, clopper_pearson, format_difference, format_estimate, format_number

REFERENCE = Path(__file__).parents[2] / "reference"


def test_clopper_pearson_without_and_with_only_successes_has_its_closed_form():
    none, all_ = clopper_pearson(0, 10), clopper_pearson(10, 10)
    assert (none.low, none.high) == pytest.approx((0, 1 - 0.025**0.1))
    assert (all_.low, all_.high) == pytest.approx((0.025**0.1, 1))


def test_clopper_pearson_of_nobody_is_not_estimable():
    share = clopper_pearson(0, 0, of="positive patients")
    assert share.value is None
    assert share.reason == "no positive patients"


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 10), (11, 10), (1, 0)])
def test_clopper_pearson_refuses_impossible_counts(numerator, denominator):
    with pytest.raises(ValueError, match="0 <= numerator <= denominator"):
        clopper_pearson(numerator, denominator)


def test_table_s2_of_the_supplement_is_clopper_pearson_cut_to_two_decimals():
    rows = json.loads((REFERENCE / "table_s2.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        four = Counts(**row["counts"])
        for name, printed in row["printed"].items():
            assert format_estimate(getattr(four, name), rule="cut") == printed
    assert str(four.sensitivity) == "0.82(0.65-0.93)"  # what rounding, the default, would have printed


@pytest.mark.parametrize(
    ("value", "rounded", "cut"),
    [
        (0.29, "0.29", "0.29"),  # 0.29 * 100 is 28.999999999999996
        (0.295, "0.30", "0.29"),
        (0.125, "0.13", "0.12"),
        (0.2949, "0.29", "0.29"),
        (1.0, "1.00", "1.00"),
        (-0.126, "-0.13", "-0.12"),
        (-0.001, "0.00", "0.00"),
        (None, "not estimable", "not estimable"),
    ],
)
def test_print_rules(value, rounded, cut):
    assert format_number(value) == rounded
    assert format_number(value, rule="cut") == cut


def test_a_difference_is_printed_with_its_sign():
    assert format_difference(Estimate(0.0196, -0.0538, 0.0931)) == "+0.02 (-0.05 to +0.09)"
    assert format_difference(Estimate(-0.002, -0.03, 0.0)) == "0.00 (-0.03 to 0.00)"
    assert format_difference(Estimate(0.3, reason="no interval")) == "+0.30"
