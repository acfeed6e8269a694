"""How often the benchmark's 95 % intervals hold the truth, in simulated cohorts whose truth is known from a very large one.

``uv run python benchmarks/intervals.py`` prints the table of docs/how-to/benchmark.md; it takes two minutes on one core.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.evaluation import evaluate
from ccrcc_model.statistics.net_benefit import net_benefit_of_calls
from ccrcc_model.statistics.predictions import Predictions

SIZES = (60, 150, 400)
COHORTS = 400
REPLICATES = 500
THRESHOLD = 0.4
LARGE = 400_000

FIGURES = {
    "auc": "AUC, DeLong",
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


def main() -> None:
    """Print the share of intervals that hold the truth, a row a figure and a column a size of cohort."""
    truth = {name: estimate.value for name, estimate in figures(cohort(LARGE, seed=1), replicates=1).items()}
    columns = []
    for n in SIZES:
        held: Counter[str] = Counter()
        for seed in range(2, COHORTS + 2):
            for name, estimate in figures(cohort(n, seed=seed), replicates=REPLICATES).items():
                value = truth[name]
                if value is not None and estimate.low is not None and estimate.high is not None:
                    held[name] += estimate.low <= value <= estimate.high
        columns.append({name: f"{100 * held[name] / COHORTS:.0f} %" for name in FIGURES})
    lines = [["figure", *(f"{n} patients" for n in SIZES)], ["---"] * (len(SIZES) + 1)]
    lines += [[label, *(column[name] for column in columns)] for name, label in FIGURES.items()]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))


def cohort(n: int, *, seed: int) -> Predictions:
    """Patients of whom 39 % are positive, and a model that is too sure of itself and a little too low."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.2, n)
    truth = (rng.random(n) < expit(0.7 * logit + 0.2)).astype(int)
    ids = np.arange(n).astype(np.str_)
    return Predictions("simulated", "grade", ids, ids, truth, expit(logit))


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


if __name__ == "__main__":
    main()
