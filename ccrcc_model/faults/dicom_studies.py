"""DICOM studies in archives and under missing names: who is who, what is unpacked, and what words and digits mean."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ccrcc_model.faults.dicom_files import Imported, write_ct
from ccrcc_model.faults.dicom_images import HU, read_right
from ccrcc_model.faults.fault import expect, fault
from nnunet_ext.documents.csv_table import read_csv

STRANGERS = "strangers become one patient"


def _patients(folder: Path) -> list[str]:
    cases = folder / "scan-cohort" / "cases.csv"
    return read_csv(cases)["patient_id"].tolist() if cases.exists() else []


@fault(STRANGERS)
def blank_patient_ids(folder: Path) -> str:
    """Two studies whose patient ID is a placeholder, in capitals and not: two patients, and the last line states this."""
    write_ct(folder / "scan", PatientID=" Anonymous ", PatientName="One")
    write_ct(folder / "scan", PatientID="Anonymous", PatientName="Two", StudyInstanceUID="1.2.4")
    found = Imported(folder / "scan")
    patients = _patients(folder)
    return expect(len(set(patients)) == 2 and "2 studies without a patient ID" in found.ran.said, f"patients {patients}")


@fault(STRANGERS)
def one_id_for_two_births(folder: Path) -> str:
    """One patient ID and two dates of birth: ``patient-mixed``."""
    write_ct(folder / "scan", PatientBirthDate="19510203")
    write_ct(folder / "scan", PatientBirthDate="19620304", StudyInstanceUID="1.2.4")
    found = Imported(folder / "scan")
    return expect(set(found.series["verdict"]) == {"patient-mixed"}, f"{found.series['verdict'].tolist()}")


@fault(STRANGERS)
def one_study_of_two_patients(folder: Path) -> str:
    """One study identifier under two patient IDs: ``patient-mixed``."""
    write_ct(folder / "scan", PatientID="1")
    write_ct(folder / "scan", PatientID="2")
    found = Imported(folder / "scan")
    return expect(set(found.series["verdict"]) == {"patient-mixed"}, f"{found.series['verdict'].tolist()}")


@fault("one patient becomes two")
def blanks_around_a_patient_id(folder: Path) -> str:
    """One patient ID with and without blanks around it: one patient."""
    write_ct(folder / "scan", PatientID="A 7")
    write_ct(folder / "scan", PatientID="  A  7 ", StudyInstanceUID="1.2.4")
    Imported(folder / "scan")
    patients = _patients(folder)
    return expect(patients == ["p0001", "p0001"], f"patients {patients}")


def _archive(folder: Path, write: Callable[[zipfile.ZipFile], None]) -> Path:
    with zipfile.ZipFile(folder / "scan.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        write(archive)
    return folder / "scan.zip"


def _add_scan(folder: Path, archive: zipfile.ZipFile, prefix: str = "") -> None:
    write_ct(folder / "scan")
    for path in sorted((folder / "scan").iterdir()):
        archive.write(path, f"{prefix}{path.name}")


@fault("an archive writes where it likes")
def members_that_lead_out(folder: Path) -> str:
    """Members named ``../../out`` and ``/tmp/…``: read right, and nothing is written outside."""
    path = _archive(folder, lambda archive: _add_scan(folder, archive, "../../out/"))
    met = read_right(Imported(path), HU)
    return expect(not list(folder.rglob("out")), met)


@fault("an archive fills the disk")
def zeros_without_end(folder: Path) -> str:
    """64 MB of zeros next to a scan, packed a thousandfold: refused before it is unpacked."""

    def write(archive: zipfile.ZipFile) -> None:
        _add_scan(folder, archive)
        archive.writestr("DOE^JANE.dcm", bytes(64 << 20))

    ran = Imported(_archive(folder, write)).ran
    held = ran.status == 2 and "times its size" in ran.said and "DOE" not in ran.said
    return expect(held, ran.said.strip()[-160:])


@fault("an archive's damage ends in a traceback")
def archive_damaged_within(folder: Path) -> str:
    """A byte of a member's checksum is wrong; and one whose members have a password: a line each, without a name."""
    path = _archive(folder, lambda archive: _add_scan(folder, archive, "DOE^JANE/"))
    whole = path.read_bytes()
    said = []
    for name, at, change in (("damaged", 16, 0xFF), ("password", 8, 0x01)):
        first = whole.find(b"PK\1\2")
        changed = bytearray(whole)
        changed[first + at] ^= change
        (folder / f"{name}.zip").write_bytes(changed)
        ran = Imported(folder / f"{name}.zip").ran
        said.append(ran.said.strip().splitlines()[-1])
        if ran.status != 2 or name not in said[-1].split(".zip", 1)[1] or "DOE" in ran.said:
            return expect(False, said[-1])
    return expect(len(said) == 2, "; ".join(said).replace(str(folder), ""))


@fault("who is who can be read by everyone")
def key_that_others_could_read(folder: Path) -> str:
    """A key that was readable by all is written again: for its owner alone."""
    write_ct(folder / "scan")
    key = folder / "key.csv"
    key.write_text("original,patient_id\n1,p0005\n", encoding="utf-8")
    key.chmod(0o644)
    Imported(folder / "scan", "--key", key)
    mode = key.stat().st_mode & 0o777
    return expect(mode == 0o600 and _patients(folder) == ["p0005"], f"mode {mode:o}")


@fault("words of a description are taken for a phase")
def abdomen_and_pelvis(folder: Path) -> str:
    """``AP ROUTINE`` before and after contrast, and a venous series: the venous one is chosen, the other has no phase."""
    write_ct(folder / "scan", np.repeat(HU, 2, axis=0), SeriesDescription="CT AP ROUTINE W/O AND W")
    write_ct(folder / "scan", SeriesDescription="Abd portalvenös")
    found = Imported(folder / "scan").series
    verdicts = dict(zip(found["verdict"], found["phase"], strict=True))
    return expect(verdicts == {"chosen": "nephrographic", "not chosen": ""}, f"{verdicts}")


@fault("digits of storage are taken for a measurement")
def digits_of_a_single_float(folder: Path) -> str:
    """A slice thickness of 1.6000000238418579: the acquisition file states 1.6."""
    write_ct(folder / "scan", SliceThickness="1.60000002384186", SpiralPitchFactor=float(np.float32(0.9)))
    Imported(folder / "scan")
    row = read_csv(folder / "scan-cohort" / "acquisition.csv").iloc[0]
    return expect((row["slice_thickness_mm"], row["pitch"]) == ("1.6", "0.9"), f"{row['slice_thickness_mm']}, {row['pitch']}")
