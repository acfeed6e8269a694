"""Difference of two shares of the same patients, such as the sensitivities of a model and of a reader."""

from math import sqrt

import numpy as np

from ccrcc_model.statistics.estimate import LEVEL, Estimate
from ccrcc_model.statistics.intervals import wilson


def paired_difference(both: int, only_first: int, only_second: int, neither: int, *, level: float = LEVEL) -> Estimate:
    """Difference of two paired shares (first − second) with Newcombe's interval.

    It is made of Wilson's intervals of both shares and their correlation, so that it has a width where no patient is called
    rightly by one of the two alone, and stays inside [-1, 1].

    Args:
        both: Patients whom both call rightly.
        only_first: Patients whom only the first calls rightly.
        only_second: Patients whom only the second calls rightly.
        neither: Patients whom neither calls rightly.
        level: Coverage of the interval.

    References:
        Method 10 of Newcombe 1998, doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C.
    """
    n = both + only_first + only_second + neither
    if n == 0:
        return Estimate(None, reason="no patients")
    right = np.array([both + only_first, both + only_second])
    shares = right / n
    low, high = wilson(right, np.full(2, n), level=level)
    below, above = shares - low, high - shares
    margins = float(np.prod(right) * np.prod(n - right))
    product = both * neither - only_first * only_second
    corrected = max(product - n / 2, 0.0) if product > 0 else float(product)
    correlation = corrected / sqrt(margins) if margins else 0.0
    value = float(shares[0] - shares[1])

    def reach(first: float, second: float) -> float:
        return sqrt(max(first**2 - 2 * correlation * first * second + second**2, 0.0))

    return Estimate(value, value - reach(below[0], above[1]), value + reach(above[0], below[1]))
