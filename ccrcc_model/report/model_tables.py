"""Tables of the models fitted for comparison, and of the explanation of a model, from its folder."""

from ccrcc_model.models.explanation import AGREE, TOP
from ccrcc_model.models.model import Model
from ccrcc_model.report.summary import interval, title
from ccrcc_model.report.tables import Table
from ccrcc_model.statistics.estimate import Estimate

SMALLEST_SHARE = 0.01
"""Groups with a smaller contribution are left out of the page; ``explanation.json`` has them."""


def comparators(model: Model) -> Table | None:
    """The other models that were fitted on the model's outer folds."""
    rows = [
        [one["name"], interval(Estimate(**one["auc"])), interval(Estimate(**one["model_less_it"]), sign=True)]
        for one in model.manifest["comparators"]
    ]
    if not rows:
        return None
    note = "Out-of-fold in the development patients, on the same outer folds; the difference is paired (DeLong)."
    name = f"table-comparators-{model.target.name}"
    return Table(
        name,
        f"Comparison with the {title(model.target.name)} model",
        ["Fitted on", "AUC", "Difference (model − comparator)"],
        rows,
        (),
        note,
    )


def explanation(model: Model) -> Table | None:
    """The regions, scales, image filters and feature families that contribute to the predictions, if it was kept."""
    if model.explanation is None:  # a graded model of before
        return None
    kept = [one for one in model.explanation.groups if one.share >= SMALLEST_SHARE]
    rows = [[one.by, one.group, f"{one.share:.0%}", f"{one.lowest:.0%} to {one.highest:.0%}"] for one in kept]
    verdict = model.explanation.verdict
    note = (
        f"Share of the mean absolute contributions to the log odds, and its range over the outer folds' models. "
        f"{verdict[0].upper()}{verdict[1:]}; from {AGREE} upwards they are considered to agree on the {TOP} "
        "(Nogueira et al. 2018). Groups below one percent are left out."
    )
    name = f"table-explanation-{model.target.name}"
    caption = f"Contributions to the predictions of the {title(model.target.name)} model"
    return Table(name, caption, ["By", "Group", "Share", "Over the folds"], rows, (1,), note)
