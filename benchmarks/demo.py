"""Time and peak memory of ``ccrcc demo``, and what it reached: the figures that the README prints.

    uv run python benchmarks/demo.py [--out DIR]

Memory is the sum of the proportional set sizes of the demo and of all its processes (Linux), sampled twice a second.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from nnunet_ext.ground.labels import STRUCTURES

SAMPLE_S = 0.5


def main() -> None:
    """Run the demo in a fresh folder and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=None, help="a folder that does not exist yet")
    out = parser.parse_args().out or Path(tempfile.mkdtemp()) / "demo"
    seconds, cpu_s, peak_gib = measure([str(Path(sys.executable).with_name("ccrcc")), "demo", "--out", str(out)])
    taken = f"{seconds / 60:.1f} min ({cpu_s / 60:.1f} min of processor time)"
    print(f"\n| what | value |\n| --- | --- |\n| time | {taken} |\n| peak memory | {peak_gib:.1f} GiB |")
    for name, value in reached(out):
        print(f"| {name} | {value} |")


def measure(command: list[str]) -> tuple[float, float, float]:
    """Run ``command``; return its seconds by the clock and of processors, and the peak memory (GiB), descendants included."""
    started, peak_kib = time.monotonic(), 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            peak_kib = max(peak_kib, sum(proportional_kib(pid) for pid in family(process.pid)))
            time.sleep(SAMPLE_S)
    if process.returncode not in (0, 3):
        sys.exit(f"{' '.join(command)} failed with status {process.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, used.ru_utime + used.ru_stime, peak_kib / 2**20


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


def proportional_kib(pid: int) -> int:
    """Return the memory of one process in KiB, with shared pages counted in parts; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def reached(out: Path) -> list[tuple[str, str]]:
    """Return Dice per structure and, per target and group, the AUC of the model and of tumour volume alone."""
    overlap = pd.read_csv(out / "tables" / "overlap.csv")
    rows = [
        (f"Dice of the {name}, external", f"{values.mean():.2f} ± {values.std():.2f} (n = {values.count()})")
        for name, values in overlap[overlap["structure"].isin(STRUCTURES)].groupby("structure")["dice"]
    ]
    for path in sorted(out.glob("benchmark/*/discrimination.csv")):
        for row in pd.read_csv(path).to_dict("records"):
            model = f"{row['auc']:.2f} ({row['auc_low']:.2f} to {row['auc_high']:.2f})"
            volume = f"{row['baseline_auc']:.2f} ({row['baseline_auc_low']:.2f} to {row['baseline_auc_high']:.2f})"
            rows.append((f"AUC of {path.parent.name}, {row['group']}", f"{model}; tumour volume alone {volume}"))
    return rows


if __name__ == "__main__":
    main()
