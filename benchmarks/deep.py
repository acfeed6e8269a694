"""Do deep features help? An ablation on a synthetic study, experimental as they are.

    uv run python benchmarks/deep.py [--patients 80] [--trials 25] [--work DIR] [--out FILE]

A network is trained on patients of its own, so it never saw a scan of those whom the models are fitted on; masks are the true
ones. Three tables of the same patients: radiomic features (preset `quick`), deep features beside the tumour's volume, both.
The same nested cross-validation, the same folds: AUC of the out-of-fold score with its interval (DeLong), and its paired
difference from radiomic features alone and from tumour volume alone. With `--work` what is done is kept, so that the same
command goes on.
"""

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE, Target, ki67
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.convert.nnunet import convert
from nnunet_ext.ground.case import Cohort, Role
from nnunet_ext.inference.trained_model import TrainedModel
from nnunet_ext.phantom import CohortPlan, best_possible_auc, write_study
from nnunet_ext.training import NnUNetFolders, prepare, train
from radiomics_cfg.deep import add_deep_features
from radiomics_cfg.extraction import extract
from radiomics_cfg.preset import load_preset
from radiomics_cfg.table import KEYS, FeatureTable

CENTRES = ("centre-1", "centre-2", "centre-3", "centre-4")
SPACING_MM = 4.0
TARGETS: tuple[Target, ...] = (GRADE, ki67())
RADIOMIC, DEEP, BOTH = "radiomic features", "deep features", "radiomic and deep features"


@dataclass(frozen=True)
class Ablation:
    """Out-of-fold predictions of one target by what they were made from; tumour volume alone is the baseline."""

    target: Target
    models: dict[str, Predictions]
    baseline: Predictions


def main() -> None:
    """Run the ablation and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=80, help="whom the models are fitted on")
    parser.add_argument("--network-patients", type=int, default=24, help="others, whom the network is trained on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, help="folder that keeps scans, network, tables and models")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        text = as_markdown(ablate(options.work or Path(scratch), options))
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def ablate(work: Path, options: argparse.Namespace) -> list[Ablation]:
    """Make the study, the network, the tables and the models."""
    plans = (
        CohortPlan("network", Role.DEVELOPMENT, CENTRES, options.network_patients),
        CohortPlan("development", Role.DEVELOPMENT, CENTRES, options.patients),
    )
    others, development = (
        load_cohort(card) for card in write_study(work / "study", plans, seed=options.seed, jobs=options.jobs)
    )
    network = TrainedModel(train_network(others, work / "nnunet", options))
    preset = load_preset("quick")
    radiomic, _ = extract(development, preset, cache_dir=work / "radiomic.cases", jobs=options.jobs)
    both, refusals = add_deep_features(
        radiomic, development, preset, network, cache_dir=work / "deep.cases", jobs=options.jobs
    )
    if refusals:
        raise SystemExit(str(refusals[0]))
    added = [name for name in both.feature_names if name not in set(radiomic.feature_names)]
    deep = FeatureTable(both.rows[[*KEYS, radiomic.volume_column, *added]], both.provenance)
    tables = {RADIOMIC: radiomic, DEEP: deep, BOTH: both}
    found = []
    for target in TARGETS:
        models = {
            name: fit(
                Study(development, table),
                target,
                settings=Settings(trials=options.trials, seed=options.seed),
                out=work / "models" / f"{target.name} of {name}",
                jobs=options.jobs,
            )
            for name, table in tables.items()
        }
        predictions = {name: model.out_of_fold for name, model in models.items()}
        found.append(Ablation(target, predictions, models[RADIOMIC].baseline_out_of_fold))
    return found


def train_network(cohort: Cohort, folder: Path, options: argparse.Namespace) -> Path:
    """Train the network of the demo on a cohort."""
    folders = NnUNetFolders.below(folder)
    dataset, _ = convert(cohort, 501, raw_dir=folders.raw, preprocessed_dir=folders.preprocessed)
    plans = prepare(dataset.name, folders, spacing_mm=SPACING_MM, jobs=options.jobs)
    return train(dataset.name, folders, plans=plans, epochs=options.epochs, iterations=options.iterations)


def as_markdown(ablations: list[Ablation]) -> str:
    """Return a table a target."""
    blocks = []
    for one in ablations:
        n, positive = len(one.baseline.y_true), int(np.sum(one.baseline.y_true))
        best = best_possible_auc(one.target.name)
        lines = [
            f"{one.target.sentence}: {n} patients, {positive} of them positive; the best possible AUC is {best:.3f}.",
            "",
            "| model | AUC (95% CI) | difference from radiomic features | difference from volume |",
            "| --- | --- | --- | --- |",
            f"| tumour volume alone | {_area(one.baseline)} | {_less(one.baseline, one.models[RADIOMIC])} | |",
        ]
        for name, predictions in one.models.items():
            less = "" if name == RADIOMIC else _less(predictions, one.models[RADIOMIC])
            lines.append(f"| {name} | {_area(predictions)} | {less} | {_less(predictions, one.baseline)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _area(predictions: Predictions) -> str:
    found = auc(predictions)
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _less(predictions: Predictions, other: Predictions) -> str:
    found = auc_difference(predictions, other).estimate
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


if __name__ == "__main__":
    main()
