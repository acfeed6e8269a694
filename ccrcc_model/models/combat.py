"""ComBat: takes away what a centre's scanner adds to a feature, fitted on the training part of a fold and only there.

Each feature has in each centre a shift and a scale. They are estimated with a prior that all features of the centre share
(empirical Bayes), so that few cases do not decide alone. No outcome is looked at; if outcomes differ between centres, that
difference goes too, which is why a model is not harmonised unless the user asks for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from ccrcc_model.outcomes.cases import Cases
from ccrcc_model.outcomes.seen import patient_hashes

Harmonisation = Literal["none", "combat", "combat-transductive"]
"""``combat-transductive`` also estimates the shift and scale of a centre that is met in prediction, from that centre's own
features, without outcomes. The prediction of one patient then depends on the others, and reports state this."""

MIN_PATIENTS = 5
"""Patients of a centre below which its features are left as they are. Ours; a variance of fewer is hardly known."""

_VAGUE = 1e12
"""Variance of a prior that a single feature cannot inform."""

_CONVERGED = 1e-4
"""Largest relative change of an estimate at which the iteration ends, as in the authors' own code."""

Values = npt.NDArray[np.float64]
AnyCases = TypeVar("AnyCases", bound=Cases)


@dataclass(frozen=True, eq=False)
class ComBat:
    """What was estimated; arrays along the features have the shape ``(len(names),)``.

    Args:
        names: Features.
        mean: Over all cases, every centre counting by its patients.
        spread: Pooled standard deviation within centres.
        shift: Shift of each centre, in spreads.
        scale: Scale of each centre, a variance in squared spreads.
        transductive: Whether a centre that is met for the first time is estimated from its own cases.
        seen: Hashes of the patients fitted on; a model folder keeps them in its proof, not here.

    References:
        Johnson et al. 2007, doi:10.1093/biostatistics/kxj037; for radiomics Orlhac et al. 2018, doi:10.2967/jnumed.117.199935.
    """

    names: tuple[str, ...]
    mean: Values
    spread: Values
    shift: Mapping[str, Values]
    scale: Mapping[str, Values]
    transductive: bool = False
    seen: frozenset[str] = frozenset()

    def only(self, names: Sequence[str]) -> Self:
        """Return it for those of its features that are among ``names``."""
        kept = [column for column, name in enumerate(self.names) if name in set(names)]
        shift, scale = ({centre: values[kept] for centre, values in each.items()} for each in (self.shift, self.scale))
        names = tuple(self.names[column] for column in kept)
        return replace(self, names=names, mean=self.mean[kept], spread=self.spread[kept], shift=shift, scale=scale)

    def apply(self, cases: AnyCases) -> AnyCases:
        """Return the cases with its features harmonised; those of an unknown centre stay, unless it is transductive."""
        place = {name: column for column, name in enumerate(cases.names)}
        columns = np.array([place[name] for name in self.names], dtype=np.intp)
        features = cases.features.copy()
        for centre in np.unique(cases.centre):
            rows = np.flatnonzero(cases.centre == centre)
            standard = (cases.features[np.ix_(rows, columns)] - self.mean) / self.spread
            if str(centre) in self.shift:
                shift, scale = self.shift[str(centre)], self.scale[str(centre)]
            elif self.transductive and len(np.unique(cases.patient_id[rows])) >= MIN_PATIENTS:
                shift, scale = shrunken(standard, cases.weight[rows])
            else:
                continue
            features[np.ix_(rows, columns)] = (standard - shift) / np.sqrt(scale) * self.spread + self.mean
        return replace(cases, features=features)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        centres = {
            centre: {"shift": self.shift[centre].tolist(), "scale": self.scale[centre].tolist()} for centre in self.shift
        }
        of_all = {"mean": self.mean.tolist(), "spread": self.spread.tolist()}
        return {"names": list(self.names), **of_all, "centres": centres, "transductive": self.transductive}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the value that ``to_json`` described."""
        shift, scale = (
            {centre: np.array(one[key], dtype=np.float64) for centre, one in content["centres"].items()}
            for key in ("shift", "scale")
        )
        mean, spread = (np.array(content[key], dtype=np.float64) for key in ("mean", "spread"))
        return cls(tuple(content["names"]), mean, spread, shift, scale, transductive=content["transductive"])


def fit_combat(cases: Cases, names: Sequence[str], *, transductive: bool = False) -> ComBat:
    """Fit on the features called ``names``; those that do not vary within a centre are left out, missing values are skipped.

    Every patient counts once. Centres of fewer than five patients count in means and spreads, and are left as they are.
    """
    values, weight = cases.columns(names), cases.weight
    centres, place = np.unique(cases.centre, return_inverse=True)
    known = ~np.isnan(values) * weight[:, None]
    each = np.stack([known[place == one].sum(axis=0) for one in range(len(centres))])
    weighted = values * weight[:, None]
    sums = np.stack([np.nansum(weighted[place == one], axis=0) for one in range(len(centres))])
    means = sums / np.where(each > 0, each, 1.0)
    n_known = np.where(known.any(axis=0), known.sum(axis=0), 1.0)
    mean = sums.sum(axis=0) / n_known
    spread = np.sqrt(np.nansum((values - means[place]) ** 2 * weight[:, None], axis=0) / n_known)
    kept = np.flatnonzero(spread > 1e-10 * np.maximum(np.abs(mean), 1e-300))
    standard = (values[:, kept] - mean[kept]) / spread[kept]
    found = {
        str(centre): shrunken(standard[place == one], weight[place == one])
        for one, centre in enumerate(centres)
        if len(np.unique(cases.patient_id[place == one])) >= MIN_PATIENTS and kept.size
    }
    return ComBat(
        tuple(names[column] for column in kept.tolist()),
        mean[kept],
        spread[kept],
        {centre: shift for centre, (shift, _) in found.items()},
        {centre: scale for centre, (_, scale) in found.items()},
        transductive=transductive,
        seen=patient_hashes(cases.patient_id),
    )


def shrunken(standard: Values, weight: Values) -> tuple[Values, Values]:
    """Return the empirical Bayes estimates of one centre's shifts and scales.

    Args:
        standard: Standardised features of its cases, shape ``(n_cases, n_features)``; NaN where missing.
        weight: Weight of each case, shape ``(n_cases,)``; the cases of a patient add up to 1.

    Returns:
        Shift and scale (a variance), each of shape ``(n_features,)``: 0 and 1 where fewer than two patients are known.
    """
    column = weight[:, None]
    n = (~np.isnan(standard) * column).sum(axis=0)
    usable = n >= 2 - 1e-9
    shift, scale = np.zeros(standard.shape[1]), np.ones(standard.shape[1])
    if not usable.any():
        return shift, scale
    part, n = standard[:, usable], n[usable]
    mean = np.nansum(part * column, axis=0) / n
    variance = np.nansum((part - mean) ** 2 * column, axis=0) / (n - 1)
    prior_mean, prior_variance, a, b = _priors(mean, variance)
    new_mean, new_variance = mean, np.maximum(variance, 1e-12)
    for _ in range(1000):
        before = new_mean, new_variance
        # Means and variances of the other are each other's: alternate, as Johnson et al. do (their equation 3).
        new_mean = (prior_variance * n * mean + new_variance * prior_mean) / (prior_variance * n + new_variance)
        squares = np.nansum((part - new_mean) ** 2 * column, axis=0)
        new_variance = (0.5 * squares + b) / (n / 2 + a - 1)
        if max(_change(before[0], new_mean), _change(before[1], new_variance)) <= _CONVERGED:
            break
    shift[usable], scale[usable] = new_mean, np.maximum(new_variance, 1e-12)
    return shift, scale


def _change(before: Values, now: Values) -> float:
    return float((np.abs(now - before) / np.maximum(np.abs(before), 1e-12)).max())


def _priors(mean: Values, variance: Values) -> tuple[float, float, float, float]:
    """Return mean and variance of the shifts' normal prior, shape and rate of the scales' inverse gamma one, by moments."""
    prior_variance = float(mean.var(ddof=1)) if len(mean) > 1 else _VAGUE
    m, s2 = float(variance.mean()), float(variance.var(ddof=1)) if len(variance) > 1 else _VAGUE
    prior_variance, s2 = max(prior_variance, 1e-12), max(s2, 1e-12)
    return float(mean.mean()), prior_variance, (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
