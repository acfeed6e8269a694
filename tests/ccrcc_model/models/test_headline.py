from dataclasses import replace

from ccrcc_model.models.headline import verdict_of
from ccrcc_model.statistics.estimate import Comparison, Estimate


def test_a_model_that_does_not_beat_volume_says_so():
    apart = Estimate(0.01, -0.05, 0.06)
    assert verdict_of(Comparison(Estimate(0.6, 0.5, 0.7), Estimate(0.59, 0.5, 0.7), apart)) == (
        "does not beat tumour volume alone: concordance 0.60(0.50-0.70) against 0.59(0.50-0.70), "
        "difference +0.01 (-0.05 to +0.06)"
    )
    assert verdict_of(Comparison(apart, apart, replace(apart, low=0.001))).startswith("beats tumour volume alone")
