import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from nnunet_ext.ground.errors import InputError
from nnunet_ext.phantom import Biology, best_possible_auc, draw_biology, volume_auc
from nnunet_ext.phantom.biology import PREVALENCE, Target, outcome_correlation


@pytest.fixture(scope="module")
def population() -> list[Biology]:
    rng = np.random.default_rng(0)
    return [draw_biology(rng) for _ in range(12000)]


def outcome(population: list[Biology], target: Target) -> np.ndarray:
    if target == "grade":
        return np.array([one.isup_grade >= 3 for one in population])
    return np.array([one.ki67_percent >= 15 for one in population])


def appearance(population: list[Biology]) -> np.ndarray:
    """What a scan carries, brought back to its normal scale, shape (n, 8)."""
    column = {name: np.array([getattr(one, name) for one in population]) for name in Biology.__dataclass_fields__}
    traits = (
        np.log(column["heterogeneity_hu"]),
        norm.ppf(column["necrotic_fraction"] / 0.55),
        norm.ppf((column["margin_irregularity"] - 0.02) / 0.2),
        norm.ppf(np.log(column["correlation_length_mm"] / 12) / np.log(0.25)),
        norm.ppf(column["rim_hu"] / 60),
        column["enhancement_hu"],
        norm.ppf(column["stranding"]),
        np.log(column["diameter_mm"]),
    )
    return np.stack(traits, axis=1)


@pytest.mark.parametrize("target", ["grade", "ki67"])
def test_best_possible_auc_equals_the_orthant_probability(target: Target) -> None:
    # P(score of a positive > score of a negative) from the trivariate normal of (score difference, -positive, negative).
    rho, cut = outcome_correlation(target), norm.isf(PREVALENCE)
    covariance = np.array([[1, rho / np.sqrt(2), rho / np.sqrt(2)], [rho / np.sqrt(2), 1, 0], [rho / np.sqrt(2), 0, 1]])
    orthant = multivariate_normal(mean=np.zeros(3), cov=covariance).cdf(np.array([0, -cut, cut]), rng=0)
    assert best_possible_auc(target) == pytest.approx(orthant / (PREVALENCE * (1 - PREVALENCE)), abs=1e-3)


@pytest.mark.parametrize("target", ["grade", "ki67"])
def test_best_possible_auc_is_what_a_fitted_model_reaches_with_the_true_appearance(
    population: list[Biology], target: Target
) -> None:
    truth, seen = outcome(population, target), appearance(population)
    half = len(truth) // 2
    model = LogisticRegression(max_iter=500).fit(seen[:half], truth[:half])
    reached = roc_auc_score(truth[half:], model.decision_function(seen[half:]))
    assert reached == pytest.approx(best_possible_auc(target), abs=0.01)
    assert 0.92 < best_possible_auc(target) < 0.945


@pytest.mark.parametrize("target", ["grade", "ki67"])
def test_size_alone_is_a_weak_predictor(population: list[Biology], target: Target) -> None:
    size = [one.diameter_mm for one in population]
    assert roc_auc_score(outcome(population, target), size) == pytest.approx(volume_auc(target), abs=0.015)
    assert 0.56 < volume_auc(target) < 0.61


def test_outcomes_have_the_stated_frequencies(population: list[Biology]) -> None:
    for target in ("grade", "ki67"):
        assert outcome(population, target).mean() == pytest.approx(PREVALENCE, abs=0.015)  # type: ignore[arg-type]
    grades = np.bincount([one.isup_grade for one in population], minlength=5)[1:] / len(population)
    assert grades == pytest.approx([0.10, 0.55, 0.27, 0.08], abs=0.015)
    ki67 = [one.ki67_percent for one in population]
    assert (min(ki67), max(ki67)) == (1, 70)
    assert np.median([one.diameter_mm for one in population]) == pytest.approx(55, abs=1)


def test_the_two_liabilities_are_distinct_but_related(population: list[Biology]) -> None:
    pairs = np.array([(one.grade_liability, one.proliferation_liability) for one in population])
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.5, abs=0.02)


def test_higher_liability_shows_as_stated(population: list[Biology]) -> None:
    grade = np.array([one.grade_liability for one in population])
    proliferation = np.array([one.proliferation_liability for one in population])
    seen = appearance(population)
    signs = [np.corrcoef(grade, seen[:, column])[0, 1] for column in (0, 1, 2)]
    signs += [np.corrcoef(proliferation, seen[:, column])[0, 1] for column in (3, 4, 5)]
    assert min(signs) > 0.7
    # Each target's own traits say little about the other beyond the correlation of the liabilities.
    assert np.corrcoef(proliferation, seen[:, 0])[0, 1] == pytest.approx(0.5 * 0.93, abs=0.03)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InputError, match="known ones are grade, ki67"):
        best_possible_auc("stage")  # type: ignore[arg-type]
