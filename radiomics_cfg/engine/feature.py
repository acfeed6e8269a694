"""What a feature is: a name of PyRadiomics, a formula, and the identifier that the IBSI gave it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from nnunet_ext.ground.errors import InputError

EPS = np.spacing(1.0)
"""PyRadiomics adds it inside logarithms."""

Summary = TypeVar("Summary")
"""What the formulas of a class are evaluated on, such as normalised co-occurrence matrices and their marginals."""


@dataclass(frozen=True)
class Feature(Generic[Summary]):
    """One feature.

    Args:
        name: PyRadiomics' name.
        formula: From the summary of a region to the value.
        ibsi: Identifier in the IBSI reference manual (doi:10.1148/radiol.2020191145), if it is defined there.
        optional: Computed only if it is named, because another feature carries the same information.
    """

    name: str
    formula: Callable[[Summary], float]
    ibsi: str | None
    optional: bool


class FeatureClass(Generic[Summary]):
    """A family of features with one summary, filled by the decorator ``add``.

    Args:
        name: PyRadiomics' name of the class.
        withdrawn: Names that PyRadiomics knows but computes no value for.
    """

    def __init__(self, name: str, *, withdrawn: tuple[str, ...] = ()) -> None:
        self.name = name
        self.withdrawn = withdrawn
        self.features: dict[str, Feature[Summary]] = {}

    def add(
        self, name: str, ibsi: str | None = None, *, optional: bool = False
    ) -> Callable[[Callable[[Summary], float]], Callable[[Summary], float]]:
        """Register a formula under PyRadiomics' name."""

        def register(formula: Callable[[Summary], float]) -> Callable[[Summary], float]:
            self.features[name] = Feature(name, formula, ibsi, optional)
            return formula

        return register

    def names(self, asked: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return the features that are computed, in PyRadiomics' order.

        Args:
            asked: Names, or nothing for all that are not optional.

        Raises:
            InputError: If a name is unknown.
        """
        wanted = tuple(asked or ())
        if not wanted:
            names = (name for name, feature in self.features.items() if not feature.optional)
            return tuple(sorted(names, key=lambda name: f"{name}FeatureValue"))  # the order of its methods
        unknown = [name for name in wanted if name not in self.features and name not in self.withdrawn]
        if unknown:
            msg = f"{self.name} has no feature {unknown[0]!r}; known ones are {', '.join(sorted(self.features))}"
            raise InputError(msg)
        return tuple(dict.fromkeys(name for name in wanted if name in self.features))

    def compute(self, summary: Summary, names: Iterable[str]) -> dict[str, float]:
        """Return the value of each named feature."""
        return {name: float(self.features[name].formula(summary)) for name in names}
