"""Extraction speed compared with Pictologics, the fastest radiomics package that we know.

    uv run python benchmarks/beside_pictologics.py [--repeats 3] [--out FILE]

The cases of ``benchmarks/extraction.py``: five regions, 1 mm, original image, eight coif1 wavelets, LoG 1 to 5 mm.
Pictologics runs its whole pipeline (``run_rois``: reading, resampling, filters, intensity, histogram and texture features,
morphology once) in a process of its own, because it needs Python 3.12; ours runs as ``extract`` does it. In turn, on one core,
CPU time, compilation left out. The features are not the same set: Pictologics follows the IBSI, ours PyRadiomics.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from extraction import CASES, METHODS, Bench, write_bench

from radiomics_cfg.process.one_thread import ENVIRONMENT, one_thread

PEER = Path(__file__).with_name("pictologics_peer.py")
PACKAGE = "pictologics==0.9.0"
OURS = METHODS["ours, canonical"]


def main() -> None:
    """Time both in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--python", default="3.12", help="version or path of the Python that Pictologics runs in")
    parser.add_argument("--out", type=Path, default=None, help="Markdown file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, one_thread():
        benches = [write_bench(Path(folder) / name, name) for name in options.cases]
        OURS(benches[0])  # compiles
        seconds = [[(theirs_s(bench, options.python), ours_s(bench)) for _ in range(options.repeats)] for bench in benches]
    lines = ["| case | Pictologics, CPU-s | ours, CPU-s | Pictologics / ours |", "| --- | --- | --- | --- |"]
    ratios = []
    for bench, pairs in zip(benches, seconds, strict=True):
        theirs, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios.append(theirs / ours)
        lines.append(f"| {bench.name} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.1f} |")
    text = "\n".join([*lines, "", f"Geometric mean: {statistics.geometric_mean(ratios):.1f} times Pictologics."]) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def theirs_s(bench: Bench, python: str) -> float:
    """Return Pictologics' CPU time on a case."""
    command = ["uv", "run", "--no-project", "--python", python, "--with", PACKAGE, "python", str(PEER)]
    command += [str(bench.image.parent), "1"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, encoding="utf-8", env={**os.environ, **ENVIRONMENT}
    )
    return float(done.stdout.split()[0])


def ours_s(bench: Bench) -> float:
    """Return our CPU time on a case."""
    before = time.process_time()
    OURS(bench)
    return time.process_time() - before


if __name__ == "__main__":
    main()
