"""Inference beside stock nnU-Net: the same network, the same full-size scans, on a CPU.

    uv run python benchmarks/inference.py [--scans 2] [--repeats 1] [--work DIR] [--out FILE]

A network (our trainer for small tumours, configuration `3d_cpu` at 2 mm, one fold, a short run on synthetic scans) is
trained with the stock commands first; `--work` keeps it. Then `nnUNetv2_predict --disable_tta`, `nnUNetv2_predict` as it is by
default, which mirrors, and `ccrcc segment` predict the same scans in turn, each as the command that a user types. The scans
are of full size (512 x 512): synthetic intensities around real kidneys and tumours of KiTS23 where the data folder lies beside
the checkout (`../shared/data/kits23`), else wholly synthetic ones.

Wall-clock time covers the whole command; peak memory is the sum over its processes, sampled five times a second; Dice is
against the mask that the scan was made from. A fourth row is `ccrcc segment --whole-scan`, which searches nothing: it still
removes what is anatomically implausible, and counts in bfloat16 where the CPU does.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import SimpleITK as sitk
from real_masks import DATA, real_mask

from nnunet_ext.cards import load_cohort, save_cohort
from nnunet_ext.case import Case, Cohort, Role
from nnunet_ext.convert.nnunet import convert
from nnunet_ext.overlap import overlap
from nnunet_ext.phantom import CohortPlan, write_study
from nnunet_ext.phantom.biology import draw_biology
from nnunet_ext.phantom.real_mask import render_on_mask
from nnunet_ext.phantom.scanner import CENTRES, FULL_GRID, Grid
from nnunet_ext.training import NnUNetFolders, prepare, train

CASES = ("case_00072", "case_00015", "case_00041")
TRAINER = "nnUNetTrainerCCRCCSmallTumours"
SPACING_MM = 2.0
TRAINING_GRID = Grid(columns=384, rows=320, spacing_mm=1.0, z_extent_mm=330.0, minimum_slice_spacing_mm=3.0)
STRUCTURES = ("kidney", "tumour")


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder that keeps scans and network")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.work or Path(scratch)).resolve()
        model, folders, plans = trained(work)
        scans = full_size_scans(work / "scans", options.scans)
        text = compare(scans, model, folders, plans, work=work, repeats=options.repeats)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def trained(work: Path) -> tuple[Path, NnUNetFolders, str]:
    """Train a network that knows kidneys, and return its folder."""
    plan = CohortPlan("development", Role.DEVELOPMENT, ("centre-1", "centre-2", "centre-3"), 24)
    (card,) = write_study(work / "study", (plan,), TRAINING_GRID, seed=11, jobs=os.cpu_count() or 1)
    folders = NnUNetFolders.below(work / "nnunet")
    dataset, _ = convert(load_cohort(card), 501, raw_dir=folders.raw, preprocessed_dir=folders.preprocessed)
    plans = prepare(dataset.name, folders, spacing_mm=SPACING_MM, jobs=os.cpu_count() or 1)
    os.environ["CCRCC_SEED"] = "1"
    model = train(dataset.name, folders, plans=plans, trainer=TRAINER, epochs=12, iterations=50)
    return model, folders, plans


def full_size_scans(folder: Path, count: int) -> Cohort:
    """Write full-size scans with their masks, unless they are there."""
    card = folder / "card.yaml"
    if card.is_file():
        return load_cohort(card)
    if not DATA.is_dir():
        plan = CohortPlan("scans", Role.EXTERNAL, ("centre-6",), count)
        return load_cohort(write_study(folder.with_name("full_size_study"), (plan,), FULL_GRID, seed=3)[0])
    folder.mkdir(parents=True)
    cases = []
    for number, name in enumerate(CASES[:count]):
        mask = real_mask(name)
        image = render_on_mask(mask, draw_biology(np.random.default_rng(number)), centre=CENTRES[5], seed=number)
        files = folder / f"{name}.nii.gz", folder / f"{name}_mask.nii.gz"
        for volume, file in zip((image, mask), files, strict=True):
            sitk.WriteImage(volume, str(file), useCompression=True)
        cases.append(Case(name, name, "kits", *files))
    cohort = Cohort("scans", Role.EXTERNAL, tuple(cases))
    save_cohort(cohort, folder)
    return cohort


def compare(scans: Cohort, model: Path, folders: NnUNetFolders, plans: str, *, work: Path, repeats: int) -> str:
    """Time every method in turn; return the table as Markdown."""
    source = work / "imagesTs"
    source.mkdir(exist_ok=True)
    for case in scans.cases:
        shutil.copyfile(case.image, source / f"{case.id}_0000.nii.gz")
    card = save_cohort(replace(scans, cases=tuple(replace(case, mask=None) for case in scans.cases)), work / "blind")
    stock = ["nnUNetv2_predict", "-i", source, "-d", "501", "-c", "3d_cpu", "-p", plans, "-tr", TRAINER, "-f", "0"]
    stock += ["-chk", "checkpoint_best.pth", "-device", "cpu"]
    ours = ["ccrcc", "segment", card, "--model", model, "--fold", "0"]
    methods = {
        "nnUNetv2_predict --disable_tta": [*stock, "--disable_tta", "-o"],
        "nnUNetv2_predict": [*stock, "-o"],
        "ccrcc segment": [*ours, "--out"],
        "ccrcc segment --whole-scan": [*ours, "--whole-scan", "--out"],
    }
    rows = []
    for turn in range(repeats):
        for name, command in methods.items():
            out = work / "predicted" / f"{turn}-{name.replace(' ', '_')}"
            shutil.rmtree(out, ignore_errors=True)
            seconds, peak_mib = timed([*map(str, command), str(out)], folders)
            table, _, refusals = overlap(scans, out)
            if refusals:
                sys.exit(f"{refusals[0]}")
            dice = table[table["structure"].isin(STRUCTURES)].groupby("structure")["dice"].mean()
            rows.append({"method": name, "seconds": seconds, "peak_mib": peak_mib, **dice})
            print(f"turn {turn + 1}: {name:32} {seconds:7.1f} s {peak_mib:6.0f} MiB", file=sys.stderr)
    return as_markdown(pd.DataFrame(rows), scans)


def timed(command: Sequence[str], folders: NnUNetFolders) -> tuple[float, float]:
    """Run a command; return its wall-clock seconds and the most memory that its processes held together, in MiB."""
    program = Path(sysconfig.get_path("scripts")) / command[0]
    began, peak = time.monotonic(), 0
    with subprocess.Popen(
        [str(program), *command[1:]],
        env={**os.environ, **folders.variables()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, resident(watched))
            time.sleep(0.2)
        if process.returncode:
            sys.exit(process.stderr.read().decode()[-2000:])
    return time.monotonic() - began, peak / 2**20


def resident(process: psutil.Process) -> int:
    """Return the memory of a process and its children: what is shared counts in part (proportional set size)."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def as_markdown(rows: pd.DataFrame, scans: Cohort) -> str:
    """Return medians and ratios as Markdown."""
    median = rows.groupby("method", sort=False).median()
    ours = median.loc["ccrcc segment", "seconds"]
    lines = [
        "| method | wall clock, s a scan | times `ccrcc segment` | peak memory, MiB | Dice kidney | Dice tumour |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in median.iterrows():
        cells = f"{row['seconds'] / len(scans.cases):.1f} | {row['seconds'] / ours:.1f} | {row['peak_mib']:.0f}"
        lines.append(f"| `{name}` | {cells} | {row['kidney']:.4f} | {row['tumour']:.4f} |")
    sizes = ", ".join("x".join(map(str, size(case))) for case in scans.cases)
    return "\n".join(lines) + f"\n\n{len(scans.cases)} scans of {sizes} voxels.\n"


def size(case: Case) -> tuple[int, ...]:
    """Return the voxels of a scan along x, y, z."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(case.image))
    reader.ReadImageInformation()
    return tuple(reader.GetSize())


if __name__ == "__main__":
    main()
