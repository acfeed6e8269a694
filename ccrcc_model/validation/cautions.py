"""Checks of what a reader has to know before any figure: patients who could not be scored, cohorts that carry no figure."""

from collections.abc import Sequence

from ccrcc_model.outcomes.finding import Finding, check
from ccrcc_model.statistics.across_cohorts import auc_of_own_pairs
from ccrcc_model.statistics.calibration import LOESS_MIN_PATIENTS
from ccrcc_model.statistics.evaluation import GroupResult, Scope
from ccrcc_model.validation.coverage import Coverage

MIN_PATIENTS = LOESS_MIN_PATIENTS
"""Below this a reader is warned of a cohort: its ICI is not estimable either."""
MOST_UNLIKE = 0.5
"""Share of patients whom the model abstains from above which a reader is warned. Our choice."""
MADE_BY_POOLING = 0.05
"""Distance of the pooled AUC from that of pairs within the cohorts above which a reader is warned: a tenth of what lies
between chance and perfection. Our choice."""


def cautions(
    audit: Sequence[Finding], coverage: Sequence[Coverage], groups: Sequence[GroupResult] = ()
) -> tuple[Finding, ...]:
    """Return the findings that are not well: of the audit, of the cases that were scored, and of each external cohort.

    Args:
        audit: Audit of the benchmark.
        coverage: Coverage of each cohort whose card was given.
        groups: Groups of patients with a binary target; only external cohorts are looked at.
    """
    found: list[Finding | None] = [finding for finding in audit if not finding.passed]
    found += [ask(covered) for covered in coverage for ask in (cases_without_features, cases_not_listed)]
    checks = (two_classes, enough_patients, like_development)
    found += [ask(group) for group in groups if group.scope is Scope.EXTERNAL for ask in checks]
    found.append(pooling_makes_none(groups))
    return tuple(finding for finding in found if finding is not None)


@check("BC001", "Every case of the card has features.")
def cases_without_features(covered: Coverage) -> tuple[str, bool] | None:
    """BC001: cases of the card are not in the table, so that their patients are not scored."""
    if not covered.cases_absent:
        return None
    events = "" if covered.events_absent is None else f", {covered.events_absent} of them positive"
    return (
        f"{covered.cohort}: {covered.cases_absent} of the card's {covered.cases} cases have no features, so "
        f"{covered.patients_absent} of {covered.patients} patients with an outcome are not scored{events}"
    ), False


@check("BC002", "Every case of the table is listed by the card.")
def cases_not_listed(covered: Coverage) -> tuple[str, bool] | None:
    """BC002: the table holds cases that the card does not list."""
    if not covered.cases_unlisted:
        return None
    return f"{covered.cohort}: {covered.cases_unlisted} cases of the table are not listed by the card, and are scored", False


@check("BC003", "Each external cohort holds patients of both classes.")
def two_classes(group: GroupResult) -> tuple[str, bool] | None:
    """BC003: a cohort holds one class only."""
    area = group.model.auc
    if area.value is not None:
        return None
    return (
        f"{group.name}: {area.reason} among {group.model.n}, so AUC, AUPRC and calibration are not estimable",
        False,
    )


@check("BC004", f"Each external cohort holds {MIN_PATIENTS} patients or more.")
def enough_patients(group: GroupResult) -> tuple[str, bool] | None:
    """BC004: a cohort is too small for its figures to be informative."""
    if (n := group.model.n) >= MIN_PATIENTS:
        return None
    return f"{group.name}: {n} patients only; its figures are a rough guide at best, and an ICI is not estimable", False


@check("BC005", "The model answers for most patients of each external cohort.")
def like_development(group: GroupResult) -> tuple[str, bool] | None:
    """BC005: most patients of a cohort are unlike those of the development."""
    declined = group.uncertainty.declined if group.uncertainty is not None else None
    if declined is None or declined.value is None or declined.value <= MOST_UNLIKE:
        return None
    return (
        f"{group.name}: the model abstains from {declined.numerator} of {declined.denominator} patients, who are unlike "
        "its development patients (uncertainty.csv)"
    ), False


@check("BC006", "Pooling the external cohorts makes no discrimination of its own.")
def pooling_makes_none(groups: Sequence[GroupResult]) -> tuple[str, bool] | None:
    """BC006: cohorts differ in level and in their share of positives, so that the pooled AUC also ranks hospitals."""
    cohorts = [group for group in groups if group.scope is Scope.EXTERNAL]
    pooled = next((group.model.auc.value for group in groups if group.scope is Scope.POOLED), None)
    own = auc_of_own_pairs(cohorts).value
    if pooled is None or own is None or abs(pooled - own) <= MADE_BY_POOLING:
        return None
    shares = sorted(group.model.events / group.model.n for group in cohorts if group.model.n)
    return (
        f"the AUC over all patients is {pooled:.2f}, over pairs of patients of the same cohort {own:.2f}: the cohorts differ "
        f"in level and hold {shares[0]:.0%} to {shares[-1]:.0%} positive patients, so that the pooled figure also ranks "
        "hospitals (across_cohorts.csv)"
    ), False
