"""Ours beside its peers on others' radiomic tables and on the two tables of the kidney.

    uv run python benchmarks/tables.py [--models ours,forest] [--tables LNDb,KiTS19] [--repeats 1] [--jobs 2] --out DIR

Tables: those of radMLBench in `../shared/data/radmlbench` (A. Demircioglu; no tumour volume is given), and KiTS19 and KiTS23
(`benchmarks/modelling.py`), whose tumour volume is. Where the folder is missing nothing is fitted, which is said.

Five patient-grouped stratified folds, the same for all models; whatever a model chooses it chooses inside the training part.
AUC and log loss are the means of the folds' own; for the log loss probabilities are cut at 0.001 and 0.999. Every fit runs on
one thread, and leaves one file in DIR/fits: a run that was cut off goes on, and a model is fitted anew only where its code,
its settings, its packages or the table changed. `DIR/summary.md` is made of all files, whichever run left them.

Peers are in `benchmarks/peers_of_tables.py`. Those that are no dependency of the project join where they are installed, and
each may have a run of its own, as the files add up:

    uv run --with "flaml[automl]" python benchmarks/tables.py --models flaml --out DIR
    uv run --with "autogluon.tabular[lightgbm,catboost,xgboost]" python benchmarks/tables.py --models autogluon --out DIR
    uv run --with tabicl python benchmarks/tables.py --models tabicl --out DIR

No choice of ours may be made on these tables; the summary counts the versions of ours that were ever fitted on them.
"""

import argparse
import hashlib
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import joblib
import numpy as np
import pandas as pd
from modelling import DATA, VOLUME, kits19, kits23, with_log_volume
from peers_of_tables import PEERS, Budget, package_versions
from sklearn.metrics import roc_auc_score
from summary_of_tables import Fitted, summary

import ccrcc_model
from ccrcc_model.fitting.estimator import RadiomicsClassifier
from ccrcc_model.fitting.folds import Fold, patient_folds
from ccrcc_model.outcomes.cases import LabelledCases

RADMLBENCH = DATA / "radmlbench"
OURS = "ours"
FOLDS = 5
LEAST_PROBABILITY = 0.001


@dataclass(frozen=True, slots=True)
class Table:
    """A table with two classes.

    Args:
        name: As ``--tables`` takes it.
        file: What its content is known by.
        load: Returns its cases.
    """

    name: str
    file: Path
    load: Callable[[], LabelledCases]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fit that is wanted.

    Args:
        table: Name of the table.
        model: Name of the model.
        fold: Test part and training part.
        version: Of the model and the table.
        file: Where the result goes.
    """

    table: str
    model: str
    fold: Fold
    version: str
    file: Path

    @property
    def is_done(self) -> bool:
        """Whether it was fitted; a fit that failed is tried again."""
        return self.file.is_file() and "failure" not in json.loads(self.file.read_text(encoding="utf-8"))


def main() -> None:
    """Fit what is missing and print the summary."""
    options = asked()
    if not options.tables:
        print("Others' tables: no data folder beside the checkout; nothing is fitted.")
        return
    warnings.simplefilter("ignore")
    budget = Budget(options.trials, options.seconds)
    for table in options.tables:
        began = time.monotonic()
        n_fits = run(table, options.models, budget, out=options.out, repeats=options.repeats, jobs=options.jobs)
        print(f"{table.name}: {n_fits} fits, {time.monotonic() - began:.0f} s", file=sys.stderr)
    text = summary(read_fits(options.out), titles={OURS: OURS} | {name: peer.title for name, peer in PEERS.items()})
    print(text)
    (options.out / "summary.md").write_text(text, encoding="utf-8")


def asked() -> argparse.Namespace:
    """Return the options, names of tables and models looked up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=names, help=f"any of {OURS}, {', '.join(PEERS)}; those installed by default")
    parser.add_argument("--tables", type=names, help="names of tables; all by default")
    parser.add_argument("--repeats", type=int, default=1, help="times that the folds are drawn")
    parser.add_argument("--trials", type=int, default=Budget().trials, help="of Optuna, in ours and in tuned LightGBM")
    parser.add_argument("--seconds", type=float, default=Budget().seconds, help="wall clock of a fit of FLAML or AutoGluon")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    options = parser.parse_args()
    known = {table.name: table for table in tables_here()}
    here = [OURS, *(name for name, peer in PEERS.items() if peer.is_here)]
    if options.models is None:
        print(f"Not installed: {', '.join(name for name in PEERS if name not in here) or 'none'}", file=sys.stderr)
    options.models = here if options.models is None else options.models
    for what, given, there in (("models", options.models, here), ("tables", options.tables or (), list(known))):
        if unknown := [name for name in given if name not in there] if there else []:
            parser.error(f"{what} that are not here: {', '.join(unknown)}; here are {', '.join(there)}")
    options.tables = [table for name, table in known.items() if options.tables is None or name in options.tables]
    return options


def names(text: str) -> list[str]:
    """Return names that commas separate."""
    return [name.strip() for name in text.split(",")]


def tables_here() -> list[Table]:
    """Return the tables that lie beside the checkout."""
    others = [Table(file.stem, file, lambda file=file: radiomic_table(file)) for file in sorted(RADMLBENCH.glob("*.gz"))]
    kidneys = [
        Table("KiTS19", DATA / "features" / "kits19_pyradiomics_210_scans.csv", kits19),
        Table("KiTS23", DATA / "kits23" / "clinical.csv", kits23),
    ]
    return others + [table for table in kidneys if table.file.is_file()]


def radiomic_table(file: Path) -> LabelledCases:
    """Read a table of radMLBench; a row without an id is a patient of its own."""
    frame = pd.read_csv(file, compression="gzip")
    features = frame.drop(columns=["ID", "Target"])
    patients = [f"row {row}" if pd.isna(one) else str(one) for row, one in enumerate(frame["ID"])]
    y = frame["Target"].to_numpy(dtype=int)
    values = features.to_numpy(dtype=np.float64)
    return LabelledCases(tuple(features.columns), values, np.array(patients), np.full(len(y), ""), y)


def run(table: Table, models: Sequence[str], budget: Budget, *, out: Path, repeats: int, jobs: int) -> int:
    """Fit what is missing of a table; return how many fits that took."""
    content = hashlib.sha256(table.file.read_bytes()).hexdigest()[:8]
    versions = {model: f"{version_of(model, budget)}-{content}" for model in models}
    if all(is_complete(out, table.name, model, version, repeats=repeats) for model, version in versions.items()):
        return 0
    cases = table.load()
    folds = patient_folds(cases, folds=FOLDS, repeats=repeats, seed=0)
    wanted = [
        Wanted(table.name, model, fold, version, file_of(out, table.name, model, version, (fold.repeat, fold.index)))
        for fold in folds
        for model, version in versions.items()
    ]
    missing = [one for one in wanted if not one.is_done]
    joblib.Parallel(jobs, batch_size=1)(joblib.delayed(fit_and_write)(one, cases, budget) for one in missing)
    return len(missing)


def is_complete(out: Path, table: str, model: str, version: str, *, repeats: int) -> bool:
    """Whether every fold was fitted: a table of which nothing is missing need not be read or measured."""
    places = [(repeat, index) for repeat in range(repeats) for index in range(FOLDS)]
    files = [file_of(out, table, model, version, place) for place in places]
    return all(file.is_file() and "failure" not in json.loads(file.read_text(encoding="utf-8")) for file in files)


def file_of(out: Path, table: str, model: str, version: str, place: tuple[int, int]) -> Path:
    """Return where a fit's result is kept."""
    return out / "fits" / table / model / f"{version}-{place[0]}-{place[1]}.json"


def version_of(model: str, budget: Budget) -> str:
    """Return a hash of all that decides what a model answers."""
    if model != OURS:
        return PEERS[model].version(budget)
    package = Path(ccrcc_model.__file__).parent
    code = [file.read_bytes() for room in ("fitting", "models", "outcomes") for file in sorted((package / room).glob("*.py"))]
    settings = f"{RadiomicsClassifier(trials=budget.trials).get_params()} {package_versions('lightgbm', 'optuna')}"
    return hashlib.sha256(b"\n".join([settings.encode(), *code])).hexdigest()[:12]


def fit_and_write(wanted: Wanted, cases: LabelledCases, budget: Budget) -> None:
    """Fit a model on a training part, score the test part, and write the result; a failure is written too."""
    warnings.simplefilter("ignore")
    train, test = cases.take(wanted.fold.train), cases.take(wanted.fold.test)
    about = {"table": wanted.table, "model": wanted.model, "version": wanted.version, "finished": time.time()}
    about |= {"repeat": wanted.fold.repeat, "fold": wanted.fold.index, "budget": asdict(budget)}
    about |= {"n": len(cases.patients), "n_positive": int(cases.patient_y.sum()), "n_features": len(cases.names)}
    try:
        result = about | scored(wanted.model, train, test, budget)
    except Exception as error:  # a peer may fail in ways of its own, and the others go on
        first_line = (str(error).splitlines() or [""])[0].rstrip(".")
        result = about | {"failure": f"{type(error).__name__}: {first_line}"[:200]}
    wanted.file.parent.mkdir(parents=True, exist_ok=True)
    part = wanted.file.with_suffix(".part")
    part.write_text(json.dumps(result), encoding="utf-8")
    part.replace(wanted.file)


def scored(model: str, train: LabelledCases, test: LabelledCases, budget: Budget) -> dict[str, Any]:
    """Return how well a model that was fitted on ``train`` does on the patients of ``test``, and what it cost."""
    cpu, wall = cpu_seconds(), time.monotonic()
    probability = ours(train, test, budget) if model == OURS else of_peer(model, train, test, budget)
    cost = {"cpu_s": round(cpu_seconds() - cpu, 3), "wall_s": round(time.monotonic() - wall, 3)}
    p, y = test.per_patient(probability), test.patient_y
    cut = np.clip(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    log_loss = -float(np.mean(np.where(y == 1, np.log(cut), np.log(1 - cut))))
    return {"auc": float(roc_auc_score(y, p)), "log_loss": log_loss, **cost, "y": y.tolist(), "p": p.round(5).tolist()}


def ours(train: LabelledCases, test: LabelledCases, budget: Budget) -> np.ndarray:
    """Fit the public estimator, as it comes."""
    volume = train.names.index(VOLUME) if VOLUME in train.names else None
    model = RadiomicsClassifier(volume, trials=budget.trials).fit(train.features, train.y)
    return model.predict_proba(test.features)[:, 1]


def of_peer(model: str, train: LabelledCases, test: LabelledCases, budget: Budget) -> np.ndarray:
    """Fit a peer; where there is a tumour volume it is given by its logarithm."""
    x_train, x_test = (with_log_volume(part) if VOLUME in part.names else part.features for part in (train, test))
    return np.asarray(PEERS[model].make(budget).fit(x_train, train.y).predict_proba(x_test)[:, 1], dtype=np.float64)


def cpu_seconds() -> float:
    """Return the processor time of this process and of those that it started and saw end."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def read_fits(out: Path) -> Iterator[Fitted]:
    """Yield every fit that was kept."""
    for file in sorted((out / "fits").glob("*/*/*.json")):
        yield Fitted.of(json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
