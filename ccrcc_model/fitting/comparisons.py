"""The comparisons of a fit: one is primary, named before anything is fitted, and the others share a stated correction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccrcc_model.fitting.comparators import Comparator
from ccrcc_model.fitting.rivals import Rival
from ccrcc_model.statistics.cross_validation import normal_p_value
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.multiplicity import holm
from nnunet_ext.ground.errors import InputError

VOLUME = "tumour volume"
"""The primary comparison, unless another is named."""


@dataclass(frozen=True, slots=True)
class PlannedComparison:
    """One comparison of the model with something simpler.

    Args:
        name: What it is compared with.
        primary: Whether it was named as the primary one.
        p_value: Two-sided, against no difference; None if not estimable.
        adjusted: The same for the primary comparison; by Holm's method for the others.
    """

    name: str
    primary: bool
    p_value: float | None
    adjusted: float | None


def find_primary(named: str, rivals: Sequence[Rival]) -> str:
    """Return the whole name of the comparison that a user named by its beginning, such as ``"clinical"``.

    Raises:
        InputError: If the fit makes no such comparison, or several begin so.
    """
    known = [VOLUME, *(rival.name for rival in rivals)]
    found = [name for name in known if name == named] or [name for name in known if named and name.startswith(named)]
    if len(found) != 1:
        msg = f"--primary names one comparison of the fit; {named!r} fits {len(found)} of: {'; '.join(known)}"
        raise InputError(msg)
    return found[0]


def planned_comparisons(from_volume: Estimate, comparators: Sequence[Comparator], *, primary: str) -> list[PlannedComparison]:
    """Return every comparison with its P value, tumour volume first.

    Args:
        from_volume: Difference (model − tumour volume).
        comparators: The others.
        primary: Name of the primary comparison, as ``find_primary`` returns it.
    """
    differences = {VOLUME: from_volume, **{one.name: one.model_less_it for one in comparators}}
    p_values = {name: normal_p_value(apart) for name, apart in differences.items()}
    others = [name for name in p_values if name != primary]
    adjusted = dict(zip(others, holm([p_values[name] for name in others]), strict=True))
    return [
        PlannedComparison(name, name == primary, p, p if name == primary else adjusted[name]) for name, p in p_values.items()
    ]


def comparison_lines(content: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the line that reports the primary comparison of a manifest and the correction of the others."""
    every = [PlannedComparison(**one) for one in content]
    lines = [f"Primary comparison: {one.name}, P {_p(one.p_value)}" for one in every if one.primary]
    others = [f"{one.name} {_p(one.adjusted)}" for one in every if not one.primary]
    return [f"{lines[0]}; others, adjusted by Holm's method: {', '.join(others)}"] if lines and others else lines


def _p(value: float | None) -> str:
    if value is None:
        return "not estimable"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
