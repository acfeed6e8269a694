"""The sentence that states which families of models an ensemble is made of, and what each moves."""

from collections.abc import Mapping, Sequence
from typing import Any

FAMILY_TITLES = {
    "volume": "tumour volume alone",
    "offset": "boosted trees that start from tumour volume",
    "forest": "random forest",
    "boosting": "boosted trees",
    "ridge": "ridge on all features",
}
"""Name of each family in a sentence."""


def families_line(families: Sequence[Mapping[str, Any]]) -> str:
    """Return the share of each family in what moves the score, the largest first, and who is left out with the reason.

    Args:
        families: As a manifest holds them.
    """
    kept = sorted((one for one in families if one["share"] > 0), key=lambda one: -one["share"])
    told = ", ".join(f"{FAMILY_TITLES[one['family']]} {one['share']:.0%}" for one in kept)
    left = "; ".join(f"{FAMILY_TITLES[one['family']]} left out: {one['dropped']}" for one in families if one["dropped"])
    return f"share of the families in the score: {told or 'none'}{f'; {left}' if left else ''}"
