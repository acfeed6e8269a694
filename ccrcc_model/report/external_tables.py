"""Tables of the page on external patients alone: who they are, over cohorts, without an answer, readers, subgroups."""

from collections.abc import Sequence

from ccrcc_model.report.benchmark_tables import figure_cell, p_value_cell
from ccrcc_model.report.summary import number, title
from ccrcc_model.report.tables import Table
from ccrcc_model.statistics.across_cohorts import OverCohorts
from ccrcc_model.statistics.calibration import CALIBRATION
from ccrcc_model.statistics.estimate import Estimate, format_estimate
from ccrcc_model.validation.external_tables import SHOWN
from ccrcc_model.validation.result import BenchmarkResult
from ccrcc_model.validation.subgroups import MIN_OF_CLASS, interactions


def patients(results: Sequence[BenchmarkResult]) -> Table | None:
    """Who of each external cohort is in the figures of each target, and who is not."""
    rows = []
    for result in results:
        declined = {group.name: group.uncertainty.declined for group in result.groups if group.uncertainty is not None}
        for covered in result.coverage:
            unlike = declined.get(covered.cohort)
            rows.append(
                [
                    covered.cohort,
                    title(result.target),
                    str(covered.patients + covered.without_outcome) if covered.is_listed else "not listed",
                    str(covered.without_outcome),
                    str(covered.patients),
                    str(covered.patients_absent) if covered.is_listed else "not known",
                    str(covered.patients - covered.patients_absent),
                    "–" if unlike is None or unlike.value is None else str(unlike.numerator),
                ]
            )
    columns = ["Cohort", "Target", "Patients listed", "Without an outcome", "With an outcome", "Not scored", "Scored"]
    note = (
        "Patients without an outcome are in no figure. Not scored: with an outcome and without features, as no tumour was "
        "found or the case was refused. Declined: scored, and unlike the patients of development."
    )
    caption = "External patients by what is known of them"
    return Table("table-patients", caption, [*columns, "Declined"], rows, (1,), note) if rows else None


def across_cohorts(result: BenchmarkResult) -> Table | None:
    """Every figure over several external cohorts, each by its own figures first."""
    if result.across is None:
        return None
    titles = {"auc": "AUC, model", "baseline_auc": "AUC, tumour volume", "difference": "Difference"}
    titles |= {name: CALIBRATION[name].title for name in ("intercept", "slope")}
    rows = []
    for name, heading in titles.items():
        over: OverCohorts = getattr(result.across, name)
        meta, sign = over.random, name == "difference"
        predicted = meta.prediction
        spread = "–" if predicted.low is None else f"{number(predicted.low, sign=sign)} to {number(predicted.high, sign=sign)}"
        heterogeneity = "–" if meta.i_squared is None else f"{meta.i_squared:.0%}"
        used = f"{meta.sites} of {len(result.across.cohorts)}"
        found = [figure_cell(each, sign=sign) for each in (over.within, meta.mean)]
        rows.append([heading, used, *found, spread, heterogeneity])
    columns = ["Figure", "Cohorts used", "Mean of these cohorts", "Random effects", "A further cohort", "I²"]
    note = (
        "Figures of each cohort by itself, combined. Mean of these cohorts: weighted by precision (doi:10.1111/rssa.12275). "
        "Random effects: REML with Hartung and Knapp's 95% CI (doi:10.1136/bmj.i6460), AUCs on the logit scale; from three "
        "cohorts on they are the headline, and a 95% prediction interval is given for a further one. With two, whose spread "
        "says next to nothing (doi:10.1002/sim.6473), the headline is the mean of these."
    )
    return Table(
        f"table-across-{result.target}", f"Over the external cohorts, {title(result.target)}", columns, rows, (), note
    )


def intention_to_diagnose(result: BenchmarkResult) -> Table | None:
    """Positive, negative and no answer by truth, with the figures of those answered between the worst and the best case."""
    rows = []
    for one in result.intention_to_diagnose:
        cells = one.table.answered
        counts = (cells.true_positive, cells.false_negative, one.table.positive_without)
        negatives = (cells.false_positive, cells.true_negative, one.table.negative_without)
        shares = []
        for name in SHOWN:
            cases = [getattr(each, name) for each in (one.table.worst, cells, one.table.best)]
            shown = [format_estimate(each, rule=result.print_rule) for each in cases]
            shares.append(shown[0] if len(set(shown)) == 1 else "\n".join(shown))
        known = "" if one.is_complete else " ‡"
        rows.append(
            [f"{one.group}{known}", one.without, " / ".join(map(str, counts)), " / ".join(map(str, negatives)), *shares]
        )
    if not rows:
        return None
    columns = ["Cohort", "No answer", "Positive patients: +, −, none", "Negative patients: +, −, none"]
    columns += [f"{name.capitalize()}: worst, answered, best" for name in SHOWN]
    note = (
        "Intention to diagnose (doi:10.1136/bmj.e6717): each class of patients by the call at the locked threshold, positive, "
        "negative, or no answer. Worst and best: every missing answer counted as wrong, and as right; one figure if none is "
        "missing. 95% Clopper-Pearson CIs."
    )
    if any(not one.is_complete for one in result.intention_to_diagnose):
        note += " ‡ No card lists these patients, so that it is not known who could not be scored."
    name = f"table-intention-{result.target}"
    return Table(name, f"Patients without an answer, {title(result.target)}", columns, rows, (1,), note)


def readers(result: BenchmarkResult) -> Table | None:
    """Sensitivity, specificity and agreement of model and readers on the patients whom both judged."""
    rows = []
    for one in result.readers.results:
        cells = one.counts
        n = cells.true_positive + cells.false_negative + cells.true_negative + cells.false_positive
        pairs = [(getattr(one.counts, name), getattr(one.model, name), name) for name in SHOWN[:2]]
        judged = []
        for reader, model, name in pairs:
            apart: Estimate = getattr(one, f"{name}_difference")
            judged += [figure_cell(reader), figure_cell(model), figure_cell(apart, sign=True)]
            judged.append(p_value_cell(getattr(one.calls, name).p_value))
        kappas = [figure_cell(each) for each in (one.kappa_truth, one.kappa_model)]
        rows.append([one.reader, one.group, str(n), str(one.missing), *judged, *kappas])
    rows += [
        [f"{two.first}, {two.second}", two.group, str(two.n), *["–"] * 10, figure_cell(two.kappa)]
        for two in result.readers.agreement
    ]
    columns = ["Reader", "Cohort", "Judged", "Without a reading"]
    for name in ("Sensitivity", "Specificity"):
        columns += [f"{name}, reader", f"{name}, model", "Difference", "P value"]
    columns += ["Kappa with outcome", "Kappa with model"]
    note = (
        "Reader and model on the same patients; difference (model − reader) with Newcombe's paired 95% CI "
        "(doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C), P values by McNemar's exact test, Cohen's "
        "kappa with a bootstrap interval; last, that of each two readers. Patients without a reading are in none of these."
    )
    caption = f"Readers compared with the model, {title(result.target)}"
    return Table(f"table-readers-{result.target}", caption, columns, rows, (1,), note) if rows else None


def subgroups(result: BenchmarkResult) -> Table | None:
    """The model in subgroups that have enough patients of each class, with a test of interaction for each factor."""
    tests = {one.factor: one for one in interactions(result.subgroups)}
    rows = []
    for one in result.subgroups:
        intercept = "–" if one.intercept is None else figure_cell(one.intercept)
        test = [p_value_cell(p) for p in (tests[one.factor].auc, tests[one.factor].intercept)]
        area, apart = (
            ("–", "–") if one.auc.value is None else (figure_cell(one.auc), figure_cell(one.difference.estimate, sign=True))
        )
        rows.append(
            [f"{one.factor}: {one.level}", f"{one.events} / {one.n}", area, apart, "–" if area == "–" else intercept, *test]
        )
    columns = ["Subgroup", "Positive / all", "AUC, model", "Difference", "Calibration intercept", "P, AUC", "P, intercept"]
    note = (
        f"All external patients. –: fewer than {MIN_OF_CLASS} patients of a class. P values: Cochran's Q against one value in "
        "all subgroups of a factor, uncorrected; more figures in subgroups.csv."
    )
    name = f"table-subgroups-{result.target}"
    return Table(name, f"Subgroups, {title(result.target)}", columns, rows, (), note) if rows else None
