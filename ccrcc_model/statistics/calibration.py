"""Whether a predicted probability of 30% is observed in 30 of 100 patients: intercept, slope, Brier score, ICI, curve.

The smoother of the ICI and of the curve is loess as in Austin and Steyerberg 2019: local quadratic regression of the
outcome on the probability, tricube weights over the nearest 75% of patients, no robustness iterations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from ccrcc_model.statistics.curves import FloatArray
from ccrcc_model.statistics.estimate import LEVEL, NEEDS_BOOTSTRAP, Estimate, Proportion, clopper_pearson, normal_interval
from ccrcc_model.statistics.figure import Figures
from ccrcc_model.statistics.predictions import Predictions, few_of_a_class, one_class

CALIBRATION: Figures[Callable[[Predictions], Estimate]] = Figures("calibration")
"""Figures of whether predicted risks come true."""

LOGIT_CLIP = 1e-6
"""Probabilities of 0 and 1 have no logit; they are moved inside by this much for intercept and slope."""
LOESS_SPAN = 0.75
"""Share of patients that each local fit sees: the default of R's ``loess``, which Austin and Steyerberg 2019 use."""
LOESS_POINTS = 201
"""With more distinct probabilities than this the smoother is fitted at their quantiles and interpolated between."""
LOESS_PATIENTS = 1000
"""More patients than this are pooled into so many groups of neighbouring probability before they are smoothed."""
SLOPE_PATIENTS_OF_CLASS = 10
"""With fewer patients of a class a logistic slope is biased and its Wald interval is wrong: Peduzzi et al. 1996,
doi:10.1016/S0895-4356(96)00236-3, for the one slope that is fitted here."""
LOESS_MIN_PATIENTS = 20
"""Below this a smoother draws noise. Our choice; the literature asks for far more before a curve is trusted."""


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Observed against predicted risk.

    Args:
        predicted: Probabilities at which the smoother was evaluated, shape ``(n_points,)``; empty for too few patients.
        observed: Smoothed share of positives there, inside [0, 1].
        group_predicted: Mean probability of each group of equal size, shape ``(n_groups,)``.
        group_observed: Share of positives in each group, with its exact interval and counts.
        negatives: Negative patients in each of 20 bins of probability of equal width, shape ``(20,)``.
        positives: Positive patients in the same bins.
    """

    predicted: FloatArray
    observed: FloatArray
    group_predicted: FloatArray
    group_observed: tuple[Proportion, ...]
    negatives: FloatArray
    positives: FloatArray


@dataclass(frozen=True, slots=True)
class Calibration:
    """The four figures of calibration: 0, 1, small and small when perfect."""

    intercept: Estimate
    slope: Estimate
    brier: Estimate
    ici: Estimate


def calibrate(predictions: Predictions) -> Calibration:
    """Return all figures of calibration of ``predictions``; those that cannot be estimated say why.

    Example:
        >>> import ccrcc_model as cc
        >>> print(cc.calibrate(cc.Predictions.read("predictions.csv")).slope)
        0.51(0.06-0.96)
    """
    return Calibration(**{figure.name: figure.compute(predictions) for figure in CALIBRATION})


@CALIBRATION.add("intercept", title="Calibration intercept", source="Cox 1958, doi:10.1093/biomet/45.3-4.562")
def calibration_intercept(predictions: Predictions, *, level: float = LEVEL) -> Estimate:
    """Intercept of a logistic regression with the logit of the probability as offset, with its Wald interval.

    0 is calibration in the large; below 0 the model predicts too high risks on average.

    References:
        Cox 1958, doi:10.1093/biomet/45.3-4.562; Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7.
    """
    if reason := one_class(predictions):
        return Estimate(None, reason=reason)
    value, variance = _intercept(_logit(predictions.y_prob), predictions.y_true)
    if reason := few_of_a_class(predictions):
        return Estimate(value, reason=reason)
    return normal_interval(value, variance, level=level)


@CALIBRATION.add("slope", title="Calibration slope", source="Cox 1958, doi:10.1093/biomet/45.3-4.562")
def calibration_slope(predictions: Predictions, *, level: float = LEVEL) -> Estimate:
    """Slope of a logistic regression of the outcome on the logit of the probability, with its Wald interval.

    1 is right; below 1 the probabilities are too extreme. Not estimable where the regression has no finite solution
    (all probabilities are equal, or they separate the classes), where a class has fewer than ten patients, and where a slope
    of 1 would more likely than not be taken for 0, as the patients are fewer than the formula of Hsieh et al. asks for at a
    power of one half: nearly equal probabilities otherwise have slopes of thousands.

    References:
        Cox 1958, doi:10.1093/biomet/45.3-4.562; Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7; patients that a slope
        needs: Hsieh et al. 1998, doi:10.1002/(SICI)1097-0258(19980730)17:14<1623::AID-SIM871>3.0.CO;2-S.
    """
    logit = _logit(predictions.y_prob)
    if reason := one_class(predictions) or _no_slope(logit, predictions.y_true, level):
        return Estimate(None, reason=reason)
    coefficients, covariance = _logistic(
        np.stack([np.ones_like(logit), logit], axis=1), predictions.y_true, np.zeros_like(logit)
    )
    return normal_interval(float(coefficients[1]), float(covariance[1, 1]), level=level)


@CALIBRATION.add(
    "brier",
    title="Brier score",
    source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    redrawn="all patients",
    compares_classes=False,
)
def brier_score(predictions: Predictions, *, level: float = LEVEL) -> Estimate:
    """Mean squared distance of probability and outcome, with the normal interval of a mean; 0 is perfect.

    References:
        Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    n = len(predictions)
    if n == 0:
        return Estimate(None, reason="no patients")
    errors = (predictions.y_prob - predictions.y_true) ** 2
    value = float(errors.mean())
    if n < 2:
        return Estimate(value, reason="interval not estimable: one patient")
    return normal_interval(value, float(errors.var(ddof=1)) / n, level=level, limits=(0.0, 1.0))


@CALIBRATION.add(
    "ici", title="ICI", source="Austin and Steyerberg 2019, doi:10.1002/sim.8281", interval="bootstrap", redrawn="all patients"
)
def integrated_calibration_index(predictions: Predictions) -> Estimate:
    """Mean distance of predicted and smoothed observed risk over the patients; its interval would need a bootstrap.

    References:
        Austin and Steyerberg 2019, doi:10.1002/sim.8281.
    """
    if reason := one_class(predictions) or _too_few(predictions):
        return Estimate(None, reason=reason)
    predicted, observed = _smooth(predictions)
    distance = np.abs(np.interp(predictions.y_prob, predicted, observed) - predictions.y_prob)
    return Estimate(float(distance.mean()), reason=NEEDS_BOOTSTRAP)


def calibration_curve(predictions: Predictions, *, max_groups: int = 10) -> CalibrationCurve:
    """Smoothed and grouped observed risk against predicted risk.

    Args:
        predictions: Truth and probability.
        max_groups: Groups of equal size; fewer where a group would have less than ten patients.
    """
    x, y = predictions.y_prob, predictions.y_true
    too_little = one_class(predictions) or _too_few(predictions)
    predicted, observed = (np.empty(0), np.empty(0)) if too_little else _smooth(predictions)
    n_groups = max(1, min(max_groups, len(x) // 10)) if len(x) else 0
    groups = np.array_split(np.argsort(x, kind="stable"), n_groups) if n_groups else []
    means = np.array([x[group].mean() for group in groups])
    shares = tuple(clopper_pearson(int(y[group].sum()), len(group)) for group in groups)
    negatives, positives = (np.histogram(x[y == truth], bins=20, range=(0, 1))[0].astype(np.float64) for truth in (0, 1))
    return CalibrationCurve(predicted, observed, means, shares, negatives, positives)


def loess(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.int_] | npt.NDArray[np.float64],
    at: npt.NDArray[np.float64],
    *,
    weight: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.float64]:
    """Local quadratic regression of ``y`` on ``x`` evaluated at ``at``: R's ``loess`` with ``surface = "direct"``.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        at: Shape ``(m,)``.
        weight: Patients that each entry of ``x`` stands for, shape ``(n,)``; one each by default.

    Returns:
        Fitted values, shape ``(m,)``. Where ties leave too few distinct neighbours for a parabola, the fit of least norm.

    References:
        Cleveland and Devlin 1988, doi:10.1080/01621459.1988.10478639.
    """
    patients = np.ones(len(x)) if weight is None else weight
    distance = np.abs(x[None, :] - at[:, None])
    bandwidth = np.maximum(_bandwidth(distance, patients), 1e-12)[:, None]
    ratio = distance / bandwidth
    kernel = np.clip(1 - ratio * ratio * ratio, 0, None)
    kernel = kernel * kernel * kernel
    kernel[distance == 0] = 1.0
    centred = (x[None, :] - at[:, None]) / bandwidth
    weighted = [kernel * patients]
    for _ in range(4):
        weighted.append(weighted[-1] * centred)
    moments = np.stack([power.sum(axis=1) for power in weighted], axis=1)
    right = np.stack([power @ y for power in weighted[:3]], axis=1)
    normal = moments[:, np.arange(3)[:, None] + np.arange(3)[None, :]]
    fitted = np.linalg.pinv(normal, rcond=1e-9, hermitian=True) @ right[:, :, None]
    return np.asarray(fitted[:, 0, 0], dtype=np.float64)


def _bandwidth(distance: npt.NDArray[np.float64], patients: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the distance at which the nearest ``LOESS_SPAN`` of the patients are reached, shape ``(m,)``."""
    neighbours = max(np.floor(LOESS_SPAN * patients.sum() + 1e-5), 1.0)
    order = np.argsort(distance, axis=1)
    last = (np.cumsum(patients[order], axis=1) >= neighbours - 1e-9).argmax(axis=1)
    rows = np.arange(len(distance))
    return np.asarray(distance[rows, order[rows, last]], dtype=np.float64)


def _no_slope(logit: npt.NDArray[np.float64], y: npt.NDArray[np.int_], level: float) -> str | None:
    """Return why patients of two classes have no calibration slope, or None."""
    positive, negative = logit[y == 1], logit[y == 0]
    if np.ptp(logit) == 0:
        return "all probabilities are equal"
    if positive.min() >= negative.max() or positive.max() <= negative.min():
        return "the probabilities separate the classes"
    if (rarer := min(len(positive), len(negative))) < SLOPE_PATIENTS_OF_CLASS:
        return f"{rarer} patients of the smaller class, a slope needs {SLOPE_PATIENTS_OF_CLASS}"
    information = len(y) * y.mean() * (1 - y.mean()) * logit.var()
    if information <= special.ndtri((1 + level) / 2) ** 2:
        return f"the probabilities of {len(y)} patients differ too little to tell a slope of 1 from one of 0"
    return None


def _intercept(logit: npt.NDArray[np.float64], y: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Return what must be added to every logit, and its variance."""
    coefficients, covariance = _logistic(np.ones((len(logit), 1)), y, logit)
    return float(coefficients[0]), float(covariance[0, 0])


def _too_few(predictions: Predictions) -> str | None:
    n = len(predictions)
    return f"{n} patients, a smoother needs {LOESS_MIN_PATIENTS}" if n < LOESS_MIN_PATIENTS else None


def _smooth(predictions: Predictions) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Probabilities in rising order and the smoothed share of positives there, each of shape ``(n_points,)``."""
    order = np.argsort(predictions.y_prob, kind="stable")
    x, y = predictions.y_prob[order], predictions.y_true[order].astype(np.float64)
    sizes = np.ones(len(x))
    if len(x) > LOESS_PATIENTS:
        starts = np.linspace(0, len(x), LOESS_PATIENTS, endpoint=False).astype(int)
        sizes = np.diff(np.append(starts, len(x))).astype(np.float64)
        x, y = np.add.reduceat(x, starts) / sizes, np.add.reduceat(y, starts) / sizes
    points = np.unique(x)
    if len(points) > LOESS_POINTS:
        points = np.unique(np.quantile(points, np.linspace(0, 1, LOESS_POINTS)))
    return points, np.clip(loess(x, y, points, weight=sizes), 0, 1)


def _logit(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(special.logit(np.clip(probability, LOGIT_CLIP, 1 - LOGIT_CLIP)), dtype=np.float64)


def _logistic(
    design: npt.NDArray[np.float64], y: npt.NDArray[np.int_], offset: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Maximum-likelihood coefficients ``(k,)`` and covariance ``(k, k)`` by Newton steps, halved while they overshoot."""

    def log_likelihood(beta: npt.NDArray[np.float64]) -> float:
        eta = design @ beta + offset
        return float((y * eta - np.logaddexp(0, eta)).sum())

    beta = np.zeros(design.shape[1])
    covariance = np.full((len(beta), len(beta)), np.nan)
    for _ in range(100):
        probability = special.expit(design @ beta + offset)
        weight = np.maximum(probability * (1 - probability), 1e-12)
        covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
        step = covariance @ (design.T @ (y - probability))
        while log_likelihood(beta + step) < log_likelihood(beta) - 1e-9 and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return beta, covariance
