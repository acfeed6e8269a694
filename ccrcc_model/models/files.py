"""What the files of a model folder may hold, by type and range: a valid seal says that one is whole, not that it is sound.

The models here only check; what is used is built by ``Model.load`` from the same text.
Those of the members and their calibration stand in ``ccrcc_model.models.member_files``.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from ccrcc_model.models.acquisition import RANGED
from ccrcc_model.models.threshold import MIN_SLOPE
from ccrcc_model.models.tree_text import FARTHEST
from ccrcc_model.outcomes.cases import MAX_MAGNITUDE
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


def expect(holds: bool, otherwise: str) -> None:
    """Refuse a content in which something does not hold."""
    if not holds:
        raise ValueError(otherwise)


def unique(names: Sequence[object], of: str) -> None:
    """Refuse names that are given twice."""
    expect(len(set(names)) == len(names), f"{of} are given twice")


class Important(Sound):
    """An entry of ``importance.json``."""

    feature: Name
    log_odds: Annotated[float, Field(ge=0, le=FARTHEST, allow_inf_nan=False)]
    share: Share
    members: Count


class Group(Sound):
    """How much a group of features contributes to the model."""

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


class Acquisition(Sound):
    """How the development scans were acquired."""

    ranges: dict[str, Annotated[list[Number], Field(min_length=2, max_length=2)]]
    phases: list[Name]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        expect(set(self.ranges) <= set(RANGED), "a range of what is not compared")
        expect(all(low <= high for low, high in self.ranges.values()), "a range that ends before it begins")
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
        unique(self.features, "features")
        expect(self.most_missing <= n, "more missing features than there are")
        whole = all(len(one) == n for one in (self.median, self.spread, self.mean, self.covariance_lower))
        expect(whole and [len(row) for row in self.covariance_lower] == list(range(1, n + 1)), "lists are not of one length")
        lower = np.zeros((n, n))
        for place, row in enumerate(self.covariance_lower):
            lower[place, : place + 1] = row
        values = np.linalg.eigvalsh(lower) if n else np.ones(1)
        # It is written to nine decimals, so that the least eigenvalue is known to some 1e-7.
        expect(bool(values.min() > -1e-6 * values.max()), "the covariance is none: a variance is negative")
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
        unique(self.patients, "patients")
        places = {place for step in self.steps for place in (*step.seen, *step.scored)}
        expect(not places or max(places) < len(self.patients), "a step saw a patient that is not listed")
        return self

    @property
    def leaks(self) -> list[str]:
        """Names of the steps that scored a patient whom they had seen."""
        return [step.name for step in self.steps if set(step.seen) & set(step.scored)]


def sound(kind: type[Kind], text: str, file: str) -> Kind:
    """Return what a JSON text holds, if it may.

    Args:
        kind: One of the models here, or a list of them.
        text: Text of the file.
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
