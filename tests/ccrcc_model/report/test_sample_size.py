"""What the report states of sample sizes agrees with the criteria."""

import re

import pytest

from ccrcc_model.report.sample_size import development_text, validation_text
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.sample_size import development_size, needed, validation_size


def enough(text: str) -> int:
    found = re.search(r"enough for (\d+) candidates?", text)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(("n", "events", "auc"), [(1000, 300, 0.8), (147, 46, 0.75)])
def test_the_patients_are_enough_for_so_many_candidates_and_for_no_more(n: int, events: int, auc: float) -> None:
    most = enough(development_text(n, events, auc=auc, candidates=2000))
    of_shrinkage = [development_size(events / n, auc, candidates=most + more)[0].n for more in (0, 1)]
    assert of_shrinkage[0] <= n < of_shrinkage[1]


def test_the_development_is_judged_by_all_candidates() -> None:
    text = development_text(200, 60, auc=0.8, candidates=2000)
    assert "0.03 patients of the rarer class for each of 2,000 candidate features" in text
    assert f"ask for {needed(development_size(0.3, 0.8, candidates=2000)).n:,} patients and are not met" in text
    assert "and are met" in development_text(5000, 1500, auc=0.8, candidates=5)
    least = needed(development_size(0.4, 0.92, candidates=2)).n  # the risk to 0.05 asks for more than shrinkage does
    texts = [development_text(n, round(0.4 * n), auc=0.92, candidates=2) for n in (5 * (least // 5), 5 * (least // 5) + 5)]
    assert ["are not met" in text for text in texts] == [True, False]
    assert all(enough(text) > 2 for text in texts)
    assert "need an AUC above 0.5" in development_text(200, 60, auc=0.5, candidates=10)
    assert "more patients than any study has" in development_text(200, 60, auc=0.51, candidates=1_000_000)


def test_the_validation_states_the_width_and_what_a_narrow_interval_needs() -> None:
    text = validation_text(100, 30, auc=Estimate(0.75, 0.65, 0.85))
    wanted = {one.name: one.n for one in validation_size(0.3, 0.75)}
    assert "the 95% CI of the AUC is 0.20 wide" in text
    assert f"would need {wanted['AUC']} patients" in text
    assert validation_text(9, 0, auc=Estimate(None, reason="one class")).endswith("the AUC has no interval")
