"""The values that every stage passes on: a case, a cohort, a refusal. Standard library only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from nnunet_ext.ground.notebook import as_html, counted


class Role(StrEnum):
    """What a cohort may be used for.

    Example:
        >>> Role("external") is Role.EXTERNAL
        True
    """

    DEVELOPMENT = "development"
    """Models are fitted on it."""
    EXTERNAL = "external"
    """Models are only ever scored on it; fitting refuses it."""


Labels = Mapping[str, int | tuple[int, ...]]
"""Value in the mask files of each structure; several where a structure was drawn in parts."""


def label_values(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the values of one structure of ``Labels``."""
    return (value,) if isinstance(value, int) else tuple(value)


def plain_labels(labels: Labels) -> dict[str, int | list[int]]:
    """Return labels for JSON and YAML, and for what hashes them."""
    return {name: value if isinstance(value, int) else list(value) for name, value in labels.items()}


@dataclass(frozen=True, slots=True)
class Case:
    """A CT volume on disk, with its mask once there is one.

    Args:
        id: Unique in its cohort; names every file made from this case.
        patient_id: Cases of one patient never straddle a split.
        centre: Hospital or scanner group that the scan comes from.
        image: NIfTI, NRRD or MetaImage file, or a folder with one DICOM series.
        mask: Label volume on the grid of ``image``.
        phase: Contrast phase, as the case list states it.
        flags: Why to look at a predicted mask (``nnunet_ext.anatomy.self_check``), joined by spaces; empty if nothing is odd.
        quality: What a reader said of the mask, ``accepted`` or ``needs-correction``; empty if nobody looked.

    Example:
        >>> case = Case("001", patient_id="p001", centre="north", image=Path("001.nii.gz"))
        >>> case.with_mask(Path("001_mask.nii.gz")).mask.name
        '001_mask.nii.gz'
    """

    id: str
    patient_id: str
    centre: str
    image: Path
    mask: Path | None = None
    phase: str | None = None
    flags: str = ""
    quality: str = ""

    def with_mask(self, mask: Path) -> Self:
        """Return this case pointing at ``mask``, which nothing is known about."""
        return replace(self, mask=mask, flags="", quality="")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A case that a stage could not use, and why. The batch went on without it."""

    case_id: str
    stage: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, repr=False)
class Cohort:
    """Cases that share a role, a label map and a table of outcomes.

    Args:
        name: Names the cohort in every table and figure.
        role: Whether models may be fitted on it.
        cases: At least one, ids unique.
        labels: Value in the mask files for each structure, e.g. ``{"kidney": 1, "tumour": (2, 4)}``.
        outcomes: CSV or XLSX with one row per patient, if there is one.
        acquisition: CSV with one row per case that states how it was scanned, if there is one.
        licence: As the card states it.

    Example:
        >>> case = Case("001", patient_id="p001", centre="north", image=Path("001.nii.gz"))
        >>> Cohort("pilot", Role.EXTERNAL, (case,))
        Cohort pilot, external
        1 case of 1 patient from 1 centre, 0 with a mask
        labels: kidney, tumour, cyst; tables: none
    """

    name: str
    role: Role
    cases: tuple[Case, ...]
    labels: Labels = field(default_factory=lambda: {"kidney": 1, "tumour": 2, "cyst": 3})
    outcomes: Path | None = None
    acquisition: Path | None = None
    licence: str | None = None

    def with_cases(self, cases: Iterable[Case]) -> Self:
        """Return this cohort holding ``cases`` instead."""
        return replace(self, cases=tuple(cases))

    def __repr__(self) -> str:
        patients, centres = {case.patient_id for case in self.cases}, {case.centre for case in self.cases}
        who = f"{counted(len(patients), 'patient')} from {counted(len(centres), 'centre')}"
        n_masks = sum(case.mask is not None for case in self.cases)
        beside = [name for name in ("outcomes", "acquisition") if getattr(self, name) is not None]
        return (
            f"Cohort {self.name}, {self.role}\n"
            f"{counted(len(self.cases), 'case')} of {who}, {n_masks} with a mask\n"
            f"labels: {', '.join(self.labels)}; tables: {', '.join(beside) or 'none'}"
        )

    def _repr_html_(self) -> str:
        return as_html(repr(self))
