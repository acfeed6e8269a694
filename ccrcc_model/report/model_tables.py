"""Tables of the models fitted for comparison, and of the explanation of a model, from its folder."""

from collections.abc import Mapping
from typing import Any

from ccrcc_model.fitting.ordering import MEASURES, measure_of
from ccrcc_model.models.explanation import AGREE, TOP
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.target import Kind
from ccrcc_model.report.benchmark_tables import p_value_cell
from ccrcc_model.report.summary import interval, title
from ccrcc_model.report.tables import Table
from ccrcc_model.statistics.estimate import Estimate

SMALLEST_SHARE = 0.01
"""Groups with a smaller contribution are left out of the page; ``explanation.json`` has them."""

SCORES: dict[Kind, str] = {
    "binary": "the log odds",
    "ordinal": "the log odds of a higher grade",
    "percentage": "the score, in standard deviations of log(1 + percentage)",
}
"""What features contribute to in a model of each kind of target."""
UNITS: dict[Kind, str] = {"binary": "log-odds", "ordinal": "log-odds", "percentage": "standard deviations"}
"""Unit of the same, for the axis of a figure."""


def comparators(model: Model) -> Table | None:
    """The other models that were fitted on the model's outer folds, if any were."""
    measure = measure_of(model.target)
    compared = {one["name"]: one for one in model.manifest["comparisons"]}
    rows = [
        [
            one["name"],
            interval(Estimate(**one[measure])),
            interval(Estimate(**one["model_less_it"]), sign=True),
            p_value_cell(compared[one["name"]]["adjusted"]),
        ]
        for one in model.manifest.get("comparators", ())  # early graded models had none
    ]
    if not rows:
        return None
    primary = next(one for one in compared.values() if one["primary"])
    note = (
        "Out-of-fold in the development patients: means over the same outer folds, the difference paired, intervals corrected "
        "for shared training patients (doi:10.1023/A:1024068626366). Primary comparison, named beforehand: "
        f"{primary['name']}, P {p_value_cell(primary['p_value'])}; P values of the others are adjusted by Holm's method."
    )
    heading = MEASURES[measure]
    name = f"table-comparators-{model.target.name}"
    return Table(
        name,
        f"Comparison with the {title(model.target.name)} model",
        ["Fitted on", f"{heading[0].upper()}{heading[1:]}", "Difference (model − comparator)", "Adjusted P value"],
        rows,
        (),
        note,
    )


def explanation(model: Model) -> Table | None:
    """The regions, scales, image filters and feature families that contribute to the predictions, if the model states them."""
    if model.explanation is None:  # early graded models
        return None
    kept = [one for one in model.explanation.groups if one.share >= SMALLEST_SHARE]
    rows = [[one.by, one.group, f"{one.share:.0%}", f"{one.lowest:.0%} to {one.highest:.0%}"] for one in kept]
    verdict = model.explanation.verdict
    note = (
        f"Share of the mean absolute contributions to {SCORES[model.target.kind]}, and its range over the outer "
        f"folds' models. {verdict[0].upper()}{verdict[1:]}; from {AGREE} upwards they are considered to agree on the {TOP} "
        "(Nogueira et al. 2018). Groups below one percent are left out."
    )
    name = f"table-explanation-{model.target.name}"
    caption = f"Contributions to the predictions of the {title(model.target.name)} model"
    return Table(name, caption, ["By", "Group", "Share", "Over the folds"], rows, (1,), note)


_OVER_CENTRES = {"model": "Model", "baseline": "Tumour volume", "difference": "Difference"}
_CALIBRATION = {"intercept": "Calibration intercept", "slope": "Calibration slope"}


def internal_external(model: Model) -> Table | None:
    """Each centre by a model of the others, and all by random effects; None where no centre was left out."""
    content = model.manifest.get("internal_external")
    if content is None:
        return None
    shown = {**_OVER_CENTRES, **(_CALIBRATION if model.target.kind == "binary" else {})}
    rows = [
        [one["centre"], str(one["n_patients"]), str(one["n_high"]), *(_printed(name, one[name]) for name in shown)]
        for one in content["centres"]
    ]
    for which, label in (("mean", "Random effects: mean"), ("prediction", "Another centre (prediction interval)")):
        pooled = [_printed(name, content["over_centres"][name][which]) for name in shown]
        rows.append([label, "", "", *pooled])
    tau = ", ".join(f"{shown[name].lower()} {content['over_centres'][name]['tau_squared'] or 0:.3g}" for name in shown)
    measure = MEASURES[content["measure"]]
    note = (
        f"{measure[0].upper()}{measure[1:]} in patients of a centre by models that were fitted without it, calibrated on the "
        "other centres. Random effects by restricted maximum likelihood, interval of Hartung and Knapp; the prediction "
        f"interval is that of another centre like these (doi:10.1136/bmj.i6460). Variance between centres: {tau}."
    )
    columns = ["Centre left out", "Patients", "Positive or high", *shown.values()]
    name = f"table-internal-external-{model.target.name}"
    return Table(name, f"Internal-external validation of the {title(model.target.name)} model", columns, rows, (), note)


def _printed(name: str, content: Mapping[str, Any]) -> str:
    return interval(Estimate(**content), sign=name in ("difference", "intercept"))
