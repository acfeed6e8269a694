"""Comparators of a model other than tumour volume: their figures, on the same folds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import joblib
from threadpoolctl import threadpool_limits

from ccrcc_model.fitting.folds import Fold, Folds
from ccrcc_model.fitting.ordering import MEASURES, FoldScores, compare_order, measure_of
from ccrcc_model.fitting.rivals import Rival, Score
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.estimate import Estimate, format_difference
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.progress import OnProgress, silent


@dataclass(frozen=True, slots=True)
class Comparator:
    """What a simpler model, or the same procedure on fewer features, achieves out-of-fold.

    Args:
        name: What it uses.
        measure: One of ``MEASURES``.
        figure: Value of the measure, with its interval.
        model_less_it: Difference (model − this one), on the same patients.
    """

    name: str
    measure: str
    figure: Estimate
    model_less_it: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"name": self.name, self.measure: asdict(self.figure), "model_less_it": asdict(self.model_less_it)}


def comparator_line(content: Mapping[str, Any]) -> str:
    """Return the line that reports a comparator of a manifest."""
    measure = next(name for name in MEASURES if name in content)
    figure, apart = Estimate(**content[measure]), Estimate(**content["model_less_it"])
    if figure.value is None:
        return f"Comparator {content['name']}: not estimable, {figure.reason}"
    difference = f"difference (model − comparator) {format_difference(apart)}"
    return f"Comparator {content['name']}: {MEASURES[measure]} {figure}, {difference}"


def compare_with_rivals(
    cases: LabelledCases,
    target: Target,
    scores: FoldScores,
    rivals: Sequence[Rival],
    *,
    folds: Folds,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> list[Comparator]:
    """Fit the rivals on the training parts that the model was fitted on, and compare their out-of-fold scores with its own.

    Args:
        cases: As the model was fitted on.
        target: What is predicted.
        scores: The model's out-of-fold scores, on the same folds.
        rivals: What to fit.
        folds: Folds on which the model was evaluated.
        jobs: Processes.
        on_progress: Called after each fit.
    """
    splits = folds.splits
    calls = [joblib.delayed(_scores)(cases, split, rival) for rival in rivals for split in splits]
    on_progress(0, len(calls))
    measure = measure_of(target)
    found: list[Comparator] = []
    results: Iterator[Score | str] = joblib.Parallel(n_jobs=jobs, return_as="generator")(calls)
    for place, rival in enumerate(rivals):
        of_rival: list[Score] = []
        reason = None
        for done in range(place * len(splits) + 1, (place + 1) * len(splits) + 1):
            answer = next(results)
            if isinstance(answer, str):
                reason = answer
            else:
                of_rival.append(answer)
            on_progress(done, len(calls))
        if reason is not None:
            found.append(Comparator(rival.name, measure, Estimate(None, reason=reason), Estimate(None, reason=reason)))
            continue
        other = FoldScores(scores.patients, of_rival, repeats=folds.repeats)
        compared = compare_order(cases, scores, other)
        found.append(Comparator(rival.name, measure, compared.baseline, compared.difference))
    return found


def _scores(cases: LabelledCases, split: Fold, rival: Rival) -> Score | str:
    """Return a rival's scores of the test part, or why it cannot be fitted although the model can."""
    train, test = cases.take(split.train), cases.take(split.test)
    with threadpool_limits(1):
        try:
            rule = rival.fit(train, split.repeat * 1000 + split.index)
        except InputError as error:
            return str(error)
        return test.per_patient(rule(test))
