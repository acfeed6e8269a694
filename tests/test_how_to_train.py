"""The shell blocks of docs/how-to/train.md, run in short form: synthetic scans, one iteration, a CPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "train.md"
PROGRAMS = Path(sys.executable).parent
ON_A_CPU = re.compile(r"configuration=3d_fullres device=cuda +# on a CPU, for synthetic scans: (.*)")


def script() -> str:
    """Return the page's blocks as one script, with what the page says about a CPU put in place."""
    text = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    text, replaced = ON_A_CPU.subn(r"\1", text)
    assert replaced == 1
    return "set -eu\nccrcc phantom --out study --patients 6 --jobs 2\n" + text.replace("uv run ", "")


def test_the_page_names_what_it_uses() -> None:
    words = script().split()
    for program in ("nnUNetv2_train", "nnUNetv2_find_best_configuration", "ccrcc"):
        assert program in words
        assert (PROGRAMS / program).exists()


@pytest.mark.slow
def test_the_page_runs_from_scans_to_masks(tmp_path: Path) -> None:
    pytest.importorskip("nnunetv2")
    short = {"CCRCC_EPOCHS": "1", "CCRCC_ITERATIONS": "1", "nnUNet_n_proc_DA": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    environment = {**os.environ, **short, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-c", script()], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    results = tmp_path / "nnunet" / "results" / "Dataset501_CCRCC"
    assert (results / "nnUNetTrainerCCRCC__nnUNetPlans__3d_cpu" / "crossval_results_folds_0_1_2_3_4").is_dir()
    masks = pd.read_csv(tmp_path / "masks" / "self_check.csv")
    assert len(masks) == 6
    assert masks["fold_dice_kidney"].notna().any() or (masks["kidney_ml"] == 0).all()
    assert set(pd.read_csv(tmp_path / "overlap.csv")["structure"]) >= {"kidney", "tumour"}
