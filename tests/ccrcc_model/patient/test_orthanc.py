"""A real archive stores, finds and hands back what we write: Orthanc, of Debian's packages."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import points_by_pydicom, small_volume, write_series
from pydicom import dcmread

from ccrcc_model.patient.secondary_capture import write_capture
from ccrcc_model.patient.structured_report import ReportedGroup, ReportedMeasurement, ReportedPrediction, write_report
from nnunet_ext.convert.dicom import import_dicom
from nnunet_ext.dicom_objects import pseudonymous_series
from nnunet_ext.dicom_objects.identity import Identity
from nnunet_ext.dicom_objects.segmentation_object import Algorithm, write_seg
from nnunet_ext.dicom_objects.source import Source
from nnunet_ext.ground.case import Role

pytestmark = pytest.mark.slow

UNCHANGED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "Modality")


@dataclass(frozen=True)
class Archive:
    """A running Orthanc.

    Args:
        url: Of its REST interface.
        port: Of its DICOM interface.
    """

    url: str
    port: int

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"{self.url}/{path}", body, timeout=30) as answer:  # noqa: S310 - of this machine
            return bytes(answer.read())

    def find(self, level: str, **query: str) -> list[str]:
        found: Any = json.loads(self.ask("tools/find", json.dumps({"Level": level, "Query": query}).encode()))
        return [str(one) for one in found]

    def file(self, instance: str) -> bytes:
        return self.ask(f"instances/{instance}/file")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    program = shutil.which("Orthanc")
    if program is None:
        pytest.skip("Orthanc (Debian's package of that name) is not installed")
    folder, http, dicom = tmp_path_factory.mktemp("orthanc"), _free_port(), _free_port()
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ARCHIVE",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([program, folder / "settings.json"], stdout=log, stderr=log) as process,
    ):
        try:
            found = Archive(f"http://127.0.0.1:{http}", dicom)
            _wait_for(found, process, folder / "log")
            yield found
        finally:
            process.terminate()


def _wait_for(archive: Archive, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(120):
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-500:]
        try:
            archive.ask("system")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
        else:
            return
    pytest.fail("Orthanc does not answer")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the slices of a scan, its segments, report and summary, all under one key."""
    folder = tmp_path_factory.mktemp("study")
    image, mask = small_volume("RAI")
    series = write_series(folder / "original", image, PatientID="HOSP-4711", StudyInstanceUID="1.2.3.4")
    source = Source.of(series, Identity.replaced())
    out = folder / "out"
    pseudonymous_series.write_series(out, series, source)
    seg = write_seg(out / "seg.dcm", source, mask, algorithm=Algorithm("network", "1"))
    volume = ReportedMeasurement("volume_ml", 12.5, "ml")
    write_report(
        out / "report.dcm",
        source,
        seg,
        groups=[ReportedGroup("Tumour 1", "tumour", (volume,), "right", "Tumour")],
        predictions=[ReportedPrediction("WHO/ISUP grade 3 or 4", 0.37)],
    )
    write_capture(out / "summary.dcm", source, np.full((20, 30, 3), 90, np.uint8))
    return out


@pytest.fixture(scope="module")
def stored(archive: Archive, study: Path) -> Archive:
    """The archive, after each file of the study was sent to it: by C-STORE where dcmtk's client is there, else over HTTP."""
    files = sorted(study.iterdir())
    if client := shutil.which("storescu"):
        ran = subprocess.run(
            [client, "-R", "-aec", "ARCHIVE", "127.0.0.1", str(archive.port), *files],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
    else:
        for file in files:
            archive.ask("instances", file.read_bytes())
    return archive


def test_every_object_of_the_study_is_found_by_its_identifiers(stored: Archive, study: Path) -> None:
    header = dcmread(study / "seg.dcm", stop_before_pixels=True)
    assert len(stored.find("Study", StudyInstanceUID=header.StudyInstanceUID)) == 1
    assert len(stored.find("Study", PatientID=header.PatientID)) == 1
    assert stored.find("Study", PatientID="HOSP-4711") == []
    for modality, count in (("CT", 1), ("SEG", 1), ("SR", 1), ("OT", 1)):
        assert len(stored.find("Series", StudyInstanceUID=header.StudyInstanceUID, Modality=modality)) == count
    assert len(stored.find("Instance", StudyInstanceUID=header.StudyInstanceUID)) == len(list(study.iterdir()))


def test_what_comes_back_is_what_was_stored(stored: Archive, study: Path, tmp_path: Path) -> None:
    for sent in sorted(study.iterdir()):
        before = dcmread(sent)
        (instance,) = stored.find("Instance", SOPInstanceUID=before.SOPInstanceUID)
        (tmp_path / sent.name).write_bytes(stored.file(instance))
        after = dcmread(tmp_path / sent.name)
        assert {name: after.get(name) for name in UNCHANGED} == {name: before.get(name) for name in UNCHANGED}
        if "PixelData" in before:
            np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
        else:
            assert after.ContentSequence == before.ContentSequence
    for segment in (1, 2):
        one, other = (points_by_pydicom(folder / "seg.dcm", segment) for folder in (study, tmp_path))
        np.testing.assert_array_equal(one, other)


def test_our_import_reads_the_retrieved_study_with_its_mask(stored: Archive, study: Path, tmp_path: Path) -> None:
    header = dcmread(study / "seg.dcm", stop_before_pixels=True)
    for number, instance in enumerate(stored.find("Instance", StudyInstanceUID=header.StudyInstanceUID)):
        (tmp_path / "study").mkdir(exist_ok=True)
        (tmp_path / "study" / f"{number}.dcm").write_bytes(stored.file(instance))
    cohort, refused = import_dicom(tmp_path / "study", tmp_path / "out", name="a", role=Role.EXTERNAL, centre="north")
    assert refused == ()
    found = sitk.DICOMOrient(sitk.ReadImage(str(cohort.cases[0].mask)), "RAI")
    expected = small_volume("RAI")[1]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
