"""What a figure is: a name, a title, the paper that it comes from, a formula, and how its interval is made.

Adding a figure is one decorated function. The bootstrap, the tables of a benchmark, the report and the result files of sites
iterate over the families that these functions fill.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Kind = Literal["binary", "ordinal", "percentage"]
"""Kind of target that a figure is for."""
IntervalBy = Literal["closed form", "bootstrap", "none"]
"""How the interval of a figure is made."""
Redrawn = Literal["within classes", "all patients"]
"""Whom a resample of the bootstrap draws from: each class by itself, or all patients together."""
Reads = Literal["probability", "score", "answer"]
"""What a figure is computed from: a probability, the score that orders patients, or the predicted grade or percent."""

Formula = TypeVar("Formula", bound=Callable[..., Any])
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass(frozen=True)
class Figure(Generic[Formula]):
    """One figure.

    Args:
        name: Name of its column or row in every table.
        title: Title as the report prints it.
        source: Paper that defines it, with DOI where it has one.
        compute: The decorated function.
        interval: How its interval is made.
        redrawn: Whom the bootstrap draws from; None for a figure that is not resampled.
        kinds: Kinds of target that it is for.
        reads: Which predicted value it is computed from.
        compares_classes: Whether it compares positive with negative patients; its interval then needs two of each.
    """

    name: str
    title: str
    source: str
    compute: Formula
    interval: IntervalBy
    redrawn: Redrawn | None
    kinds: tuple[Kind, ...]
    reads: Reads
    compares_classes: bool = True


class Figures(Generic[Formula]):
    """A family of figures with one signature, filled by the decorator ``add``.

    Args:
        name: Name of the family.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: dict[str, Figure[Formula]] = {}

    def add(
        self,
        name: str,
        *,
        title: str,
        source: str,
        interval: IntervalBy = "closed form",
        redrawn: Redrawn | None = None,
        kinds: tuple[Kind, ...] = ("binary",),
        reads: Reads = "probability",
        compares_classes: bool = True,
    ) -> Callable[[_Decorated], _Decorated]:
        """Register a function as a figure; the function itself stays as it is.

        Args:
            name: See `Figure`, as for the others.
            title: Title as the report prints it.
            source: Paper that defines it.
            interval: How its interval is made; one by bootstrap needs ``redrawn``.
            redrawn: Whom the bootstrap draws from.
            kinds: Kinds of target that it is for.
            reads: Which predicted value it is computed from.
            compares_classes: Whether it compares positive with negative patients.

        Raises:
            ValueError: If the family has a figure of this name, or does not state whom its bootstrap draws from.
        """
        if name in self._known:
            msg = f"The family {self.name} has a figure {name!r} already"
            raise ValueError(msg)
        if interval == "bootstrap" and redrawn is None:
            msg = f"The interval of {name!r} is made by a bootstrap; state whom it draws from"
            raise ValueError(msg)

        def register(compute: _Decorated) -> _Decorated:
            self._known[name] = Figure(name, title, source, compute, interval, redrawn, kinds, reads, compares_classes)  # type: ignore[arg-type]
            return compute

        return register

    def __iter__(self) -> Iterator[Figure[Formula]]:
        return iter(self._known.values())

    def __getitem__(self, name: str) -> Figure[Formula]:
        if name not in self._known:
            msg = f"No figure {name!r} of {self.name}; known ones are {', '.join(self._known)}"
            raise KeyError(msg)
        return self._known[name]

    def of(self, kind: Kind) -> tuple[Figure[Formula], ...]:
        """Return the figures for a kind of target, in the order in which they were added."""
        return tuple(figure for figure in self if kind in figure.kinds)

    def names(self, *, interval: IntervalBy | None = None) -> tuple[str, ...]:
        """Return the names, of those with one kind of interval if ``interval`` is given."""
        return tuple(figure.name for figure in self if interval is None or figure.interval == interval)
