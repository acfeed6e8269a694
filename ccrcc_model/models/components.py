"""Deep features inside a fold: those of a region become their first principal components. Experimental.

A network gives hundreds of channels per region, far more than there are patients, and most are redundant. The components are
fitted on the training part alone, like the filter that they then join as features of their own. Without deep features
nothing here changes anything.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ccrcc_model.models.weighted import weighted_mean, weighted_median
from ccrcc_model.outcomes.cases import Cases
from ccrcc_model.outcomes.seen import patient_hashes

COMPONENTS = 10
"""Of each region at most; the filter and the tuned number of features choose among them."""

DEEP = "__deep_"
"""In the name of every deep feature, and of every component."""

_DEEP = re.compile(r"(.+__.+)__deep_stage\d+_(?:mean|std)_\d+")
"""Name of a deep feature; its group is region and scale."""

_NUMBERS = ("typical", "centre", "spread", "axes")

_AnyCases = TypeVar("_AnyCases", bound=Cases)


@dataclass(frozen=True, eq=False)
class Projection:
    """From the deep features of one region to principal components, named ``<region>__<scale>__deep_component_<n>``.

    Args:
        names: Names of the components.
        sources: The deep features.
        typical: Median of each, shape ``(len(sources),)``; stands in for a missing value.
        centre: Mean of each.
        spread: Standard deviation of each.
        axes: Shape ``(len(names), len(sources))``.
        seen: Hashes of the patients that all of it was fitted on.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    typical: npt.NDArray[np.float64]
    centre: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    seen: frozenset[str]

    def components(self, cases: Cases) -> npt.NDArray[np.float64]:
        """Return the components, shape ``(n_cases, len(names))``; missing where all of a case's deep features are."""
        values = np.ascontiguousarray(cases.columns(self.sources))
        missing = np.isnan(values)
        standard = (np.where(missing, self.typical, values) - self.centre) / self.spread
        # Not a matrix product: its last bits depend on how many cases and components there are, and so would a tree's leaf.
        found = np.array([(standard * axis).sum(axis=1) for axis in self.axes]).reshape(len(self.axes), len(cases)).T
        return np.where(missing.all(axis=1, keepdims=True), np.nan, found)

    def only(self, names: Sequence[str]) -> "Projection":
        """Return this projection with the components of these names alone."""
        kept = [place for place, name in enumerate(self.names) if name in names]
        return replace(self, names=tuple(self.names[place] for place in kept), axes=self.axes[kept])


Projections = tuple[Projection, ...]
"""One for each region and scale."""


def fit_projections(cases: Cases) -> Projections:
    """Fit the principal components of the deep features of each region; an empty tuple if there are none.

    Features that no case has or that do not vary are left out, and so are cases without any. What else is missing is filled
    with the median; features are then standardised. Every patient counts once.
    """
    regions: dict[str, list[str]] = {}
    for name in cases.names:
        if found := _DEEP.fullmatch(name):
            regions.setdefault(found[1], []).append(name)
    return tuple(_fit(cases, region, names) for region, names in regions.items())


def _fit(cases: Cases, region: str, names: Sequence[str]) -> Projection:
    seen = patient_hashes(cases.patient_id)
    values = cases.columns(names)
    of_some = ~np.isnan(values).all(axis=1)
    values, weight = values[of_some], cases.weight[of_some]
    if not len(values):
        nothing = np.zeros(0)
        return Projection((), (), nothing, nothing, nothing, np.zeros((0, 0)), seen)
    known = ~np.isnan(values).all(axis=0)
    values = values[:, known]
    typical = weighted_median(values, weight)
    filled = np.where(np.isnan(values), typical, values)
    centre = weighted_mean(filled, weight)
    spread = np.sqrt(weighted_mean((filled - centre) ** 2, weight))
    varies = spread > 1e-10 * np.abs(centre)
    typical, centre, spread = typical[varies], centre[varies], spread[varies]
    axes = _principal_axes((filled[:, varies] - centre) / spread * np.sqrt(weight)[:, None])
    components = tuple(f"{region}__deep_component_{n}" for n in range(1, len(axes) + 1))
    return Projection(components, tuple(np.array(names)[known][varies].tolist()), typical, centre, spread, axes, seen)


def _principal_axes(standard: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the first right singular vectors, shape ``(n_components, n_features)``, the largest entry of each positive."""
    if not standard.size:
        return np.zeros((0, standard.shape[1]))
    _, length, axes = np.linalg.svd(standard, full_matrices=False)
    axes = axes[: min(COMPONENTS, int((length > 1e-9 * length[0]).sum()))]
    largest = np.abs(axes).argmax(axis=1)
    return np.asarray(axes * np.sign(axes[np.arange(len(axes)), largest])[:, None], dtype=np.float64)


def project(cases: _AnyCases, projections: Projections) -> _AnyCases:
    """Return the cases with components in place of deep features, after all other features."""
    if not projections:
        return cases
    others = [name for name in cases.names if not _DEEP.fullmatch(name)]
    features = [cases.columns(others), *(one.components(cases) for one in projections)]
    names = (*others, *(name for one in projections for name in one.names))
    return replace(cases, names=names, features=np.column_stack(features))


def needed(projections: Projections, names: Sequence[str]) -> Projections:
    """Return those projections that the features ``names`` need."""
    return tuple(one.only(names) for one in projections if set(one.names) & set(names))


def source_columns(projections: Projections, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a feature table that the features ``names`` are made from."""
    sources = {name: one.sources for one in projections for name in one.names}
    return tuple(dict.fromkeys(column for name in names for column in sources.get(name, (name,))))


def projections_to_json(projections: Projections) -> str:
    """Return projections as JSON, without whom they saw."""
    regions = [
        {
            "names": one.names,
            "sources": one.sources,
            **{key: getattr(one, key).tolist() for key in _NUMBERS},
        }
        for one in projections
    ]
    return json.dumps(regions, allow_nan=False) + "\n"


def projections_from_json(text: str) -> Projections:
    """Return the projections that ``projections_to_json`` wrote."""
    found = []
    for one in json.loads(text):
        typical, centre, spread, axes = (np.array(one[key], dtype=np.float64) for key in _NUMBERS)
        found.append(Projection(tuple(one["names"]), tuple(one["sources"]), typical, centre, spread, axes, frozenset()))
    return tuple(found)
