"""Result files put together give what the patients themselves would: exactly, or within the bounds that are stated."""

# Also of: ccrcc_model.multicentre.tables.

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from ccrcc_model.multicentre.pool import PooledAuc, PooledResult, merged_cells, pool, pooled_auc, pooled_brier
from ccrcc_model.multicentre.predictor_result import PredictorResult
from ccrcc_model.multicentre.result_file import SiteResult, share_predictions
from ccrcc_model.multicentre.small_cells import WITHHELD, Cell, SharedCounts, SharedHistogram
from ccrcc_model.multicentre.tables import merged_histogram, meta_table, multicentre_table, summary, write_pool
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.estimate import Estimate, clopper_pearson
from ccrcc_model.statistics.evaluation import Pair, Scope
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.groups import assemble
from ccrcc_model.validation.result import BenchmarkResult
from nnunet_ext.ground.errors import InputError

THRESHOLD, BASELINE_THRESHOLD = 0.4, 0.3


def cohort(name: str, n: int, *, seed: int, shift: float = 0.0) -> Pair:
    """A model that sees the truth through noise, and a baseline that sees it through more."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) % 3 == 0).astype(int)
    ids, centre = np.arange(n).astype(np.str_), np.full(n, "one")

    def predictor(strength: float) -> Predictions:
        y_prob = expit(strength * truth - 1 + shift + rng.normal(size=n))
        return Predictions(name, "grade", ids, centre, truth, y_prob)

    return Pair(predictor(1.6), predictor(0.6))


def shared(pair: Pair, **options: Any) -> SiteResult:
    about = {"target": GRADE, "model_id": "a" * 64, "threshold": THRESHOLD, "baseline_threshold": BASELINE_THRESHOLD}
    return share_predictions(pair.model, pair.baseline, **(about | options))


COHORTS = [cohort("north", 240, seed=2), cohort("south", 300, seed=3, shift=0.4), cohort("west", 180, seed=6, shift=-0.2)]


@pytest.fixture(scope="module")
def pooled() -> PooledResult:
    return pool([shared(each) for each in COHORTS])


@pytest.fixture(scope="module")
def direct() -> BenchmarkResult:
    """The benchmark of all patients together, which no coordinator of a study has."""
    home = cohort("home", 60, seed=1)
    return assemble(home, COHORTS, target=GRADE, threshold=THRESHOLD, baseline_threshold=BASELINE_THRESHOLD)


@pytest.mark.parametrize("name", ["model", "baseline"])
def test_counts_and_all_that_comes_of_them_are_those_of_the_patients(
    name: str, pooled: PooledResult, direct: BenchmarkResult
) -> None:
    ours, theirs = getattr(pooled, name), getattr(direct.scope(Scope.POOLED)[0], name)
    assert ours.counts.worst == ours.counts.best == theirs.counts
    for share_of in ("sensitivity", "specificity", "accuracy", "ppv", "npv"):
        exact = getattr(theirs.counts, share_of)
        assert ours.counts.proportion(share_of) == Estimate(exact.value, exact.low, exact.high)
    assert ours.brier.value == pytest.approx(theirs.calibration.brier.value, abs=1e-5)
    assert ours.brier.low == pytest.approx(theirs.calibration.brier.low, abs=2e-5)
    assert ours.brier.high == pytest.approx(theirs.calibration.brier.high, abs=2e-5)


@pytest.mark.parametrize("name", ["model", "baseline"])
def test_the_auc_of_the_patients_is_within_the_stated_resolution(
    name: str, pooled: PooledResult, direct: BenchmarkResult
) -> None:
    area, truth = getattr(pooled, name).auc, getattr(direct.scope(Scope.POOLED)[0], name).auc.value
    assert area.at_least <= truth <= area.at_most
    assert abs(area.value - truth) <= area.resolution < 0.06
    assert abs(area.value - truth) < 0.005  # cells are narrow enough for an even spread inside them to do well


@pytest.mark.parametrize("seed", range(15))
def test_small_cohorts_are_bounded_too_though_counts_are_withheld(seed: int) -> None:
    cohorts = [cohort("north", 36, seed=seed), cohort("south", 45, seed=100 + seed, shift=0.5)]
    result = pool([shared(each) for each in cohorts])
    whole = assemble(cohorts[0], cohorts, target=GRADE, threshold=THRESHOLD, baseline_threshold=BASELINE_THRESHOLD)
    truth = whole.scope(Scope.POOLED)[0].model
    assert result.model.auc.at_least <= truth.auc.value <= result.model.auc.at_most
    assert result.model.counts.worst.true_positive <= truth.counts.true_positive <= result.model.counts.best.true_positive
    for name in ("sensitivity", "specificity", "accuracy", "ppv", "npv"):
        ours, exact = result.model.counts.proportion(name), getattr(truth.counts, name)
        assert ours.low <= exact.low <= exact.value <= exact.high <= ours.high


def one(cells: tuple[Cell, ...], *, area: float, brier: Estimate = Estimate(0.2, 0.1, 0.3)) -> PredictorResult:
    negatives, positives = sum(cell.negatives for cell in cells), sum(cell.positives for cell in cells)
    counts = SharedCounts(negatives, positives, (0, negatives), (0, positives))
    nothing = Estimate(None, reason="not needed")
    return PredictorResult(0.5, SharedHistogram(cells, counts), Estimate(area), brier, 1.0, nothing, nothing)


def test_pairs_of_two_sites_are_decided_by_disjoint_cells() -> None:
    """Positives of one site above, and of the other below, all negatives of the other: half of the pairs of sites are lost."""
    high, low = (Cell(0.0, 0.5, 0, 0), Cell(0.5, 1.0, 10, 10)), (Cell(0.0, 0.5, 10, 10), Cell(0.5, 1.0, 0, 0))
    area = pooled_auc([one(high, area=0.8), one(low, area=0.6)])
    assert area.value == pytest.approx((0.8 + 0.6 + 1 + 0) / 4)
    assert area.resolution == pytest.approx(0.5e-5 * 2 / 4)


def test_pairs_in_one_cell_are_not_decided_and_say_so() -> None:
    whole = (Cell(0.0, 1.0, 10, 10),)
    area = pooled_auc([one(whole, area=0.8), one(whole, area=0.8)])
    assert (area.at_least, area.at_most) == (pytest.approx(0.4, abs=1e-5), pytest.approx(0.9, abs=1e-5))
    assert area.resolution == pytest.approx(0.25, abs=1e-5)
    assert area.value is None


def test_cells_that_overlap_in_part_are_compared_as_if_evenly_filled() -> None:
    """Uniform on (0, 1) against uniform on (0.5, 1): above it with chance 1/4, below it with 3/4."""
    halves = (Cell(0.0, 0.5, 0, 90), Cell(0.5, 1.0, 10, 0))
    area = pooled_auc([one((Cell(0.0, 1.0, 0, 10),), area=0.5), one(halves, area=0.0)])
    assert area.value == pytest.approx((10 * 10 * 0.25 + 90 * 10 * 0.0) / 1000)
    assert (area.at_least, area.at_most) == (0.0, pytest.approx(0.1, abs=1e-5))


@pytest.mark.parametrize(("positives", "given"), [(17, True), (18, False)])
def test_an_auc_is_given_up_to_a_resolution_of_a_tenth(positives: int, given: bool) -> None:
    """Of 72 + n positives n are in no order with the negatives, so that half their share is open on either side."""
    whole = (Cell(0.0, 1.0, 10, 72),)
    area = pooled_auc([one((Cell(0.0, 1.0, 0, positives),), area=0.5), one(whole, area=0.7)])
    assert area.resolution == pytest.approx(positives / 2 / (72 + positives), abs=1e-5)
    assert (area.value is not None) == given


def test_one_class_over_all_sites_has_no_auc() -> None:
    empty = (Cell(0.0, 1.0, 10, 0),)
    assert pooled_auc([one(empty, area=0.5)] * 2) == PooledAuc(None)
    assert PooledAuc(None).resolution is None


def test_brier_scores_are_averaged_over_patients() -> None:
    small, large = (Cell(0.0, 1.0, 5, 5),), (Cell(0.0, 1.0, 15, 15),)
    result = pooled_brier([one(small, area=0.5, brier=Estimate(0.1)), one(large, area=0.5, brier=Estimate(0.3))])
    assert result.value == pytest.approx(0.25)
    variance = (10 * 0.15**2 + 30 * 0.05**2) / 39
    assert result.high == pytest.approx(0.25 + 1.959964 * np.sqrt(variance / 40))


def test_histograms_are_added_over_the_edges_that_all_have() -> None:
    north = (Cell(0.0, 0.2, 9, 0), Cell(0.2, 0.5, 8, 5), Cell(0.5, 1.0, 5, 9))
    south = (Cell(0.0, 0.3, 7, 0), Cell(0.3, 0.5, 6, 5), Cell(0.5, 1.0, 5, 5))
    assert merged_cells([north, south]) == (Cell(0.0, 0.5, 30, 10), Cell(0.5, 1.0, 10, 14))
    assert merged_cells([north, (Cell(0.0, 1.0, 9, 9),)]) == (Cell(0.0, 1.0, 31, 23),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model_id": "b" * 64},
            "Results of different models cannot be pooled; those of north and of south are of aaaaaaaaaaaa",
        ),
        (
            {"target": replace(GRADE, cut=4)},
            "different targets cannot be pooled; .* are of isup_grade >= 3 and isup_grade >= 4",
        ),
        ({"threshold": 0.41}, r"different thresholds cannot be pooled; .* are at 0.4000 and 0.4100 \(model\)"),
        ({"baseline_threshold": 0.2}, r"different thresholds cannot be pooled; .* \(baseline\)"),
    ],
)
def test_results_that_are_not_of_one_model_and_question_are_not_pooled(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pool([shared(COHORTS[0]), shared(COHORTS[1], **change)])


def test_a_cohort_twice_or_alone_is_not_pooled() -> None:
    north, south = shared(COHORTS[0]), shared(COHORTS[1])
    with pytest.raises(InputError, match="two cohorts or more; got 1"):
        pool([north])
    with pytest.raises(InputError, match="Cohort north is there 2 times"):
        pool([north, south, north])
    with pytest.raises(InputError, match="Cohort North is there 2 times"):
        pool([replace(north, cohort="North"), south, north])
    with pytest.raises(InputError, match="north and copy have the same result in every figure"):
        pool([north, south, replace(north, cohort="copy")])


def test_a_cohort_twice_is_known_by_its_figures_whatever_the_smallest_cell() -> None:
    north, other = shared(COHORTS[0]), shared(COHORTS[1])
    again = replace(shared(COHORTS[0], smallest=8), cohort="copy")
    assert again.model.histogram != north.model.histogram
    with pytest.raises(InputError, match="north and copy have the same result in every figure"):
        pool([north, other, again])
    one_more = replace(again, model=replace(again.model, expected_events=again.model.expected_events + 1))
    assert pool([north, other, one_more])


def test_small_cohorts_that_withhold_their_figures_are_told_apart_by_their_cells() -> None:
    first, second = (shared(cohort(name, 30, seed=seed)) for name, seed in (("north", 0), ("south", 1)))
    assert (first.n, first.events, first.model.auc, first.baseline.auc) == (30, 10, WITHHELD, WITHHELD)
    assert (second.n, second.events, second.model.auc, second.baseline.auc) == (30, 10, WITHHELD, WITHHELD)
    assert pool([first, second])
    with pytest.raises(InputError, match="north and copy have the same result"):
        pool([first, replace(first, cohort="copy")])


def test_pairs_of_a_site_that_withholds_its_auc_are_compared_by_its_cells() -> None:
    """All ten positives of the first site are above its negatives, as its cells tell; of the second nothing is known."""
    parted, whole = (Cell(0.0, 0.5, 10, 0), Cell(0.5, 1.0, 0, 10)), (Cell(0.0, 1.0, 10, 10),)
    withheld = [replace(one(cells, area=0.5), auc=WITHHELD, expected_events=None) for cells in (parted, whole)]
    area = pooled_auc(withheld)
    assert (area.at_least, area.at_most) == (pytest.approx(100 / 400), 1.0)
    known = pooled_auc([replace(withheld[0], auc=Estimate(1.0)), withheld[1]])
    assert known.at_least == pytest.approx(area.at_least, abs=1e-5)


def test_what_one_site_withholds_has_no_sum() -> None:
    north = shared(cohort("north", 150, seed=1))
    assert north.model.auc == WITHHELD
    result = pool([north, shared(COHORTS[1]), shared(COHORTS[2])])
    assert result.model.expected_events is None
    assert result.model.brier.reason == "a site withholds its own"
    assert (result.model.auc_meta.sites, result.model.slope.sites, result.difference.sites) == (2, 2, 2)
    assert result.baseline.expected_events is not None


def test_the_multicentre_table_has_a_row_a_site_and_the_pooled_rows(pooled: PooledResult) -> None:
    table = multicentre_table(pooled)
    assert table["row"].tolist() == ["site"] * 6 + ["all sites", "random effects"] * 2
    model = table[table["predictor"] == "model"].set_index("row")
    sites, every = model.loc["site"], model.loc["all sites"]
    for column in ("n", "events", "true_positive", "false_positive", "expected_events"):
        assert sites[column].sum() == pytest.approx(every[column])
    assert every["sensitivity_low"] == clopper_pearson(int(every["true_positive"]), int(every["events"])).low
    assert every["net_benefit"] == pytest.approx((every["true_positive"] - every["false_positive"] * 2 / 3) / every["n"])
    assert model.loc["random effects", "auc"] == pooled.model.auc_meta.mean.value
    assert sites["file_sha256"].tolist() == [site.sha256 for site in pooled.sites]


def test_a_withheld_count_is_blank_and_told_of() -> None:
    result = pool([shared(cohort("north", 150, seed=1)), shared(COHORTS[1])])
    table = multicentre_table(result).set_index(["row", "predictor"])
    row = table.loc[("all sites", "model")]
    assert np.isnan(row["true_positive"])
    assert np.isnan(row["sensitivity"])
    assert 0 < row["sensitivity_low"] < row["sensitivity_high"] < 1
    assert row["specificity"] == pytest.approx(row["true_negative"] / (row["n"] - row["events"]))
    assert row["withheld"].endswith(" true positives")
    assert any("small counts are withheld" in line for line in summary(result))


def test_the_meta_analysis_table_says_what_was_left_out(pooled: PooledResult) -> None:
    table = meta_table(pooled).set_index(["predictor", "metric"])
    assert len(table) == 7
    area = table.loc[("model", "auc")]
    assert area["prediction_low"] <= area["value_low"] < area["value"] < area["value_high"] <= area["prediction_high"]
    assert (table["left_out"] == 0).all()
    without = replace(pooled.sites[0].model, auc=Estimate(1.0, reason="interval not estimable"))
    fewer = meta_table(pool([replace(pooled.sites[0], model=without), *pooled.sites[1:]])).set_index(["predictor", "metric"])
    assert fewer.loc[("model", "auc"), ["sites", "left_out"]].tolist() == [2, 1]


def test_the_merged_histogram_is_a_calibration_curve_and_a_roc_curve(pooled: PooledResult, direct: BenchmarkResult) -> None:
    table = merged_histogram(pooled)
    model = table[table["predictor"] == "model"].set_index("low")
    assert model["n"].sum() == 720
    assert model.loc[0.0, ["sensitivity", "false_positive_rate"]].tolist() == [1, 1]
    truth = direct.scope(Scope.POOLED)[0].model.counts
    assert model.loc[THRESHOLD, "sensitivity"] == truth.sensitivity.value
    assert model.loc[THRESHOLD, "false_positive_rate"] == pytest.approx(1 - truth.specificity.value)
    assert model.loc[THRESHOLD, "net_benefit"] == pytest.approx(pooled.model.counts.net_benefit(THRESHOLD).value)
    assert (model["observed"] == model["events"] / model["n"]).all()


def test_the_tables_and_what_made_them_are_written(pooled: PooledResult, tmp_path: Path) -> None:
    write_pool(pooled, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "merged_histogram.csv",
        "meta_analysis.csv",
        "multicentre.csv",
        "run.json",
    ]
    assert len(pd.read_csv(tmp_path / "multicentre.csv")) == 10
    assert pooled.sites[0].sha256 in (tmp_path / "run.json").read_text(encoding="utf-8")
