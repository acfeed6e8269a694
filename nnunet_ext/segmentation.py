"""Masks for a cohort, or for one scan, from a trained nnU-Net that is loaded once."""

import re
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import SimpleITK as sitk

from nnunet_ext.anatomy.rules import RULES_VERSION, plausible_anatomy
from nnunet_ext.anatomy.self_check import SelfCheck, self_check, write_self_checks
from nnunet_ext.ground.case import Case, Cohort, Labels, Refusal, Role
from nnunet_ext.ground.cores import n_cores
from nnunet_ext.ground.errors import CaseRefused, InputError, last_line
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.labels import STRUCTURES
from nnunet_ext.ground.progress import OnNote, OnProgress, quiet, silent
from nnunet_ext.inference.devices import check_device
from nnunet_ext.inference.model_source import find_network
from nnunet_ext.inference.network_labels import LabelMap
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, fold_numbers, load_model
from nnunet_ext.scans.geometry import Scan, read_scan
from nnunet_ext.segmentation_record import SegmentationRecord, State
from nnunet_ext.volumes.nifti import write_nifti

EVERY_VALUE = tuple(range(1, 256))
"""Values of a mask of kidneys: all but 0 are kidney, however many parts it has."""

STAGE = "segment"
"""What refusals call this."""

Made = tuple[SelfCheck, str]
"""What a mask says about itself, and the SHA-256 of the image that it was made from."""

SELF_CHECKS = "self_check.csv"
"""Beside the masks: a row each, see ``nnunet_ext.anatomy.self_check``."""


def segment(
    cohort: Cohort,
    model_dir: AnyPath,
    out_dir: AnyPath,
    *,
    folds: Sequence[int | str] = (0,),
    checkpoint: str | None = None,
    labels: Labels | None = None,
    configuration: str | None = None,
    sha256: str | None = None,
    device: str = "cpu",
    mirroring: bool = False,
    step: float = 0.5,
    whole_scan: bool = False,
    kidneys: Mapping[str, Path] | None = None,
    trusted: bool = False,
    jobs: int = 1,
    on_progress: OnProgress = silent,
    on_note: OnNote = quiet,
) -> tuple[Cohort, tuple[Refusal, ...]]:
    """Predict a mask for every case of a cohort, on the scan's own grid.

    The scan is turned to the orientation that the network was trained in and its mask is turned back. A coarse pass finds the
    kidneys and a fine pass runs around them; where the coarse pass is unsure, it runs all over the body. Whatever is
    anatomically implausible is removed (``plausible_anatomy``), and ``self_check.csv`` says what that was and which masks to
    look at. A mask in which nothing was found is written all the same. Masks that this model made from these images before are
    kept, so a run that was cut off goes on where it stopped: image and mask must be the ones that the case's record names by
    their SHA-256. Where record or mask is damaged, the case is done again; a mask that was edited is never replaced.

    Args:
        cohort: Scans; masks that they already have are not read.
        model_dir: Model folder, see ``TrainedModel``; or a folder with several, or a zip file that nnU-Net exported.
        out_dir: Gets ``<case id>.nii.gz``, ``uint8`` with ``Label`` values, ``segmentation.json`` and ``self_check.csv``.
            Several processes may fill it, each with a share of the cohort (``Shard``).
        folds: Networks to average.
        checkpoint: Which one of each fold, such as ``checkpoint_final.pth``; the best by default, else the last.
        labels: Class of the network for each structure, such as ``{"kidney": 1, "mass": 2}``, where the names that it was
            trained with do not say so. A mass is a tumour or a cyst of a network that does not distinguish them.
        configuration: Which training, such as ``3d_fullres``, where ``model_dir`` holds several.
        sha256: What a zip file must hash to.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        mirroring: Average over mirrored copies of the scan.
        step: Window step as a fraction of the patch.
        whole_scan: Run the fine pass everywhere, without looking for the kidneys first.
        kidneys: Mask of the kidneys of each case, by case id; every value but 0 is kidney. Tumours are sought around them
            alone, and parenchyma is what they hold beside the lesions.
        trusted: Load checkpoints that hold more than weights, which runs their author's code.
        jobs: Processes, each with the model and an equal share of the cores. On a CPU two single-threaded ones beat one of two
            threads, at the price of the memory. They are started afresh, so a script needs ``if __name__ == "__main__"``.
        on_progress: Called with the cases done and the cases in all.
        on_note: Called with a line for whatever was found damaged and is done again, or is odd about the model's files.

    Returns:
        The cohort of the cases that have a mask now, and the refusals of the others.

    Raises:
        InputError: If the model or the device cannot be used, ``out_dir`` holds masks of another model or setting, or a mask
            there was made from another image of the same case id.

    Example:
        >>> from nnunet_ext import load_cohort
        >>> ext, refused = segment(load_cohort("ext/card.yaml"), "network", "masks")
        >>> all(case.mask.is_file() for case in ext.cases), refused
        (True, ())
    """
    if jobs < 1:
        msg = f"jobs must be at least 1; found {jobs}"
        raise InputError(msg)
    declared = None if labels is None else LabelMap.of(labels)
    folder = find_network(Path(model_dir), configuration=configuration, sha256=sha256, on_note=on_note)
    model = TrainedModel(folder, fold_numbers(folds), checkpoint, device, mirroring, step, trusted, declared)
    check_device(device)
    classes = model.classes().values
    identity = {**model.identity(), "anatomy_rules": RULES_VERSION}
    _check_kidneys(cohort, classes, kidneys)
    structures = list(classes) if kidneys is None else ["kidney", *(name for name in classes if name != "kidney")]
    record = SegmentationRecord.open(Path(out_dir), structures, identity, whole_scan=whole_scan, kidneys=kidneys)
    refusals = _make_masks(cohort.cases, model, record, jobs=jobs, on_progress=on_progress, on_note=on_note)
    values = {name: int(STRUCTURES[name]) for name in STRUCTURES if name in structures}
    return replace(cohort.with_cases(_with_masks(cohort.cases, record)), labels=values), tuple(refusals)


def _check_kidneys(cohort: Cohort, classes: Collection[str], kidneys: Mapping[str, Path] | None) -> None:
    """Refuse kidneys that are not given for every case, and a network that would add nothing to them."""
    if kidneys is None:
        return
    lacking = [case.id for case in cohort.cases if case.id not in kidneys]
    if lacking:
        msg = f"{len(lacking)} of {len(cohort.cases)} cases have no mask of kidneys, the first is {lacking[0]}"
        raise InputError(msg)
    if set(classes) <= {"kidney"}:
        msg = "The network segments kidneys alone, and they are given; name a network that finds tumours or masses"
        raise InputError(msg)


def _make_masks(
    cases: Sequence[Case],
    model: TrainedModel,
    record: SegmentationRecord,
    *,
    jobs: int,
    on_progress: OnProgress,
    on_note: OnNote,
) -> list[Refusal]:
    """Predict the masks that are not there yet; return what could not be segmented."""
    todo, refusals = _find_todo(cases, record, on_note)
    n_before = len(cases) - len(todo)
    on_progress(n_before, len(cases))
    for done, (case, found) in enumerate(_predict_all(todo, model, record, jobs, on_note), start=n_before + 1):
        if isinstance(found, Refusal):
            refusals.append(found)
        else:
            record.add(case, *found)
        on_progress(done, len(cases))
    return refusals


def _with_masks(cases: Sequence[Case], record: SegmentationRecord) -> list[Case]:
    """Return the cases that have a mask now, with their flags, and write what all masks say of themselves."""
    checks = record.checks
    masked = [replace(case, mask=record.mask(case), flags=checks[case.id].flags) for case in cases if case.id in checks]
    write_self_checks(record.folder / SELF_CHECKS, [checks[case.id] for case in masked])
    return masked


def _find_todo(cases: Sequence[Case], record: SegmentationRecord, on_note: OnNote) -> tuple[list[Case], list[Refusal]]:
    """Return the cases that have no mask yet, and those whose mask somebody changed."""
    todo: list[Case] = []
    refusals: list[Refusal] = []
    for case in cases:
        try:
            state = record.find(case)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, STAGE, refused.code, refused.reason))
            continue
        if state is State.DAMAGED:
            on_note(f"The mask of {case.id}, or its record, is damaged or missing; the scan is segmented again")
        if state is not State.DONE:
            todo.append(case)
    return todo, refusals


def single_scan(path: AnyPath) -> Cohort:
    """Return one scan, a file or a folder with one DICOM series, as a cohort of one case that is named after it."""
    path = Path(path)
    name = re.sub(r"\.(nii\.gz|nii|nrrd|mha)$", "", path.name)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-") or "scan"
    return Cohort(name=name, role=Role.EXTERNAL, cases=(Case(id=name, patient_id=name, centre="unknown", image=path),))


def _predict_all(
    cases: Sequence[Case], model: TrainedModel, record: SegmentationRecord, jobs: int, on_note: OnNote
) -> Iterator[tuple[Case, Made | Refusal]]:
    """Yield each case with what its mask says about itself, or why there is none, as soon as it is done."""
    if not cases:
        return
    workers = max(1, min(jobs, len(cases)))
    threads = max(1, n_cores() // workers)
    if workers == 1:
        _tell(_load(model), on_note)  # a model that does not load fails before anything is written
        record.write()
        yield from (_predict_case(case, model, record, threads) for case in cases)
        return
    # Not joblib: its workers are replaced once their memory grows by 300 MB, which a scan does, and load the model again.
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
    try:
        _tell(pool.submit(_load, model).result(), on_note)
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


def _load(model: TrainedModel) -> tuple[str, ...]:
    """Load the networks into this process, which keeps them: they do not travel. Return what is odd about their files."""
    return load_model(model).notes


def _tell(notes: Sequence[str], on_note: OnNote) -> None:
    for note in notes:
        on_note(note)


def _predict_case(case: Case, model: TrainedModel, record: SegmentationRecord, threads: int) -> tuple[Case, Made | Refusal]:
    loaded = load_model(model)
    try:
        before = record.hash_of(case)
        given = record.kidneys.get(case.id)
        scan = read_scan(replace(case, mask=given), {"kidney": EVERY_VALUE})
        with n_threads(threads):
            mask, check = _predict_image(loaded, scan, case.id, whole_scan=record.whole_scan)
    except CaseRefused as refused:
        return case, Refusal(case.id, STAGE, refused.code, refused.reason)
    except (RuntimeError, MemoryError) as error:
        reason = f"the network gave no mask: {last_line(error)}"
        return case, Refusal(case.id, STAGE, "prediction-failed", reason)
    record.check_free(case)
    write_nifti(mask, record.mask(case))
    return case, (check, before)


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


def _predict_image(model: LoadedModel, scan: Scan, case_id: str, *, whole_scan: bool) -> tuple[sitk.Image, SelfCheck]:
    """Return the canonical mask of a scan on exactly its grid, and what it says about itself; a mask of it is its kidneys."""
    from nnunet_ext.inference.kidney_search import with_given_kidneys  # noqa: PLC0415 - needs PyTorch, an optional extra
    from nnunet_ext.inference.structures import find_structures  # noqa: PLC0415

    image = scan.image

    def turned(one: sitk.Image) -> sitk.Image:
        return sitk.DICOMOrient(one, "RAS") if model.turns_scans else one

    upright = turned(image)
    kidneys = None if scan.mask is None else sitk.GetArrayFromImage(turned(scan.mask)) > 0
    found = find_structures(model, upright, whole_scan=whole_scan, kidneys=kidneys)
    if kidneys is not None:
        found = replace(found, mask=with_given_kidneys(found.mask, kidneys))
    x, y, z = upright.GetSpacing()
    plausible = plausible_anatomy(found.mask, spacing_mm=(z, y, x))
    check = self_check(
        case_id,
        plausible,
        found.mask,
        spacing_mm=(z, y, x),
        hu=sitk.GetArrayViewFromImage(upright),
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
