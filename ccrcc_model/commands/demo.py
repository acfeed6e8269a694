"""``ccrcc demo``."""

from pathlib import Path

from ccrcc_model.commands.options import Jobs, OutFolder, Seed

DEMO_SEED = 88
"""Of seeds 1 to 199 the one whose cohorts are closest to the synthetic population in prevalence and in the AUC of tumour size.

Only the drawn truth was looked at, never a scan or a model: in so small a sample, size alone is often far off its true AUC.
"""


def demo(out: OutFolder = Path("runs/demo"), seed: Seed = DEMO_SEED, jobs: Jobs = 2) -> None:
    """Run the whole pipeline on synthetic scans, report included."""
    from ccrcc_model.commands.console import StageProgress, say
    from ccrcc_model.demo import EXPECTED_S, run_demo

    for line in run_demo(out, seed=seed, jobs=jobs, progress=StageProgress(EXPECTED_S)):
        say(line)
