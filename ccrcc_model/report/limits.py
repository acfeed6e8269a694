"""Limits of the results of a run, stated with the run's own numbers."""

from ccrcc_model.report.run_folder import Run
from ccrcc_model.report.summary import title
from ccrcc_model.statistics.evaluation import Scope

ENOUGH = 100
"""Patients of each class that a validation should have at least: Vergouwe 2005, doi:10.1016/j.jclinepi.2004.06.017."""


def limits(run: Run) -> list[str]:
    """Return the limits of a run, most important first."""
    found = []
    if run.record.synthetic:
        found.append(
            "The patients are synthetic phantoms. The results show that the pipeline works and how it behaves when centres "
            "differ; they say nothing about real tumours."
        )
    else:
        found.append(
            "The results are retrospective and from the cohorts named here; they do not show that the model helps patients."
        )
    for result in run.benchmarks:
        group = result.everyone
        name = title(result.target)
        if group.scope is Scope.INTERNAL:
            found.append(f"{name}: no external cohort was scored, so the performance in other hospitals is unknown.")
        rarer = min(group.model.events, group.model.n - group.model.events)
        if rarer < ENOUGH:
            found.append(
                f"{name}: the smaller class has {rarer} patients; a validation should have at least {ENOUGH} in each class "
                "(doi:10.1016/j.jclinepi.2004.06.017), so confidence intervals are wide and calibration is imprecise."
            )
    found += [
        f"{title(result.target)}: no external cohort was scored, so the performance in other hospitals is unknown."
        for result in run.graded
        if all(one.scope is Scope.INTERNAL for one in result.contrasts)
    ]
    only_graded = bool(run.graded) and not run.benchmarks
    found.append(
        "Internal results are those of a cross-validation: they estimate the performance of a model that this procedure fits "
        "on as many patients as a training part holds, not of the locked model itself. Their intervals are corrected for "
        "training patients that folds share (doi:10.1023/A:1024068626366), and are approximate."
    )
    found.append(
        "Confidence intervals reflect the sampling of patients, not choices of scanning, segmentation, tuning or threshold."
    )
    if not only_graded:
        found.append("PPV, NPV and net benefit apply only at the prevalence of the respective cohort.")
    found.append(
        "One comparison of each model is primary and was named beforehand; its other comparisons are adjusted by Holm's "
        "method. No result is corrected for multiple comparisons across cohorts and targets."
    )
    return found
