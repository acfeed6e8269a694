"""Why a hospital's result cannot be one of a cohort: counts that do not add up, impossible figures, a disclosed count."""

from ccrcc_model.multicentre.predictor_result import PredictorResult
from ccrcc_model.multicentre.small_cells import called_positive, is_large
from ccrcc_model.statistics.estimate import Estimate

FARTHEST = 1e6
"""Calibration intercepts and slopes beyond this are none: sums of their squares would leave no digit to any other site's."""
ESTIMATES = {
    "auc": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "intercept": (-FARTHEST, FARTHEST),
    "slope": (-FARTHEST, FARTHEST),
}
"""Figures of a predictor that are estimates, and what they lie between; given unless a count is withheld."""
NOT_ESTIMABLE = frozenset({"slope"})
"""Those that a cohort of two classes may lack, as where the probabilities are all equal."""


def fault(
    model: PredictorResult, baseline: PredictorResult, difference: Estimate, *, n: int, events: int, smallest_cell: int
) -> str | None:
    """Return why a result cannot be one of its cohort, or None if it can.

    Args:
        model: Of the locked model.
        baseline: Of tumour volume alone.
        difference: Of their AUCs.
        n: Patients.
        events: Positive patients.
        smallest_cell: Fewest patients that a count is of, other than none.
    """
    negatives, positives = n - events, events
    if min(negatives, positives) < smallest_cell:
        return f"{positives} positive and {negatives} negative patients, fewer than {smallest_cell} of a class"
    for name, result in (("model", model), ("baseline", baseline)):
        if found := _histogram_fault(result, negatives, positives, smallest_cell) or _figure_fault(result, n):
            return f"{name}: {found}"
    withheld = model.histogram.counts.withheld or baseline.histogram.counts.withheld
    return _estimate_fault("difference", difference, (-1.0, 1.0), withheld=withheld)


def _histogram_fault(result: PredictorResult, negatives: int, positives: int, smallest: int) -> str | None:
    cells, at_threshold = result.histogram.cells, result.histogram.counts
    edges = [cell.low for cell in cells] + [1.0]
    sums = (sum(cell.negatives for cell in cells), sum(cell.positives for cell in cells))
    possible = called_positive(cells, result.threshold)
    given = (at_threshold.false_positives, at_threshold.true_positives)
    if not 0 < result.threshold < 1:
        return f"the threshold is {result.threshold:g}, not inside (0, 1)"
    if edges[0] != 0 or sorted(set(edges)) != edges or [cell.high for cell in cells] != edges[1:]:
        return "the cells do not run from 0 to 1"
    if any(count < 0 or not is_large(count, smallest) for cell in cells for count in (cell.negatives, cell.positives)):
        return f"a cell holds fewer than {smallest} patients"
    if sums != (negatives, positives) or (at_threshold.negatives, at_threshold.positives) != sums:
        return "the counts do not add up to the patients"
    if any(not outer[0] <= inner[0] <= inner[1] <= outer[1] for inner, outer in zip(given, possible, strict=True)):
        return "the counts at the threshold do not follow from the cells"
    return None


def _figure_fault(result: PredictorResult, n: int) -> str | None:
    withheld, events = result.histogram.counts.withheld, result.expected_events
    for name, limits in ESTIMATES.items():
        if found := _estimate_fault(name, getattr(result, name), limits, withheld=withheld):
            return found
    if (events is None) != withheld:
        return _presence("expected_events", withheld=withheld)
    return f"expected_events is not inside [0, {n}]" if events is not None and not 0 <= events <= n else None


def _estimate_fault(name: str, estimate: Estimate, limits: tuple[float, float], *, withheld: bool) -> str | None:
    value, low, high = estimate.value, estimate.low, estimate.high
    if withheld:
        is_empty = value is None and low is None and high is None
        return None if is_empty else _presence(name, withheld=True)
    if value is None:
        return None if name in NOT_ESTIMABLE and low is None and high is None else _presence(name, withheld=False)
    if (low is None) != (high is None):
        return f"{name} has one bound only"
    bounds = (value,) if low is None or high is None else (low, value, high)
    if not all(limits[0] <= each <= limits[1] for each in bounds):
        return f"{name} is not inside [{limits[0]:g}, {limits[1]:g}]"
    return None if list(bounds) == sorted(bounds) else f"{name} lies outside of its interval"


def _presence(name: str, *, withheld: bool) -> str:
    return f"{name} is given, though a count is withheld" if withheld else f"{name} is missing"
