"""Printed estimates: what is read, what is refused, and what a way of printing makes of a proportion."""

import numpy as np
import pytest

from ccrcc_model.published.printed_estimate import ANY, Printed, Reading, readings
from ccrcc_model.statistics.estimate import clopper_pearson, format_estimate, format_number
from nnunet_ext.ground.errors import InputError


@pytest.mark.parametrize(
    "text",
    [
        "0.81(0.64-0.93)",
        " 0.81 ( 0.64 – 0.93 ) ",
        "0.81 [0.64, 0.93]",
        "0.81 (95% CI: 0.64 to 0.93)",
        ".81 (.64—.93)",
        "0·81 (0·64−0·93)",
        "81% (64%-93%)",
        "81 (64; 93)",
        "81 (64-93)%",
    ],
)
def test_spellings_of_one_estimate(text: str) -> None:
    assert Printed.parse(text) == Printed(81, 64, 93, 2)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("0.7 (0.65-0.78)", Printed(70, 65, 78, 2)),
        ("81.2% (63.6-92.8)", Printed(812, 636, 928, 3)),
        ("1 (0.89-1)", Printed(100, 89, 100, 2)),
        ("100% (89-100)", Printed(100, 89, 100, 2)),
        ("0.81", Printed(81, None, None, 2)),
        ("0.812500", Printed(812500, None, None, 6)),
    ],
)
def test_the_number_with_most_decimals_tells_those_of_all(text: str, printed: Printed) -> None:
    assert Printed.parse(text) == printed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("high", "not a printed estimate"),
        ("0.81(0.64)", "not a printed estimate"),
        ("-0.81", "not a printed estimate"),
        ("1", "not a proportion from 0 to 1"),
        ("101%", "not a proportion from 0 to 1"),
        ("0.8125000", "1 to 6 decimals"),
        ("0.62(0.64-0.93)", "not lie inside its interval"),
        ("0.81(0.93-0.64)", "not lie inside its interval"),
    ],
)
def test_what_is_no_proportion_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Printed.parse(text, "sensitivity")


def test_a_value_may_be_rounded_past_its_cut_bound() -> None:
    assert Printed.parse("0.63(0.64-0.93)") == Printed(63, 64, 93, 2)


@pytest.mark.parametrize("rule", ["round", "cut"])
def test_a_reading_prints_as_our_tables_do_and_knows_it_again(rule) -> None:
    reading = Reading("clopper-pearson", rule, rule)
    for numerator in range(34):
        text = reading.printed(numerator, 33, decimals=2)
        assert text == format_estimate(clopper_pearson(numerator, 33), rule=rule)
        assert reading.fits(Printed.parse(text), np.array([numerator]), np.array([33])).all()


def test_values_and_bounds_may_be_printed_by_different_rules() -> None:
    assert clopper_pearson(27, 33).low == pytest.approx(0.6454, abs=5e-5)
    printed = {reading.print_rule: reading.printed(27, 33, decimals=2) for reading in readings(with_intervals=True)[:4]}
    assert printed == {
        "round": "0.82(0.65-0.93)",
        "cut": "0.81(0.64-0.93)",
        "round, bounds cut": "0.82(0.64-0.93)",
        "cut, bounds round": "0.81(0.65-0.93)",
    }


def test_a_tie_may_be_rounded_either_way_but_is_cut_one_way() -> None:
    five, eight = np.array([5]), np.array([8])
    assert format_number(5 / 8) == "0.63"
    fitting = {
        (rule, text): bool(Reading(ANY, rule, rule).fits(Printed.parse(text), five, eight).all())
        for rule in ("round", "cut")
        for text in ("0.61", "0.62", "0.63", "0.64")
    }
    assert [key for key, fits in fitting.items() if fits] == [("round", "0.62"), ("round", "0.63"), ("cut", "0.62")]


def test_a_proportion_of_nobody_is_never_printed_so() -> None:
    nobody = np.array([0])
    assert not Reading("wilson", "round", "round").fits(Printed.parse("0.00(0.00-1.00)"), nobody, nobody).any()


@pytest.mark.parametrize("text", ["0.00", "0.81", "1.00", "0.813", "0.5(0.3-0.7)"])
def test_no_proportion_that_fits_is_left_out_of_the_search(text: str) -> None:
    printed = Printed.parse(text)
    pairs = np.array([(k, n) for n in range(1, 61) for k in range(n + 1)]).T
    nearby = set(zip(*map(tuple, printed.nearby(60)), strict=True))
    for reading in readings(with_intervals=printed.has_interval):
        fitting = pairs[:, reading.fits(printed, pairs[0], pairs[1])]
        assert {tuple(pair) for pair in fitting.T.tolist()} <= nearby
