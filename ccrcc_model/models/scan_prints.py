"""The same scan under two names: recognised by the hash of its image, or by features that agree in nearly every one.

Public kidney collections share cases, and hospitals send a patient twice under two pseudonyms. A model therefore keeps a print
of each development scan: the hash of its image, and marks of a few features. Both are salted with the fit's own request, so
that two models' prints cannot be joined and nobody reads a feature value from them; who has the scan recognises it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.outcomes.cases import Cases
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

MOST_FEATURES = 24
"""Features of a print. That two patients agree in one by chance is rare already; in nearly all of five it does not happen."""

FEWEST_FEATURES = 5
"""Features that must be known of both scans; fewer may agree by chance."""

CELL = 1e-3
"""Relative width of the cells that values are sorted into: the same scan and mask, stored otherwise, differ by far less."""

AGREEING = 0.9
"""Share of the features known of both scans that agree where the scan is the same."""

TELLING = 0.02
"""Largest share of pairs of scans that lie in one cell of a feature that is of use: counts and ranks do not distinguish scans.

In few scans it may be half as much again as where every scan is there twice. Of unlike scans, fewer than one pair in 10^8
agrees in five such features by chance."""

_UNKNOWN, _ZERO = np.iinfo(np.int64).min, np.iinfo(np.int64).min + 1
_MARK_LETTERS = 10
_MARK, _IMAGE = re.compile(rf"([0-9a-f]{{{_MARK_LETTERS}}})?"), re.compile(r"[0-9a-f]{64}")

Cells = npt.NDArray[np.int64]
"""Of each case and feature the two overlapping cells that its value lies in, shape ``(n_cases, n_features, 2)``."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Cases of a table that are scans of a model's development.

    Args:
        n_cases: Compared.
        n_known: Development scans that they were compared with.
        by_image: Cases whose image has the hash of a development image.
        by_features: Other cases whose features agree with those of a development scan.
        comparable: Whether there was anything to compare by.
    """

    n_cases: int
    n_known: int
    by_image: int
    by_features: int
    comparable: bool

    @property
    def any(self) -> bool:
        """Whether a scan is the same."""
        return self.by_image + self.by_features > 0

    def __str__(self) -> str:
        if not self.comparable:
            return f"{self.n_cases} cases have neither image hashes nor features that could be compared"
        same = f"{self.by_image} have the same image, {self.by_features} others the same features"
        return f"{self.n_cases} cases compared with {self.n_known} development scans: {same}"


@dataclass(frozen=True, eq=False)
class ScanPrints:
    """Prints of scans.

    Args:
        salt: Salt of every hash.
        names: Features that the marks are of.
        images: Salted hashes of the images, of the scans that have one.
        marks: Salted marks of each scan's features, empty where unknown; shape ``(n_scans, len(names), 2)``.
    """

    salt: str
    names: tuple[str, ...]
    images: frozenset[str]
    marks: npt.NDArray[np.str_]

    @classmethod
    def of(cls, table: FeatureTable, salt: str) -> Self:
        """Take the prints of a table's cases.

        Args:
            table: One row per case: see ``FeatureTable.index_lesions``.
            salt: Text that no other set of prints has.
        """
        names = telling_features(table)
        hashes = image_hashes(table)
        return cls(salt, names, frozenset(_salted(salt, each) for each in hashes if each), _marks(table, names, salt))

    def matches(self, table: FeatureTable) -> Matches:
        """Look for these scans among the cases of another table."""
        table = table.index_lesions()
        hashes = image_hashes(table)
        by_image = np.array([bool(each) and _salted(self.salt, each) in self.images for each in hashes], dtype=bool)
        known = set(table.rows.columns)
        kept = [place for place, name in enumerate(self.names) if name in known]
        found = _marks(table, [self.names[place] for place in kept], self.salt)
        own = self.marks[:, kept]
        by_features = np.array([_agree(one, own).any() for one in found], dtype=bool) & ~by_image
        comparable = bool((self.images and any(hashes)) or len(kept) >= FEWEST_FEATURES)
        return Matches(len(table.rows), len(self.marks), int(by_image.sum()), int(by_features.sum()), comparable)

    def to_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        marks = [[" ".join(pair) for pair in scan] for scan in self.marks.tolist()]
        content = {"salt": self.salt, "features": self.names, "images": sorted(self.images), "scans": sorted(marks)}
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            InputError: If it is something else.
        """
        try:
            content = json.loads(text)
            names = tuple(str(name) for name in content["features"])
            pairs = [[pair.split(" ") for pair in scan] for scan in content["scans"]]
            marks = np.array(pairs, dtype=np.str_).reshape(len(pairs), len(names), 2)
            images = frozenset(str(image) for image in content["images"])
            salt = str(content["salt"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = f"The model's prints of its development scans are damaged: {type(error).__name__}; copy the model again"
            raise InputError(msg) from error
        if not all(map(_IMAGE.fullmatch, images)) or not all(_MARK.fullmatch(mark) for mark in marks.flat):
            msg = "The model's prints of its development scans are damaged: they hold what is no hash; copy the model again"
            raise InputError(msg)
        return cls(salt, names, images, marks)


def fitted_rows(table: FeatureTable, cases: Cases) -> FeatureTable:
    """Return the rows of a table that a model was fitted on: the index lesions of patients with an outcome."""
    table = table.index_lesions()
    with_outcome = table.rows["patient_id"].astype("str").isin(set(cases.patients.tolist()))
    return FeatureTable(table.rows[with_outcome], table.provenance)


def telling_features(table: FeatureTable) -> tuple[str, ...]:
    """Return features that distinguish a table's cases, the same for tables of the same columns and like cases.

    They are taken in the order of their names' hashes, so that no family of features is preferred.
    """
    chosen: list[str] = []
    for name in sorted(table.feature_names, key=lambda name: sha256(name.encode()).digest()):
        cells = _cells(table.rows[[name]].to_numpy(dtype=np.float64))[:, 0, 0]
        known = cells[cells != _UNKNOWN]
        if len(known) > max(1, 0.5 * len(cells)) and _pairs_alike(known) <= max(TELLING, 1.5 / (len(known) - 1)):
            chosen.append(name)
        if len(chosen) == MOST_FEATURES:
            break
    return tuple(chosen)


def _pairs_alike(cells: npt.NDArray[np.int64]) -> float:
    """Return the share of pairs of scans that lie in one cell."""
    _, counts = np.unique(cells, return_counts=True)
    return float((counts * (counts - 1)).sum() / (len(cells) * (len(cells) - 1)))


def image_hashes(table: FeatureTable) -> list[str]:
    """Return the SHA-256 of each row's image, empty where the table does not know it."""
    cases = table.provenance.get("cases", {})
    return [str(cases.get(case_id, {}).get("image_sha256") or "") for case_id in table.rows["case_id"].astype("str")]


def patients_of_one_scan(table: FeatureTable) -> frozenset[str]:
    """Return the patients of a table who share a scan with another patient of it.

    Args:
        table: Table of any number of cohorts; only the index lesions are looked at.
    """
    table = table.index_lesions()
    patients = table.rows["patient_id"].astype("str").to_numpy()
    hashes = np.array(image_hashes(table))
    cells = _cells(table.rows[list(telling_features(table))].to_numpy(dtype=np.float64))
    shared: set[str] = set()
    for place, patient in enumerate(patients):
        same = _agree(cells[place], cells, unknown=_UNKNOWN) | ((hashes == hashes[place]) & (hashes[place] != ""))
        others = patients[same & (patients != patient)]
        if len(others):
            shared |= {str(patient), *map(str, others)}
    return frozenset(shared)


def together(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Return the cases of several cohorts as one table, in which a patient is of one cohort and in no other."""
    frames: list[pd.DataFrame] = []
    known: dict[str, Any] = {}
    for table in tables:
        rows = table.index_lesions().rows
        ids = {key: rows["cohort"].astype("str") + "/" + rows[key].astype("str") for key in ("case_id", "patient_id")}
        frames.append(rows.assign(**ids))
        about = table.provenance.get("cases", {})
        known |= {
            new: about[old] for new, old in zip(ids["case_id"], rows["case_id"].astype("str"), strict=True) if old in about
        }
    return FeatureTable(pd.concat(frames, ignore_index=True), {"cases": known})


def _cells(values: npt.NDArray[np.float64]) -> Cells:
    """Sort values into cells of a relative width, twice with the edges moved by half a cell, so that no edge parts equals.

    Args:
        values: Shape ``(n_cases, n_features)``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.log(np.abs(values)) / CELL
    found = np.stack([np.floor(place), np.floor(place + 0.5)], axis=-1)
    cells = np.where(np.isfinite(found), 2 * found + (values < 0)[..., None], 0.0).astype(np.int64)
    cells[values == 0] = _ZERO
    cells[~np.isfinite(values)] = _UNKNOWN
    return cells


def _marks(table: FeatureTable, names: Sequence[str], salt: str) -> npt.NDArray[np.str_]:
    cells = _cells(table.rows[list(names)].to_numpy(dtype=np.float64))
    marks = np.full(cells.shape, "", dtype=f"<U{_MARK_LETTERS}")
    for case, feature, which in zip(*np.nonzero(cells != _UNKNOWN), strict=True):
        text = f"{names[feature]}:{which}:{cells[case, feature, which]}"
        marks[case, feature, which] = _salted(salt, text)[:_MARK_LETTERS]
    return marks


def _agree(one: npt.NDArray[Any], many: npt.NDArray[Any], *, unknown: Any = "") -> npt.NDArray[np.bool_]:
    """Tell with which of many scans one agrees: shapes ``(n_features, 2)`` and ``(n_scans, n_features, 2)``."""
    known = (one[:, 0] != unknown) & (many[:, :, 0] != unknown)
    equal = (one == many).any(axis=-1) & known
    n_known = known.sum(axis=1)
    return np.asarray((n_known >= FEWEST_FEATURES) & (equal.sum(axis=1) >= AGREEING * n_known))


def _salted(salt: str, text: str) -> str:
    return sha256(f"ccrcc-scan:{salt}:{text}".encode()).hexdigest()
