"""Cases per hour of ``extract`` with one and with two worker processes, and what 100,000 cases would take.

    uv run python benchmarks/throughput.py [--copies 4] [--out FILE]

The cases are those of ``benchmarks/extraction.py`` (three full-size scans, five regions, 14 filtered images, 1 mm), each
``--copies`` times. Wall-clock time, workers' start included, compilation not: every kernel is on disk before the clock starts.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk
from extraction import CASES, write_bench

from nnunet_ext.ground.case import Case, Cohort, Role
from radiomics_cfg.extraction import extract
from radiomics_cfg.preset import Preset, load_preset

PROJECTED = 100_000
"""Cases."""

WORKERS = (1, 2)

SHARDS = 100


def main() -> None:
    """Time the batches and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=4, help="of each of the three cases")
    parser.add_argument("--out", type=Path, default=None, help="Markdown file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort, preset = write_cohort(folder, options.copies)
        extract(cohort.with_cases(cohort.cases[:1]), preset, cache_dir=folder / "first")  # compiles
        seconds = {jobs: timed(cohort, preset, folder / f"{jobs}.cases", jobs) for jobs in WORKERS}
    text = table(seconds, len(cohort.cases))
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def write_cohort(folder: Path, copies: int) -> tuple[Cohort, Preset]:
    """Write the scans. Copies differ in a voxel of air: results are kept by content, and would serve equal files twice."""
    cases = []
    for name in CASES:
        bench = write_bench(folder / name, name)
        image = sitk.ReadImage(str(bench.image))
        for copy in range(copies):
            image[0, 0, 0] = -1000 - copy
            file = folder / name / f"image-{copy}.nii.gz"
            sitk.WriteImage(image, str(file), useCompression=True, compressionLevel=1)
            cases.append(Case(f"{name}-{copy}", f"{name}-{copy}", "centre", file, bench.mask))
    return Cohort("throughput", Role.EXTERNAL, tuple(cases)), load_preset(folder / next(iter(CASES)) / "preset")


def timed(cohort: Cohort, preset: Preset, cache: Path, jobs: int) -> float:
    """Return the seconds that a batch takes."""
    started = time.perf_counter()
    features, refusals = extract(cohort, preset, cache_dir=cache, jobs=jobs)
    if refusals or len(features.rows) != len(cohort.cases):
        msg = f"{len(refusals)} cases were refused"
        raise RuntimeError(msg)
    return time.perf_counter() - started


def table(seconds: dict[int, float], n_cases: int) -> str:
    """Return a line for each number of workers, and the projection to a cluster, as Markdown."""
    days = {jobs: taken / n_cases * PROJECTED / 86400 for jobs, taken in seconds.items()}
    lines = [
        f"{n_cases} cases on {len(os.sched_getaffinity(0))} cores:",
        "",
        f"| workers | s per case | cases per hour | {PROJECTED:,} cases |",
        "| --- | --- | --- | --- |",
    ]
    for jobs, taken in seconds.items():
        lines.append(f"| {jobs} | {taken / n_cases:.2f} | {3600 * n_cases / taken:.0f} | {days[jobs]:.1f} days |")
    hours = 24 * days[1] / SHARDS
    lines += [
        "",
        f"{SHARDS} array jobs of one core each (`--shard i/{SHARDS}`) would take {hours:.1f} h, if the disks keep up.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
