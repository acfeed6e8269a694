import numpy as np
import pytest

from ccrcc_model.statistics.multiplicity import holm


def test_holms_adjustment_is_that_of_r() -> None:
    # R 4: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_comparison_keeps_its_p_value_and_none_exceeds_one() -> None:
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_a_comparison_that_is_not_estimable_takes_no_part() -> None:
    assert holm([0.02, None, 0.01]) == pytest.approx([0.02, None, 0.02])


def test_false_positives_among_many_true_nulls_are_bounded() -> None:
    rng = np.random.default_rng(0)
    any_found = [min(p for p in holm(rng.random(5).tolist()) if p is not None) < 0.05 for _ in range(2000)]
    assert np.mean(any_found) == pytest.approx(0.05, abs=0.015)  # three standard errors
