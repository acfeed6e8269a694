"""What the figures of this run cannot show, said by the run's own numbers."""

from ccrcc_model.report.run_folder import Run
from ccrcc_model.report.summary import title
from ccrcc_model.statistics.evaluation import Scope

ENOUGH = 100
"""Positive and negative patients each that a validation should have: Vergouwe 2005, doi:10.1016/j.jclinepi.2004.06.017."""


def limits(run: Run) -> list[str]:
    """Return the limits of a run, most important first."""
    found = []
    if run.record.synthetic:
        found.append(
            "The patients are synthetic phantoms. The figures show that the pipeline works and how it behaves when centres "
            "differ; they say nothing about real tumours."
        )
    else:
        found.append("Retrospective figures on the cohorts named here; they do not show that using the model helps patients.")
    for result in run.benchmarks:
        group = result.headline
        name = title(result.target)
        if group.scope is Scope.INTERNAL:
            found.append(f"{name}: no external cohort was scored, so nothing shows how the model does in other hospitals.")
        rarer = min(group.model.events, group.model.n - group.model.events)
        if rarer < ENOUGH:
            found.append(
                f"{name}: the rarer class has {rarer} patients; a validation should have {ENOUGH} of each class or more "
                "(doi:10.1016/j.jclinepi.2004.06.017), so the intervals are wide and calibration is rough."
            )
    found.append(
        "Internal figures are out-of-fold, but threshold and calibration were then fitted on those predictions: internal "
        "sensitivity, specificity and calibration are a little flattered, internal AUC and all external figures are not."
    )
    found.append(
        "Internal intervals and p-values take out-of-fold predictions as independent; their models share most of their "
        "patients, so that these intervals may be too narrow (doi:10.1023/A:1024068626366)."
    )
    found += [
        "Intervals cover the chance in who the patients were, not the choices in scanning, segmenting, tuning or thresholds.",
        "PPV, NPV and net benefit hold only where as many patients are positive as in the cohort at hand.",
        "No figure is corrected for comparing several cohorts and targets.",
    ]
    return found
