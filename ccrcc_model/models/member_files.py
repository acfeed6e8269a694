"""Valid content of the files of members and their calibration, by type and range."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, StringConstraints, model_validator

from ccrcc_model.models.files import Inside, LogOdds, Name, Number, Positive, Slope, Sound, Spread, expect, unique
from ccrcc_model.models.member import FamilyName
from ccrcc_model.models.start import Tails
from ccrcc_model.models.threshold import CALIBRATIONS
from ccrcc_model.models.tree_text import FARTHEST


class Volume(Sound):
    """Tumour volume: its scale, slope and intercept."""

    column: Annotated[str, StringConstraints(pattern=r"^tumour__.+__original_shape_(Mesh|Voxel)Volume$")]
    mean_log: LogOdds
    sd_log: Positive
    slope: LogOdds
    intercept: LogOdds


class Feature(Sound):
    """Parameters of a feature in a member."""

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
        unique(self.names, "features")
        lists = [self.mean, self.spread, *(one.shift for one in self.centres.values())]
        lists += [one.scale for one in self.centres.values()]
        expect(all(len(one) == len(self.names) for one in lists), "lists are not of one length")
        return self


class Member(Sound):
    """One member of the ensemble."""

    family: FamilyName
    weight: Annotated[float, Field(gt=0, le=FARTHEST, allow_inf_nan=False)]
    trees: Annotated[str, StringConstraints(pattern=r"^member_\d{2,}\.txt$")] | None
    volume: Volume
    tails: Tails
    features: list[Feature]
    harmoniser: Harmoniser | None
    projections: Annotated[str, StringConstraints(pattern=r"^projections_\d{2,}\.json$")] | None = None

    @model_validator(mode="after")
    def _of_its_features(self) -> Self:
        names = [feature.name for feature in self.features]
        unique(names, "features")
        expect(
            (self.trees is None) == (self.family in ("volume", "ridge")),
            f"a {self.family} with trees where it has none, or without",
        )
        expect(bool(names) == (self.family != "volume"), f"a {self.family} with features where it has none, or without")
        if self.harmoniser is not None:
            expect(set(self.harmoniser.names) <= set(names), "ComBat holds features that the member has not")
        return self


class _Members(Sound):
    """The members of a model."""

    members: Annotated[list[Member], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        unique([member.trees for member in self.members if member.trees is not None], "trees")
        return self


class Pipeline(_Members):
    """``pipeline.json`` of a model of yes or no."""

    baseline: Volume


class Grades(Sound):
    """Likelihood of ordered grades."""

    levels: Annotated[list[Number], Field(min_length=2)]
    thresholds: list[LogOdds]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        rises = all((np.diff(one) > 0).all() for one in (self.levels, self.thresholds))
        expect(rises and len(self.thresholds) == len(self.levels) - 1, "levels and thresholds do not rise, one between two")
        return self


class Percent(Sound):
    """Likelihood of a percentage."""

    mean: LogOdds
    sd: Positive


class CalibratedLink(Sound):
    """A slope and a likelihood."""

    slope: Positive
    link: Grades | Percent


class GradedPipeline(_Members):
    """``pipeline.json`` of a graded model."""

    calibration: CalibratedLink
    baseline: Annotated[list[Volume], Field(min_length=1)]
    baseline_calibration: CalibratedLink


class OneDecision(Sound):
    """Calibration and threshold of a score."""

    slope: Slope
    intercept: LogOdds
    threshold: Inside
    calibration: Literal["none", "in the large", "logistic"]

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        simple = CALIBRATIONS.index(self.calibration)
        expect(simple > 0 or self.intercept == 0, "no calibration, yet an intercept")
        expect(simple > 1 or self.slope == 1, "no calibration of the slope, yet a slope")
        return self


class Decisions(Sound):
    """``decisions.json``."""

    model: OneDecision
    baseline: OneDecision


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
        unique(self.names, "components")
        unique(self.sources, "deep features")
        lists = [self.typical, self.centre, self.spread, *self.axes]
        whole = all(len(one) == len(self.sources) for one in lists) and len(self.axes) == len(self.names)
        expect(whole, "lists are not of one length")
        return self
