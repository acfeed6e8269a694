import json
import os
import shutil
import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.case import Cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.segmentation import segment
from nnunet_ext.training import NnUNetFolders, _holds, prepare, train

pytest.importorskip("nnunetv2")


def test_the_stock_commands_train_a_model_folder(tiny_training: Any) -> None:
    model = tiny_training.model
    assert model.name == "nnUNetTrainerCCRCCShort__nnUNetPlans__3d_cpu"
    written = {str(path.relative_to(model)) for path in model.rglob("*.*")}
    assert {"plans.json", "dataset.json", "fold_0/checkpoint_best.pth", "fold_0/checkpoint_final.pth"} <= written
    assert tiny_training.epochs_told == [(0, 1), (1, 1)]
    log = (model / "fold_0" / "train.log").read_text(encoding="utf-8")
    assert "This split has 5 training and 2 validation cases." in log or "This split has 6 training and 1" in log
    assert "CCRCC: 1 epochs of 2 iterations" in log


def test_what_is_done_is_not_done_again(tiny_training: Any) -> None:
    model = tiny_training.model
    before = (model / "fold_0" / "checkpoint_best.pth").stat().st_mtime_ns
    prepare(tiny_training.dataset.name, tiny_training.folders)
    assert train(tiny_training.dataset.name, tiny_training.folders, epochs=1, iterations=2) == model
    assert (model / "fold_0" / "checkpoint_best.pth").stat().st_mtime_ns == before


def test_nnunetv2_predict_finds_the_trainer_with_nothing_exported_but_three_folders(
    tiny_training: Any, two_ball_cohort: Cohort, tmp_path: Path
) -> None:
    case = two_ball_cohort.cases[0]
    (tmp_path / "in").mkdir()
    shutil.copy(case.image, tmp_path / "in" / "scan_0000.nii.gz")
    scripts = sysconfig.get_path("scripts")
    environment = {**tiny_training.folders.variables(), "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    chosen = ["-d", "7", "-c", "3d_cpu", "-f", "0", "-tr", "nnUNetTrainerCCRCCShort", "-chk", "checkpoint_best.pth"]
    done = subprocess.run(
        [f"{scripts}/nnUNetv2_predict", "-i", "in", "-o", "out", *chosen, "-device", "cpu", "-npp", "0", "-nps", "0"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mask = sitk.ReadImage(str(tmp_path / "out" / "scan.nii.gz"))
    assert mask.GetSize() == sitk.ReadImage(str(case.image)).GetSize()
    assert set(np.unique(sitk.GetArrayViewFromImage(mask))) <= {0, 1, 2}


@pytest.mark.slow
def test_residual_encoder_plans_are_trained_and_segmented(two_ball_cohort: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    folders = replace(tiny_training.folders, preprocessed=tmp_path / "preprocessed", results=tmp_path / "results")
    shutil.copytree(tiny_training.folders.preprocessed, folders.preprocessed)
    program = f"{sysconfig.get_path('scripts')}/nnUNetv2_plan_and_preprocess"
    wanted = ["-d", "7", "-pl", "nnUNetPlannerResEncM", "-c", "3d_fullres", "-npfp", "1", "-np", "1"]
    subprocess.run([program, *wanted], env={**os.environ, **folders.variables()}, capture_output=True, check=True)
    plans, name = "nnUNetResEncUNetMPlans", tiny_training.dataset.name
    for trainer in ("nnUNetTrainerCCRCC", "nnUNetTrainerCCRCCSmallTumours"):
        chosen = {"plans": plans, "configuration": "3d_fullres", "trainer": trainer}
        model = train(name, folders, **chosen, epochs=1, iterations=1)
        network = json.loads((model / "plans.json").read_text(encoding="utf-8"))["configurations"]["3d_fullres"][
            "architecture"
        ]
        assert network["network_class_name"].endswith("ResidualEncoderUNet")
        masks, refusals = segment(two_ball_cohort.with_cases(two_ball_cohort.cases[:1]), model, tmp_path / trainer)
        assert not refusals
        assert all(case.mask is not None and case.mask.is_file() for case in masks.cases)


@pytest.fixture
def broken_nnunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of nnU-Net's commands: a folder with one that fails as Python does."""
    command = tmp_path / "bin" / "nnUNetv2_plan_and_preprocess"
    command.parent.mkdir()
    command.write_text(
        "#!/bin/sh\necho Fingerprint extraction...\necho ValueError: no such plans\necho bye\nexit 3\n", encoding="utf-8"
    )
    command.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(command.parent))
    return command


def test_a_failing_command_gives_one_line_with_its_cause_and_its_log(
    broken_nnunet: Path, tiny_training: Any, tmp_path: Path
) -> None:
    folders = replace(tiny_training.folders, preprocessed=tmp_path / "pre")
    line = (
        r"nnUNetv2_plan_and_preprocess failed with exit status 3: ValueError: no such plans \(the whole log: .*prepare\.log\)"
    )
    with pytest.raises(InputError, match=line):
        prepare(tiny_training.dataset.name, folders)
    assert "bye" in (tmp_path / "pre" / tiny_training.dataset.name / "prepare.log").read_text(encoding="utf-8")
    broken_nnunet.unlink()
    with pytest.raises(InputError, match="nnUNetv2_plan_and_preprocess is not installed beside this Python"):
        prepare(tiny_training.dataset.name, folders)


def test_a_data_set_that_was_not_converted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No converted data set at .*Dataset009_CCRCC; `ccrcc convert` writes one"):
        prepare("Dataset009_CCRCC", NnUNetFolders.below(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": 3}'])
def test_a_damaged_record_of_the_conversion_gives_one_line(content: str, tmp_path: Path) -> None:
    folders = NnUNetFolders.below(tmp_path)
    (folders.raw / "Dataset009_CCRCC").mkdir(parents=True)
    (folders.raw / "Dataset009_CCRCC" / "conversion.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"conversion\.json") as failure:
        prepare("Dataset009_CCRCC", folders)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00"])
def test_a_marker_that_cannot_be_read_says_that_nothing_is_done(content: str, tmp_path: Path) -> None:
    marker = tmp_path / "trained.json"
    marker.write_text(content, encoding="utf-8")
    assert not _holds(marker, {"epochs": 1})
    marker.write_text('{"epochs": 1}', encoding="utf-8")
    assert _holds(marker, {"epochs": 1})
    assert not _holds(marker, {"epochs": 2})
