"""Inference compared with stock nnU-Net: the same network, the same full-size scans.

    uv run python benchmarks/inference.py [--cases case_00072 case_00015] [--repeats 1] [--work DIR] [--out FILE]
    uv run python benchmarks/inference.py --device cuda --configuration 3d_fullres --synthetic [--iterations 250]

A network (our trainer for small tumours, one fold, a short run without validation) is trained with the stock commands first;
`--work` keeps it. Then `nnUNetv2_predict --disable_tta`, `nnUNetv2_predict` as it is by default, which mirrors, and
`ccrcc segment` predict the same scans in turn, each as the command that a user types. The scans are of full size (512 x 512):
synthetic intensities around real kidneys and tumours of KiTS23 where the data folder lies beside the checkout
(`../shared/data/kits23`); with `--synthetic`, and where there is none, the anatomy is drawn too, on 3 mm, and interpolated to
512 x 512 x 300 voxels. The network learns from other patients' scans of the same kind, drawn ones at half that resolution.

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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import extra_trainers_path  # noqa: F401 - the one without validation
import numpy as np
import pandas as pd
import psutil
import SimpleITK as sitk
from real_masks import DATA, real_mask

from nnunet_ext.cohort.cards import load_cohort, save_cohort
from nnunet_ext.convert.nnunet import convert
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.mask_overlap import overlap
from nnunet_ext.phantom import CohortPlan, write_study
from nnunet_ext.phantom.biology import draw_biology
from nnunet_ext.phantom.real_mask import render_on_mask
from nnunet_ext.phantom.scanner import CENTRES, Centre, Grid
from nnunet_ext.plans import CPU_CONFIGURATION
from nnunet_ext.training import NnUNetFolders, prepare, train
from nnunet_ext.volumes.nifti import write_nifti

TRAINER = "nnUNetTrainerUnvalidated"
DRAWN_GRID = Grid(columns=128, rows=128, spacing_mm=3.0, z_extent_mm=300.0, minimum_slice_spacing_mm=3.0)
SCAN_VOXELS = (512, 512, 300)
STRUCTURES = ("kidney", "tumour")
CPUS = os.cpu_count() or 1


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases", nargs="+", default=["case_00072", "case_00015"], help="KiTS23's; else as many scans are drawn"
    )
    parser.add_argument("--synthetic", action="store_true", help="draw the anatomy too")
    parser.add_argument("--patients", type=int, default=24, help="that the network learns from")
    parser.add_argument("--configuration", default=CPU_CONFIGURATION, help="3d_cpu, or as nnU-Net plans it")
    parser.add_argument("--spacing-mm", type=float, default=2.0, help="that a network of 3d_cpu sees")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder that keeps scans and network")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.work or Path(scratch)).resolve()
        scans = scans_of(options.cases, Role.EXTERNAL, work / "scans", seed=3, synthetic=options.synthetic)
        model, folders = trained(work, options)
        text = compare(scans, model, folders, work=work, device=options.device, repeats=options.repeats)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def trained(work: Path, options: argparse.Namespace) -> tuple[Path, NnUNetFolders]:
    """Train a network on other patients' scans, and return its folder."""
    others = sorted({file.name.removesuffix(".nii.gz") for file in (DATA / "masks").glob("case_*")} - set(options.cases))
    names = others[:: max(1, len(others) // options.patients)][: options.patients] if others else ["none"] * options.patients
    spacing_mm = options.spacing_mm if options.configuration == CPU_CONFIGURATION else None
    cohort = scans_of(names, Role.DEVELOPMENT, work / "development", seed=11, synthetic=options.synthetic, at_mm=spacing_mm)
    folders = NnUNetFolders.below(work / "nnunet")
    dataset, _ = convert(cohort, 501, raw_dir=folders.raw, preprocessed_dir=folders.preprocessed)
    plans = prepare(dataset.name, folders, configuration=options.configuration, spacing_mm=spacing_mm, jobs=CPUS)
    os.environ["CCRCC_SEED"] = "1"
    began = time.monotonic()
    model = train(
        dataset.name,
        folders,
        plans=plans,
        configuration=options.configuration,
        trainer=TRAINER,
        device=options.device,
        epochs=options.epochs,
        iterations=options.iterations,
    )
    print(f"training: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return model, folders


def scans_of(
    names: Sequence[str], role: Role, folder: Path, *, seed: int, synthetic: bool, at_mm: float | None = None
) -> Cohort:
    """Write scans around KiTS23's masks, or as many drawn ones, unless they are there; at their own voxel size by default."""
    card = folder / "card.yaml"
    if card.is_file():
        return load_cohort(card)
    centres = CENTRES[5:6] if role is Role.EXTERNAL else CENTRES[:3]
    if synthetic or not DATA.is_dir():
        plan = CohortPlan(folder.name, role, tuple(centre.name for centre in centres), len(names))
        (drawn,) = write_study(folder / "drawn", (plan,), DRAWN_GRID, seed=seed, jobs=CPUS)
        coarser = 1 if role is Role.EXTERNAL else 2
        voxels = [n // coarser for n in SCAN_VOXELS]
        jobs = [(interpolated, case, folder, voxels) for case in load_cohort(drawn).cases]
    else:
        jobs = [(rendered, name, folder, centres[n % len(centres)], seed + n, at_mm) for n, name in enumerate(names)]
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(CPUS) as pool:
        cases = tuple(one.result() for one in [pool.submit(*job) for job in jobs])
    cohort = Cohort(folder.name, role, cases)
    save_cohort(cohort, folder)
    return cohort


def rendered(name: str, folder: Path, centre: Centre, seed: int, at_mm: float | None) -> Case:
    """Write a scan around a mask of KiTS23."""
    mask = real_mask(name)
    if at_mm is not None:
        mask = resampled(mask, [round(n * old / at_mm) for n, old in zip(mask.GetSize(), mask.GetSpacing(), strict=True)])
    return written(
        name, render_on_mask(mask, draw_biology(np.random.default_rng(seed)), centre=centre, seed=seed), mask, folder
    )


def interpolated(case: Case, folder: Path, voxels: Sequence[int]) -> Case:
    """Write a drawn scan anew, on finer voxels."""
    image, mask = (sitk.ReadImage(str(path)) for path in (case.image, case.mask))
    return written(case.id, resampled(image, voxels, sitk.sitkLinear), resampled(mask, voxels), folder)


def resampled(volume: sitk.Image, size: Sequence[int], how: int = sitk.sitkNearestNeighbor) -> sitk.Image:
    """Return a volume with other voxels, of the same extent."""
    spacing = [n * old / new for n, old, new in zip(volume.GetSize(), volume.GetSpacing(), size, strict=True)]
    shift = [(new - old) / 2 for new, old in zip(spacing, volume.GetSpacing(), strict=True)]
    direction = np.array(volume.GetDirection()).reshape(3, 3)
    origin = np.array(volume.GetOrigin()) + direction @ np.array(shift)
    return sitk.Resample(
        volume,
        list(size),
        sitk.Transform(),
        how,
        origin.tolist(),
        spacing,
        volume.GetDirection(),
        0.0,
        volume.GetPixelID(),
        True,
    )


def written(name: str, image: sitk.Image, mask: sitk.Image, folder: Path) -> Case:
    """Write a scan and its mask."""
    files = folder / f"{name}.nii.gz", folder / f"{name}_mask.nii.gz"
    for volume, file in zip((image, mask), files, strict=True):
        write_nifti(volume, file)
    return Case(name, name, "home", *files)


def compare(scans: Cohort, model: Path, folders: NnUNetFolders, *, work: Path, device: str, repeats: int) -> str:
    """Time every method in turn; return the table as Markdown."""
    source = work / "imagesTs"
    source.mkdir(exist_ok=True)
    for case in scans.cases:
        shutil.copyfile(case.image, source / f"{case.id}_0000.nii.gz")
    card = save_cohort(replace(scans, cases=tuple(replace(case, mask=None) for case in scans.cases)), work / "blind")
    trainer, plans, configuration = model.name.split("__")
    stock = ["nnUNetv2_predict", "-i", source, "-d", "501", "-c", configuration, "-p", plans, "-tr", trainer, "-f", "0"]
    stock += ["-chk", "checkpoint_best.pth", "-device", device]
    ours = ["ccrcc", "segment", card, "--model", model, "--fold", "0", "--device", device]
    methods = {
        "ccrcc segment": [*ours, "--out"],
        "nnUNetv2_predict --disable_tta": [*stock, "--disable_tta", "-o"],
        "nnUNetv2_predict": [*stock, "-o"],
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
        "| method | wall clock, s per scan | times `ccrcc segment` | peak memory, MiB | Dice kidney | Dice tumour |",
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
