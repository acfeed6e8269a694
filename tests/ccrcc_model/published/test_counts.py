"""From printed rows back to counts, against a search over all counts and through the command."""

# Also of: ccrcc_model.commands.counts, ccrcc_model.published.counts_lines.

import json
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from ccrcc_model.published.counts import CORE, ESTIMATES, Fit, find_counts
from ccrcc_model.published.printed_estimate import ANY, Printed, Reading, readings
from ccrcc_model.statistics.calls import Counts
from nnunet_ext.ground.errors import InputError

TABLE_S2 = json.loads((Path(__file__).parents[2] / "reference" / "table_s2.json").read_text(encoding="utf-8"))
GRADE_EXTERNAL = TABLE_S2["rows"][0]
GRADE_INTERNAL = {"sensitivity": "0.88(0.74-0.96)", "specificity": "0.70(0.59-0.77)", "accuracy": "0.74(0.66-0.81)"}
KI67_INTERNAL = {"sensitivity": "0.82(0.66-0.93)", "specificity": "0.84(0.75-0.90)", "accuracy": "0.83(0.76-0.89)"}
KI67_EXTERNAL = {"sensitivity": "0.84(0.65-0.95)", "specificity": "0.71(0.64-0.77)", "accuracy": "0.73(0.66-0.79)"}
CUT = Reading("clopper-pearson", "cut", "cut")
ROUNDED = Reading("clopper-pearson", "round", "round")


def row_of(texts: dict[str, str]) -> dict[str, Printed]:
    return {name: Printed.parse(text, name) for name, text in texts.items()}


def printed(counts: Counts, reading: Reading, names=CORE) -> dict[str, Printed]:
    return row_of({name: Fit(reading, counts).printed(name, decimals=2) for name in names})


def ccrcc_counts(*options: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("ccrcc")
    return subprocess.run([program, "counts", *options], capture_output=True, encoding="utf-8", check=False)


def options_of(texts: dict[str, str]) -> list[str]:
    return [word for name, text in texts.items() for word in (f"--{name}", text)]


def every_counts(n: int) -> list[Counts]:
    cells = ((tp, fn, tn, n - tp - fn - tn) for tp, fn, tn in product(range(n + 1), repeat=3) if tp + fn + tn <= n)
    return [Counts(*four) for four in cells if four[0] + four[1] and four[2] + four[3]]


@pytest.mark.parametrize("names", [CORE, CORE[:2], CORE[1:], CORE[::2], ESTIMATES])
@pytest.mark.parametrize("interval", [True, False])
def test_the_search_finds_just_what_prints_the_same(names: tuple[str, ...], interval: bool) -> None:
    reading = CUT if interval else Reading(ANY, "cut", "cut")  # a tie is cut one way only
    row = printed(Counts(5, 3, 4, 3), reading, names)
    found = [fit.counts for fit in find_counts(row, range(15, 16)) if fit.reading == reading]
    everything = [counts for counts in every_counts(15) if printed_or_none(counts, reading, names) == row]
    assert len(found) == len(set(found))
    assert set(found) == set(everything)
    assert Counts(5, 3, 4, 3) in found


def printed_or_none(counts: Counts, reading: Reading, names: tuple[str, ...]) -> dict[str, Printed] | None:
    texts = {name: Fit(reading, counts).printed(name, decimals=2) for name in names}
    return None if "not estimable" in texts.values() else row_of(texts)


@pytest.mark.parametrize("reading", readings(with_intervals=True), ids=str)
def test_counts_are_found_again_by_every_reading_with_and_without_n(reading: Reading) -> None:
    counts = Counts(27, 6, 132, 51)
    row = printed(counts, reading)
    for sizes in (range(216, 217), range(2, 301)):
        assert Fit(reading, counts) in find_counts(row, sizes)


def test_the_last_size_that_is_searched_is_the_last_of_the_range() -> None:
    row = row_of(GRADE_EXTERNAL["printed"])
    assert max(fit.n for fit in find_counts(row, range(2, 217))) == 216
    assert max(fit.n for fit in find_counts(row, range(2, 216))) == 215


@pytest.mark.parametrize(
    ("texts", "sets"),
    [
        (GRADE_INTERNAL, {}),
        (GRADE_EXTERNAL["printed"], {CUT: 40, ROUNDED: 42, Reading("clopper-pearson", "cut", "round"): 15}),
        (KI67_INTERNAL, {CUT: 9, Reading("wilson-corrected", "cut", "round"): 4}),
        (KI67_EXTERNAL, {CUT: 6}),
    ],
)
def test_table_s2_has_as_many_readings_as_its_page_tells(texts: dict[str, str], sets: dict[Reading, int]) -> None:
    assert Counter(fit.reading for fit in find_counts(row_of(texts), range(2, 2001))) == sets


def test_of_the_internal_columns_of_table_s2_one_size_fits_both_if_cut() -> None:
    both = [find_counts(row_of(texts), range(2, 301), misprint=True) for texts in (GRADE_INTERNAL, KI67_INTERNAL)]
    assert {fit.misprint for fit in both[0]} == {"specificity"}
    sizes = [{fit.n: fit.counts for fit in fits if fit.reading == CUT} for fits in both]
    assert {n: (sizes[0][n], sizes[1][n]) for n in sizes[0].keys() & sizes[1].keys()} == {
        148: (Counts(37, 5, 73, 33), Counts(29, 6, 95, 18))
    }


def test_further_estimates_leave_fewer_sets() -> None:
    row = row_of(GRADE_EXTERNAL["printed"])
    assert {fit.counts.true_positive for fit in find_counts(row, range(216, 217))} == {26, 27}
    ppv = row | row_of({"ppv": "0.34(0.24-0.46)"})
    assert [fit.counts for fit in find_counts(ppv, range(216, 217))] == [Counts(27, 6, 132, 51)]
    f1 = row | row_of({"f1": "0.48"})
    assert [fit.counts for fit in find_counts(f1, range(216, 217))] == [Counts(27, 6, 132, 51)]


def test_one_number_may_be_a_misprint_where_nothing_else_fits() -> None:
    spoilt = row_of(GRADE_EXTERNAL["printed"] | {"specificity": "0.72(0.65-0.87)"})
    assert find_counts(spoilt, range(216, 217)) == []
    found = find_counts(spoilt, range(216, 217), misprint=True)
    assert Fit(CUT, Counts(27, 6, 132, 51), misprint="specificity") in found
    sound = row_of(GRADE_EXTERNAL["printed"])
    assert find_counts(sound, range(216, 217), misprint=True) == find_counts(sound, range(216, 217))


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"sensitivity": "0.81(0.64-0.93)", "ppv": "0.34"}, "two of sensitivity, specificity and accuracy"),
        (GRADE_EXTERNAL["printed"] | {"f1": "0.48(0.40-0.56)"}, "F1 is not a proportion of patients"),
        ({"sensitivity": "0.81", "specificity": "0.72"}, "sets of counts fit; give the number"),
    ],
)
def test_a_row_that_cannot_tell_counts_is_refused(texts: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        find_counts(row_of(texts), range(2, 2001))


# The command


def test_the_external_grade_row_of_table_s2(tmp_path: Path) -> None:
    out = tmp_path / "grade.csv"
    run = ccrcc_counts(*options_of(GRADE_EXTERNAL["printed"]), "--n", "216", "--out", out)
    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    assert lines[1:3] == [
        ["clopper-pearson", "round", "216", "26/6/132/52", "0.148"],
        ["clopper-pearson", "cut", "216", "27/6/132/51", "0.153"],
    ]
    assert run.stdout.splitlines()[-1] == f"2 sets of counts fit (n = 216); the row does not determine which: {out}"
    cut = pd.read_csv(out).set_index("print_rule").loc["cut"]
    assert cut[["true_positive", "false_negative", "true_negative", "false_positive"]].to_dict() == GRADE_EXTERNAL["counts"]
    assert cut[list(CORE)].to_dict() == GRADE_EXTERNAL["printed"]
    assert cut["prevalence"] == pytest.approx(33 / 216)


def test_many_sets_are_counted_and_a_missing_estimate_is_told() -> None:
    run = ccrcc_counts(*options_of(GRADE_EXTERNAL["printed"]))
    assert "85 sets of counts fit (n up to 2000)" in run.stdout
    assert ["clopper-pearson", "cut", "40", "207", "to", "247"] in [line.split() for line in run.stdout.splitlines()]
    two = {name: text for name, text in GRADE_EXTERNAL["printed"].items() if name != "specificity"}
    assert "0.72(0.65-0.78)" in ccrcc_counts(*options_of(two), "--n", "216").stdout


def test_where_nothing_fits_each_estimate_is_told_by_itself() -> None:
    run = ccrcc_counts(*options_of(KI67_EXTERNAL), "--n", "216")
    assert run.returncode == 0
    assert "sensitivity 0.84(0.65-0.95) by itself: clopper-pearson, cut\n" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("Nothing fits (n = 216)")
    assert "accuracy would be 0.73(0.66-0.78)" in ccrcc_counts(*options_of(KI67_EXTERNAL), "--n", "216", "--misprint").stdout


def test_mistakes_get_one_line_and_status_2(tmp_path: Path) -> None:
    for options, reason in (
        (["--sensitivity", "0.81(0.64-0.93)"], "got sensitivity"),
        (["--sensitivity", "good", "--accuracy", "0.73"], "write it like 0.81(0.64-0.93)"),
        ([*options_of(KI67_EXTERNAL), "--out", tmp_path / "k.xlsx"], "a .csv file"),
    ):
        run = ccrcc_counts(*options)
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr.startswith("ccrcc: ")
        assert reason in run.stderr
        assert len(run.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
