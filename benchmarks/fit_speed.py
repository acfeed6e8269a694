"""How long a full nested fit takes, and how much memory a wide table.

    uv run python benchmarks/fit_speed.py [--part fit ...] [--jobs 2]

Time: 150 patients, 5000 features of which eight carry a signal, 5-fold outer cross-validation repeated five times, 100 Optuna
trials in each of the 25 training parts and in the final fit: `ccrcc_model.fitting.fit` as `ccrcc fit --repeats 5 --trials 100`
calls it, with all families of models, which share the trials, and with the weights of their stack. Beside it scikit-learn's
`RandomizedSearchCV` over the hyperparameters of one family, LightGBM, on the same features, 100 draws, 5-fold, on as many
cores: one training part is timed and taken 26 times, which is said.

Memory: all families on 1000 patients and 10000 features, one repeat, five trials; the largest resident memory of all processes
together. The aims are 8 min and 4 GiB on two cores.

Processor time, of all processes together, is given too: other work on the machine changes it little, and idle cores need at
least its share by the clock.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

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
N_FITS = FOLDS * REPEATS + 1
SEARCHED = {
    "learning_rate": loguniform(0.01, 0.15),
    "num_leaves": randint(2, 9),
    "min_child_samples": randint(4, 19),
    "reg_lambda": loguniform(0.5, 50),
    "colsample_bytree": uniform(0.1, 0.5),
    "subsample": uniform(0.5, 0.4),
}


class Duration(NamedTuple):
    """What something took."""

    wall_s: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.wall_s / 60:.1f} min ({self.cpu_s / 60:.1f} min of processor time)"


@contextmanager
def timed() -> Iterator[list[Duration]]:
    """Yield a list to which the duration of the block is added at its end."""
    found: list[Duration] = []
    wall, cpu = time.monotonic(), cpu_seconds()
    yield found
    found.append(Duration(time.monotonic() - wall, cpu_seconds() - cpu))


def cpu_seconds() -> float:
    """Return the processor time of this process and its workers, which live on between two uses."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def main() -> None:
    """Measure and print, each part as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="what to measure; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    print(f"| what | {options.jobs} cores |\n| --- | --- |")
    for name in options.part or PARTS:
        print(f"| {PARTS[name](options.jobs)} |", flush=True)


def full_fit(jobs: int) -> str:
    """Measure a full nested fit, from the table to the locked model."""
    table, outcomes = planted(150, 5000)
    with tempfile.TemporaryDirectory() as folder, timed() as found:
        settings = Settings(folds=FOLDS, repeats=REPEATS, trials=TRIALS)
        fit(Study(None, table, outcomes), GRADE, settings=settings, out=Path(folder) / "m", jobs=jobs)
    return f"`fit`, all families: {N_FITS} nested fits of {TRIALS} trials, 150 patients x 5000 features | {found[0]}"


def random_search(jobs: int) -> str:
    """Measure scikit-learn's random search on one outer training part."""
    cases = label(*planted(150, 5000), GRADE)
    rows = patient_folds(cases, folds=FOLDS, repeats=1, seed=0)[0].train
    model = LGBMClassifier(n_estimators=100, subsample_freq=1, n_jobs=1, verbosity=-1, random_state=0)
    search = RandomizedSearchCV(model, SEARCHED, n_iter=TRIALS, cv=5, scoring="neg_log_loss", n_jobs=jobs, random_state=0)
    with timed() as found:
        search.fit(cases.features[rows], cases.y[rows])
    all_of_it = Duration(N_FITS * found[0].wall_s, N_FITS * found[0].cpu_s)
    return f"scikit-learn's random search over LightGBM alone, one of {N_FITS} training parts | {found[0]}; of all {all_of_it}"


def wide_table(jobs: int) -> str:
    """Measure the largest memory of this process and its workers together, and the duration of the fit."""
    table, outcomes = planted(1000, 10_000)
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        me = psutil.Process()
        while not done.wait(0.2):
            peak = max(peak, sum(resident(one) for one in [me, *me.children(recursive=True)]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with tempfile.TemporaryDirectory() as folder, timed() as found:
        settings = Settings(folds=FOLDS, repeats=1, trials=5)
        fit(Study(None, table, outcomes), GRADE, settings=settings, out=Path(folder) / "m", jobs=jobs)
    done.set()
    watcher.join()
    return (
        f"`fit`, all families: 1000 patients x 10000 features, 6 fits of 5 trials | {peak / 2**30:.1f} GiB at most, {found[0]}"
    )


PARTS = {"fit": full_fit, "search": random_search, "memory": wide_table}
"""What can be measured; each returns its row."""


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


def resident(process: psutil.Process) -> int:
    """Return the memory of a process; what is shared counts in part."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
