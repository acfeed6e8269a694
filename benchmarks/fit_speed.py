"""How long a full nested fit takes, and how much memory a wide table.

    uv run python benchmarks/fit_speed.py [--jobs 2] [--out FILE]

Time: 150 patients, 5000 features of which eight carry a signal, 5-fold outer cross-validation repeated five times, 100 Optuna
trials in each of the 25 training parts and in the final fit: `ccrcc_model.fitting.fit` as `ccrcc fit --repeats 5 --trials 100`
calls it, with all families of models, which share the trials, and with the weights of their stack. Beside it scikit-learn's
`RandomizedSearchCV` over the hyperparameters of one family, LightGBM, on the same features, 100 draws, 5-fold, on as many
cores: one training part is timed and taken 26 times, which is said.

Memory: all families on 1000 patients and 10000 features, one repeat, five trials; the largest resident memory of all processes
together. The aims are 8 min and 4 GiB on two cores.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import pandas as pd
import psutil
from lightgbm import LGBMClassifier
from scipy.stats import loguniform, randint, uniform
from sklearn.model_selection import RandomizedSearchCV

from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.folds import patient_folds
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.outcomes.cases import label
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from radiomics_cfg.table import FeatureTable

VOLUME = "tumour__1mm__original_shape_MeshVolume"
FOLDS, REPEATS, TRIALS = 5, 5, 100
SEARCHED = {
    "learning_rate": loguniform(0.01, 0.15),
    "num_leaves": randint(2, 9),
    "min_child_samples": randint(4, 19),
    "reg_lambda": loguniform(0.5, 50),
    "colsample_bytree": uniform(0.1, 0.5),
    "subsample": uniform(0.5, 0.4),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    options = parser.parse_args()
    ours = time_ours(options.jobs)
    search = time_search(options.jobs)
    memory_gib, seconds = memory_of_a_wide_table(options.jobs)
    n_fits = FOLDS * REPEATS + 1
    wide = "1000 patients x 10000 features, 6 fits of 5 trials"
    text = "\n".join(
        [
            f"| what | {options.jobs} cores |",
            "| --- | --- |",
            f"| `fit`, all families: {n_fits} nested fits of 100 trials, 150 patients x 5000 features | {ours / 60:.1f} min |",
            f"| scikit-learn's random search over LightGBM alone, 100 draws, one training part | {search / 60:.1f} min |",
            f"| the same, {n_fits} times | {n_fits * search / 60:.0f} min ({n_fits * search / ours:.0f} times `fit`) |",
            f"| `fit`, all families: {wide} | {memory_gib:.1f} GiB at most, {seconds:.0f} s |",
            "",
        ]
    )
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def planted(n: int, n_features: int) -> tuple[FeatureTable, pd.DataFrame]:
    """Return a feature table whose first eight features carry a signal, and its outcomes."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, n_features))
    volume, texture = np.exp(10 + rng.normal(size=n)), rng.normal(size=n)
    values[:, :8] += texture[:, None]
    high = texture + 0.5 * np.log(volume) - 5 + rng.logistic(size=n) > 0
    patients = [f"p{row:04d}" for row in range(n)]
    keys = {"cohort": "home", "case_id": patients, "patient_id": patients, "centre": "one", "lesion": 1, "side": "left"}
    names = [VOLUME, *(f"tumour__1mm__original_glcm_F{place}" for place in range(1, n_features))]
    values[:, 0] = volume
    table = pd.concat([pd.DataFrame(keys), pd.DataFrame(values, columns=names)], axis=1)
    provenance = {"cohorts": {"home": "development"}, "preset": "planted", "preset_sha256": "0", "mode": "canonical"}
    return FeatureTable(table, provenance), pd.DataFrame({"patient_id": patients, "isup_grade": np.where(high, 3.0, 2.0)})


def time_ours(jobs: int) -> float:
    """Return the seconds of a full nested fit, from the table to the locked model."""
    table, outcomes = planted(150, 5000)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        settings = Settings(folds=FOLDS, repeats=REPEATS, trials=TRIALS)
        fit(Study(None, table, outcomes), GRADE, settings=settings, out=Path(folder) / "m", jobs=jobs)
        return time.monotonic() - began


def time_search(jobs: int) -> float:
    """Return the seconds of scikit-learn's random search on one outer training part."""
    cases = label(*planted(150, 5000), GRADE)
    rows = patient_folds(cases, folds=FOLDS, repeats=1, seed=0)[0].train
    model = LGBMClassifier(n_estimators=100, subsample_freq=1, n_jobs=1, verbosity=-1, random_state=0)
    search = RandomizedSearchCV(model, SEARCHED, n_iter=TRIALS, cv=5, scoring="neg_log_loss", n_jobs=jobs, random_state=0)
    began = time.monotonic()
    search.fit(cases.features[rows], cases.y[rows])
    return time.monotonic() - began


def memory_of_a_wide_table(jobs: int) -> tuple[float, float]:
    """Return the largest memory of this process and its children together in GiB, and the seconds."""
    table, outcomes = planted(1000, 10_000)
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        me = psutil.Process()
        while not done.wait(0.2):
            peak = max(peak, sum(resident(one) for one in [me, *me.children(recursive=True)]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(folds=5, repeats=1, trials=5)
        fit(Study(None, table, outcomes), GRADE, settings=settings, out=Path(folder) / "m", jobs=jobs)
    done.set()
    watcher.join()
    return peak / 2**30, time.monotonic() - began


def resident(process: psutil.Process) -> int:
    """Return the memory of a process; what is shared counts in part."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
