"""A reporting guideline as data: its items with their numbers, in our own short wording."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ccrcc_model.report.sheets.evidence import TOPICS
from nnunet_ext.documents.yaml_file import read_yaml

_FOLDER = Path(__file__).parent / "guidelines"

ORDER = ("clear", "metrics", "tripod_ai", "claim")
"""Names of the guidelines' files, in the order of the page."""


class Item(BaseModel):
    """One item of a guideline.

    Args:
        number: As in the guideline, such as ``"12"`` or ``"3a"``.
        topic: What the item asks for, in our wording.
        weight: Share of the guideline's score, if it has one.
        reserved: Why no file of a run can answer it: ethics and eligibility are left to the author.
        evidence: Topics of ``ccrcc_model.report.sheets.evidence``, all of which must be found.
        not_applicable: Why the item does not apply to a run that contains this evidence.
        remains: What the author still has to report if the evidence is present.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    number: str = Field(alias="item")
    topic: str
    weight: float | None = None
    reserved: Literal["ethics", "eligibility"] | None = None
    evidence: tuple[str, ...] = ()
    not_applicable: str = ""
    remains: str = ""

    @model_validator(mode="after")
    def _claims_only_what_it_can(self) -> Self:
        if self.reserved and (self.evidence or self.not_applicable):
            msg = f"item {self.number} is about {self.reserved}: it is left to the author, and takes no evidence"
            raise ValueError(msg)
        if self.not_applicable and not self.evidence:
            msg = f"item {self.number}: not_applicable requires evidence"
            raise ValueError(msg)
        if unknown := [topic for topic in self.evidence if topic not in TOPICS]:
            msg = f"item {self.number}: no evidence is called {unknown[0]!r}; known are {', '.join(TOPICS)}"
            raise ValueError(msg)
        return self


class Guideline(BaseModel):
    """A guideline and where it was published.

    Args:
        name: Name of its file and of its sheet.
        title: As it is cited.
        about: What the title stands for.
        citation: First author and year.
        doi: DOI of the publication whose item numbers are used.
        sections: Items by section, in the order of the guideline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    about: str
    citation: str
    doi: str
    sections: dict[str, tuple[Item, ...]]


def load_guidelines() -> tuple[Guideline, ...]:
    """Return the guidelines that come with the package."""
    return tuple(_read(_FOLDER / f"{name}.yaml") for name in ORDER)


def _read(path: Path) -> Guideline:
    return Guideline.model_validate(
        {"name": path.stem, **read_yaml(path, "guideline", if_missing="install the package again")}
    )
