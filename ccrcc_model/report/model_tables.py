"""Tables of what stands beside a model and of what moves it, from its folder."""

from ccrcc_model.models.explanation import AGREE, TOP
from ccrcc_model.models.model import Model
from ccrcc_model.report.summary import interval, title
from ccrcc_model.report.tables import Table
from ccrcc_model.statistics.estimate import Estimate

SMALLEST_SHARE = 0.01
"""Groups that move a model less than this are left out of the page; ``explanation.json`` has them."""


def comparators(model: Model) -> Table | None:
    """What else was fitted on the model's outer folds."""
    rows = [
        [one["name"], interval(Estimate(**one["auc"])), interval(Estimate(**one["model_less_it"]), sign=True)]
        for one in model.manifest["comparators"]
    ]
    if not rows:
        return None
    note = "Out-of-fold in the development patients, through the same outer folds; the difference is paired (DeLong)."
    name = f"table-comparators-{model.target.name}"
    return Table(
        name, f"Beside the {title(model.target.name)} model", ["Fitted on", "AUC", "The model less it"], rows, (), note
    )


def explanation(model: Model) -> Table:
    """Which regions, scales, image filters and families of features move the model."""
    kept = [one for one in model.explanation.groups if one.share >= SMALLEST_SHARE]
    rows = [[one.by, one.group, f"{one.share:.0%}", f"{one.lowest:.0%} to {one.highest:.0%}"] for one in kept]
    verdict = model.explanation.verdict
    note = (
        f"Share of the mean absolute contributions to the log odds, and its range over the outer folds' models. "
        f"{verdict[0].upper()}{verdict[1:]}; from {AGREE} on they are said to agree on the {TOP} "
        "(Nogueira et al. 2018). Groups below one percent are left out."
    )
    name = f"table-explanation-{model.target.name}"
    caption = f"What moves the {title(model.target.name)} model"
    return Table(name, caption, ["By", "Group", "Share", "Over the folds"], rows, (1,), note)
