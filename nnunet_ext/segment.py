"""Masks for a cohort, or for one scan, from a trained nnU-Net that is loaded once."""

import json
import os
import re
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from nnunet_ext.anatomy_rules import RULES_VERSION, plausible_anatomy
from nnunet_ext.case import Case, Cohort, Refusal, Role
from nnunet_ext.errors import CaseRefused, InputError
from nnunet_ext.files import write_json
from nnunet_ext.geometry import read_scan
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, last_line, load_model
from nnunet_ext.labels import STRUCTURES
from nnunet_ext.nifti import write_nifti
from nnunet_ext.progress import OnProgress, silent
from nnunet_ext.self_check import SelfCheck, self_check, write_self_checks

RECORD = "segmentation.json"
"""Beside the masks: which model made them, and how."""

CASE_RECORDS = "cases"
"""Folder beside the masks: for each mask the image that it was made from, and its self-check."""

SELF_CHECKS = "self_check.csv"
"""Beside the masks: a row each, see ``nnunet_ext.self_check``."""


def segment(
    cohort: Cohort,
    model_dir: Path,
    out_dir: Path,
    *,
    folds: Sequence[int | str] = (0,),
    checkpoint: str = "checkpoint_best.pth",
    device: str = "cpu",
    mirroring: bool = False,
    step: float = 0.5,
    whole_scan: bool = False,
    trusted: bool = False,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Predict a mask for every case of a cohort, on the scan's own grid.

    The scan is turned to the orientation that the network was trained in and its mask is turned back. A coarse pass finds the
    kidneys and a fine pass runs around them; where the coarse pass is unsure, it runs all over the body. Whatever is
    anatomically implausible is removed (``plausible_anatomy``), and ``self_check.csv`` says what that was and which masks to
    look at. A mask in which nothing was found is written all the same. Masks that this model made from these images before are
    kept, so a run that was cut off goes on where it stopped.

    Args:
        cohort: Scans; masks that they already have are not read.
        model_dir: Model folder, see ``TrainedModel``.
        out_dir: Gets ``<case id>.nii.gz``, ``uint8`` with ``Label`` values, ``segmentation.json`` and ``self_check.csv``.
            Several processes may fill it, each with a share of the cohort (``Shard``).
        folds: Networks to average.
        checkpoint: Which one of each fold.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        mirroring: Average over mirrored copies of the scan.
        step: Window step as a fraction of the patch.
        whole_scan: Run the fine pass everywhere, without looking for the kidneys first.
        trusted: Load checkpoints that hold more than weights, which runs their author's code.
        jobs: Processes, each with the model and an equal share of the cores. On a CPU two single-threaded ones beat one of two
            threads, at the price of the memory. They are started afresh, so a script needs ``if __name__ == "__main__"``.
        on_progress: Told the cases done and the cases in all.

    Returns:
        The cohort of the cases that have a mask now, and the refusals of the others.

    Raises:
        InputError: If the model cannot be used, or ``out_dir`` holds masks of another model or setting.
    """
    numbered = tuple(int(fold) if str(fold).isdigit() else fold for fold in folds)
    model = TrainedModel(model_dir, numbered, checkpoint, device, mirroring, step, trusted)
    record = _Record.open(out_dir, model, whole_scan=whole_scan)
    labels = {name: int(STRUCTURES[name]) for name in STRUCTURES if name in model.classes()}
    todo = [case for case in cohort.cases if not record.find(case)]
    n_cases = len(cohort.cases)
    on_progress(n_cases - len(todo), n_cases)
    refusals: list[Refusal] = []
    for done, (case, found) in enumerate(_predict_all(todo, model, record, jobs), start=n_cases - len(todo) + 1):
        if isinstance(found, SelfCheck):
            record.add(case, found)
        else:
            refusals.append(found)
        on_progress(done, n_cases)
    checks = record.checks
    masked = [replace(case, mask=record.mask(case), flags=checks[case.id].flags) for case in cohort.cases if case.id in checks]
    write_self_checks(out_dir / SELF_CHECKS, [checks[case.id] for case in masked])
    return replace(cohort.with_cases(masked), labels=labels), tuple(refusals)


def single_scan(path: Path) -> Cohort:
    """Return one scan, a file or a folder with one DICOM series, as a cohort of one case that is named after it."""
    name = re.sub(r"\.(nii\.gz|nii|nrrd|mha)$", "", path.name)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-") or "scan"
    return Cohort(name=name, role=Role.EXTERNAL, cases=(Case(id=name, patient_id=name, centre="unknown", image=path),))


def _predict_all(
    cases: Sequence[Case], model: TrainedModel, record: "_Record", jobs: int
) -> Iterator[tuple[Case, SelfCheck | Refusal]]:
    """Yield each case with what its mask says about itself, or why there is none, as soon as it is done."""
    if not cases:
        return
    workers = max(1, min(jobs, len(cases)))
    threads = max(1, _n_cores() // workers)
    if workers == 1:
        _load(model)  # a model that does not load fails before anything is written
        record.write()
        yield from (_predict_case(case, model, record, threads) for case in cases)
        return
    # Not joblib: its workers are replaced once their memory grows by 300 MB, which a scan does, and load the model again.
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
    try:
        pool.submit(_load, model).result()
        record.write()
        calls = [pool.submit(_predict_case, case, model, record, threads) for case in cases]
        yield from (call.result() for call in as_completed(calls))
    except BrokenProcessPool as error:
        msg = f"One of {workers} segmentation processes died, most likely for lack of memory; start again with fewer jobs"
        raise InputError(msg) from error
    except BaseException:
        _end(pool)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool at once, where they would go on with their scans for minutes after Ctrl-C."""
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load(model: TrainedModel) -> None:
    """Load the networks into this process, which keeps them; they do not travel."""
    load_model(model)


def _predict_case(case: Case, model: TrainedModel, record: "_Record", threads: int) -> tuple[Case, SelfCheck | Refusal]:
    loaded = load_model(model)
    try:
        scan = read_scan(replace(case, mask=None), {})
        with n_threads(threads):
            mask, check = _predict_image(loaded, scan.image, case.id, whole_scan=record.whole_scan)
    except CaseRefused as refused:
        return case, Refusal(case.id, "segment", refused.code, refused.reason)
    except (RuntimeError, MemoryError) as error:
        reason = f"the network gave no mask: {last_line(error)}"
        return case, Refusal(case.id, "segment", "prediction-failed", reason)
    write_nifti(mask, record.mask(case))
    return case, check


@contextmanager
def n_threads(threads: int) -> Iterator[None]:
    """Let PyTorch use ``threads`` threads."""
    import torch  # noqa: PLC0415 - an optional extra

    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def _predict_image(model: LoadedModel, image: sitk.Image, case_id: str, *, whole_scan: bool) -> tuple[sitk.Image, SelfCheck]:
    """Return the canonical mask of ``image`` on exactly its grid, and what it says about itself."""
    from nnunet_ext.inference.structures import find_structures  # noqa: PLC0415 - needs PyTorch, an optional extra

    upright = sitk.DICOMOrient(image, "RAS") if model.turns_scans else image
    found = find_structures(model, upright, whole_scan=whole_scan)
    x, y, z = upright.GetSpacing()
    plausible = plausible_anatomy(found.mask, spacing_mm=(z, y, x))
    check = self_check(
        case_id,
        plausible,
        found.mask,
        spacing_mm=(z, y, x),
        searched=found.searched,
        fold_dice=found.fold_dice,
    )
    mask = sitk.GetImageFromArray(plausible)
    mask.CopyInformation(upright)
    if model.turns_scans:
        orientation = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
        mask = sitk.DICOMOrient(mask, orientation)
        mask.CopyInformation(image)
    return mask, check


@dataclass
class _Record:
    """``segmentation.json``: the model behind the masks; and a file a case: the image that has a mask, and its self-check."""

    folder: Path
    structures: list[str]
    model: dict[str, Any]
    whole_scan: bool
    checks: dict[str, SelfCheck]

    @classmethod
    def open(cls, folder: Path, model: TrainedModel, *, whole_scan: bool) -> "_Record":
        identity = {**model.identity(), "whole_scan": whole_scan, "anatomy_rules": RULES_VERSION}
        file = folder / RECORD
        if not file.is_file():
            if any(not path.name.startswith(".") for path in folder.glob("*.nii.gz")):
                msg = f"{folder} holds masks that no {RECORD} accounts for; name another folder"
                raise InputError(msg)
        elif json.loads(file.read_text(encoding="utf-8"))["model"] != identity:
            msg = f"{folder} holds masks of another model or setting (see its {RECORD}); name another folder"
            raise InputError(msg)
        return cls(folder, list(model.classes()), identity, whole_scan, {})

    def mask(self, case: Case) -> Path:
        return self.folder / f"{case.id}.nii.gz"

    def find(self, case: Case) -> bool:
        """Tell whether a case has a mask made from the image as it is now; its self-check is known from then on."""
        file = self._file(case)
        if not file.is_file() or not self.mask(case).is_file():
            return False
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["image"] != _stamp(case.image):
            return False
        self.checks[case.id] = SelfCheck(**known["self_check"])
        return True

    def add(self, case: Case, check: SelfCheck) -> None:
        write_json(self._file(case), {"image": _stamp(case.image), "self_check": asdict(check)})
        self.checks[case.id] = check

    def write(self) -> None:
        write_json(self.folder / RECORD, {"structures": self.structures, "model": self.model})

    def _file(self, case: Case) -> Path:
        return self.folder / CASE_RECORDS / f"{case.id}.json"


def _stamp(image: Path) -> list[int]:
    """Return size and time of change of an image, or of a series: enough to notice that it was replaced."""
    if not image.exists():
        return []
    stats = [file.stat() for file in (sorted(image.iterdir()) if image.is_dir() else [image])]
    return [sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)]
