import pytest
from scipy import stats

from ccrcc_model.patient.similar_patients import FEWEST, similar_patients


def test_of_the_nearest_forty_the_positives_are_counted_with_an_exact_interval() -> None:
    near = [0.50 + i / 1000 for i in range(10)]
    far = [0.9] * 50
    found = similar_patients(0.5, positives=near + far, negatives=[0.49 - i / 1000 for i in range(30)])
    assert found is not None
    assert (found.n, found.positive) == (40, 10)
    low, high = stats.binomtest(10, 40).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((low, high))


def test_equally_near_patients_count_alike() -> None:
    found = similar_patients(0.3, positives=[0.3] * 35, negatives=[0.3] * 65)
    assert found is not None
    assert (found.n, found.positive) == (100, 35)


def test_a_small_cohort_says_nothing() -> None:
    half = FEWEST // 2
    assert similar_patients(0.3, positives=[0.3] * half, negatives=[0.2] * half) is not None
    assert similar_patients(0.3, positives=[0.3] * half, negatives=[0.2] * (half - 1)) is None
