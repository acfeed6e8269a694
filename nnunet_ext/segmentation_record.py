"""What stands beside the masks of ``ccrcc segment``: which model made them, of which images, and what each says about itself.

A case is done if its record is whole, and names the image as it is now and the mask as it is now, by their SHA-256. All of it
may have been cut, edited or copied here by someone else, so nothing is believed that its seal or a hash does not bear out.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Any

from nnunet_ext.anatomy.self_check import SelfCheck
from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.case import Case
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import sha256, write_json
from nnunet_ext.ground.labels import STRUCTURES
from nnunet_ext.ground.refusals import FLAGS
from nnunet_ext.volumes.volume_file import volume_sha256
from nnunet_ext.volumes.written_mask import changed_mask, is_whole_nifti

RECORD = "segmentation.json"
"""Beside the masks: which model made them, and how."""

CASE_RECORDS = "cases"
"""Folder beside the masks: for each mask the hashes of the image and of the mask, and its self-check."""

VERSION = 3
"""Of the record of a case. The first held no hash, the second no masses."""

SEARCHED = ("kidneys", "body", "scan")
"""See ``SelfCheck.searched``."""


class State(Enum):
    """What is there of a case."""

    ABSENT = "nothing yet, or a mask that was taken away"
    DONE = "done"
    DAMAGED = "a damaged mask or record, or a mask without a record"


@dataclass
class SegmentationRecord:
    """``segmentation.json``, and a file for each case.

    Args:
        folder: Of the masks.
        structures: That the model knows.
        model: What the masks depend on, besides the images.
        whole_scan: Whether the fine pass runs everywhere.
        kidneys: Mask of the kidneys of each case, where they are given.
        checks: Self-check of each case that is done.
    """

    folder: Path
    structures: Sequence[str]
    model: dict[str, Any]
    whole_scan: bool
    kidneys: Mapping[str, Path] = field(default_factory=dict)
    checks: dict[str, SelfCheck] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        folder: Path,
        structures: Sequence[str],
        model: dict[str, Any],
        *,
        whole_scan: bool,
        kidneys: Mapping[str, Path] | None = None,
    ) -> "SegmentationRecord":
        """Return the record of a folder, new or not.

        Raises:
            InputError: If the folder holds masks of another model or setting, or masks that no readable record accounts for.
        """
        given = {} if kidneys is None else {"kidneys": "given"}
        identity = {**model, **given, "whole_scan": whole_scan, "record": VERSION}
        known_kidneys = dict(kidneys or {})
        file = folder / RECORD
        if not file.is_file():
            if any(not path.name.startswith(".") for path in folder.glob("*.nii.gz")):
                msg = f"{folder} holds masks that no {RECORD} accounts for; name another folder"
                raise InputError(msg)
            return cls(folder, structures, identity, whole_scan, known_kidneys)
        known = _read(file).get("model")
        if known != identity:
            differing = [key for key in identity if not isinstance(known, dict) or known.get(key) != identity[key]]
            what = f"another model or setting ({', '.join(differing or ['more keys'])}: see its {RECORD})"
            msg = f"{folder} holds masks of {what}; name another folder"
            raise InputError(msg)
        return cls(folder, structures, identity, whole_scan, known_kidneys)

    def hash_of(self, case: Case) -> str:
        """Return the SHA-256 of what a mask is made from: the image, and the kidneys where they are given."""
        image = hash_of_image(case)
        kidneys = self.kidneys.get(case.id)
        return image if kidneys is None or not image else _digest([image, volume_sha256(kidneys, "mask")])

    def mask(self, case: Case) -> Path:
        """Return where the mask of a case belongs."""
        return self.folder / f"{case.id}.nii.gz"

    def find(self, case: Case) -> State:
        """Return whether a case is done; its self-check is known from then on.

        Raises:
            InputError: If its mask was made from another image.
            CaseRefused: ``mask-changed``, if its mask can be read but is not the one that was written.
        """
        file, mask = self._file(case), self.mask(case)
        if not file.is_file():
            return State.DAMAGED if mask.is_file() else State.ABSENT
        try:
            known = _CaseRecord.read(file, case, self._digest())
        except InputError:
            return State.DAMAGED
        if not mask.is_file():
            return State.ABSENT
        self._check_image(case, known)
        if sha256(mask) != known.mask_sha256:
            if is_whole_nifti(mask):
                raise CaseRefused("mask-changed", changed_mask(mask, "segmented"))
            return State.DAMAGED
        self.checks[case.id] = known.check
        return State.DONE

    def check_free(self, case: Case) -> None:
        """Refuse to replace a mask that another run made meanwhile from another image.

        Raises:
            InputError: If it did.
        """
        if not self._file(case).is_file() or not self.mask(case).is_file():
            return
        try:
            known = _CaseRecord.read(self._file(case), case, self._digest())
        except InputError:
            return
        self._check_image(case, known)

    def add(self, case: Case, check: SelfCheck, image_sha256: str) -> None:
        """Keep that a case has its mask."""
        known = _CaseRecord(image_sha256, sha256(self.mask(case)), self._digest(), check)
        write_json(self._file(case), known.sealed())
        self.checks[case.id] = check

    def write(self) -> None:
        """Write ``segmentation.json``."""
        write_json(self.folder / RECORD, {"structures": list(self.structures), "model": self.model})

    def _file(self, case: Case) -> Path:
        return self.folder / CASE_RECORDS / f"{case.id}.json"

    def _digest(self) -> str:
        return _digest(self.model)

    def _check_image(self, case: Case, known: "_CaseRecord") -> None:
        if case.image.exists() and self.hash_of(case) != known.image_sha256:
            of = "another image" if case.id not in self.kidneys else "another image, or other kidneys,"
            msg = (
                f"{self.mask(case)} was made from {of} than {case.image.name} is now; name another folder or case "
                "id, or remove that mask to have it made again"
            )
            raise InputError(msg)


def hash_of_image(case: Case) -> str:
    """Return the SHA-256 of an image, or of a series; empty if it cannot be read."""
    try:
        return volume_sha256(case.image, "image")
    except CaseRefused:
        return ""


def read_structures(folder: Path) -> list[str]:
    """Return the structures that the masks in a folder can hold.

    Raises:
        InputError: If ``segmentation.json`` is damaged.
    """
    return list(_read(folder / RECORD)["structures"])


def model_version(folder: Path) -> str:
    """Return a hash of everything that the masks in a folder depend on besides the images.

    Raises:
        InputError: If ``segmentation.json`` is damaged.
    """
    return _digest(_read(folder / RECORD)["model"])


def _read(file: Path) -> dict[str, Any]:
    content = read_json_object(file)
    structures, model = content.get("structures"), content.get("model")
    if not isinstance(structures, list) or not all(name in STRUCTURES for name in structures) or not isinstance(model, dict):
        msg = f"{file.name} in {file.parent} is damaged: it does not say which structures and which model; name another folder"
        raise InputError(msg)
    return content


@dataclass(frozen=True)
class _CaseRecord:
    image_sha256: str
    mask_sha256: str
    model: str
    check: SelfCheck

    @classmethod
    def read(cls, file: Path, case: Case, model: str) -> "_CaseRecord":
        """Return what a file holds.

        Raises:
            InputError: If it is damaged, or of another case or model.
        """
        content = read_json_object(file)
        try:
            known = cls(content["image_sha256"], content["mask_sha256"], content["model"], SelfCheck(**content["self_check"]))
            is_whole = content == known.sealed() and _is_plausible(known.check)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(file) from error
        if not is_whole or (known.check.case_id, known.model) != (case.id, model):
            raise _damaged(file)
        return known

    def sealed(self) -> dict[str, Any]:
        """Return the content of the file; its seal is the hash of the rest."""
        content = {
            "image_sha256": self.image_sha256,
            "mask_sha256": self.mask_sha256,
            "model": self.model,
            "self_check": asdict(self.check),
        }
        return {**content, "seal": _digest(content)}


def _damaged(file: Path) -> InputError:
    return InputError(f"{file.name} in {file.parent} is damaged, or the record of another case")


def _is_plausible(check: SelfCheck) -> bool:
    """Tell whether a self-check holds values that one can have."""
    numbers = [getattr(check, one.name) for one in fields(check) if one.name not in {"case_id", "searched", "flags"}]
    return (
        all(one is None or (isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one)) for one in numbers)
        and check.searched in SEARCHED
        and isinstance(check.flags, str)
        and set(check.flags.split()) <= set(FLAGS.reasons)
    )


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
