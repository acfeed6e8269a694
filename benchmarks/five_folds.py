"""Five folds of two trainers by stock nnU-Net's commands, the best of them, and the masks of two external cohorts.

    uv run python benchmarks/five_folds.py [--patients 32] [--epochs 12] [--iterations 40] [--work DIR] [--out FILE]

Scans are synthetic, the configuration is `3d_cpu` at 4 mm. The commands are those of docs/how-to/train.md: convert, plan,
train five folds with `--npz --val_best`, and `nnUNetv2_find_best_configuration` over both trainers and their ensemble. What it
advises is run as it advises it, on scans of centres that no network saw; beside it `ccrcc segment` with one fold and with
five. As many trainings run at once as there are cores, one thread each.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.convert.nnunet import convert
from nnunet_ext.ground.case import Cohort, Role
from nnunet_ext.mask_overlap import overlap
from nnunet_ext.phantom import CohortPlan, write_study
from nnunet_ext.training import NnUNetFolders, prepare

TRAINERS = ("nnUNetTrainerCCRCC", "nnUNetTrainerCCRCCSmallTumours")
CONFIGURATION = "3d_cpu"
SPACING_MM = 4.0
FOLDS = ("0", "1", "2", "3", "4")
STRUCTURES = ("kidney", "tumour")
CPUS = os.cpu_count() or 1


def main() -> None:
    """Run everything and print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=32, help="of the development cohort; a quarter as many in each other")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--work", type=Path, help="folder that keeps scans and networks")
    parser.add_argument("--out", type=Path, help="Markdown file for the tables")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        text = in_five_folds((options.work or Path(scratch)).resolve(), options)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def in_five_folds(work: Path, options: argparse.Namespace) -> str:
    """Train, choose, predict; return the tables as Markdown."""
    plans = (
        CohortPlan("development", Role.DEVELOPMENT, ("centre-1", "centre-2", "centre-3", "centre-4"), options.patients),
        CohortPlan("external-1", Role.EXTERNAL, ("centre-6",), max(2, options.patients // 4)),
        CohortPlan("external-2", Role.EXTERNAL, ("centre-7",), max(2, options.patients // 4)),
    )
    cards = write_study(work / "study", plans, seed=7, jobs=CPUS)
    folders = NnUNetFolders.below(work / "nnunet")
    dataset, _ = convert(load_cohort(cards[0]), 501, raw_dir=folders.raw, preprocessed_dir=folders.preprocessed)
    planned = prepare(dataset.name, folders, configuration=CONFIGURATION, spacing_mm=SPACING_MM, jobs=CPUS)
    run = command_runner(work, folders, {"CCRCC_EPOCHS": f"{options.epochs}", "CCRCC_ITERATIONS": f"{options.iterations}"})

    def train(trainer: str, fold: str) -> float:
        arguments = ["-tr", trainer, "-p", planned, "-device", "cpu", "--npz", "--val_best"]
        return run(["nnUNetv2_train", "501", CONFIGURATION, fold, *arguments])

    with ThreadPoolExecutor(CPUS) as pool:
        seconds = list(pool.map(train, *zip(*[(trainer, fold) for trainer in TRAINERS for fold in FOLDS], strict=True)))
    run(["nnUNetv2_find_best_configuration", "501", "-c", CONFIGURATION, "-tr", *TRAINERS, "-p", planned])
    results = folders.results / dataset.name
    chosen = json.loads((results / "inference_information.json").read_text(encoding="utf-8"))
    advice = (results / "inference_instructions.txt").read_text(encoding="utf-8")
    rows = []
    for card in cards[1:]:
        cohort = load_cohort(card)
        rows.append({"cohort": cohort.name, "masks": "as nnU-Net advises", **dice(cohort, advised(advice, cohort, work, run))})
        for trainer in TRAINERS:
            for folds in (FOLDS[:1], FOLDS):
                model = results / f"{trainer}__{planned}__{CONFIGURATION}"
                out = work / f"{cohort.name}-{trainer}-{len(folds)}"
                which = [word for fold in folds for word in ("--fold", fold)]
                run(["ccrcc", "segment", str(card), "--model", str(model), *which, "--out", str(out)])
                masks = f"`ccrcc segment`, {trainer}, {len(folds)} fold{'s' * (len(folds) > 1)}"
                rows.append({"cohort": cohort.name, "masks": masks, **dice(cohort, out)})
                print(rows[-1], file=sys.stderr)
    return as_markdown(chosen, pd.DataFrame(rows), sum(seconds) / len(seconds))


def command_runner(work: Path, folders: NnUNetFolders, lengths: Mapping[str, str]) -> Callable[[Sequence[str]], float]:
    """Return what runs a command with nnU-Net's variables set, logs what it says, and returns its seconds."""
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": f"{CPUS}"}
    environment = {**os.environ, **folders.variables(), **threads, **lengths, "CCRCC_SEED": "1"}

    def run(command: Sequence[str]) -> float:
        began = time.monotonic()
        program = Path(sysconfig.get_path("scripts")) / command[0]
        done = subprocess.run(
            [str(program), *command[1:]], env=environment, capture_output=True, encoding="utf-8", check=False, cwd=work
        )
        print(f"{time.monotonic() - began:6.0f} s  {shlex.join(command)}", file=sys.stderr)
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        return time.monotonic() - began

    return run


def advised(advice: str, cohort: Cohort, work: Path, run: Callable[[Sequence[str]], float]) -> Path:
    """Run the commands of ``inference_instructions.txt`` on a cohort; return the folder of masks after post-processing."""
    place = work / f"{cohort.name}-advised"
    source = place / "INPUT_FOLDER"
    source.mkdir(parents=True, exist_ok=True)
    for case in cohort.cases:
        shutil.copyfile(case.image, source / f"{case.id}_0000.nii.gz")
    for line in re.findall(r"^nnUNetv2_.*$", advice, re.MULTILINE):
        words = [str(place / word) if word.startswith(("INPUT_", "OUTPUT_")) else word for word in shlex.split(line)]
        run([*words, *(["-device", "cpu", "-chk", "checkpoint_best.pth"] if words[0] == "nnUNetv2_predict" else [])])
    return place / "OUTPUT_FOLDER_PP"


def dice(cohort: Cohort, masks: Path) -> dict[str, float]:
    """Return mean Dice of kidney and tumour, and of lesions the share found and how many are made up."""
    table, lesions, refusals = overlap(cohort, load_cohort(masks / "card.yaml") if (masks / "card.yaml").is_file() else masks)
    if refusals:
        sys.exit(f"{refusals[0]}")
    means = table[table["structure"].isin(STRUCTURES)].groupby("structure")["dice"].mean()
    sensitivity = lesions["detected"].sum() / lesions["lesions"].sum()
    return {**means, "sensitivity": sensitivity, "false positives per scan": lesions["false_positives"].mean()}


def as_markdown(chosen: Mapping[str, dict[str, float]], rows: pd.DataFrame, seconds: float) -> str:
    """Return what the search for the best configuration found, and the Dice of every way to predict."""
    lines = [f"A fold took {seconds:.0f} s, its validation included.", "", "| of five folds | mean Dice |", "| --- | --- |"]
    lines += [f"| `{name}` | {value:.3f} |" for name, value in chosen["all_results"].items()]
    best = chosen["best_model_or_ensemble"]
    lines += [f"| the best, post-processed | {best['result_on_crossval_post_pp']:.3f} |", ""]
    columns = [name for name in rows.columns if name not in ("cohort", "masks")]
    lines += ["| cohort | masks | " + " | ".join(columns) + " |", "| --- | --- |" + " --- |" * len(columns)]
    lines += [
        f"| {row.cohort} | {row.masks} | " + " | ".join(f"{value:.2f}" for value in row[3:]) + " |"
        for row in rows.itertuples()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
