import numpy as np
import pytest

from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError


def predictions(y_true: np.ndarray, y_prob: np.ndarray) -> Predictions:
    n = len(y_true)
    return Predictions("c", "grade", np.array([f"p{i}" for i in range(n)]), np.full(n, "north"), y_true, y_prob)


def test_p_values_are_ranks_among_patients_of_the_class() -> None:
    known = ConformalSets.of(predictions(np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.5, 0.9])))
    found = known.p_values(np.array([0.0, 0.5, 0.95]))
    # Class 0: probabilities of it were 0.9, 0.8, 0.4; class 1: 0.5, 0.9.
    assert found[:, 0].tolist() == [1.0, 2 / 4, 1 / 4]
    assert found[:, 1].tolist() == [1 / 3, 2 / 3, 1.0]


def test_a_class_is_held_where_its_p_value_is_above_alpha() -> None:
    known = ConformalSets.of(predictions(np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.5, 0.9])))
    assert known.sets(np.array([0.95]), alpha=0.25).tolist() == [[False, True]]
    assert known.sets(np.array([0.95]), alpha=0.2499).tolist() == [[True, True]]
    for alpha in (0.0, 1.0):
        with pytest.raises(InputError, match=r"inside \(0, 1\)"):
            known.sets(np.array([0.5]), alpha=alpha)


@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_each_class_is_covered_whatever_the_model(alpha: float) -> None:
    rng = np.random.default_rng(0)
    missed = np.zeros(2)
    for _ in range(200):
        y = (rng.random(300) < 0.3).astype(int)
        scores = 1 / (1 + np.exp(-(rng.normal(size=300) + 0.7 * y - 2)))  # ill calibrated on purpose
        held = ConformalSets.of(predictions(y[:200], scores[:200])).sets(scores[200:], alpha=alpha)
        missed += [1 - held[y[200:] == label, label].mean() for label in (0, 1)]
    assert (missed / 200 < alpha + 0.01).all()
    assert (missed / 200 > alpha - 0.04).all(), "and not by holding everything"


def test_one_class_cannot_calibrate() -> None:
    with pytest.raises(InputError, match="both classes; c has one"):
        ConformalSets.of(predictions(np.zeros(5, int), np.linspace(0, 1, 5)))
