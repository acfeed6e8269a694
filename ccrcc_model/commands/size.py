"""``ccrcc size``."""

from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_ext.ground.errors import InputError

if TYPE_CHECKING:
    from ccrcc_model.statistics.sample_size import Criterion


def size(
    prevalence: Annotated[float, typer.Option(help="Expected share of positive patients, inside (0, 1).", show_default=False)],
    auc: Annotated[float, typer.Option(help="Anticipated AUC, inside (0.5, 1).", show_default=False)],
    candidates: Annotated[
        int | None, typer.Option(min=1, help="Candidate predictors of a model to be developed, before any selection.")
    ] = None,
    shrinkage: Annotated[float, typer.Option(help="Smallest acceptable shrinkage of a model to be developed.")] = 0.9,
    auc_width: Annotated[float, typer.Option(help="Width of the 95% CI of the AUC in a validation.")] = 0.1,
    slope_width: Annotated[float, typer.Option(help="Width of the 95% CI of the calibration slope in a validation.")] = 0.2,
    ratio_width: Annotated[float, typer.Option(help="Width of the 95% CI of observed over expected events.")] = 0.2,
) -> None:
    """State how many patients a study needs.

    By the criteria of Riley and colleagues: for a validation and, if --candidates is given, for the development of a model.
    """
    from ccrcc_model.commands.console import say
    from ccrcc_model.statistics.sample_size import development_size, needed, validation_size

    if candidates is None and shrinkage != 0.9:
        msg = "--shrinkage is of a model to be developed; give --candidates too, or leave it out"
        raise InputError(msg)
    wanted = {
        "Validation": validation_size(prevalence, auc, auc_width=auc_width, slope_width=slope_width, ratio_width=ratio_width)
    }
    if candidates is not None:
        of_model = development_size(prevalence, auc, candidates=candidates, shrinkage=shrinkage)
        wanted = {f"Development from {candidates} candidates": of_model, **wanted}
    for title, criteria in wanted.items():
        say(f"{title}, prevalence {prevalence:g}, AUC {auc:g}:")
        for criterion in criteria:
            say(_line(criterion))
        largest = needed(criteria)
        say(f"  needed: {largest.n} patients, {largest.events:.0f} of them positive")


def _line(criterion: "Criterion") -> str:
    return f"  {criterion.name:29} {criterion.n:>9} patients, {criterion.events:>7.0f} positive: {criterion.wanted}"
