import json
import shutil
from pathlib import Path

import pytest

from ccrcc_model.faults.network import CHECKPOINT
from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.seal import SEAL, check_seal, write_seal
from nnunet_ext.inference.trained_model import TrainedModel, load_model


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    assert write_seal(tmp_path, {"plans.json": "aa"}) is None
    return tmp_path


def test_a_changed_file_is_named_and_an_unchanged_one_is_not(sealed: Path) -> None:
    check_seal(sealed, {"plans.json": "aa"})
    with pytest.raises(InputError, match=r"plans\.json in .* is not the file of its first use \(SHA-256 bb…, sealed aa…\)"):
        check_seal(sealed, {"plans.json": "bb"})


def test_a_fold_that_is_used_later_joins_the_seal(sealed: Path) -> None:
    check_seal(sealed, {"plans.json": "aa", "fold_1/x.pth": "cc"})
    write_seal(sealed, {"fold_1/x.pth": "cc"})
    assert json.loads((sealed / SEAL).read_text(encoding="utf-8"))["sha256"] == {"plans.json": "aa", "fold_1/x.pth": "cc"}
    with pytest.raises(InputError, match="is not the file of its first use"):
        check_seal(sealed, {"fold_1/x.pth": "dd"})


@pytest.mark.parametrize("content", ["{}", "[]", '{"sha256": [1]}', '{"sha256": {"plans.json": 3}}'])
def test_a_seal_that_is_none_is_named(content: str, sealed: Path) -> None:
    (sealed / SEAL).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=SEAL):
        check_seal(sealed, {"plans.json": "aa"})


def test_a_folder_that_cannot_be_written_is_told_of(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nnunet_ext.inference.seal.write_json", refuse)
    said = write_seal(sealed, {"dataset.json": "bb"})
    assert said is not None
    assert "cannot be sealed (Permission denied)" in said


def test_a_network_is_sealed_by_its_first_use_and_no_changed_bit_passes_later(untrained_network: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = Path(shutil.copytree(untrained_network, tmp_path / "model", ignore=shutil.ignore_patterns(SEAL)))
    model = TrainedModel(folder)
    load_model(model)
    plans = folder / "plans.json"
    plans.write_text(plans.read_text(encoding="utf-8").replace("[4.0, 4.0, 4.0]", "[4.0, 4.0, 4.5]"), encoding="utf-8")
    with pytest.raises(InputError, match=r"plans\.json in .* is not the file of its first use"):
        load_model(model)


def test_a_network_that_does_not_load_is_not_sealed(untrained_network: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = Path(shutil.copytree(untrained_network, tmp_path / "model", ignore=shutil.ignore_patterns(SEAL)))
    whole = (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes(whole[:-10])
    with pytest.raises(InputError, match="cut short"):
        load_model(TrainedModel(folder))
    (folder / CHECKPOINT).write_bytes(whole)
    load_model(TrainedModel(folder))
