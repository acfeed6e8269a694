import numpy as np
import pandas as pd
import pytest

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.perturbation.icc import Form, intraclass_correlation

SHROUT_AND_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=np.float64
)[:, :, None]
"""Table 2 of Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420: six targets, four judges."""


@pytest.mark.parametrize(("form", "published"), [("ICC(A,1)", 0.29), ("ICC(1,1)", 0.17)])
def test_the_published_example(form: Form, published: float) -> None:
    found = intraclass_correlation(SHROUT_AND_FLEISS, form, minimum_cases=3)
    assert found.estimate.round(2).tolist() == [published]
    assert found.low[0] < published < found.high[0]
    assert found.n_cases.tolist() == [6]


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin 0.7 on pandas 3.1
def test_every_feature_equals_pingouin() -> None:
    import pingouin

    rng = np.random.default_rng(0)
    n_cases, n_masks, n_features = 9, 4, 8
    values = rng.normal(size=(n_cases, 1, n_features)) * np.linspace(0, 3, n_features)
    values = 1e4 + values + rng.normal(size=(n_cases, n_masks, n_features)) + rng.normal(size=(1, n_masks, n_features))
    values[2, 1, 3] = values[5, 0, 3] = values[7, 2, 6] = np.nan
    before = pingouin.options["round.column.CI95"]
    pingouin.options["round.column.CI95"] = None
    try:
        cases, masks = np.indices((n_cases, n_masks))
        for feature in range(n_features):
            long = pd.DataFrame({"case": cases.ravel(), "mask": masks.ravel(), "value": values[:, :, feature].ravel()})
            theirs = pingouin.intraclass_corr(long, targets="case", raters="mask", ratings="value", nan_policy="omit")
            theirs = theirs.set_index("Type")
            for form in ("ICC(A,1)", "ICC(1,1)"):
                ours = intraclass_correlation(values, form, minimum_cases=3)
                assert ours.estimate[feature] == pytest.approx(theirs["ICC"][form], abs=1e-9)
                assert [ours.low[feature], ours.high[feature]] == pytest.approx(theirs["CI95"][form], abs=1e-9)
                assert ours.n_cases[feature] == theirs["df1"][form] + 1
    finally:
        pingouin.options["round.column.CI95"] = before


@pytest.mark.parametrize("form", ["ICC(A,1)", "ICC(1,1)"])
def test_masks_that_change_nothing_agree_wholly(form: Form) -> None:
    same = np.repeat(np.random.default_rng(0).normal(size=(12, 1, 5)), 4, axis=1)
    found = intraclass_correlation(same, form)
    for part in (found.estimate, found.low, found.high):
        assert part == pytest.approx(np.ones(5))


@pytest.mark.parametrize("form", ["ICC(A,1)", "ICC(1,1)"])
def test_noise_has_no_correlation_and_its_interval_covers_that(form: Form) -> None:
    noise = np.random.default_rng(0).normal(size=(60, 6, 2000))
    found = intraclass_correlation(noise, form)
    assert abs(found.estimate.mean()) < 0.005
    assert np.mean((found.low < 0) & (found.high > 0)) == pytest.approx(0.95, abs=0.015)


def test_the_interval_covers_the_true_correlation() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 2, (40, 1, 2000)) + rng.normal(0, 1, (40, 5, 2000))  # 4 of 5 parts of the variance
    found = intraclass_correlation(values)
    assert found.estimate.mean() == pytest.approx(0.8, abs=0.01)
    assert np.mean((found.low < 0.8) & (found.high > 0.8)) == pytest.approx(0.95, abs=0.015)


def test_a_difference_in_level_counts_as_disagreement() -> None:
    values = np.random.default_rng(0).normal(size=(30, 1, 1)) + np.array([-1.0, 0.0, 1.0])[:, None]
    agreement = intraclass_correlation(values).estimate[0]
    between = np.var(values[:, 0, 0], ddof=1)
    assert agreement == pytest.approx(between / (between + 1))  # 1 is the variance of the three levels
    assert intraclass_correlation(values, "ICC(1,1)").estimate[0] < agreement


def test_a_feature_uses_the_cases_that_have_it_under_every_mask() -> None:
    values = np.random.default_rng(0).normal(size=(14, 3, 3))
    values[:4, 1, 1] = np.nan
    values[:5, :, 2] = np.inf
    found = intraclass_correlation(values)
    assert found.n_cases.tolist() == [14, 10, 9]
    assert found.estimate[1] == pytest.approx(intraclass_correlation(values[4:, :, 1:2]).estimate[0])
    assert np.isnan([found.estimate[2], found.low[2], found.high[2]]).all()
    assert found.reason == ("", "", "9 cases have a value under every mask; at least 10 are needed")


def test_a_constant_feature_has_no_correlation_and_a_reason() -> None:
    rng = np.random.default_rng(0)
    values = np.stack([np.full((12, 3), 7.0), 1e6 * (1 + 1e-14 * rng.normal(size=(12, 3))), rng.normal(size=(12, 3))], axis=2)
    found = intraclass_correlation(values)
    assert np.isnan(found.estimate).tolist() == [True, True, False]
    assert found.reason[:2] == ("the same value in all cases under all masks",) * 2


def test_limits_hold_where_nothing_is_known() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 2, 20000))  # so few that some intervals have hardly a degree of freedom
    found = intraclass_correlation(values, minimum_cases=3)
    assert np.isfinite([found.estimate, found.low, found.high]).all()
    assert (found.high <= 1).all()
    assert np.mean(found.low < found.estimate) > 0.99


def test_a_form_that_is_unknown_is_refused() -> None:
    with pytest.raises(InputError, match=r"known ones are ICC\(A,1\), ICC\(1,1\)"):
        intraclass_correlation(SHROUT_AND_FLEISS, "ICC(3,1)")  # type: ignore[arg-type]


@pytest.mark.parametrize(("n_masks", "minimum_cases"), [(1, 3), (2, 2)])
def test_it_takes_two_masks_and_three_cases_to_compare(n_masks: int, minimum_cases: int) -> None:
    with pytest.raises(InputError, match="Two masks and three cases are the least"):
        intraclass_correlation(SHROUT_AND_FLEISS[:, :n_masks], minimum_cases=minimum_cases)
