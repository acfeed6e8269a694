"""How often what is printed of a development holds the truth, in simulated studies whose truth is known from new patients.

    uv run python benchmarks/coverage.py [--section NAME ...] [--runs 200] [--jobs 2] [--out docs/explanation/coverage.md]

Each section writes its part of the page and keeps the others, so that one of them can be made anew. Studies have 20 features
of which one is tumour volume; 40 % of the patients are positive. *No signal*: volume and features are noise. *Signal*: volume
and three features differ between the classes by 0.6 standard deviations. Settings are fast: five outer folds drawn twice, one
trial, two inner folds. The truth is what the folds' models achieve in new patients, averaged over all studies: it is what the
intervals are about. In brackets: the locked model of the very study.

Adding a section is one function that returns its lines, and an entry in ``SECTIONS``.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
# Numba asks for a package of this name and would be given this script.
sys.modules["coverage"] = None  # type: ignore[assignment]

import joblib
import numpy as np
import numpy.typing as npt
from coverage_external import SECTIONS as EXTERNAL

from ccrcc_model.fitting.controls import Controls, run_controls
from ccrcc_model.fitting.development import fold_scores
from ccrcc_model.fitting.folds import Folds
from ccrcc_model.fitting.nested import fit_procedure, run_nested
from ccrcc_model.fitting.operating import nested_calls
from ccrcc_model.fitting.ordering import FoldScores, compare_order
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.threshold import Decision, fit_decision
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.calibration import brier_score, calibration_intercept, calibration_slope
from ccrcc_model.statistics.cross_validation import order_within
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.predictions import Predictions

Floats = npt.NDArray[np.float64]

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "coverage.md"
SIZES = (60, 120, 300)
N_FEATURES, POSITIVE, N_NEW = 20, 0.4, 1000
SIGNALS = {"no signal": 0.0, "signal": 0.6}
SETTINGS = Settings(folds=5, repeats=2, trials=1, inner_folds=2, inner_repeats=1)

HEAD = """# Do the intervals hold what they say?

`uv run python benchmarks/coverage.py` makes this page. An interval of 95 % should hold the truth in 95 % of studies;
each figure below is of simulated studies whose truth is known. The sections of external cohorts are also printed by
`benchmarks/coverage_external.py`. [The methods](../reference/models.md) and their sources stand in
`ccrcc_model.statistics.cross_validation`.

Intervals of a development were meant to hold the truth in 93 to 97 % of studies. They err on the safe side: most hold
it in 96 to 100 %, and are wider than they need be, most of all in small samples; two are too narrow, that of the
calibration slope of 60 patients with a signal and perhaps that of the difference from tumour volume of 300. They are
about the models that the procedure fits on a training part. Where there is nothing to learn, the threshold of a single
locked model lies anywhere, and its own sensitivity and specificity are held in 69 to 79 %.
"""


def simulated(n: int, signal: float, *, seed: int) -> LabelledCases:
    """Return one study."""
    rng = np.random.default_rng([seed, n])
    y = rng.permutation((np.arange(n) < round(POSITIVE * n)).astype(np.int_))
    features = rng.normal(size=(n, N_FEATURES))
    features[:, :4] += signal * y[:, None]
    features[:, 0] = np.exp(features[:, 0])
    names = ("tumour__simulated__original_shape_MeshVolume", *(f"feature_{place}" for place in range(1, N_FEATURES)))
    ids = np.array([f"p{place:06d}" for place in range(n)])
    return LabelledCases(names, features, ids, np.full(n, "centre"), y)


class Study(NamedTuple):
    """What one simulated study printed, and what was true: of the folds' models, and of the locked one."""

    printed: dict[str, Estimate]
    expected: dict[str, float]
    locked: dict[str, float]


def study(n: int, signal: float, *, seed: int) -> Study:
    """Fit, judge and lock a model, and try its folds' models and itself on new patients."""
    cases, new = simulated(n, signal, seed=seed), simulated(N_NEW, signal, seed=10_000 + seed)
    settings = replace(SETTINGS, seed=seed)
    splits = Folds.of(cases, settings).splits
    volume, of_new = cases.columns(cases.names[:1])[:, 0], new.columns(new.names[:1])[:, 0]
    patients, scores, volumes, elsewhere = [], [], [], []
    total = np.zeros(n)
    for place, split in enumerate(splits):
        fitted = fit_procedure(cases.take(split.train), GRADE, settings, seed=seed + place)
        patients.append(cases.take(split.test).patients)
        scores.append(fitted.model.score(cases.take(split.test)))
        volumes.append(volume[split.test])
        elsewhere.append(fitted.model.score(new))
        total[split.test] += scores[-1] / settings.repeats
    order = compare_order(
        cases, FoldScores(patients, scores, settings.repeats), FoldScores(patients, volumes, settings.repeats)
    )
    calls = nested_calls(cases, total, patients[: settings.folds])
    printed = {"auc": order.model, "difference": order.difference, **calls.figures(cases)[0], **pooled(cases, total, volume)}
    each = [figures(new, score, calls.decisions[place % settings.folds], of_new) for place, score in enumerate(elsewhere)]
    expected = {name: mean_of_known([one[name] for one in each]) for name in each[0]}
    final = fit_procedure(cases, GRADE, settings, seed=seed).model.score(new)
    return Study(printed, expected, figures(new, final, fit_decision(total, cases.patient_y), of_new))


def pooled(cases: LabelledCases, score: Floats, volume: Floats) -> dict[str, Estimate]:
    """Return what pooled predictions and a threshold of their own would have printed."""
    decision = fit_decision(score, cases.patient_y)
    called = decision.probability(score) >= decision.threshold
    of_model, of_volume = (predictions(cases, ranks) for ranks in (score, volume))
    return {
        "pooled auc": auc(of_model),
        "pooled difference": auc_difference(of_model, of_volume).estimate,
        "own sensitivity": Estimate(float(called[cases.patient_y == 1].mean())),
        "own specificity": Estimate(float(1 - called[cases.patient_y == 0].mean())),
    }


def predictions(cases: LabelledCases, score: Floats) -> Predictions:
    """Return scores as predictions: their ranks."""
    ranks = np.argsort(np.argsort(score)) / len(score)
    return Predictions("simulated", "grade", cases.patients, cases.patient_centre, cases.patient_y, ranks)


def figures(new: LabelledCases, score: Floats, decision: Decision, volume: Floats) -> dict[str, float]:
    """Return the true figures of a model, with the calibration and the threshold that it was given."""
    order, _ = order_within(new.patient_y, np.stack([score, volume]))
    probability = decision.probability(score)
    shown = Predictions("new", "grade", new.patients, new.patient_centre, new.patient_y, probability)
    found = {"brier": brier_score(shown), "intercept": calibration_intercept(shown), "slope": calibration_slope(shown)}
    called = probability >= decision.threshold
    return {
        "auc": float(order[0]),
        "difference": float(order[0] - order[1]),
        **{name: float("nan") if one.value is None else one.value for name, one in found.items()},
        "sensitivity": float(called[new.patient_y == 1].mean()),
        "specificity": float(1 - called[new.patient_y == 0].mean()),
    }


def beats(runs: int) -> list[str]:
    """How often a model is said to beat tumour volume, or to be better than chance, where all is noise."""
    rows = []
    for n in SIZES:
        better, above = 0, 0
        for seed in range(runs):
            cases, settings = simulated(n, 0.0, seed=seed), replace(SETTINGS, seed=seed)
            outer, _ = run_nested(cases, GRADE, settings, folds=Folds.of(cases, settings))
            found = compare_order(cases, fold_scores(outer), fold_scores(outer, baseline=True))
            better += found.better
            above += found.model.low is not None and found.model.low > 0.5
        rows.append([f"{n} patients", share(better, runs), share(above, runs)])
    return [
        f"{runs} studies of each size in which volume and features are noise; nominal 2.5 %.",
        "",
        *table(["", '"beats tumour volume"', "AUC above 0.5"], rows),
    ]


COVERED = {
    "auc": "AUC",
    "difference": "AUC, difference from tumour volume",
    "brier": "Brier score",
    "intercept": "Calibration intercept",
    "slope": "Calibration slope",
    "sensitivity": "Sensitivity, nested threshold",
    "specificity": "Specificity, nested threshold",
    "pooled auc": "*not printed*: AUC of pooled predictions",
    "pooled difference": "*not printed*: its difference from tumour volume",
}


def coverage(runs: int) -> list[str]:
    """How often the intervals of a development hold the truth."""
    error = f"a share of 95 % has a standard error of {standard_error(0.95, runs)}"
    lines = [f"{runs} studies of each size, so that {error}. Held: the expected figure (that of the locked model).", ""]
    rows: dict[str, list[str]] = {name: [] for name in COVERED}
    youden = []
    for kind, signal in SIGNALS.items():
        for n in SIZES:
            found = joblib.Parallel()(joblib.delayed(study)(n, signal, seed=seed) for seed in range(runs))
            for name, cells in rows.items():
                cells.append(held(found, name, name.removeprefix("pooled ")))
            youden.append([f"{kind}, {n}", *(f"{value:.3f}" for value in youdens(found))])
    columns = [f"{kind}, {n}" for kind in SIGNALS for n in SIZES]
    lines += table(["", *columns], [[COVERED[name], *cells] for name, cells in rows.items()])
    lines += ["", "Youden's index at the threshold:", ""]
    return lines + table(["", "at its own threshold", "nested", "true of the folds", "true of the locked model"], youden)


def held(found: Sequence[Study], name: str, truth: str) -> str:
    """Return the share of the intervals of a figure that hold its expected value, and that of the locked model."""
    expected = mean_of_known([one.expected[truth] for one in found])
    pairs = [(one.printed[name], one.locked[truth]) for one in found]
    known = [(one.low, one.high, locked) for one, locked in pairs if one.low is not None and one.high is not None]
    inside = [low <= expected <= high for low, high, _ in known]
    own = [low <= locked <= high for low, high, locked in known if np.isfinite(locked)]
    return f"{100 * np.mean(inside):.0f} % ({100 * np.mean(own):.0f} %)"


def mean_of_known(values: Sequence[float]) -> float:
    """Return the mean of the figures that could be estimated; not a number if none could."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def youdens(found: Sequence[Study]) -> tuple[float, float, float, float]:
    """Return the mean of Youden's index: on the scores that chose the threshold, nested, and true."""

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values)) - 1

    def printed(prefix: str) -> list[float]:
        shares = [(one.printed[f"{prefix}sensitivity"].value, one.printed[f"{prefix}specificity"].value) for one in found]
        return [float(first or 0) + float(second or 0) for first, second in shares]

    true = [[one["sensitivity"] + one["specificity"] for one in (run.expected, run.locked)] for run in found]
    return mean(printed("own ")), mean(printed("")), mean([each[0] for each in true]), mean([each[1] for each in true])


def shuffles(runs: int) -> list[str]:
    """How often the control of shuffled labels cries leak, of a procedure that has none."""
    rows = []
    for n in SIZES[:2]:
        found = joblib.Parallel()(joblib.delayed(controls)(n, seed=seed) for seed in range(runs))
        alarms = sum(one.shuffled_labels.low is not None and one.shuffled_labels.low > 0.5 for one in found)
        rows.append([f"{n} patients", share(alarms, runs), f"{sum(one.shuffles for one in found) / runs:.1f}"])
    error = f"{runs} studies of each size, so that a share of 2.5 % has a standard error of {standard_error(0.025, runs)}"
    return [f"{error}; nominal at most 2.5 %.", "", *table(["", "false alarms", "shuffles"], rows)]


def controls(n: int, *, seed: int) -> Controls:
    """Run the controls of one study with a signal."""
    cases, settings = simulated(n, SIGNALS["signal"], seed=seed), replace(SETTINGS, seed=seed)
    return run_controls(cases, GRADE, settings, folds=Folds.of(cases, settings))


SECTIONS: dict[str, tuple[str, Callable[[int], list[str]]]] = {
    "beats": ("False claims in noise", beats),
    "coverage": ("Coverage of a development's intervals", coverage),
    "shuffles": ("The control of shuffled labels", shuffles),
    **EXTERNAL,
}
"""Title of each part of the page, and what writes it."""


def standard_error(truth: float, runs: int) -> str:
    """Return the standard error of a share of so many simulated studies, in percent."""
    return f"{100 * (truth * (1 - truth) / runs) ** 0.5:.1f} %"


def share(hits: int, runs: int) -> str:
    """Return hits in percent."""
    return f"{100 * hits / runs:.1f} %"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (heading, ["---"] * len(heading), *rows)]


def renew(page: str, title: str, lines: Sequence[str]) -> str:
    """Return the page with the part of this title replaced, its parts in the order of ``SECTIONS``."""
    parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    parts[title] = "\n" + "\n".join(lines) + "\n"
    known = [name for name, _ in SECTIONS.values()]
    ordered = sorted(parts, key=lambda name: known.index(name) if name in known else len(known))
    return HEAD + "".join(f"\n## {name}\n{parts[name].rstrip()}\n" for name in ordered)


def main() -> None:
    """Write the sections that were asked for, each as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", choices=SECTIONS, action="append", help="which part; all by default")
    parser.add_argument("--runs", type=int, default=200, help="studies of each size")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    for name in options.section or SECTIONS:
        title, write = SECTIONS[name]
        # Forked workers know that no package named coverage is to be found.
        with joblib.parallel_config(backend="multiprocessing", n_jobs=options.jobs):
            lines = write(options.runs)
        before = options.out.read_text(encoding="utf-8") if options.out.exists() else ""
        options.out.write_text(renew(before, title, lines), encoding="utf-8")
        print("\n".join([title, *lines, ""]), flush=True)


if __name__ == "__main__":
    main()
