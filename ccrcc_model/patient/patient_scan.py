"""The scans that a user names: files, folders and zip files of DICOM, or the cases of a card, each as one patient."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Literal

from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.convert.dicom import import_study
from nnunet_ext.dicom.headers import is_dicom
from nnunet_ext.ground.case import Cohort, Labels
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import AnyPath, is_hidden, sha256
from nnunet_ext.ground.labels import canonical_labels
from nnunet_ext.segmentation import single_scan
from nnunet_ext.volumes.volume_file import volume_sha256

SourceKind = Literal["dicom", "nifti", "nrrd", "metaimage"]

_KINDS: dict[str, SourceKind] = {".nrrd": "nrrd", ".nhdr": "nrrd", ".mha": "metaimage", ".mhd": "metaimage"}
_CARDS = {".yaml", ".yml"}


@dataclass(frozen=True)
class PatientScan:
    """One scan, before anything of it was read.

    Args:
        source: File, folder or zip file.
        cohort: Its case, with what a card states of it.
        mask: The user's mask, if there is one.
    """

    source: Path
    cohort: Cohort
    mask: Path | None

    @property
    def id(self) -> str:
        """Names the patient's folder."""
        return self.cohort.cases[0].id

    @property
    def kind(self) -> SourceKind:
        """What the scan is stored as."""
        if self.source.is_dir() or self.source.suffix.lower() == ".zip":
            return "dicom"
        return _KINDS.get(self.source.suffix.lower(), "nifti")

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all files of the scan.

        Raises:
            CaseRefused: If a file of it cannot be read.
        """
        if self.kind != "dicom":
            return volume_sha256(self.source, "image")
        try:
            return _tree_sha256(self.source)
        except OSError as error:
            reason = f"{Path(error.filename or self.source).name}: {error.strerror or 'it cannot be read'}"
            raise CaseRefused("io-error", reason) from error

    @cached_property
    def mask_sha256(self) -> str | None:
        """SHA-256 of the user's mask, if there is one.

        Raises:
            CaseRefused: If it cannot be read.
        """
        return None if self.mask is None else volume_sha256(self.mask, "mask")

    def opened(self, work: Path) -> Cohort:
        """Return the case as files that the gate reads: a DICOM study is imported first.

        Args:
            work: Folder for the volume of a DICOM study.

        Raises:
            CaseRefused: If the study cannot be used.
            InputError: If an archive is damaged, or holds more than it may.
        """
        case = self.cohort.cases[0]
        if self.kind != "dicom":
            return self.cohort.with_cases([replace(case, mask=self.mask)])
        from_dicom = self.mask if self.mask is not None and is_dicom(self.mask) else None
        study = import_study(self.source, work, case_id=case.id, mask=from_dicom)
        imported = study.cases[0]
        own = replace(case, image=imported.image, mask=imported.mask, phase=case.phase or imported.phase)
        stated = replace(study, acquisition=self.cohort.acquisition or study.acquisition)
        if self.mask is not None and from_dicom is None:
            return replace(stated, labels=self.cohort.labels).with_cases([replace(own, mask=self.mask)])
        return stated.with_cases([own])


def patient_scans(
    scans: Sequence[AnyPath], masks: Sequence[AnyPath] = (), *, labels: Labels | None = None
) -> tuple[PatientScan, ...]:
    """Return a scan for each path, and for each case of a card.

    Args:
        scans: Files, folders, zip files or cards.
        masks: One for each scan, in the same order; none where a network makes them, or where a card or the DICOM study names
            its own.
        labels: Value in the masks for each structure; a card states its own.

    Raises:
        InputError: If a path does not exist, or there is not one mask per scan.
    """
    paths, drawn = [Path(one) for one in scans], [Path(one) for one in masks]
    if not paths:
        msg = "Name at least one scan"
        raise InputError(msg)
    if drawn and len(drawn) != len(paths):
        msg = f"Give one mask for each scan, in the same order; got {len(drawn)} masks for {len(paths)} scans"
        raise InputError(msg)
    for path in (*paths, *drawn):
        if not path.exists():
            msg = f"There is no file or folder {path}; name the scan, or its mask"
            raise InputError(msg)
    found: list[PatientScan] = []
    for number, path in enumerate(paths):
        mask = drawn[number] if drawn else None
        found += _of_card(path, mask) if path.suffix in _CARDS else [_of_path(path, mask, labels)]
    return _with_names_of_their_own(found)


def _of_card(card: Path, mask: Path | None) -> list[PatientScan]:
    if mask is not None:
        msg = f"{card.name} is a card, whose case list names its masks; leave --mask out"
        raise InputError(msg)
    cohort = load_cohort(card)
    return [PatientScan(case.image, cohort.with_cases([case]), case.mask) for case in cohort.cases]


def _of_path(path: Path, mask: Path | None, labels: Labels | None) -> PatientScan:
    known = canonical_labels(()) if labels is None else labels
    named = single_scan(path.with_suffix("") if path.suffix.lower() == ".zip" else path.resolve())
    cohort = replace(named, labels=known)
    return PatientScan(path, cohort.with_cases([replace(cohort.cases[0], image=path)]), mask)


def _with_names_of_their_own(scans: Sequence[PatientScan]) -> tuple[PatientScan, ...]:
    """Number scans of one name, such as two folders ``image``: each gets a folder of its own."""
    total = Counter(scan.id.lower() for scan in scans)
    taken = {name for name, times in total.items() if times == 1}
    return tuple(scan if total[scan.id.lower()] == 1 else _numbered(scan, taken) for scan in scans)


def _numbered(scan: PatientScan, taken: set[str]) -> PatientScan:
    """Return a scan under its name with the first number that is free, which is taken from then on."""
    case = scan.cohort.cases[0]
    name = next(name for number in count(1) if (name := f"{case.id}-{number}").lower() not in taken)
    taken.add(name.lower())
    patient = name if case.patient_id == case.id else case.patient_id
    return replace(scan, cohort=scan.cohort.with_cases([replace(case, id=name, patient_id=patient)]))


def _tree_sha256(source: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files below a folder."""
    if source.is_file():
        return sha256(source)
    files = sorted(Path(folder, name) for folder, _, names in os.walk(source) for name in names)
    hashes = [(str(file.relative_to(source)), sha256(file)) for file in files if file.is_file() and not is_hidden(file)]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
