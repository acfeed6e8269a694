"""A prediction of ``answer.json`` as the page states it: why there is none, or the number with what helps to read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ccrcc_model.patient.similar_patients import SimilarPatients, similar_patients
from ccrcc_model.patient.strip import Bar, Strip, draw_contributions, draw_strip
from ccrcc_model.report.summary import title
from radiomics_cfg.feature_name import FeatureName

GROUPINGS = {"region": "By region", "scale": "By scale", "image": "By image filter", "family": "By feature class"}
"""Keys of ``contributions``, in the order of the page."""

CLASSES = {"0": "negative", "1": "positive", "False": "negative", "True": "positive"}


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a group of features, or a feature, added to the log odds."""

    name: str
    region: str
    log_odds: float
    bar: Bar


@dataclass(frozen=True, slots=True)
class ShownPrediction:
    """One target.

    Args:
        title: Heading.
        rule: What positive means.
        withheld: Why there is no answer, if there is none.
        percent: The probability, for a yes or no.
        beside_number: What is read with it: the share of positives among similar patients.
        values: Grades or percentages, for other kinds.
        strip: Drawing of the probability.
        words: What the drawing shows, in sentences.
        moved: Contributions, by caption.
    """

    title: str
    rule: str
    withheld: str = ""
    percent: str = ""
    beside_number: str = ""
    values: tuple[tuple[str, str], ...] = ()
    strip: Strip | None = None
    words: tuple[str, ...] = ()
    moved: tuple[tuple[str, tuple[Contribution, ...]], ...] = ()


def percent(share: float) -> str:
    """Return a share in whole percent; 0 and 100 only where it is exact."""
    whole = round(100 * share)
    if whole == 0 and share > 0:
        return "<1%"
    return ">99%" if whole == 100 and share < 1 else f"{whole}%"


def shown_prediction(answer: Mapping[str, Any]) -> ShownPrediction:
    """Return what the page states of one of an answer's predictions. Where it was withheld, no number is shown.

    Args:
        answer: An entry of ``predictions``.
    """
    shown = ShownPrediction(title(str(answer["target"])), str(answer.get("rule") or ""))
    if answer.get("abstained"):
        return replace(shown, withheld=str(answer.get("abstained_reason") or "the model abstains"))
    shown = replace(
        shown,
        values=tuple((spoken(str(name)), _value(value)) for name, value in (answer.get("values") or {}).items()),
        moved=tuple(_moved(answer.get("contributions") or {})),
    )
    probability = answer.get("probability")
    return shown if probability is None else _with_number(shown, float(probability), answer)


def _with_number(shown: ShownPrediction, probability: float, answer: Mapping[str, Any]) -> ShownPrediction:
    """Return a prediction with its probability, and what helps to read it."""
    development = answer.get("development") or {}
    positives, negatives = (development.get(f"probabilities_{kind}") or () for kind in ("positive", "negative"))
    similar = similar_patients(probability, positives, negatives)
    strip = draw_strip(
        probability,
        threshold=answer.get("threshold"),
        baseline=answer.get("baseline_probability"),
        similar=similar,
        positives=positives,
        negatives=negatives,
    )
    words = tuple(_words(answer, similar))
    return replace(shown, percent=percent(probability), beside_number=_beside_number(similar), strip=strip, words=words)


def _beside_number(similar: SimilarPatients | None) -> str:
    if similar is None:
        return "too few development patients to count similar ones"
    return (
        f"{similar.positive} of {similar.n} similar patients were positive: {percent(similar.low)} to {percent(similar.high)}"
    )


def _words(answer: Mapping[str, Any], similar: SimilarPatients | None) -> list[str]:
    """Return the sentences below a drawing."""
    lines = []
    threshold, positive = answer.get("threshold"), answer.get("positive")
    if threshold is not None and positive is not None:
        where = "At or above" if positive else "Below"
        lines.append(
            f"{where} the threshold of {percent(threshold)} (dashed): the model classifies it as "
            f"{'positive' if positive else 'negative'}."
        )
    if similar is not None:
        lines.append(
            f"Of the {similar.n} development patients with the most similar probability {similar.positive} were "
            f"positive, {percent(similar.positive / similar.n)} (95% CI {percent(similar.low)} to {percent(similar.high)})."
        )
    if (conformal := answer.get("conformal")) is not None:
        lines.append(_conformal(conformal))
    if (baseline := answer.get("baseline_probability")) is not None:
        lines.append(f"Tumour volume alone (circle): {percent(baseline)}.")
    return lines


def _conformal(conformal: Mapping[str, Any]) -> str:
    """Return what a conformal set says."""
    among = [CLASSES.get(str(one), str(one)) for one in conformal.get("set") or ()]
    level = percent(1 - float(conformal["alpha"]))
    if not among:
        return f"At {level} confidence neither class is plausible: the patient is unlike the development cohort."
    if len(among) > 1:
        return f"At {level} confidence {' and '.join(among)} both remain possible: inconclusive."
    return f"At {level} confidence only {among[0]} remains possible."


def _moved(contributions: Mapping[str, Any]) -> list[tuple[str, tuple[Contribution, ...]]]:
    blocks = []
    for key, caption in GROUPINGS.items():
        if rows := contributions.get(key):
            named = [(str(row["group"]), str(row["group"]) if key == "region" else "", float(row["log_odds"])) for row in rows]
            blocks.append((caption, _drawn(named)))
    if rows := contributions.get("features"):
        named = [(str(row["feature"]), _region(row), float(row["log_odds"])) for row in rows]
        blocks.append(("Leading features", _drawn(named)))
    return blocks


def _region(row: Mapping[str, Any]) -> str:
    return str(row.get("region") or FeatureName.of(str(row["feature"])).region)


def _drawn(rows: Sequence[tuple[str, str, float]]) -> tuple[Contribution, ...]:
    bars = draw_contributions([log_odds for _, _, log_odds in rows])
    return tuple(
        Contribution(spoken(name), region, log_odds, bar) for (name, region, log_odds), bar in zip(rows, bars, strict=True)
    )


def spoken(name: str) -> str:
    """Return the name of a region, a measurement or a feature as a reader says it."""
    if name.startswith("shell_"):
        ring, _, rest = name.removeprefix("shell_").partition("mm")
        where = " · ".join(part.replace("_", " ").strip() for part in rest.split("__") if part)
        return f"ring {ring.replace('_', '–').replace('p', '.')} mm{', ' + where if where else ''}"
    return " · ".join(part.replace("_", " ") for part in name.split("__"))


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not assessable"}[value]
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return str(value)
