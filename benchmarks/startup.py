"""Seconds until a package is imported and until the command shows its help: medians of processes of their own.

`uv run python benchmarks/startup.py [--runs N]`. Python itself and pandas stand beside them.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "import nnunet_ext": [sys.executable, "-c", "import nnunet_ext"],
    "import radiomics_cfg": [sys.executable, "-c", "import radiomics_cfg"],
    "import ccrcc_model": [sys.executable, "-c", "import ccrcc_model"],
    "import pandas": [sys.executable, "-c", "import pandas"],
    "python": [sys.executable, "-c", "pass"],
    "ccrcc --help": [str(Path(sys.executable).with_name("ccrcc")), "--help"],
}


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Run all commands in turn, several times, and print the median of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11)
    runs = parser.parse_args().runs
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            taken[name].append(_seconds(command))
    for name, seconds in taken.items():
        print(f"{name:22} {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
