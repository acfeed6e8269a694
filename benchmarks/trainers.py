"""Three trainers on the same phantoms, plans and budget: stock nnU-Net's, the paper's, and ours for small tumours.

    uv run python benchmarks/trainers.py [--seeds 1 2] [--epochs 12] [--iterations 50] [--out FILE]

Development and external scans are synthetic (`ccrcc demo` writes such), their sizes as in the demo. The configuration is
`3d_cpu` at 4 mm. Every network is trained by `nnUNetv2_train`, seeded, and segments the same external scans with
`ccrcc segment`. A mean Dice over the scans is told for kidney, for tumour, and for tumours up to 40 mm across; a tumour counts
as found from a tenth of its volume on.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import extra_trainers_path  # noqa: F401 - stock nnU-Net's
import numpy as np
import pandas as pd

from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.convert.nnunet import convert
from nnunet_ext.ground.case import Role
from nnunet_ext.mask_overlap import overlap
from nnunet_ext.phantom import CohortPlan, write_study
from nnunet_ext.segmentation import segment
from nnunet_ext.training import NnUNetFolders, prepare, train

TRAINERS = {
    "stock nnU-Net": "nnUNetTrainerStock",
    "paper": "nnUNetTrainerCCRCC",
    "small tumours": "nnUNetTrainerCCRCCSmallTumours",
}
SPACING_MM = 4.0
SMALL_ML = 4 / 3 * np.pi * 2.0**3
"""A ball of 40 mm."""


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", nargs="+", choices=list(TRAINERS), default=list(TRAINERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--patients", type=int, default=40, help="of the development cohort; half as many external ones")
    parser.add_argument("--work", type=Path, help="folder that keeps scans and networks")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        text = as_markdown(compare(options.work or Path(scratch), options))
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def compare(work: Path, options: argparse.Namespace) -> pd.DataFrame:
    """Train and score every trainer with every seed; return a row for each of them."""
    plans = (
        CohortPlan("development", Role.DEVELOPMENT, ("centre-1", "centre-2", "centre-3", "centre-4"), options.patients),
        CohortPlan("external", Role.EXTERNAL, ("centre-6", "centre-7"), max(2, options.patients // 2)),
    )
    development, external = (
        load_cohort(card) for card in write_study(work / "study", plans, seed=7, jobs=os.cpu_count() or 1)
    )
    folders = NnUNetFolders.below(work / "nnunet")
    dataset, _ = convert(development, 501, raw_dir=folders.raw, preprocessed_dir=folders.preprocessed)
    planned = prepare(dataset.name, folders, spacing_mm=SPACING_MM, jobs=os.cpu_count() or 1)
    rows = []
    for seed in options.seeds:
        os.environ["CCRCC_SEED"] = str(seed)
        for name in options.trainers:
            trainer = TRAINERS[name]
            results = NnUNetFolders(folders.raw, folders.preprocessed, work / f"results-{seed}")
            began = time.monotonic()
            model = train(
                dataset.name, results, plans=planned, trainer=trainer, epochs=options.epochs, iterations=options.iterations
            )
            seconds = time.monotonic() - began
            masks = work / f"masks-{seed}-{trainer}"
            predicted, refusals = segment(external, model, masks, jobs=1)
            if refusals:
                sys.exit(f"{refusals[0]}")
            table, lesions, _ = overlap(external, predicted)
            rows.append({"trainer": name, "seed": seed, "training_s": seconds, **scores(table, lesions)})
            print(rows[-1], file=sys.stderr)
    return pd.DataFrame(rows)


def scores(table: pd.DataFrame, lesions: pd.DataFrame) -> dict[str, float]:
    """Return mean Dice of kidney, tumour and small tumour, and how many lesions were found and made up."""
    dice = table.set_index(["structure", "case_id"])["dice"]
    tumours = table[table["structure"] == "tumour"].set_index("case_id")
    small = tumours.index[tumours["reference_ml"] <= SMALL_ML]
    return {
        "kidney": dice["kidney"].mean(),
        "tumour": dice["tumour"].mean(),
        "small tumour": dice["tumour"].loc[small].mean(),
        "n small": len(small),
        "sensitivity": lesions["detected"].sum() / lesions["lesions"].sum(),
        "false positives per scan": lesions["false_positives"].mean(),
    }


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the mean over seeds, and the range where there are several."""
    columns = [name for name in rows.columns if name not in ("trainer", "seed", "n small")]
    lines = ["| trainer | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    for name, group in rows.groupby("trainer", sort=False):
        cells = [f"{group[c].mean():.2f} ({group[c].min():.2f} to {group[c].max():.2f})" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return (
        "\n".join(lines)
        + f"\n\n{rows['seed'].nunique()} seeds; {rows['n small'].iloc[0]} of the external scans have a small tumour.\n"
    )


if __name__ == "__main__":
    main()
