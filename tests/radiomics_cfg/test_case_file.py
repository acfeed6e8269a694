import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.case import Case, Cohort, Refusal
from nnunet_ext.errors import InputError
from nnunet_ext.geometry import Scan
from nnunet_ext.labels import Label
from radiomics_cfg import case_file as module
from radiomics_cfg.batch import DEFAULT_BACKEND
from radiomics_cfg.case_file import KeptRows, Outcome, Recipe, find_outcome, keep_trouble, measure_and_keep, read_case_file
from radiomics_cfg.preset import Preset

TwoBalls = Callable[..., Scan]
WriteCase = Callable[[str, Scan], Case]

pytestmark = pytest.mark.usefixtures("default_backend")


@pytest.fixture
def case(cohort: Cohort) -> Case:
    return cohort.cases[0]


@pytest.fixture
def recipe(cohort: Cohort, small_preset: Preset) -> Recipe:
    return Recipe.of(cohort, small_preset, backend=DEFAULT_BACKEND, mode="canonical")


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


def test_a_kept_file_is_small_and_readable_without_pickle(case: Case, recipe: Recipe, tmp_path: Path) -> None:
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
    case: Case, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    case: Case, recipe: Recipe, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    measure_and_keep(case, recipe, tmp_path / "cases")
    (file,) = (tmp_path / "cases").iterdir()
    content = file.read_bytes()
    file.write_bytes(spoil(content))
    assert read_case_file(file) is None
    assert find_outcome(case, recipe, tmp_path / "cases") is None
    measure_and_keep(case, recipe, tmp_path / "cases")
    assert file.read_bytes() == content


def test_all_that_a_value_depends_on_is_in_the_files_name(recipe: Recipe) -> None:
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
    healthy: Case, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    case: Case, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, error: Exception, code: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "measure_case", raising(error))
        first = measure_and_keep(case, recipe, tmp_path)
    assert refused(first) == (code, f"{type(error).__name__}: {error}")
    assert find_outcome(case, recipe, tmp_path) == first
    assert isinstance(measure_and_keep(case, recipe, tmp_path), KeptRows)


def test_a_file_that_cannot_be_read_is_refused_without_its_path(
    case: Case, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "sha256", raising(PermissionError(13, "Permission denied", str(case.image))))
    found = find_outcome(case, recipe, tmp_path)
    assert refused(found) == ("io-error", "a file could not be read: Permission denied")


def test_trouble_does_not_overwrite_a_result(case: Case, recipe: Recipe, tmp_path: Path) -> None:
    lost = keep_trouble(case, recipe, tmp_path, code="worker-lost", reason="signal 9")
    assert refused(lost) == ("worker-lost", "signal 9")
    kept = measure_and_keep(case, recipe, tmp_path)
    assert isinstance(kept, KeptRows)
    assert keep_trouble(case, recipe, tmp_path, code="worker-lost", reason="signal 9") == kept


def test_a_result_that_cannot_be_written_ends_the_run(case: Case, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"Cannot write a result to .*file: File exists"):
        measure_and_keep(case, recipe, tmp_path / "file")


def test_a_users_mistake_is_not_taken_for_a_bad_case(
    case: Case, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "measure_case", raising(InputError("no such feature")))
    with pytest.raises(InputError, match="no such feature"):
        measure_and_keep(case, recipe, tmp_path / "cases")
    assert not (tmp_path / "cases").exists()
