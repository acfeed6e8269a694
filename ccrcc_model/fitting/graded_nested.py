"""Patient-grouped nested cross-validation of a graded outcome, and the procedure that it judges.

The procedure is that of ``nested`` with another likelihood: rank filter, linear start on log volume and features, trees on
top, ten members averaged. A member's ``log_odds`` is here its score, which knows no level: cumulative log odds less every
threshold for grades, standard deviations of ``log(1 + percent)`` for a percentage. The level comes from a calibration on the
out-of-fold scores of the inner folds, so that an outer fold judges probabilities and percentages too, thresholds included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from ccrcc_model.fitting.folds import Fold, patient_folds
from ccrcc_model.fitting.nested import Settings, run_parts
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.fitting.tune import MAX_FEATURES, tune
from ccrcc_model.models.components import Projections, fit_projections, project
from ccrcc_model.models.likelihood import Calibrated, Link, calibrate_scores
from ccrcc_model.models.member import TREES, Hyperparameters, Member, choose_features
from ccrcc_model.models.start import LinearStart, unit_start
from ccrcc_model.models.volume import VolumeModel, fit_volume
from ccrcc_model.outcomes.graded import LINKS, GradedCases, GradedTarget
from ccrcc_model.outcomes.seen import Step, patient_hashes
from ccrcc_model.outcomes.target import Cases
from nnunet_ext.ground.progress import OnProgress, silent

RIDGE = 1.0
"""Prior of standard deviation 1 for the slope of log volume, as scikit-learn's ``C = 1`` is for the binary models."""


@dataclass(frozen=True)
class GradedFold:
    """One inner split with the volume scale and the features, the most associated first, of its training part.

    Deep features, if there were any, are projected already, in both parts as the training part has it.
    """

    train: GradedCases
    test: GradedCases
    volume: VolumeModel
    chosen: tuple[str, ...]
    link: type[Link]
    projections: Projections = ()

    def fit(self, hyperparameters: Hyperparameters, *, seed: int) -> tuple[Member, Link]:
        """Fit a member on the training part; it scores the test part, and cases of a table ``after(self.projections)``."""
        return fit_graded_member(self.train, self.volume, self.chosen, hyperparameters, link=self.link, seed=seed)

    def losses(self, hyperparameters: Hyperparameters, *, seed: int) -> npt.NDArray[np.float64]:
        """Return the loss of each test case, shape ``(n_test_cases,)``."""
        member, link = self.fit(hyperparameters, seed=seed)
        return link.losses(member.log_odds(self.test), self.test.outcome)


@dataclass(frozen=True)
class Scorer:
    """Members whose mean score a calibration turns into grades or percentages."""

    members: tuple[Member, ...] | tuple[VolumeModel, ...]
    calibrated: Calibrated

    @property
    def seen(self) -> frozenset[str]:
        """Hashes of the patients that any member was fitted on; the calibration saw no others."""
        return frozenset().union(*(member.seen for member in self.members))

    def score(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return the score of each of ``cases.patients``: the mean over members and over the patient's cases."""
        return mean_score(self.members, cases)


@dataclass(frozen=True)
class GradedProcedure:
    """Everything that was fitted on some patients.

    Args:
        model: The ensemble and its calibration.
        baseline: Tumour volume alone, through the same inner folds.
        hyperparameters: What tuning chose for all members.
        steps: What the inner folds saw and scored, in tuning and for the calibration.
    """

    model: Scorer
    baseline: Scorer
    hyperparameters: Hyperparameters
    steps: tuple[Step, ...]


@dataclass(frozen=True, eq=False)
class GradedOuter:
    """What a procedure fitted on one outer training part said about the patients outside it.

    Args:
        repeat: Of the outer folds.
        patients: Shape ``(n_patients,)``.
        said: Of the model: ``score``, ``expected`` and the probability of each level, shape ``(n_patients, 2 + n_levels)``.
        baseline_said: The same of tumour volume alone.
        hyperparameters: What tuning chose.
        steps: What every step saw and scored.
    """

    repeat: int
    patients: npt.NDArray[np.str_]
    said: npt.NDArray[np.float64]
    baseline_said: npt.NDArray[np.float64]
    hyperparameters: Hyperparameters
    steps: tuple[Step, ...]


def mean_score(members: Sequence[Member | VolumeModel], cases: Cases) -> npt.NDArray[np.float64]:
    """Return the mean score of each of ``cases.patients``, shape ``(n_patients,)``."""
    return cases.per_patient(np.mean([member.log_odds(cases) for member in members], axis=0))


def say_graded(scorer: Scorer, cases: Cases, levels: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return score, expected outcome and the probability of each level, shape ``(n_patients, 2 + n_levels)``."""
    score = scorer.score(cases)
    return np.column_stack([score, scorer.calibrated.expected(score), scorer.calibrated.probabilities(score, levels)])


def fit_graded_linear(
    cases: GradedCases, volume: VolumeModel, names: Sequence[str], *, prior: float, link: type[Link]
) -> tuple[LinearStart, Link]:
    """Fit log volume and features together, and the link of their score.

    Args:
        cases: Of two different outcomes at least.
        volume: Fitted on the same cases; gives the scale of volume.
        names: Features.
        prior: Of a feature's effect, see ``fit_linear``.
        link: Proportional odds, or a line.
    """
    unit = unit_start(cases, volume, names)
    design = np.column_stack([volume.standard(cases), prior * unit.contributions(cases)])
    coefficients, fitted = link.fit(design, cases.outcome, weight=cases.weight, ridge=RIDGE)
    scaled = replace(volume, slope=float(coefficients[0]), intercept=0.0)
    return replace(unit, volume=scaled, weights=prior * coefficients[1:]), fitted


def fit_graded_member(
    cases: GradedCases,
    volume: VolumeModel,
    chosen: Sequence[str],
    hyperparameters: Hyperparameters,
    *,
    link: type[Link],
    seed: int,
) -> tuple[Member, Link]:
    """Fit on the first features of ``chosen``; the link's derivatives drive the trees, its level stays that of the start."""
    names = tuple(chosen[: hyperparameters.n_features])
    start, fitted = fit_graded_linear(cases, volume, names, prior=hyperparameters.prior, link=link)

    def objective(score: npt.NDArray[np.float64], _: lgb.Dataset) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        gradient, hessian = fitted.derivatives(score, cases.outcome)
        return gradient * cases.weight, hessian * cases.weight

    parameters = hyperparameters.lightgbm(seed) | {"objective": objective}
    values = cases.columns(names)
    data = lgb.Dataset(values, cases.y, init_score=start.log_odds(cases), params=parameters)
    trees = lgb.train(parameters, data, num_boost_round=TREES, keep_training_booster=True)
    seen = volume.seen | patient_hashes(cases.patient_id)
    return Member(start, np.median(values, axis=0), trees, seen), fitted


def graded_inner_folds(cases: GradedCases, settings: Settings, *, link: type[Link], seed: int) -> list[GradedFold]:
    """Split ``cases`` by patient; project deep features and choose features in each training part.

    Raises:
        InputError: If too few patients lie on one side of the cut, or no feature is usable.
    """
    result = []
    for split in patient_folds(cases, folds=settings.inner_folds, repeats=settings.inner_repeats, seed=seed):
        train, test = cases.take(split.train), cases.take(split.test)
        projections = fit_projections(train)
        train, test = project(train, projections), project(test, projections)
        ranks = (2 * rankdata(train.outcome)).astype(np.int_)  # twice a mean rank is whole
        chosen = choose_features(replace(train, y=ranks), most=MAX_FEATURES)
        volume = fit_volume(train)
        needed = tuple(dict.fromkeys((volume.column, *chosen)))
        result.append(GradedFold(train.only(needed), test.only(needed), volume, chosen, link, projections))
    return result


def fit_graded_procedure(
    cases: GradedCases,
    target: GradedTarget,
    settings: Settings,
    *,
    seed: int,
    studies: str | None = None,
    study: str | None = None,
) -> GradedProcedure:
    """Choose features, tune, fit and calibrate the ensemble and the baseline on ``cases`` and nothing else.

    Args:
        cases: As ``label_graded`` gives them.
        target: What is asked.
        settings: How to split and tune.
        seed: Of everything random.
        studies: Where to keep the tuning, see ``open_studies``; in memory by default.
        study: Its name there.

    Raises:
        InputError: If too few patients lie on one side of the cut, or no feature is usable.
    """
    link = LINKS[target.kind]
    with threadpool_limits(1):  # sums then have one order, whatever the number of processes
        folds = graded_inner_folds(cases, settings, link=link, seed=seed)
        storage = open_studies(studies) if studies is not None else None
        first = folds[: len(folds) // settings.inner_repeats]
        tuned = tune(first, trials=settings.trials, seed=seed, storage=storage, study=study)
        members = tuple(fold.fit(tuned.hyperparameters, seed=seed + place)[0] for place, fold in enumerate(folds))
        starts = tuple(fit_graded_linear(f.train, f.volume, (), prior=0.0, link=link)[0].volume for f in folds)
        calibrated, baseline_calibrated = (_calibrate(cases, folds, fitted, link) for fitted in (members, starts))
    of_table = tuple(member.after(fold.projections) for member, fold in zip(members, folds, strict=True))
    model, baseline = Scorer(of_table, calibrated), Scorer(starts, baseline_calibrated)
    return GradedProcedure(model, baseline, tuned.hyperparameters, (*tuned.steps, *_inner_steps(folds, members)))


def _inner_steps(folds: Sequence[GradedFold], members: Sequence[Member]) -> list[Step]:
    """What each inner fold's projections and member saw, and whom they scored, in tuning too."""
    steps = []
    for place, (fold, member) in enumerate(zip(folds, members, strict=True)):
        scored = patient_hashes(fold.test.patient_id)
        steps += [Step(f"inner {place}: deep components", one.seen, scored) for one in fold.projections]
        steps.append(Step(f"inner {place}", member.seen, scored))
    return steps


def _calibrate(
    cases: GradedCases, folds: Sequence[GradedFold], members: Sequence[Member | VolumeModel], link: type[Link]
) -> Calibrated:
    """Calibrate on each patient's mean score by the members that never saw the patient."""
    total, times = np.zeros((2, len(cases.patients)))
    for fold, member in zip(folds, members, strict=True):
        place = np.searchsorted(cases.patients, fold.test.patients)
        total[place] += mean_score([member], fold.test)
        times[place] += 1
    return calibrate_scores(link, total / times, cases.patient_outcome)


def run_graded(
    cases: GradedCases,
    target: GradedTarget,
    settings: Settings,
    *,
    studies: tuple[str, str] | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> tuple[list[GradedOuter], GradedProcedure]:
    """Run the procedure on every outer training part and on all cases.

    Args:
        cases: As ``label_graded`` gives them.
        target: What is asked.
        settings: How to split and tune.
        studies: Where to keep the tuning of each training part, see ``open_studies``, and what their names begin with.
        jobs: Processes; the result does not depend on their number.
        on_progress: Told of each fit.

    Returns:
        The results of the outer folds, repeat by repeat, and what was fitted on all cases.

    Raises:
        InputError: If too few patients lie on one side of the cut, or no feature is usable.
    """
    judged = partial(_outer, cases, target=target, settings=settings)
    final = partial(fit_graded_procedure, cases, target, settings)
    return run_parts(cases, settings, judged, final, studies=studies, jobs=jobs, on_progress=on_progress)


def _outer(
    cases: GradedCases, split: Fold, *, target: GradedTarget, settings: Settings, seed: int, **kept: str
) -> GradedOuter:
    train, test = cases.take(split.train), cases.take(split.test)
    fitted = fit_graded_procedure(train, target, settings, seed=seed, **kept)
    name, scored = f"outer {split.repeat}.{split.index}", patient_hashes(test.patient_id)
    steps = [Step(f"{name}: {step.name}", step.seen, step.scored) for step in fitted.steps]
    parts = {"model": fitted.model, "baseline": fitted.baseline}
    steps += [Step(f"{name}: {part}", scorer.seen, scored) for part, scorer in parts.items()]
    said, baseline_said = (say_graded(scorer, test, target.levels) for scorer in parts.values())
    return GradedOuter(split.repeat, test.patients, said, baseline_said, fitted.hyperparameters, tuple(steps))
