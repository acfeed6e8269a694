"""What a family of models can do: suggest hyperparameters, fit a member, and score patients that the member did not see."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, fields
from math import isfinite
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna

from ccrcc_model.fitting.inner import InnerFold
from ccrcc_model.models.likelihood import Floats, Likelihood
from ccrcc_model.models.member import FamilyName, Member
from ccrcc_model.outcomes.cases import LabelledCases

Value = int | float | bool
"""Of a hyperparameter."""


class HeldOut(NamedTuple):
    """Scores of the test part of an inner fold, and the likelihood of the outcome given them."""

    score: Floats
    likelihood: Likelihood


class Family(ABC):
    """A kind of model, with its hyperparameters.

    Each family is a frozen dataclass whose fields are its hyperparameters, and whose defaults are the first that tuning tries.
    """

    name: ClassVar[FamilyName]
    is_once: ClassVar[bool] = False
    """Whether one member is fitted on the whole training part, instead of one on each inner training part. Averaging over
    parts steadies what is unstable under a change of patients, the filter and the trees (Breiman 1996,
    doi:10.1007/BF00058655); a ridge on all features is not."""

    @classmethod
    @abstractmethod
    def suggest(cls, trial: optuna.Trial, *, n_cases: int) -> "Family":
        """Draw hyperparameters, named by ``parameter``; ranges for 50 to 1000 patients, on the side of too simple."""

    @abstractmethod
    def fit(self, part: InnerFold, *, seed: int) -> tuple[Member, Likelihood]:
        """Fit a member on the training part; it scores cases of a table ``after(part.projections)``, and the test part."""

    def held_out(self, part: InnerFold, *, seed: int) -> HeldOut:
        """Fit on the training part and score the test part."""
        member, likelihood = self.fit(part, seed=seed)
        return HeldOut(member.log_odds(part.test), likelihood)

    @classmethod
    def parameter(cls, field: str) -> str:
        """Return the name of a hyperparameter in a study."""
        return f"{cls.name}.{field}"

    def parameters(self) -> dict[str, Value]:
        """Return the hyperparameters as a study has them."""
        return {self.parameter(field): value for field, value in self.to_json().items()}

    def to_json(self) -> dict[str, Value]:
        """Return the hyperparameters by name."""
        return asdict(self)  # type: ignore[call-overload, no-any-return] # every family is a dataclass

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> "Family":
        """Return the family with hyperparameters from a study.

        Raises:
            ValueError: If some are missing or none of this family's, are not above 0, or are not whole where they count.
        """
        default = {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type]
        if set(parameters) != {cls.parameter(name) for name in default}:
            msg = f"not the hyperparameters of {cls.name}"
            raise ValueError(msg)
        found = {name: parameters[cls.parameter(name)] for name in default}
        for name, value in found.items():
            whole = type(value) is type(default[name])
            if not whole or not isfinite(value) or (value <= 0 and not isinstance(value, bool)):
                msg = f"{cls.parameter(name)} is {value!r}"
                raise ValueError(msg)
        return cls(**found)


def class_weight(cases: LabelledCases, *, balanced: bool) -> tuple[npt.NDArray[np.float64], float]:
    """Return the weight of each case, and the log odds that correct for it.

    Args:
        cases: Every patient counts once.
        balanced: Let both classes weigh the same. The log odds are corrected for it, so that they are again those of the
            prevalence in ``cases`` (King and Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868, prior correction).
    """
    if not balanced:
        return cases.weight, 0.0
    share = float(np.average(cases.stratum, weights=cases.weight))
    weight = cases.weight * np.where(cases.stratum == 1, 0.5 / share, 0.5 / (1 - share))
    return weight, float(np.log(share / (1 - share)))
