"""What is predicted: a yes or no, ordered grades, or a percentage, read from one column of the outcomes file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.errors import InputError

Kind = Literal["binary", "ordinal", "percentage"]

_IN_FILES: dict[Kind, str] = {"ordinal": "ordinal", "percentage": "regression"}
"""What a model folder calls a kind that is not binary."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked about a patient.

    Args:
        name: Names the target in commands, tables and figures.
        column: Column of the outcomes file.
        cut: A yes or no is positive from this value on. For other kinds, folds are stratified by lying at or above it; None
            for the patients' middle.
        sentence: What is predicted (what positive means, for a yes or no), for a reader.
        kind: ``"binary"`` for a yes or no, ``"ordinal"`` for ordered grades, ``"percentage"``.
        levels: All grades that exist, in rising order; none for the other kinds.

    Example:
        >>> import ccrcc_model as cc
        >>> cc.GRADE.rule, cc.ISUP.levels, cc.KI67_PERCENT.kind
        ('isup_grade >= 3', (1.0, 2.0, 3.0, 4.0), 'percentage')
        >>> cc.Target("ki67", "ki67_percent", 20, "Ki67 of 20 % or more") == cc.ki67(20)
        True
    """

    name: str
    column: str
    cut: float | None
    sentence: str
    kind: Kind = "binary"
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "binary" and self.cut is None:
            msg = f"Target {self.name} is a yes or no, so it needs a cut"
            raise InputError(msg)

    @property
    def rule(self) -> str:
        """What is predicted in a few signs: ``"isup_grade >= 3"`` for a yes or no, else name and sentence."""
        return f"{self.column} >= {self.cut:g}" if self.kind == "binary" else f"{self.name} ({self.sentence})"

    @property
    def file_kind(self) -> str:
        """What a model folder calls the kind."""
        return _IN_FILES.get(self.kind, self.kind)

    def positive(self, values: npt.ArrayLike) -> npt.NDArray[np.int_]:
        """Return 1 where an outcome is at or above the cut, else 0. Missing outcomes are the caller's to drop first."""
        cut = 0.0 if self.cut is None else self.cut
        return (np.asarray(values, dtype=np.float64) >= cut).astype(np.int_)

    def to_json(self) -> dict[str, Any]:
        """Return the target as a model folder holds it."""
        if self.kind == "binary":
            return {"name": self.name, "column": self.column, "cut": self.cut, "sentence": self.sentence}
        named = {"name": self.name, "column": self.column, "kind": self.file_kind, "sentence": self.sentence}
        return {**named, "levels": list(self.levels), "cut": self.cut}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the target that ``to_json`` described."""
        kinds: dict[str, Kind] = {name: kind for kind, name in _IN_FILES.items()}
        kind = kinds[content["kind"]] if "kind" in content else "binary"
        levels = tuple(content.get("levels", ()))
        return cls(content["name"], content["column"], content["cut"], content["sentence"], kind, levels)


GRADE = Target("grade", "isup_grade", 3, "WHO/ISUP grade 3 or 4, as opposed to 1 or 2")
ISUP = Target("isup", "isup_grade", GRADE.cut, "WHO/ISUP grade, 1 to 4", "ordinal", (1.0, 2.0, 3.0, 4.0))
KI67_PERCENT = Target("ki67-percent", "ki67_percent", None, "Ki67 in percent", "percentage")

KI67_CUT = 15.0
"""Percentage from which Ki67 counts as high, unless something else is asked for: the supplement's."""


def ki67(cut: float = KI67_CUT) -> Target:
    """High Ki67: at least ``cut`` percent of the tumour's nuclei are stained.

    Raises:
        InputError: If the cut is not inside (0, 100].

    Example:
        >>> import ccrcc_model as cc
        >>> cc.ki67(20).rule
        'ki67_percent >= 20'
    """
    if not 0 < cut <= 100:
        msg = f"The Ki67 cut must lie inside (0, 100] percent, not {cut:g}"
        raise InputError(msg)
    return Target("ki67", "ki67_percent", cut, f"Ki67 of {cut:g} % or more")


def find_target(name: str, *, ki67_cut: float = KI67_CUT) -> Target:
    """Return the target called ``name``.

    Raises:
        InputError: If there is none of that name.
    """
    known = {target.name: target for target in (GRADE, ki67(ki67_cut), ISUP, KI67_PERCENT)}
    if name not in known:
        msg = f"Unknown target {name!r}; known ones are {', '.join(known)}"
        raise InputError(msg)
    return known[name]
