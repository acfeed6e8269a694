"""How far features lie from those of the development cases: Mahalanobis distance with a shrunken covariance.

Features are first put on one scale that outliers do not set: distance from the median in interquartile ranges, of which the
inverse hyperbolic sine is taken, so that the long tails of radiomic features grow as a logarithm. There may be more features
than cases; the covariance is then estimated as Ledoit and Wolf do, and the distance of a case that was fitted on says little.
Hence the limit comes from cases that were left out.

References:
    Mahalanobis distance for data unlike the training data: Lee et al. 2018, arXiv:1807.03888. Covariance: Ledoit and Wolf
    2004, doi:10.1016/S0047-259X(03)00096-4. Inverse hyperbolic sine: Burbidge et al. 1988,
    doi:10.1080/01621459.1988.10478575. Limit: Laxhammar and Falkman 2015, doi:10.1007/s10472-013-9381-7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf

from ccrcc_model.models.weighted import weighted_mean, weighted_median, weighted_quantiles

Values = npt.NDArray[np.float64]

PARTS = 50
"""Parts that the patients are dealt into to be left out; up to so many patients each is a part of its own."""

_NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution with standard deviation 1."""


@dataclass(frozen=True, eq=False)
class FeatureDistance:
    """Centre and spread of the development cases in the space of some features.

    Args:
        names: The features.
        median: Shape ``(len(names),)``.
        spread: Interquartile range as a standard deviation, shape ``(len(names),)``.
        mean: Mean of the standardised features, shape ``(len(names),)``.
        covariance: Shrunken, of the standardised features, shape ``(len(names), len(names))``.
    """

    names: tuple[str, ...]
    median: Values
    spread: Values
    mean: Values
    covariance: Values

    @classmethod
    def fit(cls, values: Values, names: Sequence[str], *, weight: Values | None = None) -> Self:
        """Fit on cases.

        Args:
            values: Shape ``(n_cases, len(names))``; a missing one is NaN and takes the mean of the others.
            names: The features, each known for some case.
            weight: Weight of each case, shape ``(n_cases,)``; by default every case counts once.
        """
        weight = np.ones(len(values)) if weight is None else weight
        median = weighted_median(values, weight)
        low, high = weighted_quantiles(values, (0.25, 0.75), weight)
        spread = (high - low) / _NORMAL_IQR
        spread = np.where(spread > 0, spread, np.nanstd(values, axis=0))
        spread = np.where(spread > 0, spread, 1.0)
        standard = np.arcsinh((values - median) / spread)
        mean = weighted_mean(standard, weight)
        filled = np.where(np.isnan(standard), mean, standard)
        if weight.min() == weight.max():
            covariance, _ = ledoit_wolf(filled)
        else:  # rows whose plain covariance is the weighted one
            covariance, _ = ledoit_wolf((filled - mean) * np.sqrt(weight / weight.mean())[:, None], assume_centered=True)
        return cls(tuple(names), median, spread, mean, np.asarray(covariance, dtype=np.float64))

    def contributions(self, values: Values) -> Values:
        """Return what each feature adds to the squared distance, shape ``(n_cases, len(names))``; a missing one adds nothing.

        Where features go together, one of them can take away.
        """
        off = np.nan_to_num(np.arcsinh((values - self.median) / self.spread) - self.mean, nan=0.0)
        return np.asarray(off * np.linalg.solve(self.covariance, off.T).T, dtype=np.float64)

    def distances(self, values: Values) -> Values:
        """Return the distance of each case, shape ``(n_cases,)``."""
        return np.asarray(np.sqrt(np.maximum(self.contributions(values).sum(axis=1), 0.0)), dtype=np.float64)


def left_out_distances(values: Values, patients: npt.NDArray[np.str_], names: Sequence[str]) -> Values:
    """Return the distance of each patient from the others, that of the farthest of its cases.

    Patients are dealt into ``PARTS`` parts in the order of their names, and those of a part are left out together.

    Args:
        values: Shape ``(n_cases, len(names))``.
        patients: Whose each case is, shape ``(n_cases,)``; all cases of a patient are left out together.
        names: The features.

    Returns:
        Shape ``(n_patients,)``, in the order of the patients' names.
    """
    unique, place, counts = np.unique(patients, return_inverse=True, return_counts=True)
    weight = 1.0 / counts[place]
    part = np.arange(len(unique)) % min(PARTS, len(unique))
    distances = np.empty(len(values))
    for number in range(part.max() + 1):
        out = part[place] == number
        distances[out] = FeatureDistance.fit(values[~out], names, weight=weight[~out]).distances(values[out])
    return farthest(distances, place, len(unique))


def farthest(distances: Values, place: npt.NDArray[np.intp], n_patients: int) -> Values:
    """Return the largest of each patient's ``distances``, shape ``(n_patients,)``; ``place`` holds the patient of each."""
    largest = np.zeros(n_patients)
    np.maximum.at(largest, place, distances)
    return largest


def distance_limit(distances: Values, *, declined: float) -> tuple[float, float]:
    """Return the distance beyond which a patient is declined, and the share of patients that this declines.

    The limit is that of conformal prediction: one more patient from the same population lies as likely at any place in the
    order of all. Too few patients for a limit at the wanted share are declined at the next larger one.

    Args:
        distances: Distances of development patients, each from the others, shape ``(n_patients,)``.
        declined: Wanted share of patients from the same population that lie beyond.
    """
    n = len(distances)
    place = min(ceil((1 - declined) * (n + 1) - 1e-9), n)
    return float(np.sort(distances)[place - 1]), (n + 1 - place) / (n + 1)
