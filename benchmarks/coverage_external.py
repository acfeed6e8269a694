"""How often the intervals of external figures hold the truth, in simulated cohorts whose truth is known.

    uv run python benchmarks/coverage_external.py [--section NAME ...] [--runs 400]

It prints the external sections of docs/explanation/coverage.md; ``benchmarks/coverage.py`` writes the page.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import norm

from ccrcc_model.statistics.across_cohorts import over_cohorts
from ccrcc_model.statistics.discrimination import auc, auc_difference, delong
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.evaluation import Pair, evaluate
from ccrcc_model.statistics.net_benefit import net_benefit_of_calls
from ccrcc_model.statistics.predictions import Predictions, joined

Whole = npt.NDArray[np.int_]
Floats = npt.NDArray[np.float64]

SIZES = (60, 150, 400)
REPLICATES = 500
THRESHOLD = 0.4
LARGE = 400_000

FIGURES = {
    "auc": "AUC, DeLong on the logit scale",
    "auc_bootstrap": "AUC, bootstrap",
    "auprc": "AUPRC",
    "sensitivity": "Sensitivity",
    "ppv": "PPV",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "net_benefit": "Net benefit",
    "intercept": "Calibration intercept",
    "slope": "Calibration slope",
    "brier": "Brier score",
    "ici": "ICI",
}
CLASSES = ((3, 10), (8, 8), (15, 33), (30, 70))
"""Positive and negative patients of a small cohort."""
AREAS = (0.6, 0.8, 0.93, 0.98)


def external_figures(runs: int) -> list[str]:
    """Return how often each figure's interval holds the truth, by size of the cohort."""
    truth = {name: estimate.value for name, estimate in figures(cohort(LARGE, seed=1), replicates=1).items()}
    columns = []
    for n in SIZES:
        held: Counter[str] = Counter()
        given: Counter[str] = Counter()
        for seed in range(2, runs + 2):
            for name, estimate in figures(cohort(n, seed=seed), replicates=REPLICATES).items():
                value = truth[name]
                if value is not None and estimate.low is not None and estimate.high is not None:
                    given[name] += 1
                    held[name] += estimate.low <= value <= estimate.high
        columns.append({name: _share(held[name], given[name], runs) for name in FIGURES})
    rows = [[label, *(column[name] for column in columns)] for name, label in FIGURES.items()]
    about = (
        f"{runs} cohorts of each size, so that 95 % have a standard error of {100 * sqrt(0.95 * 0.05 / runs):.1f} %; "
        f"39 % positive, {REPLICATES} resamples. In brackets: share with an interval."
    )
    return [about, "", *_table(["", *(f"{n} patients" for n in SIZES)], rows)]


def external_auc(runs: int) -> list[str]:
    """Return how often the intervals of an AUC hold it in small cohorts, on both scales; separated classes are exact."""
    rows = []
    for positives, negatives in CLASSES:
        truth = np.repeat([1, 0], [positives, negatives])
        for area in AREAS:
            rng = np.random.default_rng([positives, round(100 * area)])
            apart, logit, raw = np.sqrt(2) * norm.ppf(area), 0, 0
            for _ in range(runs):
                score = apart * truth + rng.normal(size=len(truth))
                found = auc(_predictions("simulated", truth, np.full(len(truth), 0.5), score=score))
                logit += found.low is not None and found.high is not None and found.low <= area <= found.high
                areas, covariance = delong(truth, score[None, :])
                raw += abs(float(areas[0]) - area) <= norm.ppf(0.975) * sqrt(covariance[0, 0])
            rows.append([f"{positives} + {negatives}", f"{area:.2f}", _share(logit, runs, runs), _share(raw, runs, runs)])
    about = f"{runs} cohorts of two normal classes. On its own scale an interval of separated classes has no width."
    return [about, "", *_table(["positive + negative", "true AUC", "logit scale", "own scale"], rows)]


def external_headline(runs: int) -> list[str]:
    """Return how often several cohorts are said to show discrimination, or to beat volume, where none of them has any."""
    rows = []
    for n_cohorts in (2, 3, 5):
        hits: Counter[str] = Counter()
        for seed in range(runs):
            pairs = [noise(place, n_cohorts, seed=seed) for place in range(n_cohorts)]
            both = Pair(joined([pair.model for pair in pairs], "all"), joined([pair.baseline for pair in pairs], "all"))
            hits["pooled"] += _above(auc(both.model), 0.5)
            hits["pooled beats"] += _above(auc_difference(both.model, both.baseline).estimate, 0.0)
            for name, found, at in _over(pairs):
                hits[name] += _above(found, at)
        for what, suffix in (("AUC above 0.5", ""), ("better than volume", " beats")):
            shares = [_share(hits[f"{by}{suffix}"], runs, runs) for by in ("pooled", "within", "random", "headline")]
            rows.append([str(n_cohorts), what, *shares])
    about = (
        f"{runs} studies of cohorts of 100 patients, 20 to 60 % of them positive, whose level rises with that share. Neither "
        "model nor tumour volume discriminates inside any cohort: at most 2.5 % of the intervals should lie above."
    )
    columns = ["cohorts", "claim", "pooled patients", "mean of these cohorts", "random effects", "headline"]
    return [about, "", *_table(columns, rows)]


def external_random_effects(runs: int) -> list[str]:
    """Return how often the interval of the random-effects mean, and that of a further cohort, holds the truth."""
    rows = []
    for n_cohorts in (2, 3, 5, 10):
        for spread in (0.0, 0.4):
            held: Counter[str] = Counter()
            for seed in range(runs):
                rng = np.random.default_rng([seed, n_cohorts, round(10 * spread)])
                areas = expit(1.2 + spread * rng.normal(size=n_cohorts + 1))
                found = over_cohorts(
                    [auc(_normal_cohort(areas[place], rng)) for place in range(n_cohorts)], scale="logit"
                ).random
                held["mean"] += _holds(found.mean, float(expit(1.2)))
                held["next"] += _holds(found.prediction, float(areas[-1]))
            predicted = _share(held["next"], runs, runs) if n_cohorts > 2 else "none"
            rows.append([str(n_cohorts), f"{spread:g}", _share(held["mean"], runs, runs), predicted])
    about = f"{runs} studies of cohorts of 40 + 60 patients; logits of their true AUCs are normal around {expit(1.2):.2f}."
    return [about, "", *_table(["cohorts", "SD of the logit AUC", "mean", "a further cohort"], rows)]


SECTIONS: dict[str, tuple[str, Callable[[int], list[str]]]] = {
    "external-figures": ("Figures of an external cohort", external_figures),
    "external-auc": ("AUC of a small external cohort", external_auc),
    "external-headline": ("Claims over cohorts without discrimination", external_headline),
    "external-random-effects": ("AUC over external cohorts", external_random_effects),
}
"""Title of each part of the page, and what writes it."""


def cohort(n: int, *, seed: int) -> Predictions:
    """Patients of whom 39 % are positive, and a model that is too sure of itself and a little too low."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.2, n)
    truth = (rng.random(n) < expit(0.7 * logit + 0.2)).astype(int)
    return _predictions("simulated", truth, expit(logit))


def noise(place: int, n_cohorts: int, *, seed: int, n: int = 100) -> Pair:
    """One of several cohorts without discrimination, in which the share of positives and the level rise together."""
    rng = np.random.default_rng([seed, place])
    height = place / (n_cohorts - 1)
    truth = (np.arange(n) < round((0.2 + 0.4 * height) * n)).astype(int)
    model, volume = expit(height + rng.normal(size=n)), rng.normal(size=n)
    first = _predictions(f"cohort-{place}", truth, model)
    return Pair(first, replace(first, y_prob=np.full(n, 0.4), score=volume))


def figures(predictions: Predictions, *, replicates: int) -> Mapping[str, Estimate]:
    """Return the figures of ``FIGURES``."""
    found = evaluate(predictions, THRESHOLD, replicates=replicates)
    resampled = found.bootstrap
    assert resampled is not None  # noqa: S101 - evaluate always resamples
    return {
        "auc": found.auc,
        "auc_bootstrap": resampled.auc,
        "auprc": resampled.auprc,
        "sensitivity": found.counts.sensitivity,
        "ppv": found.counts.ppv,
        "balanced_accuracy": resampled.balanced_accuracy,
        "f1": resampled.f1,
        "net_benefit": net_benefit_of_calls(found.counts, THRESHOLD),
        "intercept": found.calibration.intercept,
        "slope": found.calibration.slope,
        "brier": found.calibration.brier,
        "ici": found.calibration.ici,
    }


def _normal_cohort(area: float, rng: np.random.Generator) -> Predictions:
    truth = np.repeat([1, 0], [40, 60])
    return _predictions("simulated", truth, expit(np.sqrt(2) * norm.ppf(area) * truth + rng.normal(size=100)))


def _predictions(name: str, truth: Whole, probability: Floats, *, score: Floats | None = None) -> Predictions:
    ids = np.arange(len(truth)).astype(np.str_)
    return Predictions(name, "grade", ids, np.full(len(truth), name), truth, probability, score=score)


def _over(pairs: Sequence[Pair]) -> list[tuple[str, Estimate, float]]:
    """Return every way to combine cohorts, with what its interval must not lie above."""
    areas = over_cohorts([auc(pair.model) for pair in pairs], scale="logit")
    apart = over_cohorts([auc_difference(pair.model, pair.baseline).estimate for pair in pairs], limits=(-1.0, 1.0))
    found = []
    for suffix, over, at in (("", areas, 0.5), (" beats", apart, 0.0)):
        found += [(f"within{suffix}", over.within, at), (f"random{suffix}", over.random.mean, at)]
        found.append((f"headline{suffix}", over.first, at))
    return found


def _above(estimate: Estimate, at: float) -> bool:
    return estimate.low is not None and estimate.low > at


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low is not None and estimate.high is not None and estimate.low <= truth <= estimate.high


def _share(hits: int, given: int, runs: int) -> str:
    """Return hits of those given in percent, and in brackets the share that was given if not all were."""
    if not given:
        return "none"
    lacking = "" if given == runs else f" ({100 * given / runs:.0f} %)"
    return f"{100 * hits / given:.1f} %{lacking}"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (heading, ["---"] * len(heading), *rows)]


def main() -> None:
    """Print the sections that were asked for, each as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", choices=SECTIONS, action="append", help="which part; all by default")
    parser.add_argument("--runs", type=int, default=400, help="simulated cohorts or studies of each kind")
    options = parser.parse_args()
    for name in options.section or SECTIONS:
        title, write = SECTIONS[name]
        print("\n".join([f"## {title}", "", *write(options.runs), ""]), flush=True)


if __name__ == "__main__":
    main()
