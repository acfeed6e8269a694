"""Two negative controls of an evaluation: what it finds where there is nothing to find, and what the site alone predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.linear_model import LogisticRegression

from ccrcc_model.fitting.development import fold_scores
from ccrcc_model.fitting.folds import Fold, Folds
from ccrcc_model.fitting.nested import run_nested
from ccrcc_model.fitting.ordering import MEASURES, FoldScores, order_of
from ccrcc_model.fitting.settings import MIN_FOLDS, Settings
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.estimate import LEVEL, Estimate
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues

Floats = npt.NDArray[np.float64]

CHANCE = 0.5
"""AUC or concordance of a score that knows nothing."""
SHUFFLES = 5
"""Shuffles of the outcomes at most. Each is a whole nested cross-validation, of no more outer folds than it needs."""
FEWEST_SHUFFLES = 3
"""After so many the control ends if their mean is not above chance: it could not become an alarm that holds."""


@dataclass(frozen=True, slots=True)
class Controls:
    """AUCs of the negative controls, or concordances for grades and percentages.

    Args:
        shuffled_labels: Mean figure of the whole procedure over several shuffles of the outcomes between patients, on folds
            that are stratified by these. An interval that lies above 0.5 indicates a leak.
        centre_only: Figure of the centre as the only feature, on the model's folds: what a model that recognises the site
            gains from differences in case mix between sites.
        shuffles: Number of shuffles.
    """

    shuffled_labels: Estimate
    centre_only: Estimate
    shuffles: int

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
    shuffled_line = f"Control, labels shuffled {content['shuffles']} times: {name} {shuffled_labels}; 0.5 is chance"
    return [shuffled_line, f"Control, the centre alone: {by_centre}"]


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
    """Run both controls, each shuffle and the centre with one repeat of the outer folds.

    Args:
        cases: As the model was fitted on.
        target: What is predicted.
        settings: Settings of the model's fit.
        folds: Folds on which the model was evaluated.
        perturbed: As the model's fit had them.
        jobs: Processes.
        on_progress: Called after each outer fold.
    """
    once = replace(settings, folds=MIN_FOLDS, repeats=1)
    found: list[float] = []
    for place in range(SHUFFLES):
        if place >= FEWEST_SHUFFLES and np.mean(found) <= CHANCE:
            break
        dealt = shuffled(cases, seed=settings.seed, place=place)
        of_dealt = Folds.of(dealt, once)
        outer, _ = run_nested(dealt, target, once, folds=of_dealt, perturbed=perturbed, jobs=jobs, on_progress=on_progress)
        value = order_of(dealt, fold_scores(outer)).value
        if value is not None:
            found.append(value)
    return Controls(mean_of_shuffles(found), _centre_only(cases, target, folds.once), len(found))


def mean_of_shuffles(figures: Sequence[float]) -> Estimate:
    """Return the mean of the figures of several shuffles with Student's interval.

    Given the features, shuffles are independent draws, so that the interval holds chance in 95 % of runs of a procedure that
    does not leak; ending early where the mean is not above chance makes false alarms rarer only.

    Args:
        figures: One per shuffle.
    """
    if len(figures) < 2:
        return Estimate(None, reason="fewer than two shuffles have patients who differ in every fold")
    value, n = float(np.mean(figures)), len(figures)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * float(np.std(figures, ddof=1)) / sqrt(n)
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def shuffled(cases: LabelledCases, *, seed: int, place: int = 0) -> LabelledCases:
    """Return the cases with the outcomes of patients dealt out anew; all cases of a patient keep one outcome.

    Args:
        cases: With their outcomes.
        seed: Seed of the fit.
        place: Which of several shuffles.
    """
    dealt = np.random.default_rng([seed, 2, place]).permutation(cases.patient_y)
    return replace(cases, y=dealt[np.searchsorted(cases.patients, cases.patient_id)])


def _centre_only(cases: LabelledCases, target: Target, folds: Folds) -> Estimate:
    if folds.by_centre:
        return Estimate(None, reason="each centre is tested by models of the others, which do not know it")
    if len(np.unique(cases.centre)) < 2:
        return Estimate(None, reason="all patients are of one centre")
    scored = _by_logistic_regression if target.kind == "binary" else _by_mean_rank
    patients = [cases.take(fold.test).patients for fold in folds.splits]
    return order_of(cases, FoldScores(patients, [scored(cases, fold) for fold in folds.splits], repeats=1))


def _by_logistic_regression(cases: LabelledCases, fold: Fold) -> Floats:
    train, test = cases.take(fold.train), cases.take(fold.test)
    is_centre = (cases.centre[:, None] == np.unique(cases.centre)).astype(np.float64)
    fitted = LogisticRegression(C=1.0).fit(is_centre[fold.train], train.y, sample_weight=train.weight)
    return test.per_patient(fitted.decision_function(is_centre[fold.test]))


def _by_mean_rank(cases: LabelledCases, fold: Fold) -> Floats:
    """Return the mean rank that a patient's centre has in the training part, minus that of the training part."""
    train, test = cases.take(fold.train), cases.take(fold.test)
    rank = stats.rankdata(train.patient_y) - (len(train.patients) + 1) / 2
    sums = {centre: (rank[train.patient_centre == centre]).sum() for centre in np.unique(cases.centre)}
    counts = {centre: int((train.patient_centre == centre).sum()) for centre in sums}
    return np.array([sums[centre] / (counts[centre] + 1) for centre in test.patient_centre])
