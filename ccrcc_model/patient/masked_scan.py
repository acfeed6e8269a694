"""A scan with the mask that is measured: one that a network makes, or one that was given."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ccrcc_model.patient.answer import Network
from ccrcc_model.patient.patient_scan import PatientScan
from nnunet_ext.ground.case import Case, Cohort, Labels
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.labels import canonical_labels
from nnunet_ext.inference.model_source import find_network
from nnunet_ext.inference.network_labels import LabelMap
from nnunet_ext.inference.trained_model import TrainedModel
from nnunet_ext.scans.geometry import Scan, read_mask, read_scan
from nnunet_ext.segmentation import segment
from nnunet_ext.volumes.nifti import write_nifti


@dataclass(frozen=True)
class HowToSegment:
    """How a network makes the masks; see ``segment``.

    Args:
        network: Trained model folder.
        options: Further keywords of ``segment``: ``folds``, ``checkpoint``, ``labels``, ``configuration``, ``sha256``,
            ``device``, ``mirroring``, ``step``, ``whole_scan``, ``trusted``.
    """

    network: Path
    options: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def model(self) -> TrainedModel:
        """The network, found and described, not loaded."""
        configuration, sha256 = self.options.get("configuration"), self.options.get("sha256")
        folder = find_network(self.network, configuration=configuration, sha256=sha256)
        known = {name: self.options[name] for name in ("mirroring", "step", "checkpoint") if name in self.options}
        stated = self.options.get("labels")
        declared = None if stated is None else LabelMap.of(stated)
        return TrainedModel(folder, tuple(self.options.get("folds", (0,))), **known, labels=declared)

    def identity(self) -> Network:
        """Return what the masks depend on."""
        content = {**self.model.identity(), "whole_scan": self.options.get("whole_scan", False)}
        declared = None if self.model.labels is None else str(self.model.labels)
        return Network(name=self.network.name, sha256=digest(content), labels=declared)

    def labels(self) -> dict[str, int]:
        """Return the ``Label`` value of each structure in the masks that it makes."""
        return canonical_labels(self.model.classes().values)


@dataclass(frozen=True)
class MaskedScan:
    """A scan that passed the gate, with its mask.

    Args:
        cohort: Its case with the files that were read; what is measured of them may have been kept by ``extract``.
        scan: Image and mask, which holds ``Label`` values.
        mask: File with these values.
        flags: Flags that the network raised; None for a mask that was given.
    """

    cohort: Cohort
    scan: Scan
    mask: Path
    flags: Sequence[str] | None

    @property
    def case(self) -> Case:
        """The case."""
        return self.cohort.cases[0]


def masked_scan(patient: PatientScan, how: HowToSegment | None, mask: Path, *, work: Path) -> MaskedScan:
    """Read a scan with its mask, and write the mask with ``Label`` values.

    Args:
        patient: As the user named it.
        how: How a network makes the mask; None if it was given.
        mask: File to be written.
        work: Folder for what is needed meanwhile.

    Raises:
        CaseRefused: If the scan or the mask cannot be used.
    """
    opened = _opened(patient if how is None else replace(patient, mask=None), work / "study")
    flags = None
    if how is None and opened.cases[0].mask is None:
        raise CaseRefused("mask-absent", "there is no mask of this scan: give one with --mask, or a network with --network")
    if how is not None:
        opened, refusals = segment(opened, how.network, work / "mask", **how.options)
        if refusals:
            raise CaseRefused(refusals[0].code, refusals[0].reason)
        flags = opened.cases[0].flags.split()
    scan = _read(opened, may_be_empty=how is not None)
    written = sitk.GetImageFromArray(np.asarray(sitk.GetArrayViewFromImage(scan.mask)))
    written.CopyInformation(scan.image)
    write_nifti(written, mask)
    return MaskedScan(opened, scan, mask, flags)


def scan_of_answer(patient: PatientScan, mask: Path, labels: Labels, *, work: Path) -> Scan:
    """Read a scan with the mask that an earlier run wrote.

    Args:
        patient: As the user named it.
        mask: File that ``masked_scan`` wrote.
        labels: Its values, by structure.
        work: Folder for what is needed meanwhile.

    Raises:
        CaseRefused: If the scan cannot be used.
    """
    opened = _opened(replace(patient, mask=None), work / "study")
    return _read(replace(opened, labels=labels).with_cases([replace(opened.cases[0], mask=mask)]), may_be_empty=True)


def _opened(patient: PatientScan, work: Path) -> Cohort:
    """Return the case as files that the gate reads."""
    try:
        return patient.opened(work)
    except CaseRefused:
        raise
    except InputError as error:
        raise CaseRefused("no-study", str(error)) from error


def _read(cohort: Cohort, *, may_be_empty: bool) -> Scan:
    """Read a case through the gate; the mask of a network may be empty."""
    case = cohort.cases[0]
    try:
        return read_scan(case, cohort.labels, mask_required=True)
    except CaseRefused as refused:
        if refused.code != "mask-empty" or not may_be_empty or case.mask is None:
            raise
    scan = read_scan(replace(case, mask=None), {})
    return replace(scan, mask=read_mask(case.mask, cohort.labels, may_be_empty=True))


def digest(content: Any) -> str:
    """Return the SHA-256 of a content as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
