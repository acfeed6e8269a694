"""From a study to a locked model with its baseline, in memory or in a folder."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ccrcc_model.fitting.checks import (
    cautions,
    dropped_families,
    prepare_parent,
    refuse_external,
    refuse_foreign_stability,
    refuse_repeated_scans,
    refuse_too_few,
    refuse_useless_volume,
)
from ccrcc_model.fitting.comparators import compare_with_rivals
from ccrcc_model.fitting.comparisons import VOLUME, find_primary, planned_comparisons
from ccrcc_model.fitting.controls import run_controls
from ccrcc_model.fitting.covariates import clinical_covariates
from ccrcc_model.fitting.development import difference_of, fold_scores
from ccrcc_model.fitting.folds import Folds
from ccrcc_model.fitting.internal_external import internal_external, unjudged_centres
from ccrcc_model.fitting.lock import lock
from ccrcc_model.fitting.nested import run_nested
from ccrcc_model.fitting.request import FitRequest
from ccrcc_model.fitting.rivals import rivals_of
from ccrcc_model.fitting.settings import DEFAULT, Settings
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.models.domain import ApplicabilityDomain
from ccrcc_model.models.folder import MODEL_BYTES
from ccrcc_model.models.made_by import preset_of
from ccrcc_model.models.member_inputs import input_names, with_components
from ccrcc_model.models.model import Model
from ccrcc_model.models.pipeline import DOMAIN, SCANS
from ccrcc_model.models.scan_prints import ScanPrints, fitted_rows
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import Target, find_target
from nnunet_ext.documents.csv_table import csv_text
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.outputs import reserve
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues


def fit(
    study: Study,
    target: Target | str,
    *,
    settings: Settings = DEFAULT,
    out: AnyPath | None = None,
    perturbed: PerturbedValues | None = None,
    clinical: Sequence[str] = (),
    ablation: bool = False,
    controls: bool = False,
    primary: str = VOLUME,
    studies: str | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> Model:
    """Fit, judge and lock a model and its baseline.

    A folder that already holds the model of the same request (cases, features, settings, versions) is loaded instead of
    fitted again; one that holds anything else is refused, since a locked model may have been reported on.

    Args:
        study: Features and outcomes of development cohorts.
        target: What to predict, or its name, such as ``"grade"``.
        settings: How to fit.
        out: Folder of the model; by default the model stays in memory, with the id that it would have in a folder.
        perturbed: Features under perturbed masks: those that are not stable in the training part cannot be chosen there.
        clinical: Covariates of the outcomes to compare with, such as age and sex.
        ablation: Also run the procedure on fewer features, adding regions, filters and scales step by step.
        controls: Also run the procedure on shuffled outcomes, and see what the centre alone predicts: ``run_controls``.
        primary: Name, or its beginning, of the primary comparison: tumour volume, or a comparator of this fit. P values of the
            others are adjusted by Holm's method.
        studies: Journal file, or URL of a database, that keeps Optuna's studies: a fit that was cut off then goes on, and the
            same call on other machines shares its trials. See ``open_studies``.
        jobs: Processes, each on one core; the result does not depend on it.
        on_progress: Called after each outer fold, and the final fit; then after the folds of rivals and controls.

    Raises:
        InputError: If a cohort is external or of unknown role, the folder holds something else, the cases cannot be
            labelled or split, patients share a scan, the tumour's volume is lacking or carries no information, a setting
            makes no sense for the target, or no comparison has the name that ``primary`` gives.

    Example:
        >>> import ccrcc_model as cc, radiomics_cfg as rad
        >>> dev = cc.Study(None, rad.FeatureTable.read("dev.parquet"), cc.read_outcomes("dev.csv"))
        >>> cc.fit(dev, "grade", settings=cc.Settings(folds=3, repeats=1, trials=3, seed=7), out="models/grade")
        Model ... of isup_grade >= 3 does not beat tumour volume alone: AUC 0...
        60 patients (... positive), 40 features, ... members
        development: home; preset test
    """
    target = find_target(target) if isinstance(target, str) else target
    settings.refuse_for(target)
    table, folder = study.table, None if out is None else Path(out)
    cases = _usable_cases(study, target, perturbed)
    covariates = clinical_covariates(study.outcomes, clinical, target_column=target.column) if clinical else None
    rivals = rivals_of(cases, target, settings, clinical=covariates, ablation=ablation, perturbed=perturbed)
    primary = find_primary(primary, rivals)
    beside = {
        "primary": primary,
        "clinical": list(clinical),
        "ablation": ablation,
        "controls": controls,
        "stability_sha256": perturbed.sha256 if perturbed is not None else None,
    }
    known = csv_text(covariates.reindex(cases.patients).reset_index()) if covariates is not None else None
    request = FitRequest.of(table, cases, settings, recorded=beside, depends_on=[target.to_json(), known])
    if (model := request.existing(folder)) is not None:
        return model
    if folder is not None:
        prepare_parent(folder)
    if studies is not None:
        open_studies(studies)  # fails here, not in every process
    kept = (studies, request.sha256) if studies is not None else None
    shared: dict[str, Any] = {"jobs": jobs, "on_progress": on_progress}
    with nullcontext() if folder is None else reserve(folder.parent, MODEL_BYTES):
        folds = Folds.of(cases, settings)
        outer, final = run_nested(cases, target, settings, folds=folds, perturbed=perturbed, studies=kept, **shared)
        manifest, files = lock(cases, outer, final, target, settings)
        found = compare_with_rivals(cases, target, fold_scores(outer), rivals, folds=folds, **shared)
        said = cautions(cases, target, _outcome(study, target, cases))
        if folds.by_centre:
            by_centre = internal_external(cases, target, outer, seed=settings.seed)
            manifest["internal_external"] = by_centre.to_json()
            said += tuple(finding for finding in [unjudged_centres(by_centre)] if finding is not None)
        said += tuple(finding for finding in [dropped_families(final.ensemble.dropped)] if finding is not None)
        manifest["cautions"] = [f"{one.code}: {one.finding}" for one in said]
        manifest["comparators"] = [one.to_json() for one in found]
        compared = planned_comparisons(difference_of(manifest["development"]), found, primary=primary)
        manifest["comparisons"] = [asdict(one) for one in compared]
        files[SCANS] = ScanPrints.of(fitted_rows(table, cases), request.sha256).to_json()
        seen = with_components(table, final.members)
        files[DOMAIN] = ApplicabilityDomain.fit(seen, input_names(final.members), cases.patients).to_json()
        if controls:
            ran = run_controls(cases, target, settings, folds=folds, perturbed=perturbed, **shared)
            manifest["controls"] = ran.to_json()
    kind = {} if target.kind == "binary" else {"kind": target.file_kind}
    return _keep(Model.lock(files, kind | request.about | manifest), request, folder)


def _usable_cases(study: Study, target: Target, perturbed: PerturbedValues | None) -> LabelledCases:
    """Return the cases of a study with their outcomes, unless no model can be fitted on them."""
    refuse_external(study)
    cases = label(study.table, study.outcomes, target)
    refuse_too_few(cases, target)
    refuse_useless_volume(cases)
    refuse_repeated_scans(study.table, cases)
    refuse_foreign_stability(cases, preset_of(study.table), perturbed)
    return cases


def _outcome(study: Study, target: Target, cases: LabelledCases) -> npt.NDArray[np.float64]:
    """Return the grade or percentage of each case, of which a yes or no is one side of a cut."""
    values = study.outcomes.set_index("patient_id")[target.column].reindex(cases.patient_id)
    return values.to_numpy(dtype=np.float64)


def _keep(model: Model, request: FitRequest, folder: Path | None) -> Model:
    """Write a model where it is wanted, unless another process was faster."""
    if folder is None:
        return model
    if (faster := request.existing(folder)) is not None:
        return faster
    model.save(folder)
    return model
