"""Tables with a planted signal, of several kinds: the truth is known, and with it the best AUC that any model could have.

On these, and on no others, the families of models and the shrinkage of their weights were chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccrcc_model.outcomes.cases import LabelledCases

VOLUME = "tumour__native__original_shape_MeshVolume"
BLOCK = 10
"""Features that share 60 % of their variance, as radiomic features of one kind do."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kind:
    """How the log odds of a positive patient follow from the features.

    Args:
        title: What is planted.
        odds: From features, the factors that blocks of them share, and standardised log volume, to log odds.
        n_features: Features beside volume.
        strength: Factor of the log odds.
        is_tailed: Whether features are exponentials with outliers, as many radiomic features are.
    """

    title: str
    odds: Callable[[Values, Values, Values], Values]
    n_features: int = 400
    strength: float = 1.5
    is_tailed: bool = False


def _sparse(values: Values, _shared: Values, _volume: Values) -> Values:
    return 0.45 * values[:, : 6 * BLOCK : BLOCK].sum(axis=1)


def _dense(_values: Values, shared: Values, _volume: Values) -> Values:
    sign = np.where(np.random.default_rng(5).random(shared.shape[1]) < 0.5, -1, 1)
    return (shared * sign).sum(axis=1) * 1.1 / np.sqrt(shared.shape[1])


def _interactions(values: Values, _shared: Values, volume: Values) -> Values:
    first, second, third, fourth, fifth = values[:, : 5 * BLOCK : BLOCK].T
    return 0.9 * (np.abs(first) - 0.8) + 0.8 * second * third + 0.6 * fourth * (volume > 0) + 0.3 * fifth


def _steps(values: Values, _shared: Values, _volume: Values) -> Values:
    first, second, third = values[:, : 3 * BLOCK : BLOCK].T
    return 1.0 * (first > 0.8) + 1.0 * (second < -0.5) + 0.9 * (third > 0) - 1.2


def _mixed(values: Values, _shared: Values, volume: Values) -> Values:
    bent, gated = values[:, 6 * BLOCK], values[:, 7 * BLOCK]
    return 0.3 * values[:, : 6 * BLOCK : BLOCK].sum(axis=1) + 0.5 * (np.abs(bent) - 0.8) + 0.4 * gated * (volume > 0)


KINDS = {
    "sparse": Kind("six features, linear", _sparse),
    "dense": Kind("a little of every feature", _dense),
    "interactions": Kind("products and bends", _interactions),
    "steps": Kind("thresholds", _steps),
    "tails": Kind("six features with long tails", _sparse, is_tailed=True),
    "mixed": Kind("six linear features, a bend, an interaction with volume", _mixed),
    "wide": Kind("six features of 2000", _sparse, n_features=2000),
}


def planted(name: str, n: int, *, seed: int, has_volume: bool = True) -> tuple[LabelledCases, Values]:
    """Return a table of one of ``KINDS`` and the true log odds of each patient, shape ``(n,)``.

    Args:
        name: Of the kind.
        n: Patients.
        seed: Of everything random.
        has_volume: Whether tumour volume carries a part; else it is the same for all.
    """
    kind = KINDS[name]
    rng = np.random.default_rng([seed, *name.encode()])
    shared = rng.normal(size=(n, kind.n_features // BLOCK))
    values = np.sqrt(0.6) * shared.repeat(BLOCK, axis=1) + np.sqrt(0.4) * rng.normal(size=(n, kind.n_features))
    volume = rng.normal(size=n)
    odds = kind.strength * kind.odds(values, shared, volume) + (0.5 * volume if has_volume else 0.0) - 0.4
    if kind.is_tailed:
        values = np.exp(1.2 * values) * np.where(rng.random(values.shape) < 0.01, 30, 1)
    y = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    in_mm3 = np.exp(10 + 1.3 * volume) if has_volume else np.ones(n)
    names = (VOLUME, *(f"f{column:04d}" for column in range(kind.n_features)))
    patients = np.array([f"p{row:05d}" for row in range(n)])
    return LabelledCases(names, np.column_stack([in_mm3, values]), patients, np.full(n, "planted"), y), odds
