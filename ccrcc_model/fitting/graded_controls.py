"""The negative controls of ``ccrcc_model.fitting.controls`` for a graded model: shuffled outcomes, and the centre alone."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ccrcc_model.fitting.folds import patient_folds
from ccrcc_model.fitting.graded_nested import run_graded
from ccrcc_model.fitting.nested import Settings
from ccrcc_model.outcomes.graded import GradedCases, GradedTarget
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.graded import bootstrap_estimate, concordance
from nnunet_ext.ground.progress import OnProgress, silent


def run_graded_controls(
    cases: GradedCases, target: GradedTarget, settings: Settings, *, jobs: int = 1, on_progress: OnProgress = silent
) -> dict[str, Any]:
    """Run both controls, the first with one repeat of the outer folds.

    Args:
        cases: As the model was fitted on.
        target: What is predicted.
        settings: Of the model's fit.
        jobs: Processes.
        on_progress: Told of each outer fold.

    Returns:
        Concordances as JSON: ``shuffled_labels`` and ``centre_only``.
    """
    once = replace(settings, repeats=1)
    dealt = shuffled_outcomes(cases, seed=settings.seed)
    outer, _ = run_graded(dealt, target, once, jobs=jobs, on_progress=on_progress)
    scores = [result.said[:, 0] for result in outer]
    return {
        "shuffled_labels": asdict(_concordance(dealt, [result.patients for result in outer], scores, seed=settings.seed)),
        "centre_only": asdict(_centre_only(cases, once)),
    }


def shuffled_outcomes(cases: GradedCases, *, seed: int) -> GradedCases:
    """Return the cases with the outcomes of patients dealt out anew; all cases of a patient keep one outcome."""
    order = np.random.default_rng([seed, 2]).permutation(len(cases.patients))
    place = np.searchsorted(cases.patients, cases.patient_id)
    return replace(cases, y=cases.patient_y[order][place], outcome=cases.patient_outcome[order][place])


def _centre_only(cases: GradedCases, settings: Settings) -> Estimate:
    """Concordance of the mean rank that a patient's centre has in the training part, less that of the training part."""
    if len(np.unique(cases.centre)) < 2:
        return Estimate(None, reason="all patients are of one centre")
    patients, scores = [], []
    for fold in patient_folds(cases, folds=settings.folds, repeats=1, seed=settings.seed):
        train, test = cases.take(fold.train), cases.take(fold.test)
        rank = rankdata(train.patient_outcome) - (len(train.patients) + 1) / 2
        sums = {centre: (rank[train.patient_centre == centre]).sum() for centre in np.unique(cases.centre)}
        counts = {centre: int((train.patient_centre == centre).sum()) for centre in sums}
        patients.append(test.patients)
        scores.append(np.array([sums[centre] / (counts[centre] + 1) for centre in test.patient_centre]))
    return _concordance(cases, patients, scores, seed=settings.seed)


def _concordance(
    cases: GradedCases, patients: Sequence[npt.NDArray[np.str_]], scores: Sequence[npt.NDArray[np.float64]], *, seed: int
) -> Estimate:
    order = np.argsort(np.concatenate(patients))
    return bootstrap_estimate(concordance, cases.patient_outcome, np.concatenate(scores)[order], seed=seed)
