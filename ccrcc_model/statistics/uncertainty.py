"""How sure a locked model is in a group of patients: whom it abstains from, and which sets of classes it gives."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.estimate import Estimate, Proportion, clopper_pearson
from ccrcc_model.statistics.predictions import Predictions

ALPHA = 0.1
"""Share of sets of each class that may miss it."""


@dataclass(frozen=True, slots=True)
class SetsOfClass:
    """The conformal sets of the patients of one class, each a share of them.

    Args:
        covered: The set holds the true class.
        empty: It holds no class: the patient looks like neither.
        single: It holds one class, which is an answer.
        both: It holds both, which is none.
    """

    covered: Proportion
    empty: Proportion
    single: Proportion
    both: Proportion


@dataclass(frozen=True, slots=True)
class Figures:
    """What holds for some patients.

    Args:
        n: Patients.
        events: Positive patients.
        auc: AUC with DeLong's interval.
        negative: Sets of the negative patients.
        positive: Sets of the positive patients.
    """

    n: int
    events: int
    auc: Estimate
    negative: SetsOfClass
    positive: SetsOfClass


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What the model says of its own sureness in a group of patients.

    Args:
        alpha: Share of sets of each class that may miss it.
        declined: Patients who are unlike the development patients.
        everyone: All patients.
        alike: Those who are not declined; None where abstention was not asked.
    """

    alpha: float
    declined: Proportion
    everyone: Figures
    alike: Figures | None


def uncertainty(predictions: Predictions, sets: ConformalSets, *, alpha: float = ALPHA) -> Uncertainty:
    """Count abstentions and sets.

    Args:
        predictions: Predictions of patients that the model never saw.
        sets: Calibrated on its out-of-fold predictions.
        alpha: Share of sets of each class that may miss it.
    """
    everyone = _figures(predictions, sets, alpha)
    if predictions.abstained is None:
        return Uncertainty(alpha, Proportion(None, reason="nobody asked whether a patient is unlike"), everyone, None)
    declined = clopper_pearson(int(predictions.abstained.sum()), len(predictions), of="patients")
    return Uncertainty(alpha, declined, everyone, _figures(predictions.answered, sets, alpha))


def _figures(predictions: Predictions, sets: ConformalSets, alpha: float) -> Figures:
    held = sets.sets(predictions.y_prob, alpha=alpha)
    of_class = [_sets_of_class(held[predictions.y_true == label], label) for label in (0, 1)]
    return Figures(len(predictions), int(predictions.y_true.sum()), auc(predictions), of_class[0], of_class[1])


def _sets_of_class(held: npt.NDArray[np.bool_], label: int) -> SetsOfClass:
    size = held.sum(axis=1)
    name = ("negative patients", "positive patients")[label]
    counts = (held[:, label].sum(), *((size == wanted).sum() for wanted in (0, 1, 2)))
    return SetsOfClass(*(clopper_pearson(int(count), len(held), of=name) for count in counts))
