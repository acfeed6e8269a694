"""The summary of fits on many tables: means, ranks and the worst case of each model, as Markdown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.stats import t as student

OURS = "ours"
LARGE = 100
"""Patients from which on a table counts as large."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is kept of one fit.

    Args:
        table: Name of the table.
        model: Name of the model.
        version: Of model and table.
        finished: Seconds since the epoch.
        place: Repeat and fold.
        n: Patients of the table.
        n_positive: Positive ones of them.
        n_features: Features of the table.
        auc: Of the test part; None if the fit failed.
        log_loss: Of the test part.
        cpu_s: Processor time of the fit.
        seconds: Wall clock that a fit was granted, for models limited by time.
        failure: Why it failed.
    """

    table: str
    model: str
    version: str
    finished: float
    place: tuple[int, int]
    n: int
    n_positive: int
    n_features: int
    auc: float | None
    log_loss: float | None
    cpu_s: float | None
    seconds: float
    failure: str | None

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Read what a fit left."""
        alike = ("table", "model", "version", "finished", "n", "n_positive", "n_features")
        return cls(
            **{name: content[name] for name in alike},
            place=(content["repeat"], content["fold"]),
            seconds=content["budget"]["seconds"],
            **{name: content.get(name) for name in ("auc", "log_loss", "cpu_s", "failure")},
        )


def summary(fits: Iterable[Fitted], *, titles: Mapping[str, str]) -> str:
    """Return the summary of the newest version of each model on each table.

    Args:
        fits: All that were kept.
        titles: How the models are named, in the order of the report.
    """
    fits = list(fits)
    newest = newest_versions(fits)
    good = pd.DataFrame([(one.table, one.model, one.auc, one.log_loss, one.cpu_s) for one in newest if one.failure is None])
    if good.empty:
        return "\n".join(["No fit succeeded.", *left_out(newest, set(), titles), ""])
    good.columns = pd.Index(["table", "model", "auc", "log_loss", "cpu_s"])
    complete = models_of_all_folds(newest)
    means = good[good["model"].isin(complete)].groupby(["table", "model"]).mean().unstack("model")
    sizes = {one.table: (one.n, one.n_positive, one.n_features) for one in newest}
    order = sorted(complete, key=lambda model: -means["auc"][model].mean())
    if not order:
        return "\n".join(["No model was fitted on every fold of every table.", *left_out(newest, set(), titles), ""])
    parts = [
        [f"{len(means)} tables, {len({one.place for one in newest})} folds each; the same for all models.", ""],
        models_in_short(means, order, titles, sizes),
        ["", *ours_beside(means, order, titles), looks(fits)],
        left_out(newest, complete, titles),
        ["", *all_tables(means["auc"], order, titles, sizes)],
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def newest_versions(fits: Iterable[Fitted]) -> list[Fitted]:
    """Return the fits of the version of each model on each table that was fitted last, and of it the last of each fold."""
    fits = sorted(fits, key=lambda one: one.finished)
    version = {(one.table, one.model): one.version for one in fits}
    of_place = {(one.table, one.model, one.place): one for one in fits if version[one.table, one.model] == one.version}
    return list(of_place.values())


def models_of_all_folds(fits: Iterable[Fitted]) -> set[str]:
    """Return the models that answered in every fold of every table on which any model did: only they can be ranked."""
    done: dict[str, set[tuple[str, tuple[int, int]]]] = {}
    for one in fits:
        if one.failure is None:
            done.setdefault(one.model, set()).add((one.table, one.place))
    everything = set().union(*done.values())
    return {model for model, places in done.items() if places == everything}


def models_in_short(
    means: pd.DataFrame, order: list[str], titles: Mapping[str, str], sizes: Mapping[str, tuple[int, int, int]]
) -> list[str]:
    """Return one row per model.

    Ranks are those of Demšar 2006 (JMLR 7:1-30): 1 is the highest AUC of a table, and models that are level share a rank. The
    deficit is to the best peer of each table, of which nobody knows beforehand which it is.
    """
    auc = means["auc"][order]
    ranks = auc.rank(axis="columns", ascending=False)
    wins = auc.eq(auc.max(axis="columns"), axis="index")
    wins = wins.div(wins.sum(axis="columns"), axis="index").sum()
    behind = auc.sub(auc[[model for model in order if model != OURS] or order].max(axis="columns"), axis="index")
    large = [table for table in auc.index if sizes[table][0] >= LARGE]
    columns = ["mean AUC", f"mean AUC, {LARGE} patients or more", "mean log loss", "mean rank", "tables won"]
    columns += ["worst difference from the best peer", f"the same, {LARGE} patients or more", "CPU s per fit"]
    lines = [
        f"| model | {' | '.join(columns)} |",
        "| --- |" + " --- |" * len(columns),
    ]
    for model in order:
        cells = [
            f"{auc[model].mean():.3f}",
            figure(auc.loc[large, model].mean(), ".3f"),
            f"{means['log_loss'][model].mean():.3f}",
            f"{ranks[model].mean():.2f}",
            f"{wins[model]:.4g}",
            f"{behind[model].min():+.3f} ({behind[model].idxmin()})",
            figure(behind.loc[large, model].min(), "+.3f"),
            f"{means['cpu_s'][model].mean():.1f}",
        ]
        lines.append(f"| {titles[model]} | {' | '.join(cells)} |")
    return lines


def figure(value: float, form: str) -> str:
    """Return a figure, or a dash where there is none."""
    return format(value, form) if np.isfinite(value) else "–"


def ours_beside(means: pd.DataFrame, order: list[str], titles: Mapping[str, str]) -> list[str]:
    """Return the mean difference of AUC between ours and each peer over the tables, with Student's interval."""
    if OURS not in order or len(means) < 2:
        return []
    lines = ["| difference of AUC (ours − peer) | mean over tables (95% CI) |", "| --- | --- |"]
    for model in order:
        if model != OURS:
            apart = means["auc"][OURS] - means["auc"][model]
            middle, half = apart.mean(), student.ppf(0.975, len(apart) - 1) * apart.std() / np.sqrt(len(apart))
            lines.append(f"| {titles[model]} | {middle:+.3f} ({middle - half:+.3f} to {middle + half:+.3f}) |")
    return [*lines, ""]


def looks(fits: Iterable[Fitted]) -> str:
    """Return how often ours was fitted on these tables: every version is a look, and looks are choices in the making."""
    versions = {one.version.split("-", maxsplit=1)[0] for one in fits if one.model == OURS}
    return f"Versions of ours that were ever fitted on any of these tables, this one included: {len(versions)}."


def left_out(fits: Iterable[Fitted], complete: set[str], titles: Mapping[str, str]) -> list[str]:
    """Return which models cannot be ranked, and what they said."""
    fits = list(fits)
    lines = []
    for model in titles:
        of_model = [one for one in fits if one.model == model]
        if model in complete or not of_model:
            continue
        failures = [one.failure for one in of_model if one.failure is not None]
        why = f"; {len(failures)} failed, the first by {failures[0]}" if failures else ""
        n_good = len(of_model) - len(failures)
        lines.append(f"Not ranked: {titles[model]}, {n_good} fits on {len({one.table for one in of_model})} tables{why}.")
    return lines


def all_tables(
    auc: pd.DataFrame, order: list[str], titles: Mapping[str, str], sizes: Mapping[str, tuple[int, int, int]]
) -> list[str]:
    """Return the AUC of each model on each table."""
    lines = [
        "| table | patients | positive | features | " + " | ".join(titles[model] for model in order) + " |",
        "| --- |" + " --- |" * (3 + len(order)),
    ]
    for table in sorted(auc.index, key=lambda name: sizes[name]):
        cells = [*map(str, sizes[table]), *(f"{auc.loc[table, model]:.3f}" for model in order)]
        lines.append(f"| {table} | {' | '.join(cells)} |")
    return lines
