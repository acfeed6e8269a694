"""What the files of a model folder may hold, by type and range: a valid seal says that one is whole, not that it is sound.

The models here only check; what is used is built by ``Model.load`` and ``GradedModel.load`` from the same text.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from ccrcc_model.models.acquisition import RANGED
from ccrcc_model.models.threshold import CALIBRATIONS, MIN_SLOPE
from ccrcc_model.models.tree_text import FARTHEST
from ccrcc_model.outcomes.target import MAX_MAGNITUDE
from nnunet_ext.documents.foreign_json import parse_json

Number = Annotated[float, Field(ge=-MAX_MAGNITUDE, le=MAX_MAGNITUDE, allow_inf_nan=False)]
"""A feature's value, or a distance of values."""
Spread = Annotated[float, Field(gt=0, le=MAX_MAGNITUDE, allow_inf_nan=False)]
LogOdds = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)]
Slope = Annotated[float, Field(ge=MIN_SLOPE * (1 - 1e-9), le=FARTHEST, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=FARTHEST, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1 + 1e-9, allow_inf_nan=False)]
Inside = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]

Kind = TypeVar("Kind")


class Sound(BaseModel):
    """No key too many or too few, no text for a number, no truth value for a count."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _unique(names: Sequence[object], of: str) -> None:
    _expect(len(set(names)) == len(names), f"{of} are given twice")


class Volume(Sound):
    """Tumour volume: its scale, slope and intercept."""

    column: Annotated[str, StringConstraints(pattern=r"^tumour__.+__original_shape_(Mesh|Voxel)Volume$")]
    mean_log: LogOdds
    sd_log: Positive
    slope: LogOdds
    intercept: LogOdds


class Feature(Sound):
    """What a member holds of a feature."""

    name: Name
    typical: Number | None
    centre: Number
    spread: Spread
    weight: LogOdds


class Centre(Sound):
    """ComBat's shift and scale of each feature in a centre."""

    shift: list[Number]
    scale: list[Spread]


class Harmoniser(Sound):
    """ComBat."""

    names: list[Name]
    mean: list[Number]
    spread: list[Spread]
    centres: dict[str, Centre]
    transductive: bool

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        _unique(self.names, "features")
        lists = [self.mean, self.spread, *(one.shift for one in self.centres.values())]
        lists += [one.scale for one in self.centres.values()]
        _expect(all(len(one) == len(self.names) for one in lists), "lists are not of one length")
        return self


class Member(Sound):
    """One member of the ensemble."""

    trees: Annotated[str, StringConstraints(pattern=r"^member_\d{2,}\.txt$")]
    volume: Volume
    features: Annotated[list[Feature], Field(min_length=1)]
    harmoniser: Harmoniser | None
    projections: Annotated[str, StringConstraints(pattern=r"^projections_\d{2,}\.json$")] | None = None

    @model_validator(mode="after")
    def _of_its_features(self) -> Self:
        names = [feature.name for feature in self.features]
        _unique(names, "features")
        if self.harmoniser is not None:
            _expect(set(self.harmoniser.names) <= set(names), "ComBat holds features that the member has not")
        return self


class Pipeline(Sound):
    """``pipeline.json`` of a model of yes or no."""

    members: Annotated[list[Member], Field(min_length=1)]
    baseline: Volume

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        _unique([member.trees for member in self.members], "trees")
        return self


class Grades(Sound):
    """Link of ordered grades."""

    levels: Annotated[list[Number], Field(min_length=2)]
    thresholds: list[LogOdds]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        rises = all((np.diff(one) > 0).all() for one in (self.levels, self.thresholds))
        _expect(rises and len(self.thresholds) == len(self.levels) - 1, "levels and thresholds do not rise, one between two")
        return self


class Percent(Sound):
    """Link of a percentage."""

    mean: LogOdds
    sd: Positive


class CalibratedLink(Sound):
    """A slope and a link."""

    slope: Positive
    link: Grades | Percent


class GradedPipeline(Sound):
    """``pipeline.json`` of a graded model."""

    members: Annotated[list[Member], Field(min_length=1)]
    calibration: CalibratedLink
    baseline: Annotated[list[Volume], Field(min_length=1)]
    baseline_calibration: CalibratedLink

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        _unique([member.trees for member in self.members], "trees")
        return self


class OneDecision(Sound):
    """Calibration and threshold of a score."""

    slope: Slope
    intercept: LogOdds
    threshold: Inside
    calibration: Literal["none", "in the large", "logistic"]

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        simple = CALIBRATIONS.index(self.calibration)
        _expect(simple > 0 or self.intercept == 0, "no calibration, yet an intercept")
        _expect(simple > 1 or self.slope == 1, "no calibration of the slope, yet a slope")
        return self


class Decisions(Sound):
    """``decisions.json``."""

    model: OneDecision
    baseline: OneDecision


class Important(Sound):
    """An entry of ``importance.json``."""

    feature: Name
    log_odds: Annotated[float, Field(ge=0, le=FARTHEST, allow_inf_nan=False)]
    share: Share
    members: Count


class Group(Sound):
    """How much a group of features moves the model."""

    by: Literal["region", "scale", "image", "family"]
    group: Name
    share: Share
    lowest: Share
    highest: Share


class Explained(Sound):
    """``explanation.json``."""

    groups: list[Group]
    stability: Annotated[float, Field(le=1 + 1e-9, ge=-FARTHEST, allow_inf_nan=False)] | None
    n_folds: Annotated[int, Field(ge=1)]
    verdict: str


class Projected(Sound):
    """Principal components of one region's deep features."""

    names: list[Name]
    sources: list[Name]
    typical: list[Number]
    centre: list[Number]
    spread: list[Spread]
    axes: list[list[Annotated[float, Field(ge=-1 - 1e-9, le=1 + 1e-9, allow_inf_nan=False)]]]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        _unique(self.names, "components")
        _unique(self.sources, "deep features")
        lists = [self.typical, self.centre, self.spread, *self.axes]
        whole = all(len(one) == len(self.sources) for one in lists) and len(self.axes) == len(self.names)
        _expect(whole, "lists are not of one length")
        return self


class Acquisition(Sound):
    """How the development scans were acquired."""

    ranges: dict[str, Annotated[list[Number], Field(min_length=2, max_length=2)]]
    phases: list[Name]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _expect(set(self.ranges) <= set(RANGED), "a range of what is not compared")
        _expect(all(low <= high for low, high in self.ranges.values()), "a range that ends before it begins")
        return self


class Domain(Sound):
    """``applicability.json``."""

    limit: Annotated[float, Field(ge=0, le=FARTHEST, allow_inf_nan=False)]
    declined: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    most_missing: Count
    acquisition: Acquisition
    features: list[Name]
    median: list[Number]
    spread: list[Spread]
    mean: list[LogOdds]
    covariance_lower: list[list[Number]]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        n = len(self.features)
        _unique(self.features, "features")
        _expect(self.most_missing <= n, "more missing features than there are")
        whole = all(len(one) == n for one in (self.median, self.spread, self.mean, self.covariance_lower))
        _expect(whole and [len(row) for row in self.covariance_lower] == list(range(1, n + 1)), "lists are not of one length")
        lower = np.zeros((n, n))
        for place, row in enumerate(self.covariance_lower):
            lower[place, : place + 1] = row
        values = np.linalg.eigvalsh(lower) if n else np.ones(1)
        # It is written to nine decimals, so that the least eigenvalue is known to some 1e-7.
        _expect(bool(values.min() > -1e-6 * values.max()), "the covariance is none: a variance is negative")
        return self


class Recorded(Sound):
    """A step and whom it saw and scored, as places in the list of patients."""

    name: Name
    seen: list[Count]
    scored: list[Count]


class Steps(Sound):
    """``steps.json``."""

    patients: list[Hash]
    steps: list[Recorded]

    @model_validator(mode="after")
    def _of_its_patients(self) -> Self:
        _unique(self.patients, "patients")
        places = {place for step in self.steps for place in (*step.seen, *step.scored)}
        _expect(not places or max(places) < len(self.patients), "a step saw a patient that is not listed")
        return self

    @property
    def leaks(self) -> list[str]:
        """Names of the steps that scored a patient whom they had seen."""
        return [step.name for step in self.steps if set(step.seen) & set(step.scored)]


def sound(kind: type[Kind], text: str, file: str) -> Kind:
    """Return what a JSON text holds, if it may.

    Args:
        kind: One of the models here, or a list of them.
        text: Of the file.
        file: Its name, for the message.

    Raises:
        ValueError: In one line: where it is wrong, and how.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        msg = f"{file}: {error}"
        raise ValueError(msg) from error
    return sound_value(kind, value, file)


def sound_value(kind: type[Kind], value: Any, file: str) -> Kind:
    """Return what a JSON value holds, if it may.

    Raises:
        ValueError: As ``sound``.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        msg = f"{file}: {where}: {first['msg'].removeprefix('Value error, ')}, found {first['input']!r:.60}"
        raise ValueError(msg) from None
