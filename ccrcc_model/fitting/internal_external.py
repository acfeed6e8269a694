"""Internal-external validation: every centre is judged by a model of the others, and the centres are combined.

The scores of a centre come from a procedure that was fitted without it, and so does their calibration, which is fitted on the
scores of the other centres. Figures are combined by random effects; the prediction interval states what another centre like
these may see.

References:
    Royston et al. 2004, doi:10.1002/sim.1691; Debray et al. 2017, doi:10.1136/bmj.i6460.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.fitting.folds import MIN_PER_FOLD
from ccrcc_model.fitting.nested import OuterResult
from ccrcc_model.models.scorer import LIKELIHOODS
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.finding import check
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.calibration import calibration_intercept, calibration_slope
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.graded import bootstrap_estimate, concordance
from ccrcc_model.statistics.meta_analysis import MetaAnalysis, meta_analysis
from ccrcc_model.statistics.predictions import Predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Centre:
    """Figures of one centre.

    Args:
        centre: Its name.
        n_patients: Patients.
        n_high: Positive ones, or those at or above the cut that stratifies grades and percentages.
        model: AUC, or concordance.
        baseline: That of tumour volume alone.
        difference: Difference (model − tumour volume).
        intercept: Calibration intercept of the model, of a yes or no.
        slope: Its calibration slope.
    """

    centre: str
    n_patients: int
    n_high: int
    model: Estimate
    baseline: Estimate
    difference: Estimate
    intercept: Estimate | None = None
    slope: Estimate | None = None

    @property
    def judged(self) -> bool:
        """Whether its patients could be ordered."""
        return self.model.value is not None


@dataclass(frozen=True, slots=True)
class InternalExternal:
    """Every centre, and all together.

    Args:
        measure: ``"auc"`` or ``"concordance"``.
        centres: By name.
        over_centres: Each figure by random effects, in the order of the fields of ``Centre``.
    """

    measure: str
    centres: tuple[Centre, ...]
    over_centres: Mapping[str, MetaAnalysis]

    def to_json(self) -> dict[str, Any]:
        """Return it as a manifest holds it."""
        pooled = {
            name: {
                "centres": found.sites,
                "mean": asdict(found.mean),
                "prediction": asdict(found.prediction),
                "tau_squared": found.tau_squared,
                "i_squared": found.i_squared,
            }
            for name, found in self.over_centres.items()
        }
        return {"measure": self.measure, "centres": [asdict(one) for one in self.centres], "over_centres": pooled}


def internal_external(cases: LabelledCases, target: Target, outer: Sequence[OuterResult], *, seed: int) -> InternalExternal:
    """Judge each centre by the model that was fitted without it.

    Args:
        cases: As the models were fitted on.
        target: What is predicted.
        outer: Results of the outer folds, each of which tested one centre.
        seed: Seed of the bootstrap of concordances.
    """
    score, baseline = (_scores(cases, outer, baseline=each) for each in (False, True))
    centres = [_centre(cases, target, (score, baseline), centre, seed=seed) for centre in np.unique(cases.patient_centre)]
    figures = ("model", "baseline", "difference", "intercept", "slope")
    pooled = {
        name: meta_analysis(found, scale="logit" if name in ("model", "baseline") else "identity")
        for name in figures
        if (found := [figure for one in centres if (figure := getattr(one, name)) is not None])
    }
    return InternalExternal("auc" if target.kind == "binary" else "concordance", tuple(centres), pooled)


@check("FC010", "Every centre that is left out can be judged.")
def unjudged_centres(found: InternalExternal) -> tuple[str, bool] | None:
    """FC010: a centre has too few patients of a class to be judged; its patients were still fitted on."""
    left = [one for one in found.centres if not one.judged]
    if not left:
        return None
    first = left[0]
    found_in = f"first {first.centre} ({first.n_high} of {first.n_patients} high)"
    few = f"{len(left)} of {len(found.centres)} centres have fewer than {MIN_PER_FOLD} patients of a class, {found_in}"
    return f"{few}; they are fitted on and not judged", False


def _scores(cases: LabelledCases, outer: Sequence[OuterResult], *, baseline: bool) -> Floats:
    score = np.full(len(cases.patients), np.nan)
    for result in outer:
        score[np.searchsorted(cases.patients, result.patients)] = result.baseline_score if baseline else result.score
    return score


def _centre(cases: LabelledCases, target: Target, scores: tuple[Floats, Floats], centre: str, *, seed: int) -> Centre:
    inside = cases.patient_centre == centre
    high = cases.patient_stratum[inside]
    counts = (str(centre), int(inside.sum()), int(high.sum()))
    if min(high.sum(), len(high) - high.sum()) < MIN_PER_FOLD:
        nothing = Estimate(None, reason=f"fewer than {MIN_PER_FOLD} patients of a class")
        calibration = nothing if target.kind == "binary" else None
        return Centre(*counts, nothing, nothing, nothing, calibration, calibration)
    if target.kind != "binary":
        truth, pair = cases.patient_y[inside], [score[inside] for score in scores]
        model, baseline = (bootstrap_estimate(concordance, truth, score, seed=seed) for score in pair)
        return Centre(*counts, model, baseline, bootstrap_estimate(_difference, truth, np.stack(pair), seed=seed))
    first, second = (_predictions(cases, score, inside) for score in scores)
    difference = auc_difference(first, second).estimate
    return Centre(*counts, auc(first), auc(second), difference, calibration_intercept(first), calibration_slope(first))


def _predictions(cases: LabelledCases, score: Floats, inside: npt.NDArray[np.bool_]) -> Predictions:
    """Return the patients of a centre, their scores calibrated on those of the other centres."""
    calibration = LIKELIHOODS["binary"].calibrate(score[~inside], cases.patient_y[~inside])
    probability = calibration.values(score[inside], ())
    patients, truth = cases.patients[inside], cases.patient_y[inside]
    return Predictions(
        "development", "", patients, cases.patient_centre[inside], truth, np.asarray(probability, dtype=np.float64).ravel()
    )


def _difference(truth: Floats, scores: Floats, weights: Floats) -> Floats:
    return concordance(truth, scores[0], weights) - concordance(truth, scores[1], weights)
