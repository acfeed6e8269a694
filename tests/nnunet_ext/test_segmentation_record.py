import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.anatomy.self_check import SelfCheck, self_check
from nnunet_ext.ground.case import Case
from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.segmentation_record import SegmentationRecord, State, read_structures

MODEL = {"folds": [0], "sha256": {"plans.json": "1"}}


def write(path: Path, value: int) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 5, 6), value, np.uint8)), str(path))
    return path


def check_of(case: Case) -> SelfCheck:
    mask = np.zeros((4, 5, 6), np.uint8)
    return self_check(case.id, mask, mask, spacing_mm=(1.0, 1.0, 1.0))


@pytest.fixture
def cases(tmp_path: Path) -> tuple[Case, Case]:
    """Two scans of one file name in two folders, of which the first has its mask in ``masks``."""
    made = []
    for number, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        made.append(Case(folder, folder, "north", write(tmp_path / folder / "scan.nii.gz", number)))
    record = again(tmp_path)
    record.write()
    write(record.mask(made[0]), 1)
    record.add(made[0], check_of(made[0]), sha(made[0].image))
    return made[0], made[1]


def sha(path: Path) -> str:
    from nnunet_ext.ground.files import sha256

    return sha256(path)


def again(tmp_path: Path, **model: Any) -> SegmentationRecord:
    """Open the record as another run does."""
    (tmp_path / "masks").mkdir(exist_ok=True)
    return SegmentationRecord.open(tmp_path / "masks", ["kidney", "tumour"], {**MODEL, **model}, whole_scan=False)


def test_a_case_is_done_while_image_mask_and_record_are_as_they_were(cases: tuple[Case, Case], tmp_path: Path) -> None:
    record = again(tmp_path)
    assert [record.find(case) for case in cases] == [State.DONE, State.ABSENT]
    assert record.checks == {"a": check_of(cases[0])}
    moved = replace(cases[0], image=shutil.copy(cases[0].image, tmp_path / "elsewhere.nii.gz"))
    assert again(tmp_path).find(moved) is State.DONE, "the same voxels in a file of another name and time"


def test_another_image_under_a_case_id_is_refused_and_its_mask_stays(cases: tuple[Case, Case], tmp_path: Path) -> None:
    other = replace(cases[0], image=cases[1].image)
    for refuse in (again(tmp_path).find, again(tmp_path).check_free):
        with pytest.raises(InputError, match=r"a\.nii\.gz was made from another image than scan\.nii\.gz is now"):
            refuse(other)
    again(tmp_path).check_free(cases[0])
    again(tmp_path).check_free(cases[1])
    again(tmp_path).mask(other).unlink()
    assert again(tmp_path).find(other) is State.ABSENT, "the user took the mask away to have it made again"


def edit(content: dict[str, Any], **keys: Any) -> bytes:
    return json.dumps({**content, **keys}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: json.dumps(content).encode()[:40],
        lambda _: b"{}",
        lambda content: json.dumps([content]).encode(),
        lambda _: b"\xff\xfe\x00",
        lambda _: b"[" * 100_000,
        lambda content: edit(content, self_check=None),
        lambda content: edit(content, self_check={**content["self_check"], "kidney_ml": 1.0}),
        lambda content: edit(content, self_check={**content["self_check"], "kidney_ml": float("nan")}),
        lambda content: edit(content, self_check={**content["self_check"], "flags": ""}),
        lambda content: edit(content, self_check={**content["self_check"], "more": 1}),
        lambda content: edit(content, mask_sha256=3),
        lambda content: edit(content, seal="0"),
        lambda content: edit(content, more=1),
    ],
)
def test_a_damaged_record_counts_as_none(
    damage: Callable[[dict[str, Any]], bytes], cases: tuple[Case, Case], tmp_path: Path
) -> None:
    file = tmp_path / "masks" / "cases" / "a.json"
    file.write_bytes(damage(json.loads(file.read_text(encoding="utf-8"))))
    record = again(tmp_path)
    assert record.find(cases[0]) is State.DAMAGED
    assert record.checks == {}


@pytest.mark.parametrize(
    ("key", "value"), [("kidney_ml", "1"), ("n_kidneys", True), ("searched", "everywhere"), ("flags", "fine"), ("flags", None)]
)
def test_a_sealed_record_of_values_that_no_mask_has_counts_as_none(
    key: str, value: Any, cases: tuple[Case, Case], tmp_path: Path
) -> None:
    record = again(tmp_path)
    record.add(cases[0], replace(check_of(cases[0]), **{key: value}), sha(cases[0].image))
    assert again(tmp_path).find(cases[0]) is State.DAMAGED


def test_the_record_of_another_case_or_model_counts_as_none(cases: tuple[Case, Case], tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    shutil.copy(folder / "cases" / "a.json", folder / "cases" / "b.json")
    shutil.copy(folder / "a.nii.gz", folder / "b.nii.gz")
    assert again(tmp_path).find(cases[1]) is State.DAMAGED
    (folder / "segmentation.json").unlink()
    (folder / "b.nii.gz").unlink()
    (folder / "a.nii.gz").rename(tmp_path / "kept.nii.gz")
    other = again(tmp_path, folds=[1])
    other.write()
    (tmp_path / "kept.nii.gz").rename(folder / "a.nii.gz")
    assert other.find(cases[0]) is State.DAMAGED


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda content: gzip.compress(gzip.decompress(content)[:-10]),
        lambda content: content[:-6] + bytes(6),
        lambda _: b"something else",
    ],
)
def test_a_mask_that_is_no_longer_whole_counts_as_none(
    damage: Callable[[bytes], bytes], cases: tuple[Case, Case], tmp_path: Path
) -> None:
    mask = tmp_path / "masks" / "a.nii.gz"
    mask.write_bytes(damage(mask.read_bytes()))
    assert again(tmp_path).find(cases[0]) is State.DAMAGED


def test_an_edited_mask_is_neither_taken_nor_replaced(cases: tuple[Case, Case], tmp_path: Path) -> None:
    write(tmp_path / "masks" / "a.nii.gz", 2)
    record = again(tmp_path)
    with pytest.raises(CaseRefused, match="mask-changed: .* edited or replaced; to use it, copy it to another folder"):
        record.find(cases[0])
    assert record.checks == {}


def test_a_mask_without_a_record_counts_as_none(cases: tuple[Case, Case], tmp_path: Path) -> None:
    write(tmp_path / "masks" / "b.nii.gz", 1)
    assert again(tmp_path).find(cases[1]) is State.DAMAGED


@pytest.mark.usefixtures("cases")
def test_masks_of_another_model_are_refused_with_what_differs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"masks of another model or setting \(folds: see its segmentation\.json\)"):
        again(tmp_path, folds=[1])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"structures": "kidney", "model": {}}', '{"structures": ["liver"]}'])
@pytest.mark.usefixtures("cases")
def test_a_damaged_account_of_the_masks_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "masks" / "segmentation.json").write_text(content, encoding="utf-8")
    for read in (again, lambda path: read_structures(path / "masks")):
        with pytest.raises(InputError, match=r"segmentation\.json in .*") as failure:
            read(tmp_path)
        assert "\n" not in str(failure.value)


@pytest.mark.usefixtures("cases")
def test_the_structures_are_read_back(tmp_path: Path) -> None:
    assert read_structures(tmp_path / "masks") == ["kidney", "tumour"]
    assert asdict(again(tmp_path))["checks"] == {}
