"""Do two predictors call the same patients rightly? McNemar's exact test of their sensitivity, specificity and accuracy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ccrcc_model.statistics.predictions import Predictions, check_same_patients


@dataclass(frozen=True, slots=True)
class McNemar:
    """Patients of one kind by which of two predictors calls them rightly.

    Args:
        patients: Patients of the kind.
        only_first: Those that the first predictor calls rightly and the second does not.
        only_second: Those that the second calls rightly and the first does not.
        p_value: Two-sided and exact, against both being equally often alone in the right; None if neither ever is.
    """

    patients: int
    only_first: int
    only_second: int
    p_value: float | None


@dataclass(frozen=True, slots=True)
class CallComparison:
    """The calls of two predictors, each at its own threshold, on the same patients."""

    sensitivity: McNemar
    """Over the positive patients."""
    specificity: McNemar
    """Over the negative patients."""
    accuracy: McNemar
    """Over all patients."""


def mcnemar(patients: int, only_first: int, only_second: int) -> McNemar:
    """Test whether two predictors are equally often right, by the patients that only one of them calls rightly.

    Raises:
        ValueError: If the counts are negative or more than ``patients``.

    References:
        McNemar 1947, doi:10.1007/BF02295996; the exact conditional form as in Fagerland et al. 2013,
        doi:10.1186/1471-2288-13-91, who find it conservative.
    """
    if min(only_first, only_second) < 0 or only_first + only_second > patients:
        msg = f"Of {patients} patients {only_first} and {only_second} cannot be called rightly by one predictor only"
        raise ValueError(msg)
    discordant = only_first + only_second
    if discordant == 0:
        return McNemar(patients, only_first, only_second, None)
    tail = float(stats.binom.cdf(min(only_first, only_second), discordant, 0.5))
    return McNemar(patients, only_first, only_second, min(2 * tail, 1.0))


def compare_calls(
    first: Predictions, second: Predictions, *, first_threshold: float, second_threshold: float
) -> CallComparison:
    """Compare the calls of two predictors on the same patients; a probability equal to a threshold is called positive.

    Raises:
        InputError: If the two do not hold the same patients and truths in the same order.
    """
    check_same_patients(first, second)
    truth = first.y_true == 1
    first_right = (first.y_prob >= first_threshold) == truth
    second_right = (second.y_prob >= second_threshold) == truth

    def among(chosen: npt.NDArray[Any]) -> McNemar:
        only_first, only_second = first_right & ~second_right & chosen, second_right & ~first_right & chosen
        return mcnemar(int(chosen.sum()), int(only_first.sum()), int(only_second.sum()))

    return CallComparison(among(truth), among(~truth), among(np.ones_like(truth)))
