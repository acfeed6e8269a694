"""The answer of a run in six lines that a clinician reads in two minutes, worded according to the confidence intervals."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ccrcc_model.plots.bars import DiceGroup, group_dice
from ccrcc_model.report.run_folder import Run
from ccrcc_model.statistics.estimate import Estimate, Proportion, format_number
from ccrcc_model.statistics.evaluation import GroupResult, Scope
from ccrcc_model.validation.graded_result import GradedResult
from ccrcc_model.validation.headline import OWN
from ccrcc_model.validation.result import BenchmarkResult

Tone = Literal["plain", "good", "open", "bad"]

TITLES = {"grade": "Grade", "ki67": "Ki67", "isup": "ISUP grade", "ki67-percent": "Ki67 percentage"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the answer.

    Args:
        label: Topic, in a word or two.
        text: The line.
        verdict: The answer in a few words, if there is one.
        tone: Whether the verdict is favourable.
    """

    label: str
    text: str
    verdict: str = ""
    tone: Tone = "plain"

    def __str__(self) -> str:
        return f"{self.label}: " + (f"{self.verdict}. " if self.verdict else "") + self.text


def summarise(run: Run) -> tuple[Line, ...]:
    """Return the lines: the question, one line per target, the locked threshold, the probabilities, the masks."""
    lines = [_asked(run), *(_verdict(result, run) for result in run.benchmarks), *map(_graded_verdict, run.graded)]
    if run.benchmarks:
        lines += [_threshold(run.benchmarks), _probabilities(run.benchmarks)]
    if "overlap" in run.tables:
        lines.append(_masks(run.tables["overlap"], run.external_cohorts))
    return tuple(lines)


def heading(run: Run) -> str:
    """Return the title of a run's record, or one that names its targets."""
    *others, last = dict.fromkeys((*(result.target for result in run.results), *run.models)) or ("renal cell carcinoma",)
    named = f"{', '.join(map(title, others))} and {title(last)}" if others else title(last)
    return run.record.title or f"{named[:1].upper()}{named[1:]} from CT radiomics"


def title(target: str) -> str:
    """Return the name of a target as a heading prints it."""
    return TITLES.get(target, target)


def in_words(number: int) -> str:
    """Return a small number as a word, a larger one as digits."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[number] if number < len(words) else str(number)


def interval(estimate: Estimate, *, sign: bool = False) -> str:
    """Return ``0.83 (95% CI 0.75 to 0.91)``, with a plus sign before positive numbers if ``sign``."""
    value, low, high = (number(each, sign=sign) for each in (estimate.value, estimate.low, estimate.high))
    if estimate.value is None:
        return f"not estimable ({estimate.reason})"
    if estimate.low is None:
        return f"{value} (no interval: {(estimate.reason or '').removeprefix('interval not estimable: ')})"
    return f"{value} (95% CI {low} to {high})"


def number(value: float | None, *, sign: bool = False) -> str:
    """Return a figure to two decimals with a true minus, and with a plus sign if it is positive and ``sign``."""
    text = format_number(value).replace("-", "−")
    return f"+{text}" if sign and value is not None and value > 0 else text


def _asked(run: Run) -> Line:
    if not run.results:
        return Line("Asked", "This run contains no benchmark, so it answers no question about grade or Ki67.")
    asked = [result.sentence for result in run.benchmarks] + [title(result.target) for result in run.graded]
    question = f"Can CT radiomics predict {', and '.join(asked)}, better than tumour volume alone"
    external = sum(one.scope is Scope.EXTERNAL for one in run.results[0].contrasts)
    if not external:
        return Line("Asked", f"{question}? No external cohort was scored.")
    where = "a cohort" if external == 1 else f"{in_words(external)} cohorts"
    return Line("Asked", f"{question}, in {where} that the model has never seen?")


def _verdict(result: BenchmarkResult, run: Run) -> Line:
    first = result.headline
    verdict, tone = judge(first.difference)
    who = "internal patients, out-of-fold" if first.scope is Scope.INTERNAL else "external patients"
    text = (
        f"AUC {interval(first.auc)} compared with {format_number(first.baseline_auc.value)} for tumour volume alone, "
        f"difference {interval(first.difference, sign=True)}, in {first.n} {who}, {first.events} of them positive."
    )
    text += _over_cohorts(result)
    best = (run.record.best_possible_auc or {}).get(result.target)
    if best is not None:
        text += f" A perfect reader of these phantoms would reach {format_number(best)}."
    return Line(title(result.target), text, verdict, tone)


def _over_cohorts(result: BenchmarkResult) -> str:
    """Return how the cohorts were combined, what a further one may see, and the pooled figure beside it."""
    first, across = result.headline, result.across
    if across is None or first.by == OWN:
        return ""
    used = across.auc.random.sites
    some = in_words(used) if used == first.cohorts else f"{in_words(used)} of {in_words(first.cohorts)}"
    if first.prediction is not None:
        low, high = (format_number(bound) for bound in (first.prediction.low, first.prediction.high))
        text = f" These are means over {some} cohorts by random effects; the AUC of a further cohort like these is expected "
        text += f"between {low} and {high} (95% prediction interval)"
    else:
        text = f" These are means over {some} cohorts, weighted by precision; two cohorts do not show how far a further one "
        text += "may differ"
    return f"{text}. The AUC over all their patients, pooled, is {format_number(result.everyone.model.auc.value)}."


def _graded_verdict(result: GradedResult) -> Line:
    """One line of a graded target: the verdict in each external cohort, since no figure pools them."""
    external = [one for one in result.contrasts if one.scope is not Scope.INTERNAL] or list(result.contrasts)
    judged = [judge(one.found.difference, figure="concordance") for one in external]
    verdicts = list(dict.fromkeys(verdict for verdict, _ in judged))
    better = sum(tone == "good" for _, tone in judged)
    verdict, tone = judged[0]
    if len(verdicts) > 1:
        verdict, tone = f"Better than tumour volume in {in_words(better)} of {in_words(len(judged))} cohorts", "open"
    text = "; ".join(
        f"{one.name} (n = {one.n}): concordance {interval(one.found.model)} compared with "
        f"{format_number(one.found.baseline.value)} for tumour volume alone, difference "
        f"{interval(one.found.difference, sign=True)}"
        for one in external
    )
    return Line(title(result.target), f"{text}.", verdict, tone)


def judge(difference: Estimate, *, figure: str = "AUC") -> tuple[str, Tone]:
    """Return whether the model beats tumour volume, by the interval of the difference of a figure of both."""
    if difference.value is None or difference.low is None or difference.high is None:
        return "Inconclusive", "open"
    if difference.low > 0:
        return "Better than tumour volume", "good"
    if difference.high < 0:
        return "Worse than tumour volume", "bad"
    if difference.value > 0:
        return f"Higher {figure} than tumour volume, but not significantly", "open"
    return "Not better than tumour volume", "bad"


def _threshold(results: tuple[BenchmarkResult, ...]) -> Line:
    def share(proportion: Proportion, word: str, kind: str) -> str:
        if proportion.value is None:
            return f"{kind} not estimable ({proportion.reason})"
        return f"{word} {proportion.numerator} of {proportion.denominator} {kind} patients, {interval(proportion)}"

    parts = []
    for result in results:
        cells = result.everyone.model.counts
        found = share(cells.sensitivity, "found", "positive")
        spared = share(cells.specificity, "cleared", "negative")
        parts.append(f"{title(result.target)}: {found}; {spared}.")
    return Line("At the locked threshold", " ".join(parts))


def _probabilities(results: tuple[BenchmarkResult, ...]) -> Line:
    return Line("Probabilities", " ".join(f"{title(result.target)}: {_calibration(result.everyone)}." for result in results))


def _calibration(group: GroupResult) -> str:
    intercept, slope = group.model.calibration.intercept, group.model.calibration.slope
    if intercept.low is None or intercept.high is None:
        return f"calibration not estimable ({intercept.reason})"
    slope_text = number(slope.value) if slope.low is not None else f"not estimable, {slope.reason}"
    figures = f"intercept {number(intercept.value)}, slope {slope_text}"
    faults = ["too low on average"] * (intercept.low > 0) + ["too high on average"] * (intercept.high < 0)
    if slope.low is not None and slope.high is not None:
        faults += ["too extreme"] * (slope.high < 1) + ["not extreme enough"] * (slope.low > 1)
    if not faults:
        return f"no evidence of miscalibration ({figures})"
    return f"predicted risks are {' and '.join(faults)} ({figures})"


def _masks(overlap: pd.DataFrame, external: frozenset[str] | None) -> Line:
    scored = overlap[overlap["cohort"].isin(external)] if external else overlap
    scored = overlap if scored.empty else scored
    groups = group_dice(scored, by="structure")
    if not groups:
        return Line("Masks", "No case has a reference mask to compare with.")
    text = ", ".join(f"{group.structure} {group}" for group in groups if group.structure != "cyst" or len(groups) == 1)
    where = "external cases" if external and set(scored["cohort"]) <= external else "cases"
    return Line("Masks", f"Mean Dice ± SD of predicted versus reference masks: {text}, in {_cases(groups)} {where}.")


def _cases(groups: tuple[DiceGroup, ...]) -> int:
    return max(len(group.dice) for group in groups)
