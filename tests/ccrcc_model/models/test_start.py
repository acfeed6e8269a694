import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ccrcc_model.models.start import fit_linear
from ccrcc_model.models.volume import fit_volume
from ccrcc_model.outcomes.cases import LabelledCases

VOLUME = "tumour__1mm__original_shape_MeshVolume"


def cases_of(n: int = 200, *, missing: int = 0) -> LabelledCases:
    """Volume and two features, of which the first tells the label as much as volume does."""
    rng = np.random.default_rng(5)
    log_volume, features = rng.normal(size=n), rng.normal(size=(n, 2))
    y = (rng.random(n) < 1 / (1 + np.exp(-log_volume - features[:, 0]))).astype(int)
    features[:missing, 0] = np.nan
    values = np.column_stack([np.exp(log_volume), features])
    patients = np.array([f"p{i:03d}" for i in range(n)])
    return LabelledCases((VOLUME, "a", "b"), values, patients, np.full(n, "north"), y)


def test_with_a_prior_as_wide_as_volumes_it_is_ridge_on_all() -> None:
    cases = cases_of()
    found, _ = fit_linear(cases, fit_volume(cases), ["a", "b"], prior=1.0)
    log_volume = np.log(cases.features[:, 0])
    values = cases.features[:, 1:]
    spread = np.sqrt(((values - np.median(values, axis=0)) ** 2).mean(axis=0))
    standard = np.clip((values - np.median(values, axis=0)) / spread, -3, 3)
    design = np.column_stack([(log_volume - log_volume.mean()) / log_volume.std(), standard])
    reference = LogisticRegression(C=1.0).fit(design, cases.y)
    assert found.log_odds(cases) == pytest.approx(reference.decision_function(design), abs=1e-3)


def test_the_narrower_the_prior_the_nearer_it_is_to_volume() -> None:
    cases = cases_of()
    volume = fit_volume(cases)
    away = [
        np.abs(fit_linear(cases, volume, ["a", "b"], prior=prior)[0].log_odds(cases) - volume.log_odds(cases)).max()
        for prior in (1.0, 0.1, 0.01, 1e-6)
    ]
    assert away == sorted(away, reverse=True)
    assert away[-1] < 1e-4


def test_a_missing_value_is_the_median() -> None:
    cases = cases_of(missing=20)
    found, _ = fit_linear(cases, fit_volume(cases), ["a", "b"], prior=0.3)
    filled = cases.features.copy()
    filled[:20, 1] = np.nanmedian(cases.features[:, 1])
    full = LabelledCases(cases.names, filled, cases.patient_id, cases.centre, cases.y)
    assert found.log_odds(cases) == pytest.approx(found.log_odds(full))
    assert (found.contributions(cases)[:20, 0] == 0).all()


def test_a_value_far_out_counts_no_more_than_one_three_spreads_away() -> None:
    cases = cases_of()
    found, _ = fit_linear(cases, fit_volume(cases), ["a", "b"], prior=0.3)
    far = cases.take(np.array([0, 1]))
    far.features[:, 1] = found.centre[0] + found.spread[0] * np.array([3.0, 1e6])
    first, second = found.contributions(far)[:, 0]
    assert first == second != 0
