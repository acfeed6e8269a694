"""Comparators of a model other than tumour volume: simpler models, and the procedure on fewer features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ccrcc_model.fitting.filter import FeatureFilter
from ccrcc_model.fitting.folds import patient_folds
from ccrcc_model.fitting.nested import fit_procedure
from ccrcc_model.fitting.regression import REGRESSIONS, regression
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.models.volume import volume_column
from ccrcc_model.outcomes.cases import Cases, LabelledCases
from ccrcc_model.outcomes.target import Target
from radiomics_cfg.contour_stability import PerturbedValues
from radiomics_cfg.feature_name import FeatureName

Score = npt.NDArray[np.float64]
Rule = Callable[[Cases], Score]
"""From cases to scores, shape ``(n_cases,)``."""

DIAMETER = "original_shape_Maximum3DDiameter"


@dataclass(frozen=True)
class Rival:
    """A way to fit a rule on a training part."""

    name: str
    fit: Callable[[LabelledCases, int], Rule]


def rivals_of(
    cases: LabelledCases,
    target: Target,
    settings: Settings,
    *,
    clinical: pd.DataFrame | None = None,
    ablation: bool = False,
    perturbed: PerturbedValues | None = None,
) -> list[Rival]:
    """Return the comparators, other than tumour volume, of a model of these cases.

    Args:
        cases: As the model was fitted on.
        target: What is predicted.
        settings: Settings of the model's fit.
        clinical: Covariates, one row per patient, the index holds the ids.
        ablation: Also the whole procedure on fewer features, adding the others step by step.
        perturbed: Features under perturbed masks, for the procedure's stability filter.
    """
    rivals = []
    if diameter := next((n for n in cases.names if n.startswith("tumour__") and n.endswith(DIAMETER)), None):
        rivals.append(Rival("tumour diameter", _of_logarithm(diameter)))
    if clinical is not None:
        rivals.append(Rival(f"clinical: {', '.join(map(str, clinical.columns))}", _of_clinical(clinical, target)))
    rivals.append(Rival(f"{REGRESSIONS[target.kind]}, its own 30 features", partial(_of_own_features, target)))
    if ablation:
        steps = ablation_steps(cases.names)
        rivals += [
            Rival(f"ablation: {name}", _of_procedure(columns, target, settings, perturbed)) for name, columns in steps.items()
        ]
    return rivals


def ablation_steps(names: Sequence[str]) -> dict[str, list[str]]:
    """Return which features each step of the ablation has; the last step, which has all, is the model itself and left out.

    The tumour's unfiltered image on the finest scale comes first, then the kidney, the rings around the tumour, the filtered
    images, and the other scales. A step that adds nothing is left out.
    """
    parts = {name: FeatureName.of(name) for name in names}
    scales = list(dict.fromkeys(part.scale for part in parts.values()))
    tests: dict[str, Callable[[FeatureName], bool]] = {
        "tumour": lambda part: part.region == "tumour",
        "+ kidney": lambda part: part.region in ("tumour", "kidney"),
        "+ rings": lambda _: True,
    }
    steps: dict[str, list[str]] = {}
    first = [name for name, part in parts.items() if part.scale == scales[0]]
    for step, test in tests.items():
        steps[step] = [name for name in first if parts[name].image == "original" and test(parts[name])]
    steps["+ filtered images"] = first
    volume = volume_column(names)
    kept: dict[str, list[str]] = {}
    for step, chosen in steps.items():
        columns = list(dict.fromkeys([volume, *chosen]))
        if chosen and len(columns) < len(names) and columns not in kept.values():
            kept[step] = columns
    return kept


def _of_logarithm(column: str) -> Callable[[LabelledCases, int], Rule]:
    """The logarithm itself: nothing is fitted but what stands in for a missing value, so that larger always means worse."""

    def values(cases: Cases) -> Score:
        found = cases.columns([column])[:, 0]
        return np.asarray(np.log(np.where(found > 0, found, np.nan)), dtype=np.float64)

    def fit(train: LabelledCases, _seed: int) -> Rule:
        known = values(train)[~np.isnan(values(train))]
        typical = float(np.median(known)) if len(known) else 0.0
        return lambda cases: np.nan_to_num(values(cases), nan=typical)

    return fit


def _of_clinical(clinical: pd.DataFrame, target: Target) -> Callable[[LabelledCases, int], Rule]:
    numbers = [column for column in clinical.columns if clinical[column].dtype.kind == "f"]
    texts = [column for column in clinical.columns if column not in numbers]

    def rows(cases: Cases) -> pd.DataFrame:
        return clinical.reindex(cases.patient_id)

    def fit(train: LabelledCases, _seed: int) -> Rule:
        of_numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        of_texts = OneHotEncoder(handle_unknown="ignore", sparse_output=target.kind == "binary")
        columns = ColumnTransformer([("numbers", of_numbers, numbers), ("texts", of_texts, texts)])
        return _rule(make_pipeline(columns, regression(target.kind, max_iter=1000)), train, rows)

    return fit


def _of_own_features(target: Target, train: LabelledCases, seed: int) -> Rule:
    """Ridge-penalised; its penalty is chosen by cross-validation in the training part, by patient, the filter fitted anew."""
    ridge = regression(target.kind, max_iter=2000, random_state=seed)
    names = ("filter", "imputer", "scaler", "regression")
    steps = (FeatureFilter(30, target.kind), SimpleImputer(strategy="median"), StandardScaler(), ridge)
    splits = [(fold.train, fold.test) for fold in patient_folds(train, folds=5, repeats=1, seed=seed)]
    penalties = {"regression__C": np.logspace(-4, 2, 7)}
    by = "neg_log_loss" if target.kind == "binary" else None
    search = GridSearchCV(Pipeline(list(zip(names, steps, strict=True))), penalties, cv=splits, scoring=by)
    search.fit(train.features, train.y, filter__case_weight=train.weight, regression__sample_weight=train.weight)
    return lambda cases: np.asarray(search.decision_function(cases.features), dtype=np.float64)


def _rule(pipeline: Pipeline, train: LabelledCases, values: Callable[[Cases], Any]) -> Rule:
    pipeline.fit(values(train), train.y, **{f"{pipeline.steps[-1][0]}__sample_weight": train.weight})
    return lambda cases: np.asarray(pipeline.decision_function(values(cases)), dtype=np.float64)


def _of_procedure(
    columns: Sequence[str], target: Target, settings: Settings, perturbed: PerturbedValues | None
) -> Callable[[LabelledCases, int], Rule]:
    def fit(train: LabelledCases, seed: int) -> Rule:
        fitted = fit_procedure(train.only(columns), target, settings, seed=seed, perturbed=perturbed)

        def rule(cases: Cases) -> Score:
            score = fitted.model.score(cases)
            return score[np.searchsorted(cases.patients, cases.patient_id)]

        return rule

    return fit
