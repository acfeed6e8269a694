"""Two negative controls of an evaluation: what it says where there is nothing to find, and what the site alone would tell."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ccrcc_model.fitting.folds import patient_folds
from ccrcc_model.fitting.nested import Settings, run_nested
from ccrcc_model.outcomes.target import LabelledCases
from ccrcc_model.statistics.discrimination import auc
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues


@dataclass(frozen=True, slots=True)
class Controls:
    """AUCs of the negative controls, over the same folds as the model's.

    Args:
        shuffled_labels: Of the whole procedure where patients carry each other's labels. An interval that lies above 0.5 is a
            leak.
        centre_only: Of the centre as the only feature: what differences in case mix between sites would give a model that
            recognises the site.
    """

    shuffled_labels: Estimate
    centre_only: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return the controls as JSON."""
        return asdict(self)


def control_lines(content: Mapping[str, Any] | None) -> list[str]:
    """Return what a manifest says of the controls, a line each; none if they were not run."""
    if content is None:
        return []
    shuffled_labels, centre = (Estimate(**content[name]) for name in ("shuffled_labels", "centre_only"))
    by_centre = f"AUC {centre}" if centre.value is not None else f"not estimable, {centre.reason}"
    return [f"Control, shuffled labels: AUC {shuffled_labels}; 0.5 is chance", f"Control, the centre alone: {by_centre}"]


def run_controls(
    cases: LabelledCases,
    settings: Settings,
    *,
    perturbed: PerturbedValues | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> Controls:
    """Run both controls, the first with one repeat of the outer folds.

    Args:
        cases: As the model was fitted on.
        settings: Of the model's fit.
        perturbed: As the model's fit had them.
        jobs: Processes.
        on_progress: Told of each outer fold.
    """
    once = replace(settings, repeats=1)
    outer, _ = run_nested(shuffled(cases, seed=settings.seed), once, perturbed=perturbed, jobs=jobs, on_progress=on_progress)
    patients = [result.patients for result in outer]
    return Controls(
        _auc(shuffled(cases, seed=settings.seed), patients, [result.score for result in outer]), _centre_only(cases, once)
    )


def shuffled(cases: LabelledCases, *, seed: int) -> LabelledCases:
    """Return the cases with the labels of patients dealt out anew; all cases of a patient keep one label."""
    dealt = np.random.default_rng([seed, 2]).permutation(cases.patient_y)
    return replace(cases, y=dealt[np.searchsorted(cases.patients, cases.patient_id)])


def _centre_only(cases: LabelledCases, settings: Settings) -> Estimate:
    centres = np.unique(cases.centre)
    if len(centres) < 2:
        return Estimate(None, reason="all patients are of one centre")
    is_centre = (cases.centre[:, None] == centres).astype(np.float64)
    patients, scores = [], []
    for fold in patient_folds(cases, folds=settings.folds, repeats=1, seed=settings.seed):
        train, test = cases.take(fold.train), cases.take(fold.test)
        fitted = LogisticRegression(C=1.0).fit(is_centre[fold.train], train.y, sample_weight=train.weight)
        patients.append(test.patients)
        scores.append(test.per_patient(fitted.decision_function(is_centre[fold.test])))
    return _auc(cases, patients, scores)


def _auc(
    cases: LabelledCases, patients: Sequence[npt.NDArray[np.str_]], scores: Sequence[npt.NDArray[np.float64]]
) -> Estimate:
    """AUC of out-of-fold scores, each of them centred within its fold.

    A fold whose training part holds more positives scores everyone higher and tests fewer of them. Pooled as they are, such
    scores would pull the AUC of nothing below 0.5.
    """
    order = np.argsort(np.concatenate(patients))
    centred = np.concatenate([score - score.mean() for score in scores])[order]
    probability = np.asarray(expit(centred), dtype=np.float64)
    return auc(Predictions("control", "", cases.patients, cases.patient_centre, cases.patient_y, probability))
