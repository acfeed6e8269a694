"""Tells nnU-Net's commands, started from a benchmark, where the trainers of ``extra_trainers`` are: import it."""

import os
from pathlib import Path

os.environ["nnUNet_extTrainer"] = os.pathsep.join(
    [str(Path(__file__).parent / "extra_trainers"), os.environ.get("nnUNet_extTrainer", "")]
)
