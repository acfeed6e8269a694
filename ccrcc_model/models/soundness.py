"""Whether a whole model folder is also a sound one: its seal can be made again around nonsense, by mistake or on purpose.

Every file is checked by value before anything is built from it, and files are checked against each other: whoever changes a
threshold has to change more than the threshold.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from ccrcc_model.models.files import Domain, Explained, Important, Steps, sound, sound_value
from ccrcc_model.models.folder import BINARY
from ccrcc_model.models.judged import NESTED, PREFIXES
from ccrcc_model.models.manifest import GradedManifest, Manifest, Nested
from ccrcc_model.models.member_files import Decisions, GradedPipeline, Member, OneDecision, Pipeline, Projected
from ccrcc_model.models.pipeline import DECISIONS, DOMAIN, EXPLANATION, IMPORTANCE, OUT_OF_FOLD, PIPELINE, STEPS
from ccrcc_model.models.scorer import value_columns
from ccrcc_model.models.tree_text import check_trees
from ccrcc_model.outcomes.target import ISUP, KI67_PERCENT
from ccrcc_model.statistics.cross_validation import order_within
from nnunet_ext.documents.csv_table import parse_csv
from nnunet_ext.ground.errors import InputError

OF_BOTH = (PIPELINE, OUT_OF_FOLD, IMPORTANCE, STEPS)
"""Files of models of every kind; folders of graded models that are older than these hold no explanation and no domain."""

ROUNDING = 1e-9
"""Largest difference between a figure and the same figure computed again, on another machine."""

Model = TypeVar("Model")
Files = Mapping[str, str]


def check_model(where: str, manifest: Mapping[str, Any], files: Files, build: Callable[[], Model]) -> Model:
    """Return a model, if what it is made of is sound.

    Args:
        where: It is, for the message.
        manifest: As it was read.
        files: Text of each other file by name.
        build: Makes the model of them.

    Raises:
        InputError: If a file holds what none can hold, or two contradict each other.
    """
    try:
        (_check_binary if manifest.get("kind", BINARY) == BINARY else _check_graded)(manifest, files)
        return build()
    except (ValueError, KeyError, TypeError, OverflowError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        msg = f"The model {where} is sealed but not sound: {reason:.300}; copy the model again, or fit it again"
        raise InputError(msg) from error


def _check_binary(manifest: Mapping[str, Any], files: Files) -> None:
    said = sound_value(Manifest, dict(manifest), "manifest.json")
    _need(files, (*OF_BOTH, DECISIONS, EXPLANATION, DOMAIN))
    pipeline = sound(Pipeline, files[PIPELINE], PIPELINE)
    decisions = sound(Decisions, files[DECISIONS], DECISIONS)
    _check_rest(said, pipeline.members, files)
    numbers = [f"{prefix}{name}" for prefix in PREFIXES for name in ("score", "probability", *NESTED)]
    frame = _out_of_fold(files, ("y_true", *numbers), said.patients)
    truth = frame["y_true"].to_numpy()
    if not np.isin(truth, (0, 1)).all() or truth.sum() != said.n_positive:
        _contradict(f"{OUT_OF_FOLD} does not hold the {said.n_positive} positive patients of the manifest")
    development, nested = said.development, said.development.nested
    _check_scores(frame, "", decisions.model, pooled=development.pooled_auc, nested=nested.model)
    _check_scores(frame, "baseline_", decisions.baseline, pooled=development.pooled_baseline_auc, nested=nested.baseline)


def _check_graded(manifest: Mapping[str, Any], files: Files) -> None:
    said = sound_value(GradedManifest, dict(manifest), "manifest.json")
    name = said.target.get("name")
    target = next((one for one in (ISUP, KI67_PERCENT) if one.name == name), None)
    if target is None or said.target != target.to_json() or said.kind != said.target["kind"]:
        _contradict(f"manifest.json predicts {name!r:.60}, as which this version knows another target or none")
        return
    _need(files, OF_BOTH)
    pipeline = sound(GradedPipeline, files[PIPELINE], PIPELINE)
    _check_rest(said, pipeline.members, files)
    levels = target.levels
    for one in (pipeline.calibration.link, pipeline.baseline_calibration.link):
        if bool(levels) != hasattr(one, "levels") or not set(getattr(one, "levels", ())) <= set(levels):
            _contradict(f"{PIPELINE} is calibrated for another outcome than {target.name}")
    names = ("score", *value_columns(target))
    frame = _out_of_fold(files, ("outcome", *names, *(f"baseline_{name}" for name in names)), said.patients)
    outcome = frame["outcome"].to_numpy()
    if not (np.isin(outcome, levels) if levels else (outcome >= 0) & (outcome <= 100)).all():
        _contradict(f"{OUT_OF_FOLD} holds an outcome that is no {target.column}")
    for prefix in ("", "baseline_"):
        _check_grades(frame, prefix, levels)


def _check_members(members: Sequence[Member], files: Files) -> set[str]:
    """Check trees and projections; return the features that members see, as the domain names them."""
    seen: set[str] = set()
    for place, member in enumerate(members):
        _need(files, [name for name in (member.trees, member.projections) if name is not None])
        names = [feature.name for feature in member.features]
        try:
            if member.trees is not None:
                check_trees(files[member.trees], len(names), averaged=member.family == "forest")
        except ValueError as error:
            _contradict(f"{member.trees}: {error}")
        projected = sound(list[Projected], files[member.projections], member.projections) if member.projections else []
        components = {name for one in projected for name in one.names}
        seen |= {f"{name}__member_{place:02d}" if name in components else name for name in (*names, member.volume.column)}
    return seen


def _check_rest(said: Manifest | GradedManifest, members: Sequence[Member], files: Files) -> None:
    """Check the files that models of every kind have."""
    seen = _check_members(members, files)
    if EXPLANATION in files:
        sound(Explained, files[EXPLANATION], EXPLANATION)
    if DOMAIN in files:
        domain = sound(Domain, files[DOMAIN], DOMAIN)
        if unknown := sorted(set(domain.features) - seen):
            _contradict(f"{DOMAIN} compares {unknown[0]}, which no member sees")
    for entry in sound(list[Important], files[IMPORTANCE], IMPORTANCE):
        if entry.members > len(members):
            _contradict(f"{IMPORTANCE}: {entry.feature} is kept by {entry.members} of {len(members)} members")
    steps = sound(Steps, files[STEPS], STEPS)
    if len(steps.steps) != said.audit.steps or steps.leaks:
        found = f"{len(steps.steps)} steps of which {len(steps.leaks)} leak"
        _contradict(f"{STEPS} holds {found}, the manifest states {said.audit.steps}")
    if set(steps.patients) != set(said.patients):
        _contradict(f"{STEPS} is of other patients than the manifest")


def _out_of_fold(files: Files, numbers: Sequence[str], patients: Sequence[str]) -> pd.DataFrame:
    frame = parse_csv(files[OUT_OF_FOLD], OUT_OF_FOLD)
    if missing := [name for name in ("patient", "centre", *numbers) if name not in frame.columns]:
        _contradict(f"{OUT_OF_FOLD} lacks the column {missing[0]}")
    if sorted(frame["patient"]) != sorted(patients):
        _contradict(f"{OUT_OF_FOLD} is of other patients than the manifest")
    frame = frame.assign(**{name: pd.to_numeric(frame[name], errors="coerce").astype("float64") for name in numbers})
    for name in numbers:
        if not np.isfinite(frame[name]).all():
            _contradict(f"{OUT_OF_FOLD} holds what is no number in {name}")
    return frame


def _check_scores(frame: pd.DataFrame, prefix: str, decision: OneDecision, *, pooled: float, nested: Nested) -> None:
    score, probability = (frame[f"{prefix}{name}"].to_numpy() for name in ("score", "probability"))
    if not _close(expit(decision.intercept + decision.slope * score), probability):
        _contradict(f"{OUT_OF_FOLD}: {prefix}probability does not follow from {prefix}score by {DECISIONS}")
    truth = frame["y_true"].to_numpy(dtype=np.int_)
    found, _ = order_within(truth, score[None])
    if abs(found[0] - pooled) > ROUNDING:
        _contradict(f"{OUT_OF_FOLD}: the AUC of {prefix}score is not the manifest's")
    inside, called = (frame[f"{prefix}{name}"].to_numpy() for name in NESTED)
    if not ((inside >= 0) & (inside <= 1)).all() or not np.isin(called, (0, 1)).all():
        _contradict(f"{OUT_OF_FOLD}: {prefix}{NESTED[0]} is no probability, or {prefix}{NESTED[1]} no call")
    for share, right in ((nested.sensitivity, called[truth == 1] == 1), (nested.specificity, called[truth == 0] == 0)):
        if (share.numerator, share.denominator) != (int(right.sum()), len(right)):
            _contradict(f"{OUT_OF_FOLD}: {prefix}{NESTED[1]} is not what the manifest states")


def _check_grades(frame: pd.DataFrame, prefix: str, levels: Sequence[float]) -> None:
    if not levels:
        if not frame[f"{prefix}percent"].between(0, 100).all():
            _contradict(f"{OUT_OF_FOLD}: {prefix}percent is not inside [0, 100]")
        return
    grades = frame[[f"{prefix}grade_{level:g}" for level in levels]].to_numpy()
    if grades.min() < -ROUNDING or not _close(grades.sum(axis=1), np.ones(len(grades))):
        _contradict(f"{OUT_OF_FOLD}: probabilities of {prefix}grades that do not add up to 1")
    if not _close(grades @ np.array(levels), frame[f"{prefix}expected_grade"].to_numpy()):
        _contradict(f"{OUT_OF_FOLD}: {prefix}expected_grade is not the mean grade")


def _close(found: npt.NDArray[np.float64], said: npt.NDArray[np.float64]) -> bool:
    return bool((np.abs(found - said) <= ROUNDING).all())


def _need(files: Files, names: Sequence[str]) -> None:
    if absent := [name for name in names if name not in files]:
        _contradict(f"{absent[0]} is not among its files")


def _contradict(found: str) -> None:
    raise ValueError(found)
