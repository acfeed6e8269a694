"""Features that are the outcome under another name: a copy, also noisy, rounded, binned or turned around, or a code of it.

What a scan shows orders patients with exceptions. A feature that does so with hardly any, where chance does not reach that far
among so many features, is suspected to have been made from the outcome.
"""

from collections.abc import Sequence
from math import comb, lgamma, log

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

from ccrcc_model.fitting.filter import rank_matrix

Floats = npt.NDArray[np.float64]

FEW_EXCEPTIONS = 0.96
"""Goodman and Kruskal's gamma from which a feature is suspected: an AUC of 0.98 where nothing is tied. Ours; no single feature
of an image is known to order grades like that in patients whom it was not chosen on."""

FEWEST_UNTIED = 0.25
"""Share of the pairs of patients with different outcomes that must differ in the feature, too."""

BY_CHANCE = 0.05
"""Features expected to reach as far by chance, below which a feature is suspected."""

MOST_PATIENTS = 1500
"""Patients who are compared in pairs at most; of more, as many are taken in even steps."""

_SCREEN = 0.6
"""Share of the rank correlation of a perfect copy from which a feature is looked at in pairs."""

WORDS = ("isup", "fuhrman", "grade", "ki67", "mib1", "outcome", "label", "target", "pathology", "histology")
"""Words in the name of a column that holds an outcome."""


def outcome_copies(features: Floats, outcome: npt.NDArray[np.float64]) -> list[int]:
    """Return the columns that order patients as the outcome does, or the other way round, with hardly an exception.

    Args:
        features: Shape ``(n_patients, n_features)``; missing values are NaN.
        outcome: Shape ``(n_patients,)``: two classes, grades, or numbers.

    Returns:
        Places of the columns, the one of the strongest rank correlation first.

    References:
        Gamma: Goodman and Kruskal 1954, doi:10.1080/01621459.1954.10501231. Its chance: Kendall's tau, by ``scipy``.
    """
    step = -(-len(outcome) // MOST_PATIENTS)
    features, outcome = features[::step], np.asarray(outcome[::step], dtype=np.float64)
    if len(outcome) < 3 or outcome.min() == outcome.max():
        return []
    of_outcome = rank_matrix(outcome[:, None])[:, 0]
    strength = np.abs(of_outcome @ rank_matrix(features))
    perfect = float(np.sort(of_outcome) @ rank_matrix(np.arange(len(outcome), dtype=np.float64)[:, None])[:, 0])
    suspects = np.flatnonzero(strength >= _SCREEN * perfect)
    suspects = suspects[np.argsort(-strength[suspects], kind="stable")]
    return [column for column in suspects.tolist() if _is_copy(features[:, column], outcome, n_features=features.shape[1])]


def _is_copy(values: Floats, outcome: Floats, *, n_features: int) -> bool:
    known = ~np.isnan(values)
    values, outcome = values[known], outcome[known]
    by_value, by_outcome = (np.sign(each[:, None] - each) for each in (values, outcome))
    both = by_value * by_outcome
    untied, different = np.abs(both).sum(), np.abs(by_outcome).sum()
    if different == 0 or untied < FEWEST_UNTIED * different or abs(both.sum()) < FEW_EXCEPTIONS * untied:
        return False
    chance = float(kendalltau(values, outcome).pvalue)
    if abs(both.sum()) == different and len(np.unique(outcome)) == 2:  # complete separation, whose chance is known exactly
        chance = 2 / comb(len(outcome), int((outcome == outcome.max()).sum()))
    return chance * n_features < BY_CHANCE


def outcome_codes(features: Floats, classes: npt.NDArray[np.int_]) -> list[int]:
    """Return the columns of which every value stands in one of two classes only, although values repeat.

    Of ``k`` values, at most ``2^k`` ways to deal them to the classes give the classes' sizes, out of all ways to deal the
    patients; this bounds the chance that a feature is such a code.

    Args:
        features: Shape ``(n_patients, n_features)``; a missing value is a value of its own.
        classes: 0 or 1, shape ``(n_patients,)``.
    """
    n, n_high = len(classes), int(classes.sum())
    ways = lgamma(n + 1) - lgamma(n_high + 1) - lgamma(n - n_high + 1)
    most = int((ways + log(BY_CHANCE / max(features.shape[1], 1))) / log(2))
    if most < 2:
        return []
    ordered = np.sort(features, axis=0)
    n_values = 1 + ((ordered[1:] != ordered[:-1]) & ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))).sum(axis=0)
    few = np.flatnonzero((n_values > 1) & (n_values <= most))
    return [column for column in few.tolist() if _pure(features[:, column], classes)]


def _pure(values: Floats, classes: npt.NDArray[np.int_]) -> bool:
    _, place = np.unique(values, return_inverse=True)
    counts, of_high = np.bincount(place), np.bincount(place, weights=classes)
    return bool(np.isin(of_high / counts, (0.0, 1.0)).all())


def named_like_outcome(names: Sequence[str], column: str) -> list[str]:
    """Return the features whose names hold the outcome's column, or a word for an outcome.

    Args:
        names: Names of features.
        column: Column of the outcomes file.
    """
    wanted = _letters(column)
    return [name for name in names if wanted in _letters(name) or any(word in WORDS for word in _parts(name))]


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _parts(name: str) -> list[str]:
    """Return the words of a name, parted at what is no letter and no digit."""
    return "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
