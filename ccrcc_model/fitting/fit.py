"""From a feature table and outcomes to a locked model with its baseline, in a folder."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ccrcc_model.fitting.checks import (
    cautions,
    prepare_parent,
    refuse_external,
    refuse_foreign_stability,
    refuse_repeated_scans,
    refuse_useless_volume,
)
from ccrcc_model.fitting.comparators import clinical_covariates, compare_with_rivals, rivals_of
from ccrcc_model.fitting.controls import run_controls
from ccrcc_model.fitting.lock import lock, mean_score
from ccrcc_model.fitting.nested import Settings, run_nested
from ccrcc_model.fitting.request import FitRequest
from ccrcc_model.fitting.studies import open_studies
from ccrcc_model.models.combat import Harmonisation
from ccrcc_model.models.domain import ApplicabilityDomain
from ccrcc_model.models.folder import MODEL_BYTES, write_model_folder
from ccrcc_model.models.member_inputs import input_names, with_components
from ccrcc_model.models.model import DOMAIN, SCANS, Model, preset_of
from ccrcc_model.models.scan_prints import ScanPrints, fitted_rows
from ccrcc_model.outcomes.target import Target, label
from nnunet_ext.documents.csv_table import csv_text
from nnunet_ext.ground.outputs import reserve
from nnunet_ext.ground.progress import OnProgress, silent
from radiomics_cfg.contour_stability import PerturbedValues
from radiomics_cfg.table import FeatureTable


def fit(
    table: FeatureTable,
    outcomes: pd.DataFrame,
    target: Target,
    *,
    out_dir: Path,
    folds: int = 5,
    repeats: int = 2,
    trials: int = 25,
    seed: int = 0,
    harmonise: Harmonisation = "none",
    balanced: bool = False,
    sensitivity: float | None = None,
    perturbed: PerturbedValues | None = None,
    clinical: Sequence[str] = (),
    ablation: bool = False,
    controls: bool = False,
    studies: str | None = None,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> Model:
    """Fit, judge and lock a model and its baseline.

    A folder that already holds the model of the same request (cases, features, settings, versions) is loaded instead of
    fitted again; one that holds anything else is refused, since a locked model may have been reported on.

    Args:
        table: Features of development cohorts.
        outcomes: As ``read_outcomes`` gives them.
        target: What to predict.
        out_dir: Folder of the model.
        folds: Outer folds; fewer if the rarer class has less than two patients for each.
        repeats: Times that the outer folds are drawn anew; a patient's out-of-fold score is the mean over them.
        trials: Optuna trials in each training part.
        seed: Of everything random.
        harmonise: ``"combat"`` takes each centre's shift and scale out of the features (not out of tumour volume), fitted on
            the training part; see ``ccrcc_model.models.combat`` for ``"combat-transductive"``.
        balanced: Let both classes weigh the same; probabilities are corrected for it.
        sensitivity: That the threshold must reach out-of-fold, such as 0.9; Youden's threshold by default.
        perturbed: Features under perturbed masks: those that are not stable in the training part cannot be chosen there.
        clinical: Covariates of the outcomes to compare with, such as age and sex.
        ablation: Also run the procedure on fewer features, adding regions, filters and scales step by step.
        controls: Also run the procedure on shuffled labels, and see what the centre alone predicts: ``run_controls``.
        studies: Journal file, or URL of a database, that keeps Optuna's studies: a fit that was cut off then goes on, and the
            same call on other machines shares its trials. See ``open_studies``.
        jobs: Processes, each on one core; the result does not depend on it.
        on_progress: Told of each outer fold, and of the final fit; then of the controls' folds.

    Raises:
        InputError: If a cohort of the table is external or of unknown role, the folder holds something else, the cases
            cannot be labelled or split, patients share a scan, or the tumour's volume is lacking or tells nothing.
    """
    settings = Settings(folds, repeats, trials, seed, harmonise=harmonise, balanced=balanced, sensitivity=sensitivity)
    refuse_external(table)
    cases = label(table, outcomes, target)
    refuse_useless_volume(cases)
    refuse_repeated_scans(table, cases)
    refuse_foreign_stability(cases, preset_of(table), perturbed)
    covariates = clinical_covariates(outcomes, clinical, target_column=target.column) if clinical else None
    beside = {
        "clinical": list(clinical),
        "ablation": ablation,
        "controls": controls,
        "stability_sha256": perturbed.sha256 if perturbed is not None else None,
    }
    known = csv_text(covariates.reindex(cases.patients).reset_index()) if covariates is not None else None
    request = FitRequest.of(table, cases, cases.y, settings, told=beside, depends_on=[asdict(target), known])
    if (model := request.existing(out_dir, Model.load)) is not None:
        return model
    prepare_parent(out_dir)
    if studies is not None:
        open_studies(studies)  # fails here, not in every process
    kept = (studies, request.sha256) if studies is not None else None
    with reserve(out_dir.parent, MODEL_BYTES):
        outer, final = run_nested(cases, settings, perturbed=perturbed, studies=kept, jobs=jobs, on_progress=on_progress)
        manifest, files = lock(cases, outer, final, target, sensitivity=sensitivity)
        rivals = rivals_of(cases, settings, clinical=covariates, ablation=ablation, perturbed=perturbed)
        score = mean_score(cases, outer, "score")
        found = compare_with_rivals(cases, score, rivals, settings, jobs=jobs, on_progress=on_progress)
        manifest["cautions"] = list(cautions(cases))
        manifest["comparators"] = [one.to_json() for one in found]
        seen = with_components(table, final.members)
        files[SCANS] = ScanPrints.of(fitted_rows(table, cases), request.sha256).to_json()
        files[DOMAIN] = ApplicabilityDomain.fit(seen, input_names(final.members), cases.patients).to_json()
        if controls:
            manifest["controls"] = run_controls(
                cases, settings, perturbed=perturbed, jobs=jobs, on_progress=on_progress
            ).to_json()
    if (model := request.existing(out_dir, Model.load)) is not None:  # another process was faster
        return model
    write_model_folder(out_dir, files, request.about | manifest)
    return Model.load(out_dir)
