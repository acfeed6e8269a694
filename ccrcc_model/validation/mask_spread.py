"""How far a case's probability moves when its mask is drawn a little differently, as another reader might have drawn it.

The values under perturbed masks are those that ``ccrcc stability`` keeps of each case; nothing is measured here. No outcome is
used and no figure states how accurate the model is, so cases of the development are allowed. They are marked and summarised
apart: the model was fitted on their very values under the original mask.

References:
    Zwanenburg et al. 2019, doi:10.1038/s41598-018-36938-4 (perturbed masks).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.models.made_by import made_by
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.cases import Cases
from ccrcc_model.outcomes.seen import patient_hash
from ccrcc_model.statistics.estimate import clopper_pearson
from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.cases.perturbed import MaskRecipe, find_masks
from radiomics_cfg.modes import Mode
from radiomics_cfg.perturbation.perturbed_mask import Perturbation, usual_perturbations
from radiomics_cfg.preset import Preset, as_preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND

NOT_MEASURED = "not-measured"
"""Code of a case without values under perturbed masks."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MaskSpread:
    """The probability of each case under each mask.

    Args:
        cohort: Name.
        case_id: Shape ``(n_cases,)``.
        development: Whether the model was fitted on the case's patient, shape ``(n_cases,)``.
        masks: Names, the original one first.
        probability: Of each case by itself, calibrated, shape ``(n_cases, n_masks)``; NaN where a mask has no values.
        threshold: Probability from which a case is called positive.
        refusals: Cases without values.
    """

    cohort: str
    case_id: tuple[str, ...]
    development: npt.NDArray[np.bool_]
    masks: tuple[str, ...]
    probability: Values
    threshold: float
    refusals: tuple[Refusal, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return one row per case.

        Returns:
            ``cohort``, ``case_id``, ``development``; ``masks``, the number that had values, the original one included;
            ``probability`` and ``positive`` under the original one; ``sd`` (of a sample), ``low``, ``high`` and ``range`` of
            the probability over all masks; ``call_changed``, the share of the perturbed masks under which the call is another
            than under the original one. NaN where no perturbed mask had values.
        """
        keys = {"cohort": self.cohort, "case_id": list(self.case_id), "development": self.development}
        return pd.DataFrame(keys).join(pd.DataFrame([_spread(row, self.threshold) for row in self.probability]))

    def summary(self) -> pd.DataFrame:
        """Return one row for the patients that the model never saw, and one for those of the development, where there are any.

        Returns:
            ``cohort``, ``development``, ``cases`` that have a spread; median and 90th percentile of ``sd`` and of ``range``;
            ``unsteady``, the share of cases whose call some mask changes, with its exact interval and counts;
            ``mean_call_changed``.
        """
        rows = []
        for development, cases in self.table().dropna(subset=["sd"]).groupby("development"):
            unsteady = clopper_pearson(int((cases["call_changed"] > 0).sum()), len(cases))
            rows.append(
                {
                    "cohort": self.cohort,
                    "development": development,
                    "cases": len(cases),
                    **{f"{name}_median": cases[name].median() for name in ("sd", "range")},
                    **{f"{name}_p90": cases[name].quantile(0.9) for name in ("sd", "range")},
                    "unsteady": unsteady.value,
                    "unsteady_low": unsteady.low,
                    "unsteady_high": unsteady.high,
                    "unsteady_cases": unsteady.numerator,
                    "mean_call_changed": cases["call_changed"].mean(),
                }
            )
        return pd.DataFrame(rows)


def _spread(probability: Values, threshold: float) -> dict[str, float | bool]:
    """Return the figures of one case; the first of its masks is the original one."""
    known = probability[~np.isnan(probability)]
    called = known >= threshold
    several = len(known) > 1
    low, high = (float(known.min()), float(known.max())) if several else (np.nan, np.nan)
    return {
        "masks": len(known),
        "probability": float(probability[0]),
        "positive": bool(called[0]),
        "sd": float(known.std(ddof=1)) if several else np.nan,
        "low": low,
        "high": high,
        "range": high - low,
        "call_changed": float((called[1:] != called[0]).mean()) if several else np.nan,
    }


def spread(
    model: Model,
    cohort: Cohort,
    preset: Preset | AnyPath,
    *,
    cases_dir: AnyPath,
    perturbations: Sequence[Perturbation] | None = None,
    backend: str = DEFAULT_BACKEND,
    mode: Mode = "canonical",
    on_progress: OnProgress = silent,
) -> MaskSpread:
    """Return the probability of each case under each mask, from values that a stability run has kept.

    Args:
        model: Locked.
        cohort: What ``stability`` was given.
        preset: Likewise; the one that the model was fitted on. Its name or folder will do.
        cases_dir: The folder with the values.
        perturbations: What ``stability`` was given, in the same order; the usual ones by default.
        backend: What measured them.
        mode: How the images had been filtered.
        on_progress: Called after each case.

    Raises:
        InputError: If the model was fitted on another preset, needs features that this one lacks, or is harmonised on whole
            tables; or if no case has values.

    Example:
        >>> import ccrcc_model as cc, nnunet_ext as nn
        >>> away = nn.load_cohort("away/card.yaml")
        >>> found = cc.spread(cc.load_model("model"), away, "small", cases_dir="stability.cases")
        >>> found.table()["masks"].tolist()
        [10, 10, 10]
    """
    if any(member.harmoniser is not None and member.harmoniser.transductive for member in model.members):
        msg = "The model is harmonised on each table as a whole (combat-transductive), so a case has no probability by itself"
        raise InputError(msg)
    chosen = usual_perturbations() if perturbations is None else perturbations
    recipe = MaskRecipe.of(cohort, as_preset(preset), chosen, backend=backend, mode=mode)
    columns = recipe.recipe.columns()
    model.refuse_features(made_by(recipe.recipe.about()), columns)
    place = {name: number for number, name in enumerate(columns)}
    needed = [place[name] for name in model.columns]
    found: dict[str, Values] = {}
    refusals: list[Refusal] = []
    on_progress(0, len(cohort.cases))
    for done, case in enumerate(cohort.cases, start=1):
        try:
            values, has_values = _kept(case, recipe, Path(cases_dir), n_columns=len(columns))
            found[case.id] = np.where(has_values, _probability(model, values[:, needed], case.centre), np.nan)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "spread", refused.code, refused.reason))
        on_progress(done, len(cohort.cases))
    if not found:
        first = f"; the first was refused as {refusals[0].code}: {refusals[0].reason}" if refusals else ""
        msg = f"No case of cohort {cohort.name} has values under perturbed masks in {cases_dir}{first}"
        raise InputError(msg)
    return MaskSpread(
        cohort.name,
        tuple(found),
        np.array([patient_hash(case.patient_id) in model.patients for case in cohort.cases if case.id in found]),
        recipe.masks,
        np.array(list(found.values())),
        model.decision.threshold,
        tuple(refusals),
    )


def _kept(case: Case, recipe: MaskRecipe, folder: Path, *, n_columns: int) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Return a case's values, shape ``(n_masks, n_columns)``, and which masks have any.

    Raises:
        CaseRefused: ``not-measured``, or what the gate says of its files.
    """
    kept = find_masks(case, recipe, folder)
    if kept is None or kept.values.shape != (len(recipe.masks), n_columns):
        reason = "no run has kept its values with these files, masks, preset and versions; run `ccrcc stability`"
        raise CaseRefused(NOT_MEASURED, reason)
    return kept.values, np.array([not reason for reason in kept.lost])


def _probability(model: Model, features: Values, centre: str) -> Values:
    """Return the calibrated probability of one case under each mask; ``features`` are the model's, one row per mask."""
    cases = Cases(model.columns, features, np.full(len(features), ""), np.full(len(features), centre))
    return model.decision.probability(model.ensemble.log_odds(cases))
