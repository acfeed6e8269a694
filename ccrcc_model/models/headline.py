"""The sentence that states whether a model beats tumour volume alone."""

from collections.abc import Mapping
from typing import Any

from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.estimate import Comparison, Estimate, format_difference


def headline_of(model_id: str, target: Target, development: Mapping[str, Any]) -> str:
    """Return the headline of a model from the out-of-fold figures of its manifest."""
    name = f"Model {model_id[:12]} of {target.rule}"
    if target.kind != "binary":
        return f"{name} {verdict_of(Comparison.from_json(development['figures']['concordance']))}, out-of-fold"
    model, baseline, apart = (Estimate(**development[figure]) for figure in ("auc", "baseline_auc", "auc_difference"))
    verdict = "beats" if apart.low is not None and apart.low > 0 else "does not beat"
    against = f"AUC {model} against {baseline}, difference {format_difference(apart)}"
    return f"{name} {verdict} tumour volume alone: {against}, out-of-fold"


def verdict_of(concordance: Comparison) -> str:
    """Return whether a graded model beats tumour volume alone, with the figures that show it."""
    verdict = "beats tumour volume alone" if concordance.better else "does not beat tumour volume alone"
    apart = format_difference(concordance.difference)
    return f"{verdict}: concordance {concordance.model} against {concordance.baseline}, difference {apart}"
