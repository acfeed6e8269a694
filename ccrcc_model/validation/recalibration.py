"""Recalibration in the large: the locked model with one number re-estimated in the new patients.

It is a result of its own and never the external validation: the shift is fitted on the very patients that it is judged on.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from ccrcc_model.statistics.bootstrap import REPLICATES, SEED, bootstrap
from ccrcc_model.statistics.calibration import LOGIT_CLIP, Calibration, calibrate, calibration_intercept
from ccrcc_model.statistics.calls import Counts, counts
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.predictions import Predictions

LABEL = "recalibrated in the large on these same patients; not an external validation"


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """The model in one group of patients after its probabilities were moved there. Its AUC stays what it was.

    Args:
        group: Name of the group.
        n: Patients.
        events: Positive patients.
        shift: Added to the logit of every probability, with its interval; not estimable for one class.
        counts: Patients by truth and call at the locked threshold; None without a shift.
        calibration: Calibration of the moved probabilities, whose intercept is 0 by construction; None without a shift.
            Intervals take the shift as given.
    """

    group: str
    n: int
    events: int
    shift: Estimate
    counts: Counts | None = None
    calibration: Calibration | None = None


def recalibrate_in_the_large(predictions: Predictions, shift: float) -> Predictions:
    """Return ``predictions`` with ``shift`` added to the logit of every probability.

    Args:
        predictions: Truth and probability.
        shift: Calibration intercept of these predictions; their mean probability is then their share of positives.

    References:
        Janssen et al. 2008, doi:10.1016/j.jclinepi.2007.04.018, method 1.
    """
    clipped = np.clip(predictions.y_prob, LOGIT_CLIP, 1 - LOGIT_CLIP)
    return replace(predictions, y_prob=np.asarray(expit(logit(clipped) + shift), dtype=np.float64))


def recalibrated(
    predictions: Predictions, threshold: float, *, group: str, replicates: int = REPLICATES, seed: int = SEED
) -> Recalibrated:
    """Fit the shift on ``predictions`` and judge the moved probabilities on the same patients, at the locked threshold.

    Args:
        predictions: Truth and probability.
        threshold: The locked model's.
        group: Name of the group.
        replicates: Resamples of the bootstrap, for the interval of the ICI.
        seed: Seed of the bootstrap.
    """
    shift = calibration_intercept(predictions)
    n, events = len(predictions), int(predictions.y_true.sum())
    if shift.value is None:
        return Recalibrated(group, n, events, shift)
    moved = recalibrate_in_the_large(predictions, shift.value)
    index = bootstrap(moved, threshold, replicates=replicates, seed=seed).ici
    return Recalibrated(group, n, events, shift, counts(moved, threshold), replace(calibrate(moved), ici=index))
