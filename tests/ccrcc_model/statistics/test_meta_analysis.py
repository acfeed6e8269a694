"""Random effects against closed forms, the published analysis of the BCG trials, and statsmodels."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit
from statsmodels.stats.meta_analysis import combine_effects

from ccrcc_model.statistics.estimate import Estimate, logit_interval
from ccrcc_model.statistics.meta_analysis import heterogeneity, mean_of_these, meta_analysis, reml, standard_error

Z = float(stats.norm.ppf(0.975))


def estimate(value: float, error: float) -> Estimate:
    return Estimate(value, value - Z * error, value + Z * error)


# Log risk ratios of the 13 trials of Colditz et al. 1994: tuberculosis with and without the vaccine, then without it.
BCG = np.array(
    [
        (4, 119, 11, 128),
        (6, 300, 29, 274),
        (3, 228, 11, 209),
        (62, 13536, 248, 12619),
        (33, 5036, 47, 5761),
        (180, 1361, 372, 1079),
        (8, 2537, 10, 619),
        (505, 87886, 499, 87892),
        (29, 7470, 45, 7232),
        (17, 1699, 65, 1600),
        (186, 50448, 141, 27197),
        (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ]
).T
LOG_RISK_RATIO = np.log(BCG[0] / (BCG[0] + BCG[1])) - np.log(BCG[2] / (BCG[2] + BCG[3]))
VARIANCE = 1 / BCG[0] - 1 / (BCG[0] + BCG[1]) + 1 / BCG[2] - 1 / (BCG[2] + BCG[3])


def test_the_bcg_trials_as_metafor_prints_them() -> None:
    """Viechtbauer 2010, doi:10.18637/jss.v036.i03, section 3: REML, to the digits printed."""
    result = meta_analysis([estimate(y, np.sqrt(v)) for y, v in zip(LOG_RISK_RATIO, VARIANCE, strict=True)])
    assert result.sites == 13
    assert result.tau_squared == pytest.approx(0.3132, abs=5e-5)
    assert result.i_squared == pytest.approx(0.9222, abs=5e-5)
    assert result.mean.value == pytest.approx(-0.7145, abs=5e-5)
    assert 1 / np.sqrt((1 / (VARIANCE + result.tau_squared)).sum()) == pytest.approx(0.1798, abs=5e-5)
    assert result.q_p_value == pytest.approx(stats.chi2.sf(152.2330, 12), rel=1e-3)


def test_hartung_and_knapp_as_in_statsmodels() -> None:
    """statsmodels has no REML: it is given our variance between sites inside the sampling variances, and finds none left."""
    tau_squared = reml(LOG_RISK_RATIO, VARIANCE)
    other = combine_effects(LOG_RISK_RATIO, VARIANCE + tau_squared, method_re="dl")
    factor = other.scale_hksj_re
    assert factor > 1  # or ours would be larger
    weight = 1 / (VARIANCE + tau_squared)
    half = stats.t.ppf(0.975, 12) * np.sqrt(other.var_hksj_fe)
    ours = meta_analysis([estimate(y, np.sqrt(v)) for y, v in zip(LOG_RISK_RATIO, VARIANCE, strict=True)])
    mean = np.average(LOG_RISK_RATIO, weights=weight)
    assert (ours.mean.low, ours.mean.high) == pytest.approx((mean - half, mean + half), abs=1e-6)


def test_sites_of_one_precision_give_the_t_interval_of_their_mean() -> None:
    y = np.array([0.2, 0.9, 0.4, 0.7, 0.1])
    result = meta_analysis([estimate(each, 0.1) for each in y])
    assert result.tau_squared == pytest.approx(y.var(ddof=1) - 0.01)
    half = stats.t.ppf(0.975, 4) * y.std(ddof=1) / np.sqrt(5)
    assert result.mean.low == pytest.approx(y.mean() - half)
    assert result.mean.high == pytest.approx(y.mean() + half)
    assert result.i_squared == pytest.approx(1 - 0.01 / y.var(ddof=1))
    half = stats.t.ppf(0.975, 3) * np.sqrt(y.var(ddof=1) - 0.01 + y.var(ddof=1) / 5)
    assert result.prediction.low == pytest.approx(y.mean() - half)
    assert result.prediction.high == pytest.approx(y.mean() + half)


def test_sites_that_agree_have_no_spread_and_still_an_interval() -> None:
    result = meta_analysis([estimate(0.3, 0.1)] * 4)
    assert (result.tau_squared, result.i_squared, result.q_p_value) == (0.0, 0.0, 1.0)
    assert result.mean.high == pytest.approx(0.3 + stats.t.ppf(0.975, 3) * 0.1 / 2)


def test_an_auc_is_combined_as_log_odds() -> None:
    areas = np.array([0.7, 0.8, 0.9])
    result = meta_analysis([logit_interval(area, 0.05**2) for area in areas], scale="logit")
    on_logit = meta_analysis([estimate(logit(area), 0.05 / (area * (1 - area))) for area in areas])
    assert result.mean.value == pytest.approx(expit(on_logit.mean.value))
    assert result.mean.low == pytest.approx(expit(on_logit.mean.low))
    assert 0 < result.prediction.low < result.mean.low
    assert result.mean.high < result.prediction.high < 1


def test_a_cut_interval_gives_the_error_of_its_other_side() -> None:
    assert standard_error(Estimate(0.9, 0.9 - Z * 0.1, 1.0)) == pytest.approx(0.1)
    assert standard_error(Estimate(0.9, reason="interval not estimable")) is None
    assert standard_error(Estimate(0.9, 0.9, 0.9)) is None


def test_an_interval_on_the_logit_scale_gives_the_error_there() -> None:
    assert standard_error(logit_interval(0.9, 0.0009), scale="logit") == pytest.approx(0.03 / 0.09)
    assert standard_error(Estimate(1.0, 0.8, 1.0), scale="logit") is None


def test_the_mean_of_these_sites_is_weighted_by_precision_and_knows_no_spread_between_them() -> None:
    """statsmodels' common-effect mean of the BCG trials."""
    trials = [estimate(y, np.sqrt(v)) for y, v in zip(LOG_RISK_RATIO, VARIANCE, strict=True)]
    other = combine_effects(LOG_RISK_RATIO, VARIANCE, use_t=False).summary_frame().loc["fixed effect"]
    found = mean_of_these(trials)
    assert (found.value, found.low, found.high) == pytest.approx((other["eff"], other["ci_low"], other["ci_upp"]))
    assert mean_of_these(trials[:1]).reason == "needs two sites with an interval, there are 1"
    assert heterogeneity(trials) == pytest.approx(stats.chi2.sf(152.2330, 12), rel=1e-3)
    assert heterogeneity(trials[:1]) is None


def test_intervals_are_cut_at_the_limits_of_the_figure() -> None:
    two = [estimate(0.1, 0.05), estimate(0.3, 0.05)]
    assert meta_analysis(two).mean.high > 1
    assert meta_analysis(two, limits=(-1.0, 1.0)).mean.high == 1


def test_sites_without_an_interval_are_left_out_and_one_site_is_no_meta_analysis() -> None:
    without = Estimate(1.0, reason="interval not estimable: DeLong's variance is zero")
    two = meta_analysis([logit_interval(0.7, 0.05**2), without, logit_interval(0.8, 0.05**2)], scale="logit")
    assert two.sites == 2
    assert two.mean.low is not None
    assert two.prediction.reason == "a prediction interval needs three sites"
    one = meta_analysis([logit_interval(0.7, 0.05**2), without], scale="logit")
    assert (one.sites, one.mean.value, one.tau_squared) == (1, None, None)
    assert one.mean.reason == "needs two sites with an interval, there are 1"
