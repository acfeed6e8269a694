"""One primary comparison, and P values of the others that hold for all of them together."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return P values adjusted by Holm's method, in the same order: the chance of any false positive among them is bounded.

    The smallest P value is multiplied by their number, the next by one less, and so on; none falls below the one before it.

    Args:
        p_values: None for a comparison that is not estimable, which takes no part.

    Example:
        >>> from ccrcc_model.statistics.multiplicity import holm
        >>> holm([0.25, None, 0.125])
        [0.25, None, 0.25]

    References:
        Holm 1979, Scandinavian Journal of Statistics 6:65-70, https://www.jstor.org/stable/4615733.
    """
    known = np.array([p for p in p_values if p is not None], dtype=np.float64)
    order = np.argsort(known, kind="stable")
    adjusted = np.empty(len(known))
    adjusted[order] = np.minimum(np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1)), 1.0)
    found = iter(adjusted.tolist())
    return [None if p is None else next(found) for p in p_values]
