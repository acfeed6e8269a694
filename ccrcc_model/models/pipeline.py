"""The members of a model and their calibration as the files of a model folder, and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import lightgbm as lgb
import numpy as np

from ccrcc_model.models.combat import ComBat
from ccrcc_model.models.components import projections_from_json, projections_to_json
from ccrcc_model.models.graded import Calibrated
from ccrcc_model.models.member import Member
from ccrcc_model.models.scorer import LIKELIHOODS, Scorer
from ccrcc_model.models.start import LinearStart
from ccrcc_model.models.threshold import Decision
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.target import Target

PIPELINE, DECISIONS, OUT_OF_FOLD, IMPORTANCE, EXPLANATION, STEPS, DOMAIN, SCANS = (
    "pipeline.json",
    "decisions.json",
    "out_of_fold.csv",
    "importance.json",
    "explanation.json",
    "steps.json",
    "applicability.json",
    "scans.json",
)
"""The files of a model folder besides the manifest and, of each member, the trees and the projections of deep features."""

_FEATURE = ("name", "typical", "centre", "spread", "weight")
"""Parameters of each feature of a member in the pipeline's file."""


def pipeline_files(model: Scorer, baseline: Scorer, target: Target) -> dict[str, str]:
    """Return the text of the files that hold members and calibrations, by name.

    Args:
        model: Members, calibrated.
        baseline: Tumour volume alone, calibrated.
        target: What is predicted.
    """
    pairs = model.weighted_members
    members = [member for member, _ in pairs]
    contents = [_member_to_json(member, place, weight=weight) for place, (member, weight) in enumerate(pairs)]
    volumes = [_volume_to_json(volume) for volume in baseline.members if isinstance(volume, VolumeModel)]
    calibrations = [scorer.calibration.to_json() for scorer in (model, baseline) if scorer.calibration is not None]
    files = _member_files(contents, members)
    if target.kind == "binary":
        decisions = dict(zip(("model", "baseline"), calibrations, strict=True))
        return files | {PIPELINE: json_text({"members": contents, "baseline": volumes[0]}), DECISIONS: json_text(decisions)}
    pipeline = {"members": contents, "calibration": calibrations[0]}
    pipeline |= {"baseline": volumes, "baseline_calibration": calibrations[1]}
    return files | {PIPELINE: json_text(pipeline)}


def read_pipeline(files: Mapping[str, str], target: Target, seen: frozenset[str]) -> tuple[Scorer, Scorer]:
    """Return the model and the baseline that ``pipeline_files`` wrote.

    Args:
        files: Text of each file by name.
        target: What is predicted.
        seen: Hashes of the development patients.
    """
    pipeline = json.loads(files[PIPELINE])
    likelihood = LIKELIHOODS[target.kind]
    members = tuple(_load_member(member, files) for member in pipeline["members"])
    weights = tuple(member["weight"] for member in pipeline["members"])
    if target.kind == "binary":
        decisions = json.loads(files[DECISIONS])
        model, baseline = (Decision(**decisions[which]) for which in ("model", "baseline"))
        volume = VolumeModel(**pipeline["baseline"], seen=seen)
        return Scorer(members, likelihood, model, weights), Scorer((volume,), likelihood, baseline)
    volumes = tuple(VolumeModel(**volume, seen=seen) for volume in pipeline["baseline"])
    of_model, of_baseline = (Calibrated.from_json(pipeline[key]) for key in ("calibration", "baseline_calibration"))
    return Scorer(members, likelihood, of_model, weights), Scorer(volumes, likelihood, of_baseline)


def json_text(value: Any) -> str:
    """Return a value as the text of a file."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _member_files(contents: Sequence[Mapping[str, Any]], members: Sequence[Member]) -> dict[str, str]:
    """Return the trees and the projections of members by the names that ``contents`` gives them."""
    pairs = list(zip(contents, members, strict=True))
    trees = {content["trees"]: member.trees.model_to_string() for content, member in pairs if member.trees is not None}
    return trees | {
        content["projections"]: projections_to_json(member.projections) for content, member in pairs if member.projections
    }


def _member_to_json(member: Member, place: int, *, weight: float) -> dict[str, Any]:
    """Return a member as JSON; its trees and projections, if it has any, stand in files named after its place."""
    start = member.start
    typical = [None if np.isnan(value) else value for value in member.typical.tolist()]
    columns = (start.names, typical, start.centre.tolist(), start.spread.tolist(), start.weights.tolist())
    content = {
        "family": member.family,
        "weight": weight,
        "trees": f"member_{place:02d}.txt" if member.trees is not None else None,
        "volume": _volume_to_json(start.volume),
        "tails": start.tails,
        "features": [dict(zip(_FEATURE, row, strict=True)) for row in zip(*columns, strict=True)],
        "harmoniser": member.harmoniser.to_json() if member.harmoniser is not None else None,
    }
    if member.projections:
        content["projections"] = f"projections_{place:02d}.json"
    return content


def _volume_to_json(volume: VolumeModel) -> dict[str, Any]:
    """Return a volume model as JSON, without whom it saw."""
    return {name: value for name, value in asdict(volume).items() if name != "seen"}


def _load_member(content: Mapping[str, Any], files: Mapping[str, str]) -> Member:
    """Return the member that ``_member_to_json`` wrote, with its trees and projections from the folder's files."""
    projections = projections_from_json(files[content["projections"]]) if "projections" in content else ()
    names, *numbers = ([feature[key] for feature in content["features"]] for key in _FEATURE)
    typical, centre, spread, weights = (np.array(one, dtype=np.float64) for one in numbers)  # None becomes NaN
    volume = VolumeModel(**content["volume"], seen=frozenset())
    start = LinearStart(volume, tuple(names), centre, spread, weights, content["tails"])
    harmoniser = ComBat.from_json(content["harmoniser"]) if content["harmoniser"] is not None else None
    trees = lgb.Booster(model_str=files[content["trees"]]) if content["trees"] is not None else None
    return Member(content["family"], start, typical, trees, frozenset(), harmoniser, projections)
