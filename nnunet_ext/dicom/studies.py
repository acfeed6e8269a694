"""Studies and their patients: which studies are of one patient, and which may not be."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nnunet_ext.dicom.people import Person, patient_id
from nnunet_ext.dicom.series import Series


@dataclass(frozen=True)
class Study:
    """Series of one study.

    Args:
        patient: What stands for its patient in the key: the patient ID, or the study where there is none.
        series: At least one.
        known: Whether its files state who the patient is.
        problem: Why it cannot be anyone's study; empty if it can.
    """

    patient: str
    series: tuple[Series, ...]
    known: bool = True
    problem: str = ""

    @property
    def note(self) -> str:
        """What ``series.csv`` says of it."""
        return "" if self.known else "no patient ID, or a placeholder for one, so a separate patient"


def studies_of(found: Iterable[Series]) -> tuple[Study, ...]:
    """Group series into studies, in the order of their patients and identifiers.

    An empty patient ID, or a placeholder such as ``ANONYMOUS``, never joins two studies: each is a separate patient. Where
    a study's files state one ID and others none, it is the ID of all.
    """
    grouped: dict[str, list[Series]] = {}
    for series in found:
        # Without an identifier of the study nothing is imported; such files are one study a patient, so that they are listed.
        grouped.setdefault(series.first.study or f" {patient_id(series.first.person.id)}", []).append(series)
    twice = _in_several_studies(grouped)
    studies = [_study(uid, series, mixed=uid in twice) for uid, series in grouped.items()]
    born = _birth_dates(studies)
    contradicted = [
        Study(one.patient, one.series, one.known, one.problem or "its patient ID occurs with several dates of birth")
        if one.known and len(born[one.patient]) > 1
        else one
        for one in studies
    ]
    return tuple(sorted(contradicted, key=lambda one: (one.patient, one.series[0].first.study)))


def alike(patients: Sequence[str]) -> int:
    """Return how many patients have an ID that another one has too but for capitals, full-width signs and blanks."""
    folded = ["".join(unicodedata.normalize("NFKC", patient).casefold().split()) for patient in patients]
    return sum(count for count in Counter(folded).values() if count > 1)


def _study(uid: str, series: Sequence[Series], *, mixed: bool) -> Study:
    people = {header.person for one in series for header in one.headers}
    ids = sorted({patient_id(person.id) for person in people} - {""})
    problem = ""
    if len(ids) > 1:
        problem = f"its files state {len(ids)} patient IDs"
    elif len(_dates(people)) > 1:
        problem = "its files state several dates of birth"
    elif not ids and len({_name(person) for person in people} - {""}) > 1:
        problem = "its files state no patient ID and several names"
    elif mixed:
        problem = "a series of it has files that name another study"
    if len(ids) == 1 or (problem and ids):
        return Study(ids[0], tuple(series), known=True, problem=problem)
    return Study(f"StudyInstanceUID {uid.strip()}", tuple(series), known=False, problem=problem)


def _in_several_studies(grouped: Mapping[str, Sequence[Series]]) -> set[str]:
    """Return the studies that share a series with another one."""
    holders: dict[str, set[str]] = {}
    for uid, found in grouped.items():
        for series in found:
            holders.setdefault(series.first.series, set()).add(uid)
    return {uid for series, uids in holders.items() if series and len(uids) > 1 for uid in uids}


def _birth_dates(studies: Iterable[Study]) -> Mapping[str, set[str]]:
    born: dict[str, set[str]] = {}
    for study in studies:
        people = {header.person for one in study.series for header in one.headers}
        born.setdefault(study.patient, set()).update(_dates(people))
    return born


def _dates(people: Iterable[Person]) -> set[str]:
    """Return the dates of birth; those that anonymisers write for everybody, on a first of January, contradict nothing."""
    dates = {re.sub(r"\D", "", person.birth_date) for person in people}
    return {date for date in dates if len(date) == 8 and not date.endswith("0101")}


def _name(person: Person) -> str:
    """Return a name in one spelling: parts of a name, capitals and signs vary between a hospital's systems."""
    plain = unicodedata.normalize("NFKC", person.name).casefold()
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())
