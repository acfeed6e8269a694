"""Modelling compared with other models, on tables with a known answer and on real ones.

    uv run python benchmarks/modelling.py [--part planted|real] [--model ours ...] [--trials 25] [--jobs 2] [--out FILE]

Planted tables (`benchmarks/planted.py`): seven kinds of signal in correlated features, as radiomic features are, and a tumour
volume that carries some of it. With the truth known, the best possible AUC is known. Every model is fitted on n patients and
scored on 2000 others, on several tables of each kind and size.

Real tables, where the data folder lies beside the checkout (`../shared/data`): KiTS19, clear cell, 100 features of the kidney
and 100 of the tumour by PyRadiomics, from a third party; KiTS23, clear cell, shape of tumour and kidney measured here from the
masks, with age, sex and body mass index. WHO/ISUP grade 3 or 4 against 1 or 2. Repeated patient-grouped cross-validation, the
same folds for all; whatever a model chooses it chooses inside the training part. AUCs are of the mean out-of-fold score of
each patient, with DeLong's interval, and the paired difference from tumour volume alone.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk
from lightgbm import LGBMClassifier
from planted import KINDS, VOLUME, planted
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ccrcc_model.fitting.folds import patient_folds
from ccrcc_model.fitting.nested import fit_procedure
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.volume import fit_volume
from ccrcc_model.outcomes.cases import Cases, LabelledCases
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.predictions import Predictions
from radiomics_cfg import Extractor

DATA = Path(__file__).parents[2] / "shared" / "data"
SIZES = (80, 150, 400)
TABLES = 3
"""Planted tables of each kind and size."""
REFERENCE = "tumour volume alone"
N_TEST = 2000
REPEATS = 2

Score = npt.NDArray[np.float64]
Fit = Callable[[LabelledCases], Callable[[Cases], Score]]


def main() -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("planted", "real"), help="which tables; both by default")
    parser.add_argument("--model", action="append", help="which models, beside the reference; all by default")
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="Markdown file for the tables")
    options = parser.parse_args()
    known = models_of(options.trials)
    if unknown := set(options.model or ()) - set(known):
        parser.error(f"models that are not here: {', '.join(sorted(unknown))}; here are {', '.join(known)}")
    models = {name: fit for name, fit in known.items() if not options.model or name in (REFERENCE, *options.model)}
    reports = [planted_report(models, options.jobs)] if options.part != "real" else []
    reports += real_reports(models, options.jobs) if options.part != "planted" else []
    text = "\n".join(reports)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def models_of(trials: int) -> dict[str, Fit]:
    """Return what is compared, the reference first."""
    models: dict[str, Fit] = {
        REFERENCE: lambda cases: fit_volume(cases).log_odds,
        "ours": partial(fit_ours, trials=trials),
        "logistic regression": partial(
            fit_sklearn,
            make=lambda: make_pipeline(
                SimpleImputer(strategy="median"),
                StandardScaler(),
                LogisticRegressionCV(
                    Cs=np.logspace(-4, 1, 8),
                    l1_ratios=(0,),
                    scoring="neg_log_loss",
                    max_iter=2000,
                    use_legacy_attributes=False,
                ),
            ),
        ),
        "LightGBM, defaults": partial(
            fit_sklearn, make=lambda: LGBMClassifier(verbosity=-1, n_jobs=1, deterministic=True, force_col_wise=True)
        ),
        "random forest": partial(
            fit_sklearn,
            make=lambda: make_pipeline(
                SimpleImputer(strategy="median"), RandomForestClassifier(500, random_state=0, n_jobs=1)
            ),
        ),
    }
    try:
        from tabpfn import TabPFNClassifier
    except ImportError:
        return models
    return {**models, "TabPFN": partial(fit_sklearn, make=lambda: TabPFNClassifier(device="cpu"))}


def fit_ours(cases: LabelledCases, *, trials: int) -> Callable[[Cases], Score]:
    """Run the whole procedure: choose features, tune, fit the ensemble."""
    fitted = fit_procedure(cases, GRADE, Settings(folds=5, repeats=1, trials=trials, seed=0), seed=0)
    return fitted.model.score


def fit_sklearn(cases: LabelledCases, *, make: Callable[[], object]) -> Callable[[Cases], Score]:
    """Fit a scikit-learn classifier on all features, the volume by its logarithm."""
    model = make().fit(with_log_volume(cases), cases.y)
    return lambda test: model.predict_proba(with_log_volume(test))[:, 1]


def with_log_volume(cases: Cases) -> npt.NDArray[np.float64]:
    """Return the features, tumour volume by its logarithm: raw volumes span four orders of magnitude."""
    values = cases.features.copy()
    column = cases.names.index(VOLUME)
    values[:, column] = np.log(values[:, column])
    return values


def planted_report(models: dict[str, Fit], jobs: int) -> str:
    """Fit every model on every planted table; return a table of mean AUCs by kind and by size."""
    calls = [(kind, size, seed, name) for kind in KINDS for size in SIZES for seed in range(TABLES) for name in models]
    results = joblib.Parallel(jobs)(joblib.delayed(planted_auc)(models[name], *where) for *where, name in calls)
    frame = pd.DataFrame(calls, columns=["kind", "n", "seed", "model"]).assign(auc=results)
    by_kind, by_size = (frame.pivot_table("auc", "model", key, sort=False) for key in ("kind", "n"))
    best = [np.mean([area(*planted(kind, N_TEST, seed=1000 + seed))[0] for seed in range(TABLES)]) for kind in by_kind.columns]
    heads = [*by_kind.columns, *(f"n = {size}" for size in by_size.columns)]
    sizes = ", ".join(map(str, SIZES))
    lines = [
        f"Planted tables, {TABLES} of each kind and size: mean AUC by kind over {sizes} patients, and by size over all kinds.",
        "",
        f"| model | {' | '.join(heads)} |",
        "| --- |" + " --- |" * len(heads),
    ]
    for name in models:
        cells = [*by_kind.loc[name], *by_size.loc[name]]
        lines.append(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    lines.append("| best possible | " + " | ".join(f"{one:.3f}" for one in best) + " | |" + " |" * (len(by_size.columns) - 1))
    return "\n".join(lines) + "\n"


def planted_auc(fit: Fit, kind: str, size: int, seed: int) -> float:
    """Return the AUC on others of a model fitted on one planted table."""
    test, _ = planted(kind, N_TEST, seed=1000 + seed)
    return area(test, fit(planted(kind, size, seed=seed)[0])(test))[0]


def area(cases: LabelledCases, score: Score) -> tuple[float, float, float]:
    """Return an AUC with its interval."""
    found = auc(predictions(cases, score))
    return found.value, found.low, found.high


def predictions(cases: LabelledCases, score: Score) -> Predictions:
    """Return scores as predictions; ranks are all that an AUC sees."""
    ranks = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    ties = pd.Series(ranks).groupby(score).transform("mean").to_numpy()
    return Predictions("benchmark", "grade", cases.patients, cases.patient_centre, cases.patient_y, ties / len(ties))


def real_reports(models: dict[str, Fit], jobs: int) -> Iterator[str]:
    """Cross-validate every model on the real tables; yield a table each."""
    if not DATA.is_dir():
        yield "Real tables: no data folder beside the checkout.\n"
        return
    for title, cases in (("KiTS19, clear cell", kits19()), ("KiTS23, clear cell", kits23())):
        positive = int(cases.patient_y.sum())
        yield f"{title}: {len(cases)} patients, {positive} of grade 3 or 4, {len(cases.names)} features.\n"
        folds = patient_folds(cases, folds=5, repeats=REPEATS, seed=0)
        began = time.monotonic()
        calls = [(name, fold) for name in models for fold in folds]
        parts = joblib.Parallel(jobs)(
            joblib.delayed(scored)(models[name], cases.take(fold.train), cases.take(fold.test)) for name, fold in calls
        )
        print(f"{title}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        total = {name: np.zeros(len(cases)) for name in models}
        for (name, fold), score in zip(calls, parts, strict=True):
            total[name][np.searchsorted(cases.patients, cases.patient_id[fold.test])] += score
        yield real_report(cases, total)


def scored(fit: Fit, train: LabelledCases, test: LabelledCases) -> Score:
    """Return the scores of the test part, as ranks within it: folds then do not differ by where their scores lie."""
    score = fit(train)(test)
    return pd.Series(score).rank().to_numpy() / len(score)


def real_report(cases: LabelledCases, scores: dict[str, Score]) -> str:
    """Return AUCs and paired differences from volume as a table."""
    lines = ["| model | AUC (95% CI) | difference from volume (95% CI) |", "| --- | --- | --- |"]
    reference = predictions(cases, next(iter(scores.values())))
    for name, score in scores.items():
        value, low, high = area(cases, score)
        told = ""
        if score is not next(iter(scores.values())):
            less = auc_difference(predictions(cases, score), reference).estimate
            told = f"{less.value:+.3f} ({less.low:+.3f} to {less.high:+.3f})"
        lines.append(f"| {name} | {value:.3f} ({low:.3f} to {high:.3f}) | {told} |")
    return "\n".join(lines) + "\n"


def kits19() -> LabelledCases:
    """Return the third party's table: rows that are clear cell with a grade."""
    frame = pd.read_csv(DATA / "features" / "kits19_pyradiomics_210_scans.csv")
    frame = frame[(frame["subtype_name"] == "clear_cell_rcc") & frame["kits_isup"].between(1, 4)].sort_values("case_id")
    columns = [name for name in frame.columns if name.startswith(("kidney_", "tumor_"))]
    names = [as_ours(name) for name in columns]
    patients = frame["case_id"].to_numpy(dtype=np.str_)
    y = (frame["kits_isup"] >= 3).to_numpy(dtype=int)
    return LabelledCases(tuple(names), frame[columns].to_numpy(dtype=float), patients, np.full(len(y), "kits"), y)


def as_ours(name: str) -> str:
    """Return the name that our tables have for a column of theirs."""
    region, feature = name.split("_", 1)
    return f"{region.replace('tumor', 'tumour')}__native__original_{feature}"


def kits23() -> LabelledCases:
    """Measure shapes on the masks, and add age, sex and body mass index."""
    clinical = pd.read_csv(DATA / "kits23" / "clinical.csv").sort_values("case_id")
    clinical = clinical[clinical["isup_grade"].between(1, 4)]
    rows = joblib.Parallel(os.cpu_count() or 1)(joblib.delayed(shapes)(case) for case in clinical["case_id"])
    frame = pd.DataFrame(rows)
    frame["clinical__age"] = pd.to_numeric(clinical["age"], errors="coerce").to_numpy()
    frame["clinical__bmi"] = pd.to_numeric(clinical["bmi"], errors="coerce").to_numpy()
    frame["clinical__male"] = (clinical["sex"] == "male").to_numpy(dtype=float)
    patients = clinical["case_id"].to_numpy(dtype=np.str_)
    y = (clinical["isup_grade"] >= 3).to_numpy(dtype=int)
    return LabelledCases(tuple(frame.columns), frame.to_numpy(dtype=float), patients, np.full(len(y), "kits"), y)


def shapes(case_id: str) -> dict[str, float]:
    """Return the shape of tumour and kidney of one mask."""
    mask = sitk.ReadImage(DATA / "kits23" / "masks" / f"{case_id}.nii.gz", sitk.sitkUInt8)
    image = sitk.Cast(mask, sitk.sitkInt16)
    extractor = Extractor({"featureClass": {"shape": []}, "setting": {"additionalInfo": False}})
    found = {}
    for region, label in (("tumour", 2), ("kidney", 1)):
        values = extractor.execute(image, mask, label=label)
        found |= {f"{region}__native__{name}": float(value) for name, value in values.items()}
    return found


if __name__ == "__main__":
    main()
