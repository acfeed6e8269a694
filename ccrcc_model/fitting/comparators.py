"""What stands beside a model besides tumour volume: simpler models, and itself on fewer features, over the same folds."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from ccrcc_model.fitting.folds import Fold, patient_folds
from ccrcc_model.fitting.nested import MIN_FOLDS, Settings, fit_procedure
from ccrcc_model.models.member import FeatureFilter
from ccrcc_model.models.model import patient_score
from ccrcc_model.models.volume import volume_column
from ccrcc_model.outcomes.target import MISSING, OUTCOMES, Cases, LabelledCases
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Difference, Estimate, format_difference
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues
from radiomics_cfg.feature_name import FeatureName

Score = npt.NDArray[np.float64]
Rule = Callable[[Cases], Score]
"""From cases to log odds, shape ``(n_cases,)``."""

DIAMETER = "original_shape_Maximum3DDiameter"


@dataclass(frozen=True, slots=True)
class Comparator:
    """What a simpler model, or the same procedure on fewer features, achieves out-of-fold.

    Args:
        name: What it uses.
        auc: With DeLong's interval.
        model_less_it: AUC of the model less its own, on the same patients.
    """

    name: str
    auc: Estimate
    model_less_it: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def comparator_line(content: Mapping[str, Any]) -> str:
    """Return what a manifest says of a comparator as a line."""
    area, apart = Estimate(**content["auc"]), Estimate(**content["model_less_it"])
    if area.value is None:
        return f"Beside it, {content['name']}: not estimable, {area.reason}"
    return f"Beside it, {content['name']}: AUC {area}, the model less it {format_difference(apart)}"


_ALMOST_NUMBER = re.compile(r"[<>=≤≥~≈]+\s*\d+([.,]\d+)?|\d+,\d+|\d+([.,]\d+)?(\s*%|\s+[^\d\s].*)", re.ASCII)
"""A number with a decimal comma, a bound, or a unit. A stage such as ``3a`` is none."""


@dataclass(frozen=True)
class Rival:
    """A way to fit a rule on a training part."""

    name: str
    fit: Callable[[LabelledCases, int], Rule]


def rivals_of(
    cases: LabelledCases,
    settings: Settings,
    *,
    clinical: pd.DataFrame | None = None,
    ablation: bool = False,
    perturbed: PerturbedValues | None = None,
) -> list[Rival]:
    """Return what a model of these cases is compared with besides tumour volume.

    Args:
        cases: As the model was fitted on.
        settings: Of the model's fit.
        clinical: Covariates, one row a patient, the index holds the ids.
        ablation: Also the whole procedure on fewer features, adding the others step by step.
        perturbed: Features under perturbed masks, for the procedure's stability filter.
    """
    rivals = []
    if diameter := next((n for n in cases.names if n.startswith("tumour__") and n.endswith(DIAMETER)), None):
        rivals.append(Rival("tumour diameter", _of_logarithm(diameter)))
    if clinical is not None:
        rivals.append(Rival(f"clinical: {', '.join(map(str, clinical.columns))}", _of_clinical(clinical)))
    rivals.append(Rival("logistic regression, its own 30 features", _logistic_regression))
    if ablation:
        steps = ablation_steps(cases.names)
        rivals += [Rival(f"ablation: {name}", _of_procedure(columns, settings, perturbed)) for name, columns in steps.items()]
    return rivals


def compare_with_rivals(
    cases: LabelledCases,
    score: Score,
    rivals: Sequence[Rival],
    settings: Settings,
    *,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> list[Comparator]:
    """Fit the rivals on the training parts that the model was fitted on, and compare their out-of-fold scores with its own.

    Args:
        cases: As the model was fitted on.
        score: The model's mean out-of-fold log odds of each patient, shape ``(n_patients,)``.
        rivals: What to fit.
        settings: Of the model's fit: they give the folds.
        jobs: Processes.
        on_progress: Told of each fit.
    """
    splits = patient_folds(cases, folds=settings.folds, repeats=settings.repeats, seed=settings.seed, at_least=MIN_FOLDS)
    calls = [joblib.delayed(_scores)(cases, split, rival) for rival in rivals for split in splits]
    on_progress(0, len(calls))
    model = _predictions(cases, score)
    found: list[Comparator] = []
    results: Iterator[Score | str] = joblib.Parallel(n_jobs=jobs, return_as="generator")(calls)
    for place, rival in enumerate(rivals):
        total, reason = np.zeros(len(cases.patients)), None
        for done, split in enumerate(splits, start=place * len(splits) + 1):
            scores = next(results)
            if isinstance(scores, str):
                reason = scores
            else:
                total[np.searchsorted(cases.patients, np.unique(cases.patient_id[split.test]))] += scores
            on_progress(done, len(calls))
        if reason is not None:
            found.append(Comparator(rival.name, Estimate(None, reason=reason), Estimate(None, reason=reason)))
            continue
        other = _predictions(cases, total / settings.repeats)
        difference: Difference = auc_difference(model, other)
        found.append(Comparator(rival.name, auc(other), difference.estimate))
    return found


def clinical_covariates(outcomes: pd.DataFrame, columns: Sequence[str], *, target_column: str) -> pd.DataFrame:
    """Return covariates of an outcomes file: numbers where every known cell is one, else text.

    Raises:
        InputError: If a column is missing, holds nothing or infinity, is an outcome, or holds numbers beside cells that are
            almost numbers, such as ``63,5``, ``>90`` or ``61 y``.
    """
    found = {}
    for column in columns:
        if column not in outcomes.columns:
            msg = f"The outcomes have no column {column}; they have {', '.join(map(str, outcomes.columns))}"
            raise InputError(msg)
        if column in (target_column, "patient_id", *OUTCOMES):
            msg = f"{column} is no covariate of {target_column}; name others, such as age and sex"
            raise InputError(msg)
        text = outcomes[column].astype("str").str.strip()
        known = ~text.str.lower().isin(MISSING)
        if not known.any():
            msg = f"The covariate {column} holds no value"
            raise InputError(msg)
        numbers = pd.to_numeric(text.where(known), errors="coerce")
        is_number = bool(numbers[known].notna().all())
        if not is_number and numbers[known].notna().any():
            _refuse_almost_numbers(text[known], column)
        if is_number and not np.isfinite(numbers[known]).all():
            msg = f"The covariate {column} holds infinity; correct those cells or leave them empty"
            raise InputError(msg)
        found[column] = numbers.astype("float64") if is_number else text.where(known, "unknown").astype(object)
    return pd.DataFrame(found).set_axis(outcomes["patient_id"].astype("str"), axis=0)


def _refuse_almost_numbers(text: pd.Series, column: str) -> None:
    """One ``63,5``, ``>90`` or ``61 y`` would turn a column of numbers into one of categories, a patient each."""
    almost = text[text.str.fullmatch(_ALMOST_NUMBER)]
    if len(almost):
        msg = (
            f"{column} holds numbers and {len(almost)} cells that are almost numbers, such as {almost.iloc[0]!r}; "
            "write a plain number, or leave the cell empty"
        )
        raise InputError(msg)


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


def _scores(cases: LabelledCases, split: Fold, rival: Rival) -> Score | str:
    """Return a rival's scores of the test part, or why it cannot be fitted: the model beside it can."""
    train, test = cases.take(split.train), cases.take(split.test)
    with threadpool_limits(1):
        try:
            rule = rival.fit(train, split.repeat * 1000 + split.index)
        except InputError as error:
            return str(error)
        return test.per_patient(rule(test))


def _of_logarithm(column: str) -> Callable[[LabelledCases, int], Rule]:
    def values(cases: Cases) -> Score:
        found = cases.columns([column])
        return np.log(np.where(found > 0, found, np.nan))

    def fit(train: LabelledCases, _seed: int) -> Rule:
        steps = (SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), LogisticRegression(C=1.0))
        return _rule(make_pipeline(*steps), train, values)

    return fit


def _of_clinical(clinical: pd.DataFrame) -> Callable[[LabelledCases, int], Rule]:
    numbers = [column for column in clinical.columns if clinical[column].dtype.kind == "f"]
    texts = [column for column in clinical.columns if column not in numbers]

    def rows(cases: Cases) -> pd.DataFrame:
        return clinical.reindex(cases.patient_id)

    def fit(train: LabelledCases, _seed: int) -> Rule:
        of_numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        of_texts = OneHotEncoder(handle_unknown="ignore")
        columns = ColumnTransformer([("numbers", of_numbers, numbers), ("texts", of_texts, texts)])
        return _rule(make_pipeline(columns, LogisticRegression(C=1.0, max_iter=1000)), train, rows)

    return fit


def _logistic_regression(train: LabelledCases, seed: int) -> Rule:
    """Ridge-penalised; its penalty is chosen by cross-validation in the training part, by patient, the filter fitted anew."""
    ridge = LogisticRegression(max_iter=2000, random_state=seed)
    steps = make_pipeline(FeatureFilter(30), SimpleImputer(strategy="median"), StandardScaler(), ridge)
    splits = [(fold.train, fold.test) for fold in patient_folds(train, folds=5, repeats=1, seed=seed)]
    penalties = {"logisticregression__C": np.logspace(-4, 2, 7)}
    search = GridSearchCV(steps, penalties, cv=splits, scoring="neg_log_loss")
    search.fit(train.features, train.y, logisticregression__sample_weight=train.weight)
    return lambda cases: np.asarray(search.decision_function(cases.features), dtype=np.float64)


def _rule(pipeline: Pipeline, train: LabelledCases, values: Callable[[Cases], Any]) -> Rule:
    pipeline.fit(values(train), train.y)
    return lambda cases: np.asarray(pipeline.decision_function(values(cases)), dtype=np.float64)


def _of_procedure(
    columns: Sequence[str], settings: Settings, perturbed: PerturbedValues | None
) -> Callable[[LabelledCases, int], Rule]:
    def fit(train: LabelledCases, seed: int) -> Rule:
        fitted = fit_procedure(train.only(columns), settings, seed=seed, perturbed=perturbed)

        def rule(cases: Cases) -> Score:
            score = patient_score(fitted.members, cases)
            return score[np.searchsorted(cases.patients, cases.patient_id)]

        return rule

    return fit


def _predictions(cases: LabelledCases, score: Score) -> Predictions:
    probability = np.asarray(expit(score), dtype=np.float64)
    return Predictions("development", "", cases.patients, cases.patient_centre, cases.patient_y, probability)
