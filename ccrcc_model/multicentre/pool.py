"""Result files of several hospitals, pooled: exact figures stay exact, others are given with their largest error."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt

from ccrcc_model.multicentre.predictor_result import DECIMALS, PredictorResult
from ccrcc_model.multicentre.result_file import SiteResult
from ccrcc_model.multicentre.small_cells import Cell, SharedCounts
from ccrcc_model.statistics.estimate import LEVEL, Estimate, format_number, normal_interval
from ccrcc_model.statistics.meta_analysis import MetaAnalysis, mean_of_these, meta_analysis, standard_error
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.notebook import as_html, counted, listed

COARSEST_AUC = 0.1
"""An AUC that may be further off than this is not given, only its bounds: cells of a few patients pull it towards 0.5."""


@dataclass(frozen=True, slots=True)
class PooledAuc:
    """AUC over the patients of all sites, as far as their histograms show it.

    Args:
        value: As if probabilities were spread evenly inside each cell; None for one class, or if the resolution is above 0.1.
        at_least: The AUC cannot be less, however they are spread; None for one class.
        at_most: The AUC cannot be more; None for one class.
        resolution: How far the AUC of the patients themselves can be from an even spread's; None for one class.
    """

    value: float | None
    at_least: float | None = None
    at_most: float | None = None
    resolution: float | None = None


@dataclass(frozen=True, slots=True)
class PooledPredictor:
    """One predictor over all sites.

    Args:
        threshold: The same at all sites.
        counts: At the threshold, added up.
        cells: Histogram over the edges that all sites have in common, added up.
        auc: From the sites' own AUCs, and their histograms where patients of two sites are compared.
        brier: From the sites' own, with the normal interval of a mean.
        expected_events: Sum of the probabilities; None if a site withholds its own.
        auc_meta: Random effects of the sites' AUCs, on the logit scale.
        intercept: Random effects of the sites' calibration intercepts.
        slope: Random effects of the sites' calibration slopes.
    """

    threshold: float
    counts: SharedCounts
    cells: tuple[Cell, ...]
    auc: PooledAuc
    brier: Estimate
    expected_events: float | None
    auc_meta: MetaAnalysis
    intercept: MetaAnalysis
    slope: MetaAnalysis


@dataclass(frozen=True, slots=True, repr=False)
class PooledResult:
    """One locked model and its baseline over the cohorts of several sites.

    Args:
        sites: In the order given.
        model: The locked model.
        baseline: Tumour volume alone.
        difference: Random effects of the sites' differences of AUC (model − baseline).
    """

    sites: tuple[SiteResult, ...]
    model: PooledPredictor
    baseline: PooledPredictor
    difference: MetaAnalysis

    def __repr__(self) -> str:
        first, counts = self.sites[0], self.model.counts
        ours, theirs = self.within("model"), self.within("baseline")
        return (
            f"Model {first.model_id[:12]} of {first.rule} in {listed([site.cohort for site in self.sites])}\n"
            f"AUC within the sites {ours} against {theirs} of tumour volume alone; "
            f"over all patients, pooled, {format_number(self.model.auc.value)}\n"
            f"{counted(counts.positives + counts.negatives, 'patient')}, {counts.positives} of them positive"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    def within(self, name: str) -> Estimate:
        """Return the mean AUC of ``"model"`` or ``"baseline"`` over these very sites, each by its own patients."""
        return mean_of_these([getattr(site, name).auc for site in self.sites], scale="logit")


def pool(sites: Sequence[SiteResult]) -> PooledResult:
    """Put results of one model in several cohorts together.

    Raises:
        InputError: If there are fewer than two, they are of different models, targets or thresholds, or one is there twice.

    Example:
        >>> import ccrcc_model as cc
        >>> cc.pool([cc.SiteResult.read("north.json"), cc.SiteResult.read("south.json")])
        Model ... of isup_grade >= 3 in north, south
        AUC within the sites 0... against 0... of tumour volume alone; over all patients, pooled, 0...
        300 patients, ... of them positive
    """
    if len(sites) < 2:
        msg = f"Pooling needs result files of two cohorts or more; got {len(sites)}"
        raise InputError(msg)
    _refuse_different(sites)
    _refuse_repeated(sites)
    return PooledResult(
        tuple(sites),
        _pool_predictor([site.model for site in sites]),
        _pool_predictor([site.baseline for site in sites]),
        meta_analysis([site.difference for site in sites], limits=(-1.0, 1.0)),
    )


def pooled_auc(results: Sequence[PredictorResult]) -> PooledAuc:
    """AUC over the patients of all sites, with the bounds that the width of the cells leaves.

    A positive and a negative of one site are compared by the site's own AUC, which is exact to its digits. Two of different
    sites, or of a site that withholds its AUC, are compared by their cells: one that lies wholly above the other is decided,
    the rest is not.

    Args:
        results: One predictor at each site.
    """
    low, high = np.array([(c.low, c.high) for result in results for c in result.histogram.cells]).T
    lengths = [len(result.histogram.cells) for result in results]
    site = np.repeat(np.arange(len(results)), lengths)
    has_auc = np.repeat([result.auc.value is not None for result in results], lengths)
    positives = np.array([c.positives for result in results for c in result.histogram.cells], dtype=np.float64)
    negatives = np.array([c.negatives for result in results for c in result.histogram.cells], dtype=np.float64)
    if not positives.any() or not negatives.any():
        return PooledAuc(None)
    pairs = positives[:, None] * negatives[None, :] * ((site[:, None] != site[None, :]) | ~has_auc[:, None])
    above = (low[:, None] >= high[None, :]).astype(np.float64)
    below = (high[:, None] <= low[None, :]).astype(np.float64)
    sums = np.array([(pairs * share).sum() for share in (above, _share_above(low, high), 1 - below)])
    for result in results:
        if result.auc.value is not None:
            counts = result.histogram.counts
            rounding = np.array([-0.5, 0, 0.5]) * 10.0**-DECIMALS
            sums += counts.positives * counts.negatives * np.clip(result.auc.value + rounding, 0, 1)
    at_least, value, at_most = (sums / (positives.sum() * negatives.sum())).tolist()
    resolution = max(value - at_least, at_most - value)
    return PooledAuc(value if resolution <= COARSEST_AUC else None, at_least, at_most, resolution)


def pooled_brier(results: Sequence[PredictorResult], *, level: float = LEVEL) -> Estimate:
    """Brier score over the patients of all sites, with the normal interval of a mean as over the patients themselves."""
    n = np.array([result.histogram.counts.positives + result.histogram.counts.negatives for result in results])
    means = [result.brier.value for result in results]
    errors = [standard_error(result.brier, level=level) for result in results]
    if any(mean is None for mean in means):
        return Estimate(None, reason="a site withholds its own")
    value = np.array(means, dtype=np.float64)
    mean = float(np.average(value, weights=n))
    squares = np.array([0.0 if error is None else error**2 for error in errors]) * n * (n - 1)
    variance = float((squares + n * (value - mean) ** 2).sum() / (n.sum() - 1))
    return normal_interval(mean, variance / int(n.sum()), level=level, limits=(0.0, 1.0))


def merged_cells(histograms: Sequence[Sequence[Cell]]) -> tuple[Cell, ...]:
    """Histograms added up over the edges that all of them have in common."""
    lows = sorted(set.intersection(*({cell.low for cell in cells} for cells in histograms)))
    every = [cell for cells in histograms for cell in cells]
    merged = []
    for low, high in zip(lows, [*lows[1:], 1.0], strict=True):
        inside = [cell for cell in every if low <= cell.low < high]
        merged.append(Cell(low, high, sum(cell.negatives for cell in inside), sum(cell.positives for cell in inside)))
    return tuple(merged)


def _pool_predictor(results: Sequence[PredictorResult]) -> PooledPredictor:
    events = [result.expected_events for result in results]
    return PooledPredictor(
        threshold=results[0].threshold,
        counts=reduce(add, [result.histogram.counts for result in results]),
        cells=merged_cells([result.histogram.cells for result in results]),
        auc=pooled_auc(results),
        brier=pooled_brier(results),
        expected_events=None if None in events else sum(each for each in events if each is not None),
        auc_meta=meta_analysis([result.auc for result in results], scale="logit"),
        intercept=meta_analysis([result.intercept for result in results]),
        slope=meta_analysis([result.slope for result in results]),
    )


def _share_above(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Chance that a uniform value of each cell (rows) is above one of each other (columns), shape ``(n, n)``."""

    def integral(at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Of the columns' distribution functions, up to the rows' ``at``."""
        inside = np.clip(at[:, None], low[None, :], high[None, :]) - low[None, :]
        return inside**2 / (2 * (high - low)[None, :]) + np.maximum(at[:, None] - high[None, :], 0)

    return (integral(high) - integral(low)) / (high - low)[:, None]


def _refuse_different(sites: Sequence[SiteResult]) -> None:
    """Refuse results that are not of one model and one question."""
    first = sites[0]
    for site in sites[1:]:
        both = f"those of {first.cohort} and of {site.cohort}"
        if site.model_id != first.model_id:
            msg = f"Results of different models cannot be pooled; {both} are of {first.model_id[:12]} and {site.model_id[:12]}"
            raise InputError(msg)
        if (site.target, site.rule) != (first.target, first.rule):
            msg = f"Results of different targets cannot be pooled; {both} are of {first.rule} and {site.rule}"
            raise InputError(msg)
        for name in ("model", "baseline"):
            one, other = getattr(first, name).threshold, getattr(site, name).threshold
            if one != other:
                msg = f"Results at different thresholds cannot be pooled; {both} are at {one:.4f} and {other:.4f} ({name})"
                raise InputError(msg)


def _refuse_repeated(sites: Sequence[SiteResult]) -> None:
    """Refuse the same patients twice."""
    names = Counter(site.cohort.casefold() for site in sites)
    if repeated := [site.cohort for site in sites if names[site.cohort.casefold()] > 1]:
        msg = f"Cohort {repeated[0]} is there {names[repeated[0].casefold()]} times; give one result file of each cohort"
        raise InputError(msg)
    for place, site in enumerate(sites):
        for other in sites[:place]:
            if _is_same_cohort(site, other):
                msg = f"{other.cohort} and {site.cohort} have the same result in every figure: one cohort under two names"
                raise InputError(msg)


def _is_same_cohort(one: SiteResult, other: SiteResult) -> bool:
    """Whether all figures that both give are the same; cells and counts may differ by ``smallest_cell``."""
    if (one.n, one.events) != (other.n, other.events):
        return False
    pairs = [pair for a, b in ((one.model, other.model), (one.baseline, other.baseline)) for pair in _given_by_both(a, b)]
    if pairs:
        return all(a == b for a, b in pairs)
    return (one.model.histogram, one.baseline.histogram) == (other.model.histogram, other.baseline.histogram)


def _given_by_both(one: PredictorResult, other: PredictorResult) -> list[tuple[float, float]]:
    figures = [
        (each.auc.value, each.brier.value, each.expected_events, each.intercept.value, each.slope.value)
        for each in (one, other)
    ]
    return [(a, b) for a, b in zip(*figures, strict=True) if a is not None and b is not None]
