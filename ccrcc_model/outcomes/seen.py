"""Proof that nothing was fitted on the patients that it scored: what every step saw, and whom it scored."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256


def patient_hash(patient_id: str) -> str:
    """Return the SHA-256 by which a model folder names a patient, as hexadecimal.

    It keeps the pseudonym itself out of the folder and lets anyone who has the pseudonym recognise it. It does not make
    the patient anonymous: short pseudonyms can be guessed.
    """
    return sha256(f"ccrcc-patient:{patient_id}".encode()).hexdigest()


def patient_hashes(patient_ids: Iterable[str]) -> frozenset[str]:
    """Return the hash of each patient."""
    return frozenset(patient_hash(str(patient_id)) for patient_id in set(patient_ids))


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was fitted, and whom it was used on.

    Args:
        name: Which step, such as ``"outer 0.3: model"``.
        seen: Hashes of all patients that anything in this step was fitted on.
        scored: Hashes of the patients that it scored.
    """

    name: str
    seen: frozenset[str]
    scored: frozenset[str] = frozenset()


def leaking_steps(steps: Iterable[Step]) -> list[str]:
    """Return the names of the steps that scored a patient whom they had seen. An honest evaluation has none."""
    return [step.name for step in steps if step.seen & step.scored]
