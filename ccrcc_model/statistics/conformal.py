"""Sets of grades instead of one: class-conditional conformal prediction from the out-of-fold probabilities of a model.

A set holds every class that the patient could well belong to. It aims at holding the true class in ``1 - alpha`` of the
positives and of the negatives, each by itself, without guarantee: the calibration scores are out-of-fold scores, those of
models fitted on most of the patients and not of the locked one, and patients elsewhere are not drawn from the same population.
The coverage in each cohort is counted, not promised.

References:
    Vovk et al. 2005, Algorithmic Learning in a Random World, section 4.5 (label-conditional); Vovk 2015,
    doi:10.1007/s10472-013-9368-4 (cross-conformal).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError

CLASSES = (0, 1)


@dataclass(frozen=True, eq=False)
class ConformalSets:
    """What out-of-fold patients of each class looked like.

    Args:
        conformity: For class 0 and 1 the probabilities of that very class that its patients got, ascending.
    """

    conformity: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

    @classmethod
    def of(cls, out_of_fold: Predictions) -> Self:
        """Calibrate on out-of-fold predictions of both classes.

        Raises:
            InputError: If a class has no patient.
        """
        if len(np.unique(out_of_fold.y_true)) < len(CLASSES):
            msg = f"Conformal sets need out-of-fold predictions of both classes; {out_of_fold.cohort} has one"
            raise InputError(msg)
        of_class = [np.sort(_of(out_of_fold.y_prob, label)[out_of_fold.y_true == label]) for label in CLASSES]
        return cls((of_class[0], of_class[1]))

    def p_values(self, probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return for each patient and class the share of that class's patients that looked no more like it.

        Args:
            probability: Probability of the positive class, shape ``(n,)``.

        Returns:
            Shape ``(n, 2)``; the patient itself counts, so that no value is 0.
        """
        columns = [
            (np.searchsorted(known, _of(probability, label), side="right") + 1) / (len(known) + 1)
            for label, known in zip(CLASSES, self.conformity, strict=True)
        ]
        return np.stack(columns, axis=1)

    def sets(self, probability: npt.NDArray[np.float64], *, alpha: float = 0.1) -> npt.NDArray[np.bool_]:
        """Return which classes each patient's set holds, shape ``(n, 2)``: none, one (an answer), or both (no answer).

        Raises:
            InputError: If ``alpha`` is not inside (0, 1).
        """
        if not 0 < alpha < 1:
            msg = f"The share of sets that may miss the true class must lie inside (0, 1), not {alpha:g}"
            raise InputError(msg)
        return np.asarray(self.p_values(probability) > alpha)


def _of(probability: npt.NDArray[np.float64], label: int) -> npt.NDArray[np.float64]:
    """Return the probability of a class, from that of the positive one."""
    return probability if label == 1 else 1 - probability
