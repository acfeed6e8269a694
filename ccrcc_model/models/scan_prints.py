"""The same scan under two names: recognised by the hash of its image, or by features that are nearly equal.

Public kidney collections share cases, and hospitals send a patient twice under two pseudonyms. In one table, rows are compared
as they are: see ``ccrcc_model.models.alike_rows``. A model keeps prints of its development scans instead, so that they are
recognised elsewhere although no value of theirs is kept: the hash of each image, and marks.

A mark is the hash of up to 32 features at once, each sorted into cells of its spread. A scan that is stored with other digits
falls into the same cells, unless one of its values lies at an edge; hence there are sixteen marks, of different features and
with the cells' edges moved: one that agrees is enough (locality-sensitive hashing, Indyk and Motwani 1998,
doi:10.1145/276698.276876). Cells are as wide as leaves 2^80 guesses for one mark, by the entropy of a normal distribution
with the features' own correlations; so a mark of few features has narrow cells, and recognises only what differs by rounding.
Hashes are salted with the fit's own request: two models' prints cannot be joined.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from math import e, log2, pi
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.covariance import ledoit_wolf

from ccrcc_model.models.alike_rows import FEWEST_FEATURES, FeatureScale, alike_pairs, telling_features
from ccrcc_model.outcomes.cases import Cases
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

BANDS = 16
"""Marks of a scan."""

BAND_FEATURES = 32
"""Features of a mark at most."""

PRINT_FEATURES = 96
"""Features that marks are made of at most."""

GUESSES_BITS = 80
"""Binary logarithm of the guesses that a mark leaves to whoever would know the values behind it."""

WIDEST_CELL = 0.5
"""Width of a cell at most, in spreads."""

MOST_CORRELATED = 0.95
"""Absolute correlation of two features of the prints at most: a copy adds nothing that would have to be guessed."""

MOST_UNKNOWN = 0.125
"""Share of a mark's features that may be unknown of a scan; else it has no such mark."""

_NORMAL_ENTROPY = 0.5 * log2(2 * pi * e)
"""Differential entropy of a standard normal distribution in bits."""

_UNKNOWN = np.iinfo(np.int64).min
_MARK_LETTERS = 20
_MARK, _IMAGE = re.compile(rf"[0-9a-f]{{{_MARK_LETTERS}}}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Matches:
    """Cases of a table that are scans of a model's development.

    Args:
        n_cases: Compared.
        n_known: Development scans that they were compared with.
        by_image: Cases whose image has the hash of a development image.
        by_features: Other cases whose features are nearly those of a development scan.
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
        same = f"{self.by_image} have the same image, {self.by_features} others nearly the same features"
        return f"{self.n_cases} cases compared with {self.n_known} development scans: {same}"


@dataclass(frozen=True, eq=False)
class ScanPrints:
    """Prints of scans.

    Args:
        salt: Salt of every hash.
        n_scans: Scans that they are of.
        scale: Features of the marks, with their median and spread.
        widths: Width of the cells of each band, in spreads; empty where too few features distinguish the scans.
        images: Salted hashes of the images, of the scans that have one.
        marks: Salted marks of all scans and bands, so that nobody reads which belong together.
    """

    salt: str
    n_scans: int
    scale: FeatureScale
    widths: tuple[float, ...]
    images: frozenset[str]
    marks: frozenset[str]

    @classmethod
    def of(cls, table: FeatureTable, salt: str) -> Self:
        """Take the prints of a table's cases.

        Args:
            table: One row per case: see ``FeatureTable.index_lesions``.
            salt: Text that no other set of prints has.
        """
        rows = table.rows
        scale = FeatureScale.of(rows, _print_features(rows, table.feature_names))
        standard = scale.standard(rows)
        bands = _bands(scale.names)
        widths = tuple(_cell_width(standard[:, band]) for band in bands)
        images = frozenset(_salted(salt, each) for each in image_hashes(table) if each)
        marks = frozenset(mark for scan in _marks(standard, scale.names, widths, salt=salt) for mark in scan)
        return cls(salt, len(rows), scale, widths, images, marks)

    def matches(self, table: FeatureTable) -> Matches:
        """Look for these scans among the cases of another table."""
        table = table.index_lesions()
        hashes = image_hashes(table)
        by_image = np.array([bool(each) and _salted(self.salt, each) in self.images for each in hashes], dtype=bool)
        # A feature that the table lacks is unknown of all its cases; the marks without it can still be compared.
        standard = self.scale.standard(table.rows.reindex(columns=list(self.scale.names)))
        found = _marks(standard, self.scale.names, self.widths, salt=self.salt)
        by_features = np.array([not self.marks.isdisjoint(scan) for scan in found], dtype=bool) & ~by_image
        comparable = bool((self.images and any(hashes)) or any(found))
        return Matches(len(table.rows), self.n_scans, int(by_image.sum()), int(by_features.sum()), comparable)

    def to_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        content = {
            "salt": self.salt,
            "scans": self.n_scans,
            "features": self.scale.names,
            "median": self.scale.median.tolist(),
            "spread": self.scale.spread.tolist(),
            "widths": self.widths,
            "images": sorted(self.images),
            "marks": sorted(self.marks),
        }
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            InputError: If it is something else.
        """
        try:
            content = json.loads(text)
            scale = _read_scale(content)
            images, marks = (frozenset(str(one) for one in content[key]) for key in ("images", "marks"))
            widths, n_scans = tuple(float(one) for one in content["widths"]), int(content["scans"])
            salt = str(content["salt"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = f"The model's prints of its development scans are damaged: {type(error).__name__}; copy the model again"
            raise InputError(msg) from error
        if not all(map(_IMAGE.fullmatch, images)) or not all(map(_MARK.fullmatch, marks)):
            msg = "The model's prints of its development scans are damaged: they hold what is no hash; copy the model again"
            raise InputError(msg)
        if len(widths) != len(_bands(scale.names)) or not all(0 < one <= WIDEST_CELL for one in widths):
            msg = "The model's prints of its development scans are damaged: no cells have such widths; copy the model again"
            raise InputError(msg)
        return cls(salt, n_scans, scale, widths, images, marks)


def _read_scale(content: Mapping[str, Any]) -> FeatureScale:
    """Return the features of the prints.

    Raises:
        ValueError: If medians and spreads are not finite numbers, one for each feature.
    """
    names = tuple(str(name) for name in content["features"])
    median, spread = (np.array(content[key], dtype=np.float64) for key in ("median", "spread"))
    if not median.shape == spread.shape == (len(names),) or not (np.isfinite(median).all() and (spread > 0).all()):
        msg = f"{len(names)} features need a median and a spread each"
        raise ValueError(msg)
    return FeatureScale(names, median, spread)


def fitted_rows(table: FeatureTable, cases: Cases) -> FeatureTable:
    """Return the rows of a table that a model was fitted on: the index lesions of patients with an outcome."""
    table = table.index_lesions()
    with_outcome = table.rows["patient_id"].astype("str").isin(set(cases.patients.tolist()))
    return FeatureTable(table.rows[with_outcome], table.provenance)


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
    places: dict[str, list[int]] = {}
    for place, image in enumerate(image_hashes(table)):
        if image:
            places.setdefault(image, []).append(place)
    pairs = [pair for same in places.values() for pair in combinations(same, 2)]
    pairs += alike_pairs(table.rows, table.feature_names)
    return frozenset(str(patients[place]) for pair in pairs if patients[pair[0]] != patients[pair[1]] for place in pair)


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


def _print_features(rows: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """Return telling features of which no two go together, none where they are too few."""
    telling = telling_features(rows, names)
    if not telling:
        return ()
    standard = FeatureScale.of(rows, telling).standard(rows)
    correlation = np.abs(_correlations(standard))
    chosen: list[int] = []
    for place in range(len(telling)):
        if len(chosen) < PRINT_FEATURES and (correlation[place, chosen] < MOST_CORRELATED).all():
            chosen.append(place)
    return tuple(telling[place] for place in chosen) if len(chosen) >= FEWEST_FEATURES else ()


def _correlations(standard: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the correlations of features, shape ``(n_features, n_features)``; an unknown value is the mean."""
    off = np.nan_to_num(standard - np.nanmean(standard, axis=0), nan=0.0)
    length = np.linalg.norm(off, axis=0)
    off /= np.where(length > 0, length, 1.0)
    return np.asarray(off.T @ off, dtype=np.float64)


def _bands(names: Sequence[str]) -> list[list[int]]:
    """Return the features of each mark as places in ``names``, sorted; none where there are no features."""
    if not names:
        return []
    orders = (sorted(range(len(names)), key=lambda place: _order(band, names[place])) for band in range(BANDS))
    return [sorted(order[:BAND_FEATURES]) for order in orders]


def _order(band: int, name: str) -> bytes:
    return sha256(f"{band}:{name}".encode()).digest()


def _cell_width(standard: npt.NDArray[np.float64]) -> float:
    """Return the width of cells at which the features of one mark together have an entropy of ``GUESSES_BITS``.

    Args:
        standard: Shape ``(n_scans, n_features)``; NaN where unknown.
    """
    off = np.nan_to_num(standard - np.nanmean(standard, axis=0), nan=0.0)
    covariance, _ = ledoit_wolf(off, assume_centered=True)
    _, logarithm = np.linalg.slogdet(covariance)
    n_features = standard.shape[1]
    bits = _NORMAL_ENTROPY + (0.5 * logarithm / np.log(2) - GUESSES_BITS) / n_features
    return float(min(WIDEST_CELL, 2.0**bits))


def _marks(
    standard: npt.NDArray[np.float64], names: Sequence[str], widths: Sequence[float], *, salt: str
) -> list[frozenset[str]]:
    """Return the marks of each scan.

    Args:
        standard: Features in spreads, shape ``(n_scans, len(names))``; NaN where unknown.
        names: The features.
        widths: Width of the cells of each band.
        salt: Salt of every hash.
    """
    found: list[list[str]] = [[] for _ in standard]
    for band, (places, width) in enumerate(zip(_bands(names), widths, strict=True)):
        moved = np.array([int(_salted(salt, f"{band}:{names[place]}")[:8], 16) / 16**8 for place in places])
        values = standard[:, places]
        unknown = ~np.isfinite(values)
        cells = np.where(unknown, 0.0, np.floor(np.where(unknown, 0.0, values) / width + moved)).astype(np.int64)
        cells[unknown] = _UNKNOWN
        for scan in np.flatnonzero(unknown.mean(axis=1) <= MOST_UNKNOWN).tolist():
            text = ",".join(map(str, cells[scan].tolist()))
            found[scan].append(_salted(salt, f"{band}:{text}")[:_MARK_LETTERS])
    return [frozenset(scan) for scan in found]


def _salted(salt: str, text: str) -> str:
    return sha256(f"ccrcc-scan:{salt}:{text}".encode()).hexdigest()
