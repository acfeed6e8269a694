import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from nnunet_ext.volumes import volume_file
from radiomics_cfg.cases import features as module
from radiomics_cfg.cases.features import FeatureRecipe, read_case_file
from radiomics_cfg.cases.result_file import KeptRows, Outcome, find_outcome, keep_trouble, measure_and_keep
from radiomics_cfg.preset import Preset
from radiomics_cfg.runs.batch import DEFAULT_BACKEND

TwoBalls = Callable[..., Scan]
WriteCase = Callable[[str, Scan], Case]

pytestmark = pytest.mark.usefixtures("default_backend")


@pytest.fixture
def case(cohort: Cohort) -> Case:
    return cohort.cases[0]


@pytest.fixture
def recipe(cohort: Cohort, small_preset: Preset) -> FeatureRecipe:
    return FeatureRecipe.of(cohort, small_preset, backend=DEFAULT_BACKEND, mode="canonical")


@pytest.fixture
def healthy(two_balls: TwoBalls, write_case: WriteCase) -> Case:
    """A case without a tumour."""
    scan = two_balls()
    return write_case("healthy", Scan(scan.image, sitk.Cast(scan.mask == int(Label.KIDNEY), sitk.sitkUInt8)))


def raising(error: Exception) -> Callable[..., None]:
    def raise_error(*_: object, **__: object) -> None:
        raise error

    return raise_error


def refused(outcome: Outcome | None) -> tuple[str, str]:
    assert isinstance(outcome, Refusal)
    return outcome.code, outcome.reason


def test_a_kept_file_is_small_and_readable_without_pickle(case: Case, recipe: FeatureRecipe, tmp_path: Path) -> None:
    measure_and_keep(case, recipe, tmp_path / "cases")
    (file,) = (tmp_path / "cases").iterdir()
    with np.load(file, allow_pickle=False) as stored:
        assert stored["values"].shape == (1, 2 * (5 * 7 + 3))
        about = json.loads(stored["about"].tobytes())
    assert about["mode"] == "canonical"
    assert about["preset"] == "small"
    (missing,) = about["missing"]
    assert list(missing) == ["tumour__6mm", "shell_0_6mm_kidney__6mm", "shell_0_6mm_fat__6mm"]
    assert file.stat().st_size < 3000


def test_a_whole_file_is_not_measured_again(
    case: Case, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_outcome(case, recipe, tmp_path) is None
    first = measure_and_keep(case, recipe, tmp_path)
    monkeypatch.setattr(module, "measure_case", raising(AssertionError("measured again")))
    assert measure_and_keep(case, recipe, tmp_path) == first == find_outcome(case, recipe, tmp_path)
    assert isinstance(first, KeptRows)
    assert first.n_rows == 1


@pytest.mark.parametrize(
    "spoil", [lambda content: content[:-40], lambda _: b"", lambda content: content[:200] + content[210:]]
)
def test_a_damaged_file_is_made_anew_to_the_same_bytes(
    case: Case, recipe: FeatureRecipe, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    measure_and_keep(case, recipe, tmp_path / "cases")
    (file,) = (tmp_path / "cases").iterdir()
    content = file.read_bytes()
    file.write_bytes(spoil(content))
    assert read_case_file(file) is None
    assert find_outcome(case, recipe, tmp_path / "cases") is None
    measure_and_keep(case, recipe, tmp_path / "cases")
    assert file.read_bytes() == content


def test_all_that_a_value_depends_on_is_in_the_files_name(recipe: FeatureRecipe) -> None:
    others = [
        replace(recipe, labels={"kidney": 1, "tumour": 2}),
        replace(recipe, preset=replace(recipe.preset, sha256="another")),
        replace(recipe, backend="another"),
        replace(recipe, mode="pyradiomics"),
        replace(recipe, versions={**recipe.versions, "numpy": "another"}),
    ]
    names = {recipe.file(Path(), "image", "mask").name, recipe.file(Path(), "other", "mask").name}
    names |= {recipe.file(Path(), "image", "other").name} | {other.file(Path(), "image", "mask").name for other in others}
    assert len(names) == 8
    assert recipe.file(Path(), "image", "mask").name in names


def test_what_the_gate_decides_is_kept_with_its_code(
    healthy: Case, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measure_and_keep(healthy, recipe, tmp_path)
    assert refused(first)[0] == "tumour-absent"
    monkeypatch.setattr(module, "read_scan", raising(AssertionError("read again")))
    assert measure_and_keep(healthy, recipe, tmp_path) == first == find_outcome(healthy, recipe, tmp_path)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError("800 MB"), "out-of-memory"),
        (RuntimeError("itk::ERROR: Failed to allocate memory for image."), "out-of-memory"),
        (OSError(5, "Input/output error"), "io-error"),
        (RuntimeError("ITK says no"), "failed"),
        (ZeroDivisionError("no voxel"), "failed"),
    ],
)
def test_what_may_pass_is_kept_with_its_code_and_tried_again(
    case: Case, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, error: Exception, code: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "measure_case", raising(error))
        first = measure_and_keep(case, recipe, tmp_path)
    assert refused(first) == (code, f"{type(error).__name__}: {error}")
    assert find_outcome(case, recipe, tmp_path) == first
    assert isinstance(measure_and_keep(case, recipe, tmp_path), KeptRows)


def test_a_file_that_cannot_be_read_is_refused_without_its_path(
    case: Case, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume_file, "sha256", raising(PermissionError(13, "Permission denied", str(case.image))))
    found = find_outcome(case, recipe, tmp_path)
    assert refused(found) == ("io-error", "a file could not be read: Permission denied")


def test_trouble_does_not_overwrite_a_result(case: Case, recipe: FeatureRecipe, tmp_path: Path) -> None:
    lost = keep_trouble(case, recipe, tmp_path, code="worker-lost", reason="signal 9")
    assert refused(lost) == ("worker-lost", "signal 9")
    kept = measure_and_keep(case, recipe, tmp_path)
    assert isinstance(kept, KeptRows)
    assert keep_trouble(case, recipe, tmp_path, code="worker-lost", reason="signal 9") == kept


def test_a_result_that_cannot_be_written_ends_the_run(case: Case, recipe: FeatureRecipe, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match=r"Cannot write a result to .*file: File exists"):
        measure_and_keep(case, recipe, tmp_path / "file")


def test_a_users_mistake_is_not_taken_for_a_bad_case(
    case: Case, recipe: FeatureRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "measure_case", raising(InputError("no such feature")))
    with pytest.raises(InputError, match="no such feature"):
        measure_and_keep(case, recipe, tmp_path / "cases")
    assert not (tmp_path / "cases").exists()


Stored = dict[str, Any]


def _put(where: str, value: object) -> Callable[[Stored], None]:
    return lambda stored: stored["about"].__setitem__(where, value)


def _values(change: Callable[[np.ndarray], object]) -> Callable[[Stored], None]:
    return lambda stored: stored.__setitem__("values", change(stored["values"].copy()))


def _infinite(values: np.ndarray) -> np.ndarray:
    values[0, 0] = np.inf
    return values


def _lost(values: np.ndarray) -> np.ndarray:
    values[0, 0] = np.nan  # of a region without a reason for what is missing
    return values


WRONG: dict[str, Callable[[Stored], None]] = {
    "another image's": _put("image_sha256", "0" * 64),
    "another mask's": _put("mask_sha256", "0" * 64),
    "another preset's": _put("preset_sha256", "0" * 64),
    "another mode's": _put("mode", "pyradiomics"),
    "another version's": _put("versions", {}),
    "a side that there is none of": _put("keys", [{"lesion": 1, "side": "middle"}]),
    "a lesion that is no number": _put("keys", [{"lesion": "1", "side": "left"}]),
    "a key too many": _put("keys", [{"lesion": 1, "side": "left", "case_id": "x"}]),
    "no keys": _put("keys", []),
    "reasons that are none": _put("missing", [{"tumour__6mm": 3}]),
    "a refusal beside values": _put("refusal", ["failed", "why"]),
    "a refusal of no code": _put("refusal", ["because", "why"]),
    "a spacing below 0": _put("slice_spacing_mm", -1.0),
    "fewer columns": _values(lambda values: values[:, :-1]),
    "no rows": _values(lambda values: values[:0]),
    "another kind of number": _values(lambda values: values.astype(np.float32)),
    "infinite": _values(_infinite),
    "missing without a reason": _values(_lost),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_result_of_this_case_is_made_anew(case: Case, recipe: FeatureRecipe, tmp_path: Path, name: str) -> None:
    kept = measure_and_keep(case, recipe, tmp_path)
    (file,) = tmp_path.glob("*.npz")
    whole = file.read_bytes()
    with np.load(file) as read:
        stored: Stored = {"values": read["values"], "about": json.loads(read["about"].tobytes())}
    WRONG[name](stored)
    np.savez(file, values=stored["values"], about=np.frombuffer(json.dumps(stored["about"]).encode(), np.uint8))
    spoilt: list[Path] = []
    assert find_outcome(case, recipe, tmp_path, on_spoilt=spoilt.append) is None
    assert spoilt == [file]
    assert measure_and_keep(case, recipe, tmp_path) == kept
    assert file.read_bytes() == whole


def _pickled(file: Path) -> None:
    np.savez(file, values=np.array([{"a": 1}], dtype=object), about=np.zeros(1, np.uint8))


def _array(file: Path) -> None:
    with file.open("wb") as stream:
        np.save(stream, np.zeros(3))


def _of_members(*names: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"\x00" * 200)

    return write


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    "spoil",
    [
        _pickled,
        _array,
        _pipe,
        _of_members("values.npy", "about.npy"),
        _of_members("values.npy"),
        lambda file: file.write_bytes(b"\x89PNG\r\n" + bytes(500)),
        lambda file: file.write_bytes(bytes(3000)),
    ],
    ids=["pickled", "one array", "pipe", "zeros in a zip", "half of it", "picture", "zeros"],
)
def test_a_file_of_something_else_is_made_anew(
    case: Case, recipe: FeatureRecipe, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    kept = measure_and_keep(case, recipe, tmp_path)
    (file,) = tmp_path.glob("*.npz")
    whole = file.read_bytes()
    spoil(file)
    assert find_outcome(case, recipe, tmp_path) is None
    assert measure_and_keep(case, recipe, tmp_path) == kept
    assert file.read_bytes() == whole


def test_a_result_in_another_cases_place_is_not_its_own(
    two_balls: TwoBalls, write_case: WriteCase, case: Case, recipe: FeatureRecipe, tmp_path: Path
) -> None:
    scan = two_balls()
    other = write_case("other", Scan(scan.image + 5, scan.mask))
    measure_and_keep(case, recipe, tmp_path)
    (mine,) = tmp_path.glob("*.npz")
    measure_and_keep(other, recipe, tmp_path)
    (theirs,) = set(tmp_path.glob("*.npz")) - {mine}
    mine.write_bytes(theirs.read_bytes())
    assert find_outcome(case, recipe, tmp_path) is None
    assert find_outcome(other, recipe, tmp_path) is not None
