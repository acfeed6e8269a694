"""Stock nnU-Net commands, run one after the other: plan, preprocess, train. Nothing here replaces them."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.inference.seal import SEAL
from nnunet_ext.plans import CPU_CONFIGURATION, add_cpu_configuration

PLANS = "nnUNetPlans"
SHORT_TRAINER = "nnUNetTrainerCCRCCShort"

_LENGTH = re.compile(r"CCRCC: (\d+) epochs of \d+ iterations")
_EPOCH_DONE = re.compile(r"Epoch time: [\d.]+ s")
_EXCEPTION = re.compile(r"^[\w.]*(Error|Exception|Interrupt)\b")


@dataclass(frozen=True)
class NnUNetFolders:
    """The three folders that nnU-Net works in."""

    raw: Path
    preprocessed: Path
    results: Path

    @classmethod
    def below(cls, root: Path) -> "NnUNetFolders":
        """Return ``root/raw``, ``root/preprocessed`` and ``root/results``."""
        return cls(root / "raw", root / "preprocessed", root / "results")

    def variables(self) -> dict[str, str]:
        """Return the environment variables that nnU-Net finds them by."""
        return {
            "nnUNet_raw": str(self.raw.resolve()),
            "nnUNet_preprocessed": str(self.preprocessed.resolve()),
            "nnUNet_results": str(self.results.resolve()),
        }


def prepare(
    dataset: str,
    folders: NnUNetFolders,
    *,
    configuration: str = CPU_CONFIGURATION,
    spacing_mm: float | None = None,
    jobs: int = 1,
    log: Path | None = None,
) -> str:
    """Run ``nnUNetv2_plan_and_preprocess`` on a converted data set.

    For the configuration ``3d_cpu`` the data of ``3d_fullres`` are preprocessed and ``3d_cpu`` is added to the plans. A data
    set that has not changed since it was prepared is left alone.

    Args:
        dataset: ``DatasetXXX_CCRCC``, as ``convert`` named it.
        folders: nnU-Net's folders.
        configuration: What will be trained.
        spacing_mm: Voxel size to resample to, in place of the one that nnU-Net plans.
        jobs: Processes.
        log: File for the command's output; ``prepare.log`` in the folder of preprocessed data by default.

    Returns:
        Name of the plans, which ``train`` takes.

    Raises:
        InputError: If nnU-Net is not installed or the command fails.
    """
    preprocessed = folders.preprocessed / dataset
    plans = PLANS if spacing_mm is None else f"{PLANS}_{spacing_mm:g}mm"
    marker = preprocessed / f"{plans}.prepared.json"
    made_of = {"conversion": _conversion_key(dataset, folders), "configuration": configuration}
    if _holds(marker, made_of) and (preprocessed / f"{plans}.json").is_file():
        return plans
    marker.unlink(missing_ok=True)
    parent = "3d_fullres" if configuration == CPU_CONFIGURATION else configuration
    options = ["-d", _number(dataset), "-c", parent, "-npfp", str(jobs), "-np", str(jobs), "--no_pbar", "--clean"]
    if spacing_mm is not None:
        options += ["-overwrite_target_spacing", *[f"{spacing_mm:g}"] * 3, "-overwrite_plans_name", plans]
    environment = {**folders.variables(), **_on_a_cpu(jobs, augmenters=1)}
    _run("nnUNetv2_plan_and_preprocess", options, environment, log or preprocessed / "prepare.log")
    if configuration == CPU_CONFIGURATION:
        add_cpu_configuration(preprocessed / f"{plans}.json", parent=parent)
    write_json(marker, made_of)
    return plans


def train(
    dataset: str,
    folders: NnUNetFolders,
    *,
    plans: str = PLANS,
    configuration: str = CPU_CONFIGURATION,
    trainer: str = SHORT_TRAINER,
    fold: int | str = 0,
    device: str = "cpu",
    epochs: int | None = None,
    iterations: int | None = None,
    log: Path | None = None,
    on_progress: OnProgress = silent,
) -> Path:
    """Run ``nnUNetv2_train`` on a prepared data set.

    A fold that was trained to its end on the same data with the same settings is left alone.

    Args:
        dataset: ``DatasetXXX_CCRCC``, as ``convert`` named it.
        folders: nnU-Net's folders.
        plans: What ``prepare`` returned.
        configuration: Configuration of these plans.
        trainer: Trainer class.
        fold: 0 to 4, or ``"all"``.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        epochs: Instead of the trainer's own number.
        iterations: An epoch, instead of the trainer's own number.
        log: File for the command's output; ``train.log`` in the fold's folder by default.
        on_progress: Told the epochs done and the epochs in all, for the trainers of this project.

    Returns:
        The model folder, which ``segment`` and ``nnUNetv2_predict_from_modelfolder`` take.

    Raises:
        InputError: If nnU-Net is not installed or the command fails.
    """
    model = folders.results / dataset / f"{trainer}__{plans}__{configuration}"
    fold_folder = model / f"fold_{fold}"
    marker = fold_folder / "trained.json"
    made_of = {"conversion": _conversion_key(dataset, folders), "epochs": epochs, "iterations": iterations}
    if _holds(marker, made_of) and any(fold_folder.glob("checkpoint_*.pth")):
        return model
    for stale in (marker, model / SEAL):
        stale.unlink(missing_ok=True)
    lengths = {"CCRCC_EPOCHS": epochs, "CCRCC_ITERATIONS": iterations}
    environment = {**folders.variables(), **(_on_a_cpu(1, augmenters=0) if device == "cpu" else {"PYTHONUNBUFFERED": "1"})}
    environment |= {name: str(value) for name, value in lengths.items() if value is not None}
    options = [_number(dataset), configuration, str(fold), "-tr", trainer, "-p", plans, "-device", device]
    _run("nnUNetv2_train", options, environment, log or fold_folder / "train.log", _epoch_counter(on_progress))
    write_json(marker, made_of)
    return model


def _run(
    command: str,
    options: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Run one of nnU-Net's commands; its output goes to ``log`` and, line by line, to ``on_line``."""
    program = Path(sysconfig.get_path("scripts")) / command
    if not program.exists():
        msg = f"{command} is not installed beside this Python; pip install 'ccrcc-radiomics[nnunet]'"
        raise InputError(msg)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        for line in _lines_of([str(program), *options], {**os.environ, **environment}, log):
            stream.write(line)
            stream.flush()
            on_line(line)


def _lines_of(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[str]:
    with subprocess.Popen(
        arguments, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield from process.stdout
            status = process.wait()
        finally:
            process.terminate()
    if status:
        msg = f"{Path(arguments[0]).name} failed with exit status {status}: {_cause(log)} (the whole log: {log})"
        raise InputError(msg)


def _cause(log: Path) -> str:
    """Return the last exception named in a log, else its last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    named = [line for line in lines if _EXCEPTION.match(line)]
    return (named or lines or ["it wrote nothing"])[-1]


def _epoch_counter(on_progress: OnProgress) -> Callable[[str], None]:
    done = total = 0

    def on_line(line: str) -> None:
        nonlocal done, total
        if found := _LENGTH.search(line):
            total = int(found[1])
            on_progress(0, total)
        elif total and _EPOCH_DONE.search(line):
            done += 1
            on_progress(done, total)

    return on_line


def _on_a_cpu(jobs: int, *, augmenters: int) -> dict[str, str]:
    """Return variables without which idle threads spin and slow an iteration three to ten times.

    Patches are augmented by the training process itself (``augmenters=0``): it takes a tenth of an iteration, less than a
    process more would cost, and repeats exactly. The planner does not bear a zero there.
    """
    return {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "nnUNet_n_proc_DA": str(augmenters),
        "nnUNet_def_n_proc": str(jobs),
        "PYTHONUNBUFFERED": "1",
    }


def _number(dataset: str) -> str:
    return str(int(dataset.removeprefix("Dataset")[:3]))


def _conversion_key(dataset: str, folders: NnUNetFolders) -> str:
    record = folders.raw / dataset / "conversion.json"
    if not record.is_file():
        msg = f"No converted data set at {record.parent}; `ccrcc convert` writes one"
        raise InputError(msg)
    key = read_json_object(record).get("key")
    if not isinstance(key, str):
        msg = f"{record} is damaged: it has no key; remove {record.parent} and convert again"
        raise InputError(msg)
    return key


def _holds(marker: Path, made_of: Mapping[str, object]) -> bool:
    """Tell whether a step was done with the same input; what cannot be read was not."""
    try:
        return marker.is_file() and read_json_object(marker) == made_of
    except InputError:
        return False
