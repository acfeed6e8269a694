"""Two negative controls of an evaluation: what it finds where there is nothing to find, and what the site alone predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from ccrcc_model.fitting.folds import Fold, Folds
from ccrcc_model.fitting.nested import run_nested
from ccrcc_model.fitting.ordering import MEASURES, order_of
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.estimate import Estimate
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Controls:
    """AUCs of the negative controls, or concordances for grades and percentages.

    Args:
        shuffled_labels: Figure of the whole procedure with outcomes shuffled between patients, on folds that are stratified by
            these. An interval that lies above 0.5 indicates a leak.
        centre_only: Figure of the centre as the only feature, on the model's folds: what a model that recognises the site
            gains from differences in case mix between sites.
    """

    shuffled_labels: Estimate
    centre_only: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return the controls as JSON."""
        return asdict(self)


def control_lines(content: Mapping[str, Any] | None, *, measure: str = "auc") -> list[str]:
    """Return one line for each control of a manifest; none if they were not run."""
    if content is None:
        return []
    name = MEASURES[measure]
    shuffled_labels, centre = (Estimate(**content[key]) for key in ("shuffled_labels", "centre_only"))
    by_centre = f"{name} {centre}" if centre.value is not None else f"not estimable, {centre.reason}"
    return [f"Control, shuffled labels: {name} {shuffled_labels}; 0.5 is chance", f"Control, the centre alone: {by_centre}"]


def run_controls(
    cases: LabelledCases,
    target: Target,
    settings: Settings,
    *,
    folds: Folds,
    perturbed: PerturbedValues | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> Controls:
    """Run both controls, each with one repeat of the outer folds.

    Args:
        cases: As the model was fitted on.
        target: What is predicted.
        settings: Settings of the model's fit.
        folds: Folds on which the model was evaluated.
        perturbed: As the model's fit had them.
        jobs: Processes.
        on_progress: Called after each outer fold.
    """
    once = replace(settings, repeats=1)
    dealt = shuffled(cases, seed=settings.seed)
    of_dealt = Folds.of(dealt, once)
    outer, _ = run_nested(dealt, target, once, folds=of_dealt, perturbed=perturbed, jobs=jobs, on_progress=on_progress)
    patients, scores = [result.patients for result in outer], [result.score for result in outer]
    return Controls(
        _order(dealt, target, patients, scores, seed=settings.seed),
        _centre_only(cases, target, folds.once, seed=settings.seed),
    )


def shuffled(cases: LabelledCases, *, seed: int) -> LabelledCases:
    """Return the cases with the outcomes of patients dealt out anew; all cases of a patient keep one outcome."""
    dealt = np.random.default_rng([seed, 2]).permutation(cases.patient_y)
    return replace(cases, y=dealt[np.searchsorted(cases.patients, cases.patient_id)])


def _centre_only(cases: LabelledCases, target: Target, folds: Folds, *, seed: int) -> Estimate:
    if folds.by_centre:
        return Estimate(None, reason="each centre is tested by models of the others, which do not know it")
    if len(np.unique(cases.centre)) < 2:
        return Estimate(None, reason="all patients are of one centre")
    scored = _by_logistic_regression if target.kind == "binary" else _by_mean_rank
    patients = [cases.take(fold.test).patients for fold in folds.splits]
    return _order(cases, target, patients, [scored(cases, fold) for fold in folds.splits], seed=seed)


def _by_logistic_regression(cases: LabelledCases, fold: Fold) -> Floats:
    train, test = cases.take(fold.train), cases.take(fold.test)
    is_centre = (cases.centre[:, None] == np.unique(cases.centre)).astype(np.float64)
    fitted = LogisticRegression(C=1.0).fit(is_centre[fold.train], train.y, sample_weight=train.weight)
    return test.per_patient(fitted.decision_function(is_centre[fold.test]))


def _by_mean_rank(cases: LabelledCases, fold: Fold) -> Floats:
    """Return the mean rank that a patient's centre has in the training part, minus that of the training part."""
    train, test = cases.take(fold.train), cases.take(fold.test)
    rank = rankdata(train.patient_y) - (len(train.patients) + 1) / 2
    sums = {centre: (rank[train.patient_centre == centre]).sum() for centre in np.unique(cases.centre)}
    counts = {centre: int((train.patient_centre == centre).sum()) for centre in sums}
    return np.array([sums[centre] / (counts[centre] + 1) for centre in test.patient_centre])


def _order(
    cases: LabelledCases,
    target: Target,
    patients: Sequence[npt.NDArray[np.str_]],
    scores: Sequence[Floats],
    *,
    seed: int,
) -> Estimate:
    """Measure out-of-fold scores; log odds are centred within their fold.

    A fold whose training part holds more positives scores everyone higher and tests fewer of them. Pooled as they are, such
    log odds would pull the AUC of nothing below 0.5. Scores of grades and percentages hold no level.
    """
    order = np.argsort(np.concatenate(patients))
    levelled = [score - score.mean() for score in scores] if target.kind == "binary" else scores
    return order_of(cases, target, np.concatenate(levelled)[order], seed=seed)
