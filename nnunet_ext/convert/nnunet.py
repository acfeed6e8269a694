"""A development cohort as nnU-Net's raw data set, with splits that keep a patient's scans together."""

import json
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import SimpleITK as sitk
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.case import Case, Cohort, Refusal, Role, plain_labels
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import write_json
from nnunet_ext.ground.labels import STRUCTURES, Label
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.scans.geometry import Scan, read_scan
from nnunet_ext.volumes.nifti import write_nifti
from nnunet_ext.volumes.volume_file import stamp

N_FOLDS = 5
"""As in the supplement and in stock nnU-Net."""

DATASET_IDS = range(1, 1000)
"""nnU-Net writes a data set's number with three digits."""

AGAIN = "remove the folder to convert again, or choose another number"
"""What to do about an incomplete data set."""

Split = dict[str, list[str]]
"""Case ids under ``train`` and ``val``, as nnU-Net's ``splits_final.json`` holds them."""


@dataclass(frozen=True)
class RawDataset:
    """An nnU-Net raw data set on disk.

    Args:
        id: Number that nnU-Net's commands take.
        folder: ``DatasetXXX_CCRCC`` with ``imagesTr``, ``labelsTr`` and ``dataset.json``.
        splits: ``splits_final.json`` in nnU-Net's folder of preprocessed data.
        n_cases: Cases written.
    """

    id: int
    folder: Path
    splits: Path
    n_cases: int

    @property
    def name(self) -> str:
        """The name of the data set in nnU-Net."""
        return self.folder.name


def convert(
    cohort: Cohort,
    dataset_id: int,
    *,
    raw_dir: Path,
    preprocessed_dir: Path,
    structures: Sequence[str] = ("kidney", "tumour"),
    regions: bool = False,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> tuple[RawDataset, tuple[Refusal, ...]]:
    """Write a cohort as an nnU-Net raw data set with patient-grouped, centre-stratified splits.

    Images keep their grid and orientation; ``dataset.json`` makes nnU-Net reorient every scan in the same way when reading it,
    in training and in prediction. A structure that is not requested (by default the cyst, as in the supplement) counts as
    kidney. An earlier data set of the same files is left unchanged; otherwise the new one appears complete or not at all.

    Args:
        cohort: Development cohort whose cases have masks.
        dataset_id: 1 to 999, not in use yet.
        raw_dir: The folder that ``nnUNet_raw`` names.
        preprocessed_dir: The folder that ``nnUNet_preprocessed`` names.
        structures: Classes in addition to the background; kidney must be among them.
        regions: Let the network learn nested regions, as scored in the KiTS challenges, instead of labels that exclude each
            other: nnU-Net's loss is then binary cross-entropy + Dice on each region, not cross-entropy + Dice.
        seed: Of the splits.
        on_progress: Receives the number of cases done and the total.

    Returns:
        The data set, and the cases that the gate refused.

    Raises:
        InputError: If the cohort is external, the number is taken, or fewer than five patients are left.
    """
    _check_request(cohort, dataset_id, structures)
    folder = raw_dir / f"Dataset{dataset_id:03d}_CCRCC"
    splits = preprocessed_dir / folder.name / "splits_final.json"
    key = _key(cohort, structures, regions, seed)
    if (done := _converted_before(folder, splits, key)) is not None:
        on_progress(len(cohort.cases), len(cohort.cases))
        return done
    _check_number_is_free(dataset_id, (raw_dir, preprocessed_dir))
    with _folder_written_at_once(folder) as unfinished:
        accepted, refusals = _write_cases(cohort, unfinished, structures, on_progress)
        folds = patient_folds(accepted, seed=seed)
        write_json(unfinished / "dataset.json", _dataset_json(cohort, accepted, structures, regions=regions))
        record = {"key": key, "refusals": [[r.case_id, r.stage, r.code, r.reason] for r in refusals], "folds": folds}
        write_json(unfinished / "conversion.json", record)
    write_json(splits, folds)
    return RawDataset(dataset_id, folder, splits, len(accepted)), refusals


def patient_folds(cases: Sequence[Case], *, n_folds: int = N_FOLDS, seed: int = 0) -> list[Split]:
    """Split cases into folds such that the scans of a patient stay together and every centre is distributed over all folds.

    Within each centre the patients, in a random order, are dealt one by one to the fold that has the fewest patients of that
    centre, then the fewest cases.

    Args:
        cases: All cases.
        n_folds: Number of folds.
        seed: Of the random order.

    Returns:
        For each fold the ids of its training and its validation cases, in the order of ``cases``.

    Raises:
        InputError: If there are fewer patients than folds.
    """
    centre_of: dict[str, str] = {case.patient_id: case.centre for case in cases}
    if len(centre_of) < n_folds:
        msg = f"{n_folds} folds need at least {n_folds} patients; there are {len(centre_of)} with a usable scan and mask"
        raise InputError(msg)
    n_scans = Counter(case.patient_id for case in cases)
    patients: dict[str, list[str]] = defaultdict(list)
    for patient, centre in sorted(centre_of.items()):
        patients[centre].append(patient)
    rng = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    size = [0] * n_folds
    for centre in sorted(patients, key=lambda name: (-len(patients[name]), name)):
        here = [0] * n_folds
        for index in rng.permutation(len(patients[centre])):
            patient = patients[centre][index]
            fold = min(range(n_folds), key=lambda one: (here[one], size[one], one))
            fold_of[patient] = fold
            here[fold] += 1
            size[fold] += n_scans[patient]
    return [
        {
            "train": [case.id for case in cases if fold_of[case.patient_id] != fold],
            "val": [case.id for case in cases if fold_of[case.patient_id] == fold],
        }
        for fold in range(n_folds)
    ]


def _check_request(cohort: Cohort, dataset_id: int, structures: Sequence[str]) -> None:
    if cohort.role is not Role.DEVELOPMENT:
        msg = f"Cohort {cohort.name} has the role external; only a development cohort may be converted for training"
        raise InputError(msg)
    if dataset_id not in DATASET_IDS:
        msg = f"nnU-Net numbers data sets from {DATASET_IDS[0]} to {DATASET_IDS[-1]}; asked for {dataset_id}"
        raise InputError(msg)
    unknown = [name for name in structures if name not in cohort.labels]
    if unknown or "kidney" not in structures:
        msg = f"Asked for {', '.join(structures)}; cohort {cohort.name} labels {', '.join(cohort.labels)}; kidney is needed"
        raise InputError(msg)


def _check_number_is_free(dataset_id: int, folders: Sequence[Path]) -> None:
    """Refuse a used number: nnU-Net rejects two data sets of one number, and would confuse two of one name."""
    for folder in folders:
        taken = sorted(folder.glob(f"Dataset{dataset_id:03d}_*"))
        if taken:
            msg = f"Data set {dataset_id} is taken by {taken[0]}; choose another number, or remove that folder"
            raise InputError(msg)


def _converted_before(folder: Path, splits: Path, key: str) -> tuple[RawDataset, tuple[Refusal, ...]] | None:
    record_file = folder / "conversion.json"
    if not record_file.is_file():
        return None
    record = _read_record(record_file)
    if record.key != key:
        return None
    case_ids = [case_id for fold in record.folds for case_id in fold["val"]]
    files = [folder / "dataset.json", *(folder / "imagesTr" / f"{case_id}_0000.nii.gz" for case_id in case_ids)]
    files += [folder / "labelsTr" / f"{case_id}.nii.gz" for case_id in case_ids]
    missing = [file for file in files if not file.is_file()]
    if missing:
        msg = f"{folder} lacks {len(missing)} of its converted files, the first is {missing[0].name}; {AGAIN}"
        raise InputError(msg)
    _keep_splits(splits, record.folds)
    dataset_id = int(folder.name[len("Dataset") :][:3])
    return RawDataset(dataset_id, folder, splits, len(case_ids)), tuple(Refusal(*fields) for fields in record.refusals)


class _Conversion(BaseModel):
    """``conversion.json``: source and result of a conversion."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: str
    refusals: list[Annotated[list[str], Field(min_length=4, max_length=4)]]
    folds: list[Split]


def _read_record(file: Path) -> _Conversion:
    try:
        record = _Conversion.model_validate(read_json_object(file))
    except ValidationError as error:
        fault = error.errors()[0]
        msg = f"{file} is damaged: {'.'.join(map(str, fault['loc']))}: {fault['msg']}; {AGAIN}"
        raise InputError(msg) from error
    if not record.folds or not all(set(fold) == {"train", "val"} for fold in record.folds):
        msg = f"{file} is damaged: it has no folds of train and val; {AGAIN}"
        raise InputError(msg)
    return record


def _keep_splits(splits: Path, folds: Sequence[Split]) -> None:
    """Write the splits unless they exist; splits from another source are neither replaced nor accepted as ours."""
    try:
        known = json.loads(splits.read_bytes())
    except (OSError, ValueError, RecursionError):
        known = None
    if known == folds:
        return
    if isinstance(known, list) and known and all(isinstance(fold, dict) and {"train", "val"} <= set(fold) for fold in known):
        msg = (
            f"{splits} does not hold the splits of this conversion, which keep a patient's scans together; remove it to have "
            "them written again, or choose another number"
        )
        raise InputError(msg)
    write_json(splits, folds)


def _key(cohort: Cohort, structures: Sequence[str], regions: bool, seed: int) -> str:
    """Return what a conversion depends on, files by size and time of change."""
    cases = [
        (case.id, case.patient_id, case.centre, *(_stamp(file) for file in (case.image, case.mask))) for case in cohort.cases
    ]
    content = json.dumps([cohort.name, plain_labels(cohort.labels), list(structures), regions, seed, cases])
    return sha256(content.encode()).hexdigest()


def _stamp(file: Path | None) -> list[Any]:
    if file is None or not (files := stamp(file)):
        return [str(file)]
    return [str(file.resolve()), *files]


@contextmanager
def _folder_written_at_once(folder: Path) -> Iterator[Path]:
    """Yield an empty folder next to ``folder`` that takes its name if the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_cases(
    cohort: Cohort, folder: Path, structures: Sequence[str], on_progress: OnProgress
) -> tuple[list[Case], tuple[Refusal, ...]]:
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir()
    accepted: list[Case] = []
    refusals: list[Refusal] = []
    for done, case in enumerate(cohort.cases):
        on_progress(done, len(cohort.cases))
        try:
            scan = read_scan(case, cohort.labels, mask_required=True)
        except CaseRefused as refused:
            refusals.append(Refusal(case.id, "convert", refused.code, refused.reason))
            continue
        _write_case(case, scan, folder, structures)
        accepted.append(case)
    on_progress(len(cohort.cases), len(cohort.cases))
    return accepted, tuple(refusals)


def _write_case(case: Case, scan: Scan, folder: Path, structures: Sequence[str]) -> None:
    image_file = folder / "imagesTr" / f"{case.id}_0000.nii.gz"
    if case.image.name.endswith(".nii.gz"):
        shutil.copyfile(case.image, image_file)
    else:
        write_nifti(scan.image, image_file)
    canonical = sitk.GetArrayViewFromImage(scan.mask)
    stored = np.zeros(canonical.shape, np.uint8)
    classes = class_values(structures)
    for name, label in STRUCTURES.items():
        stored[canonical == label] = classes[name if name in structures else "kidney"]
    mask = sitk.GetImageFromArray(stored)
    mask.CopyInformation(scan.image)
    write_nifti(mask, folder / "labelsTr" / f"{case.id}.nii.gz")


def class_values(structures: Sequence[str]) -> dict[str, int]:
    """Return nnU-Net's class of each structure: numbered without a gap, in the order of ``STRUCTURES``."""
    return {name: value for value, name in enumerate((name for name in STRUCTURES if name in structures), start=1)}


def class_regions(structures: Sequence[str]) -> tuple[dict[str, list[int]], list[int]]:
    """Return the classes in each region, and the class of a voxel of each region unless it is also in a later one."""
    values = class_values(structures)
    regions = {"kidney_and_masses": sorted(values.values())}
    order = [values["kidney"]]
    if "cyst" in values and "tumour" in values:
        regions["masses"] = sorted([values["tumour"], values["cyst"]])
        order.append(values["cyst"])
    innermost = next((name for name in ("tumour", "cyst") if name in values), None)
    if innermost:
        regions[innermost] = [values[innermost]]
        order.append(values[innermost])
    return regions, order


def _dataset_json(cohort: Cohort, cases: Sequence[Case], structures: Sequence[str], *, regions: bool) -> dict[str, Any]:
    """Return ``dataset.json``; the order of its keys matters."""
    labels: dict[str, Any] = {"labels": {"background": int(Label.BACKGROUND), **class_values(structures)}}
    if regions:
        held, order = class_regions(structures)
        labels = {"labels": {"background": int(Label.BACKGROUND), **held}, "regions_class_order": order}
    return {
        "channel_names": {"0": "CT"},
        **labels,
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIOWithReorient",
        "name": cohort.name,
        "licence": cohort.licence or "not stated",
    }
