"""What readers said of contours: the files that a page or an index exports, tied to the masks that were looked at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nnunet_ext.cohort.cards import QUALITIES
from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.case import Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import is_hidden

STAGE = "look"
ACCEPTED, NEEDS_CORRECTION = QUALITIES
COLUMNS = ("case_id", "structure", "verdict", "comment", "reader", "created")
"""Of ``reviews.csv``."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StructureReview(_Strict):
    """What a reader said of one structure."""

    verdict: Literal["accept", "correct"]
    comment: Annotated[str, Field(max_length=2000)] = ""


class Review(_Strict):
    """One reader's review of one mask."""

    case: Annotated[str, Field(min_length=1, max_length=200)]
    mask_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reader: Annotated[str, Field(max_length=100)] = ""
    created: datetime
    structures: Annotated[dict[Literal["kidney", "tumour", "cyst", "mass"], StructureReview], Field(min_length=1)]


class ReviewFile(_Strict):
    """Content of an exported file."""

    format: Literal["ccrcc-review"]
    version: Literal[1]
    reviews: tuple[Review, ...]


@dataclass(frozen=True)
class Reviewed:
    """Reviews of a cohort.

    Args:
        quality: Of each case that was reviewed, as the case list has it.
        rows: One row per review and structure, ``COLUMNS``.
        refusals: Reviews of other masks or cases.
    """

    quality: Mapping[str, str]
    rows: pd.DataFrame
    refusals: tuple[Refusal, ...]


def read_reviews(folder: Path) -> tuple[Review, ...]:
    """Read the reviews in a folder, or in one file.

    Raises:
        InputError: If there is no such folder, it holds no review, or a file is not what a page exported.
    """
    files = [folder] if folder.is_file() else sorted(path for path in folder.glob("*.json") if not is_hidden(path))
    if not files:
        msg = f"No review in {folder}: give the folder of the .json files that readers exported"
        raise InputError(msg)
    return tuple(review for path in files for review in _read(path))


def _read(path: Path) -> tuple[Review, ...]:
    content = read_json_object(path)
    if content.get("format") != "ccrcc-review":
        msg = (
            f"{path} is no review: its format is {str(content.get('format'))[:40]!r}; keep only exported reviews in the folder"
        )
        raise InputError(msg)
    try:
        return ReviewFile.model_validate(content).reviews
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        msg = f"{path} is no whole review: {where}: {fault['msg']}; export it again"
        raise InputError(msg) from error


def match_reviews(reviews: Sequence[Review], masks: Mapping[str, str]) -> Reviewed:
    """Tie reviews to the masks that were looked at.

    Of one reader and mask the last review counts. A mask is accepted if every reader accepted every structure that they
    marked.

    Args:
        reviews: In any order.
        masks: SHA-256 of each case's mask as it is now.
    """
    valid: dict[tuple[str, str], Review] = {}
    refusals = []
    for review in sorted(reviews, key=lambda one: one.created.timestamp()):
        if masks.get(review.case) == review.mask_sha256:
            valid[review.case, review.reader] = review
        else:
            what = "the card lists no such case" if review.case not in masks else "it is of another mask than the case has now"
            refusals.append(Refusal(review.case, STAGE, "review-mask", f"the review of {review.created:%Y-%m-%d}: {what}"))
    quality = {case: ACCEPTED for case, _ in valid}
    for (case, _), review in valid.items():
        if any(one.verdict == "correct" for one in review.structures.values()):
            quality[case] = NEEDS_CORRECTION
    return Reviewed(quality, _rows(valid.values()), tuple(refusals))


def _rows(reviews: Iterable[Review]) -> pd.DataFrame:
    rows = [
        (review.case, structure, one.verdict, one.comment, review.reader, review.created.isoformat())
        for review in sorted(reviews, key=lambda one: (one.case, one.reader))
        for structure, one in review.structures.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
