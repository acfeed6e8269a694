"""What a probability meant in development: how many of the patients with the most similar probability were positive."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccrcc_model.statistics.intervals import clopper_pearson

NEIGHBOURS = 40
"""Patients that are counted: with 40 the exact interval is at most 0.32 wide."""

FEWEST = 60
"""Development patients from which counting is worthwhile: with fewer, the nearest 40 would be most of them."""

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class SimilarPatients:
    """Development patients whose probability was most like this patient's.

    Args:
        n: How many.
        positive: How many of them were positive.
        low: Lower bound of the share of positives, exact 95 % interval.
        high: Upper bound.
    """

    n: int
    positive: int
    low: float
    high: float


def similar_patients(
    probability: float, positives: Sequence[float], negatives: Sequence[float], *, n: int = NEIGHBOURS
) -> SimilarPatients | None:
    """Count positives among the ``n`` development patients with the nearest probability.

    A nearest-neighbour estimate of the probability, in the one dimension of the model's own score. It is free of the model's
    calibration, and its exact interval shows how much the development cohort can say about a patient like this one.

    Args:
        probability: Of the patient.
        positives: Of the positive development patients, predicted by models that were not fitted on them.
        negatives: Of the negative ones.
        n: Neighbours.

    Returns:
        None if there are fewer than ``FEWEST`` development patients.

    References:
        Malley et al. 2012, doi:10.3414/ME00-01-0052; the interval is that of ``clopper_pearson``.
    """
    scores = np.array([*positives, *negatives], np.float64)
    if len(scores) < FEWEST:
        return None
    is_positive = np.arange(len(scores)) < len(positives)
    distance = np.abs(scores - probability).round(12)
    reach = np.sort(distance)[n - 1]
    near = distance <= reach  # equally distant patients count alike
    found, among = int(is_positive[near].sum()), int(near.sum())
    low, high = clopper_pearson(np.array(found), np.array(among), level=LEVEL)
    return SimilarPatients(among, found, float(low), float(high))
