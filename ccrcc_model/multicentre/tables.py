"""The tables of a pooled result: one row per site, then all sites together; what random effects say; the merged histogram."""

from pathlib import Path

import numpy as np
import pandas as pd

from ccrcc_model.multicentre.pool import PooledPredictor, PooledResult
from ccrcc_model.multicentre.predictor_result import PredictorResult
from ccrcc_model.multicentre.result_file import SiteResult
from ccrcc_model.multicentre.small_cells import SharedCounts
from ccrcc_model.statistics.calls import SHARES
from ccrcc_model.statistics.estimate import Estimate, clopper_pearson
from ccrcc_model.statistics.meta_analysis import MetaAnalysis, Scale, mean_of_these
from ccrcc_model.statistics.net_benefit import benefit_of_counts
from ccrcc_model.validation.curve_tables import PREDICTORS
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.record import write_record

ALL_SITES = "all sites"


def multicentre_table(result: PooledResult) -> pd.DataFrame:
    """One row per site and predictor, then one of all sites, and one of the random effects.

    The AUC of all sites has no interval but bounds, ``auc_at_least`` and ``auc_at_most``, which its histograms leave; that of
    the random effects has Hartung and Knapp's interval.
    """
    rows = [
        _site_row(site, name, getattr(site, name)) | {"file_sha256": site.sha256}
        for name in PREDICTORS
        for site in result.sites
    ]
    for name in PREDICTORS:
        pooled: PooledPredictor = getattr(result, name)
        rows += [_pooled_row(pooled, name, len(result.sites)), _random_effects_row(pooled, name)]
    return pd.DataFrame(rows)


def meta_table(result: PooledResult) -> pd.DataFrame:
    """Random effects of each figure: mean, prediction interval and spread between sites; and the mean of these very sites."""
    analyses: list[tuple[str, str, Scale, MetaAnalysis, Estimate]] = []
    for name in PREDICTORS:
        pooled: PooledPredictor = getattr(result, name)
        own: list[PredictorResult] = [getattr(site, name) for site in result.sites]
        analyses += [
            (name, "auc", "logit", pooled.auc_meta, result.within(name)),
            (name, "calibration intercept", "identity", pooled.intercept, mean_of_these([one.intercept for one in own])),
            (name, "calibration slope", "identity", pooled.slope, mean_of_these([one.slope for one in own])),
        ]
    apart = mean_of_these([site.difference for site in result.sites], limits=(-1.0, 1.0))
    analyses.append(("model less baseline", "auc difference", "identity", result.difference, apart))
    return pd.DataFrame(
        {
            "predictor": predictor,
            "metric": metric,
            "sites": meta.sites,
            "left_out": len(result.sites) - meta.sites,
            **_bounds(meta.mean, "value"),
            "prediction_low": meta.prediction.low,
            "prediction_high": meta.prediction.high,
            "scale": scale,
            "tau_squared": meta.tau_squared,
            "i_squared": meta.i_squared,
            "q_p_value": meta.q_p_value,
            **_bounds(within, "mean_of_these"),
            "reason": meta.mean.reason or meta.prediction.reason,
        }
        for predictor, metric, scale, meta, within in analyses
    )


def merged_histogram(result: PooledResult) -> pd.DataFrame:
    """The histograms of all sites over their common edges: observed risk, and what a threshold at ``low`` would do.

    All probabilities of a row lie from ``low`` to ``high``, so its observed risk is calibrated if it lies there too.
    """
    frames = []
    for name in PREDICTORS:
        cells = getattr(result, name).cells
        n = np.array([cell.negatives + cell.positives for cell in cells])
        observed = [clopper_pearson(cell.positives, int(each)) for cell, each in zip(cells, n, strict=True)]
        hits, alarms = (np.cumsum([getattr(c, of) for c in cells][::-1])[::-1] for of in ("positives", "negatives"))
        low = np.array([cell.low for cell in cells])
        frame = pd.DataFrame({"predictor": name, "low": low, "high": [cell.high for cell in cells], "n": n})
        frame["events"] = [cell.positives for cell in cells]
        for part in ("value", "low", "high"):
            frame["observed" if part == "value" else f"observed_{part}"] = [getattr(share, part) for share in observed]
        frame["sensitivity"] = hits / hits[0] if hits[0] else np.nan
        frame["false_positive_rate"] = alarms / alarms[0] if alarms[0] else np.nan
        frame["net_benefit"] = benefit_of_counts(hits, alarms, int(n.sum()), low)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def write_pool(result: PooledResult, folder: Path) -> None:
    """Write ``multicentre.csv``, ``meta_analysis.csv``, ``merged_histogram.csv`` and ``run.json``."""
    tables = {
        "multicentre": multicentre_table(result),
        "meta_analysis": meta_table(result),
        "merged_histogram": merged_histogram(result),
    }
    for name, frame in tables.items():
        write_csv(folder / f"{name}.csv", frame)
    sites = [{"cohort": site.cohort, "sha256": site.sha256, "versions": site.versions} for site in result.sites]
    first = result.sites[0]
    write_record(folder / "run.json", "ccrcc pool", {"model": first.model_id, "target": first.target}, sites=sites)


def summary(result: PooledResult) -> list[str]:
    """Return the lines of the command: patients, the model's AUC both ways, sensitivity and specificity."""
    model, first, meta = result.model, result.sites[0], result.model.auc_meta
    patients, events = sum(site.n for site in result.sites), sum(site.events for site in result.sites)
    lines = [f"Model {first.model_id[:12]} of {first.rule}: {len(result.sites)} sites, {patients} patients, {events} positive"]
    within = result.within("model")
    lines.append(f"AUC, mean of these {meta.sites} sites: {within.reason or within}")
    lines.append(f"AUC, random effects of {meta.sites} sites: {meta.mean.reason or meta.mean}")
    if model.auc.at_least is not None:
        value = "histograms are too coarse" if model.auc.value is None else f"{model.auc.value:.3f}"
        lines.append(
            f"AUC over all patients, pooled: {value}, at least {model.auc.at_least:.3f} and at most {model.auc.at_most:.3f}"
        )
    for name in ("sensitivity", "specificity"):
        share = model.counts.proportion(name)
        lines.append(f"{name.capitalize()} at {model.threshold:.3f}: {share.reason or share}")
    return lines


def _site_row(site: SiteResult, name: str, result: PredictorResult) -> dict[str, object]:
    return {
        "row": "site",
        "cohort": site.cohort,
        "predictor": name,
        "n": site.n,
        "events": site.events,
        **_at_threshold(result.histogram.counts, result.threshold),
        **_bounds(result.auc, "auc"),
        **_bounds(result.brier, "brier"),
        "expected_events": result.expected_events,
        **_bounds(result.intercept, "intercept"),
        **_bounds(result.slope, "slope"),
    }


def _pooled_row(pooled: PooledPredictor, name: str, sites: int) -> dict[str, object]:
    return {
        "row": ALL_SITES,
        "cohort": f"{sites} sites, added up",
        "predictor": name,
        "n": pooled.counts.negatives + pooled.counts.positives,
        "events": pooled.counts.positives,
        **_at_threshold(pooled.counts, pooled.threshold),
        "auc": pooled.auc.value,
        "auc_at_least": pooled.auc.at_least,
        "auc_at_most": pooled.auc.at_most,
        **_bounds(pooled.brier, "brier"),
        "expected_events": pooled.expected_events,
    }


def _random_effects_row(pooled: PooledPredictor, name: str) -> dict[str, object]:
    return {
        "row": "random effects",
        "cohort": "mean of the sites",
        "predictor": name,
        **_bounds(pooled.auc_meta.mean, "auc"),
        **_bounds(pooled.intercept.mean, "intercept"),
        **_bounds(pooled.slope.mean, "slope"),
    }


def _at_threshold(counts: SharedCounts, threshold: float) -> dict[str, object]:
    """Counts and shares at the threshold; blank where a count is withheld, which ``withheld`` then states."""
    worst, best = counts.worst, counts.best
    four = ("true_positive", "false_negative", "true_negative", "false_positive")
    row: dict[str, object] = {"threshold": threshold}
    row |= {name: getattr(best, name) if getattr(worst, name) == getattr(best, name) else None for name in four}
    for name in SHARES:
        row |= _bounds(counts.proportion(name), name)
    row |= _bounds(counts.net_benefit(threshold), "net_benefit")
    everyone = counts.positives + counts.negatives
    row["net_benefit_treat_all"] = float(benefit_of_counts(counts.positives, counts.negatives, everyone, threshold))
    row["withheld"] = _withheld(counts) if counts.withheld else None
    return row


def _withheld(counts: SharedCounts) -> str:
    stated = []
    for name, (least, most) in (("true", counts.true_positives), ("false", counts.false_positives)):
        if least != most:
            stated.append(f"{least} to {most} {name} positives")
    return "; ".join(stated)


def _bounds(estimate: Estimate, name: str) -> dict[str, object]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
