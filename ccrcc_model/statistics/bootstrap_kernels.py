"""Figures of many resamples of patients that are sorted by probability: compiled passes over counts."""

import numpy as np
import numpy.typing as npt

from radiomics_cfg.engine.compiled import compiled

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

SINGULAR = 1e-7
"""A local parabola whose last pivot is below this share of its largest moment is fitted by eigenvalues instead."""
CUT = 1e-9
"""Eigenvalues below this share of the largest count as 0: as in `ccrcc_model.statistics.calibration.loess`."""


@compiled
def resampled_ranking(truth: _Ints, first_of_tie: npt.NDArray[np.bool_], first_called: int, draws: _Ints) -> _Floats:
    """AUC, average precision and balanced accuracy of resamples.

    Args:
        truth: 0 or 1 by rising probability, shape ``(n,)``.
        first_of_tie: Whether a patient's probability is larger than the one before, shape ``(n,)``.
        first_called: Place of the first patient that is called positive.
        draws: Places of the drawn patients, shape ``(b, n)``.

    Returns:
        Shape ``(b, 3)``; NaN for a resample of one class.
    """
    n = len(truth)
    figures = np.full((len(draws), 3), np.nan)
    times = np.zeros(n, np.int64)
    for row in range(len(draws)):
        times[:] = 0
        for place in draws[row]:
            times[place] += 1
        positives = negatives = 0  # with a probability above the tie that is being read
        called_positives = called_negatives = 0
        tied_positives = tied_negatives = 0
        pairs = precision = 0.0
        for place in range(n - 1, -1, -1):
            if truth[place] == 1:
                tied_positives += times[place]
            else:
                tied_negatives += times[place]
            if first_of_tie[place]:
                pairs += tied_negatives * (positives + 0.5 * tied_positives)
                positives += tied_positives
                negatives += tied_negatives
                if tied_positives > 0:
                    precision += tied_positives * (positives / (positives + negatives))
                tied_positives = tied_negatives = 0
            if place == first_called:
                called_positives, called_negatives = positives + tied_positives, negatives + tied_negatives
        if positives > 0 and negatives > 0:
            figures[row, 0] = pairs / (positives * negatives)
            figures[row, 1] = precision / positives
            figures[row, 2] = 0.5 * (called_positives / positives + 1 - called_negatives / negatives)
    return figures


@compiled
def resampled_calibration(  # noqa: PLR0917 - numba knows no keyword-only arguments
    probability: _Floats, truth: _Ints, group: _Ints, points: _Ints, span: float, first_called: int, draws: _Ints
) -> _Floats:
    """F1, Brier score and ICI of resamples.

    Args:
        probability: Ascending, shape ``(n,)``.
        truth: 0 or 1, shape ``(n,)``.
        group: Number of the group of neighbours that a patient belongs to, ascending from 0, shape ``(n,)``.
        points: Groups at which the smoother is fitted, ascending; it is interpolated between. None: nothing is smoothed.
        span: Share of patients that each local fit sees.
        first_called: Place of the first patient that is called positive.
        draws: Places of the drawn patients, shape ``(b, n)``.

    Returns:
        Shape ``(b, 3)``; NaN where a figure is not estimable in a resample.
    """
    n = len(truth)
    n_groups = group[n - 1] + 1
    figures = np.full((len(draws), 3), np.nan)
    weight, risk, events = np.zeros(n_groups), np.zeros(n_groups), np.zeros(n_groups)
    for row in range(len(draws)):
        weight[:] = 0
        risk[:] = 0
        events[:] = 0
        hits = alarms = positives = 0
        squares = 0.0
        for place in draws[row]:
            squares += (probability[place] - truth[place]) ** 2
            positives += truth[place]
            if place >= first_called:
                hits += truth[place]
                alarms += 1 - truth[place]
            weight[group[place]] += 1
            risk[group[place]] += probability[place]
            events[group[place]] += truth[place]
        concerned = hits + alarms + positives
        if concerned > 0:
            figures[row, 0] = 2 * hits / concerned
        figures[row, 1] = squares / n
        if len(points) > 0 and 0 < positives < n:
            figures[row, 2] = _calibration_index(weight, risk, events, points, span)
    return figures


@compiled
def _calibration_index(weight: _Floats, risk: _Floats, events: _Floats, points: _Ints, span: float) -> float:
    """Mean distance of predicted and smoothed observed risk over groups that were drawn ``weight`` times."""
    drawn = np.flatnonzero(weight)
    w, x, y = weight[drawn], risk[drawn] / weight[drawn], events[drawn] / weight[drawn]
    total = w.sum()
    neighbours = max(np.floor(span * total + 1e-5), 1.0)
    wanted = np.zeros(len(weight), np.bool_)
    wanted[points] = True
    distance = 0.0
    last = -1  # the point that was fitted before
    fitted = 0.0
    for place in range(len(drawn)):
        if not (wanted[drawn[place]] or place in (0, len(drawn) - 1)):
            continue
        here = min(max(_local_parabola(x, y, w, place, neighbours), 0.0), 1.0)
        for between in range(last + 1, place):
            share = (x[between] - x[last]) / (x[place] - x[last])
            distance += w[between] * abs(fitted + share * (here - fitted) - x[between])
        distance += w[place] * abs(here - x[place])
        last, fitted = place, here
    return float(distance / total)


@compiled
def _local_parabola(x: _Floats, y: _Floats, w: _Floats, place: int, neighbours: float) -> float:
    """Loess at ``x[place]``: the parabola through its ``neighbours`` nearest patients under tricube weights."""
    at = x[place]
    left, right = place - 1, place + 1
    reached = w[place]
    bandwidth = 0.0
    while reached < neighbours:
        to_left = at - x[left] if left >= 0 else np.inf
        to_right = x[right] - at if right < len(x) else np.inf
        if to_left <= to_right:
            bandwidth = to_left
            reached += w[left]
            left -= 1
        else:
            bandwidth = to_right
            reached += w[right]
            right += 1
    bandwidth = max(bandwidth, 1e-12)
    moments = np.zeros(5)
    sums = np.zeros(3)
    for other in range(left + 1, right):
        centred = (x[other] - at) / bandwidth
        ratio = abs(centred)
        kernel = max(1 - ratio * ratio * ratio, 0.0)
        kernel = kernel * kernel * kernel * w[other]
        power = kernel
        for degree in range(5):
            moments[degree] += power
            if degree < 3:
                sums[degree] += power * y[other]
            power *= centred
    return _intercept(moments, sums)


@compiled
def _intercept(moments: _Floats, sums: _Floats) -> float:
    """Constant term of the least-squares parabola of least norm, from its moments and those of the outcome."""
    s0, s1, s2, s3, s4 = moments
    first = s2 - s1 * s1 / s0
    cross = s3 - s1 * s2 / s0
    if first > SINGULAR * s0:
        second = s4 - s2 * s2 / s0 - cross * cross / first
        if second > SINGULAR * s0:
            b = sums[1] - s1 / s0 * sums[0]
            c = sums[2] - s2 / s0 * sums[0] - cross / first * b
            quadratic = c / second
            linear = (b - cross * quadratic) / first
            return float((sums[0] - s1 * linear - s2 * quadratic) / s0)
    normal = np.array([[s0, s1, s2], [s1, s2, s3], [s2, s3, s4]])
    values, vectors = np.linalg.eigh(normal)
    fitted = 0.0
    for k in range(3):
        if values[k] > CUT * values[2]:
            fitted += vectors[0, k] * np.dot(vectors[:, k].copy(), sums) / values[k]
    return float(fitted)
