"""The drawing of a probability: a scale from 0 to 100 %, the patient on it, and the development patients behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccrcc_model.patient.similar_patients import SimilarPatients

LEFT, RIGHT = 12.0, 588.0
"""Where 0 and 100 % lie, in the units of the drawing, which is 600 wide."""

BASE = 62.0
"""Height of the axis: negatives are drawn above it, positives below."""

BINS = 20
TALLEST = 34.0
"""Of the bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram or of a contribution, in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Strip:
    """Where everything of a drawing lies.

    Args:
        patient: Of the patient's mark.
        threshold: Of the threshold, if there is one.
        baseline: Of the volume model's probability, if there is one.
        similar: Of the share of positives among similar patients, between the bounds of its interval.
        negatives: Bars of the negative development patients, above the axis.
        positives: Bars of the positive ones, below it.
    """

    patient: float
    threshold: float | None
    baseline: float | None
    similar: tuple[float, float, float] | None
    negatives: tuple[Bar, ...]
    positives: tuple[Bar, ...]


def place(share: float) -> float:
    """Return where a share between 0 and 1 lies along the scale."""
    return round(LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0), 1)


def draw_strip(
    probability: float,
    *,
    threshold: float | None,
    baseline: float | None,
    similar: SimilarPatients | None,
    positives: Sequence[float],
    negatives: Sequence[float],
) -> Strip:
    """Place a probability, and what helps to read it, on a scale.

    Args:
        probability: Of the patient.
        threshold: At which the model calls a patient positive.
        baseline: Probability by the tumour's volume alone.
        similar: What the probability meant in development.
        positives: Probabilities of the positive development patients.
        negatives: Of the negative ones.
    """
    edges = np.linspace(0, 1, BINS + 1)
    counts = [np.histogram(np.asarray(part, np.float64), edges)[0] for part in (negatives, positives)]
    # Each class by its own size: a rare class would else be invisible, and the two are told apart by place.
    shares = [count / max(count.sum(), 1) for count in counts]
    tallest = max([*shares[0], *shares[1], 1e-9])
    width = (RIGHT - LEFT) / BINS
    above, below = (
        tuple(
            Bar(round(LEFT + i * width + 1, 1), round(BASE - height if up else BASE, 1), round(width - 2, 1), round(height, 1))
            for i, height in enumerate((share / tallest * TALLEST).tolist())
            if height > 0
        )
        for share, up in zip(shares, (True, False), strict=True)
    )
    return Strip(
        place(probability),
        None if threshold is None else place(threshold),
        None if baseline is None else place(baseline),
        None if similar is None else (place(similar.low), place(similar.positive / similar.n), place(similar.high)),
        above,
        below,
    )


def draw_contributions(log_odds: Sequence[float], *, half_width: float = 150.0) -> tuple[Bar, ...]:
    """Return a bar for each contribution, from the middle (0) to the left or to the right, on one scale."""
    largest = max((abs(one) for one in log_odds), default=0.0) or 1.0
    lengths = [abs(one) / largest * half_width for one in log_odds]
    return tuple(
        Bar(round(half_width - length if one < 0 else half_width, 1), 3.0, round(max(length, 0.5), 1), 12.0)
        for one, length in zip(log_odds, lengths, strict=True)
    )
