import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import sha256
from nnunet_ext.inference.model_source import find_network

TRAINING = "Dataset220_KiTS2023/nnUNetTrainer__nnUNetResEncUNetLPlans__3d_fullres"


def written(file: Path, members: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def export(folder: Path, *configurations: str) -> Path:
    """Write a zip file with the names that nnUNetv2_export_model_to_zip gives its members."""
    names = ("dataset.json", "plans.json", "dataset_fingerprint.json", "fold_0/checkpoint_final.pth", "fold_0/progress.png")
    trainings = [TRAINING.replace("3d_fullres", one) for one in configurations or ("3d_fullres",)]
    members = {f"{training}/{name}": name for training in trainings for name in names}
    return written(folder / "net.zip", {**members, "Dataset220_KiTS2023/inference_information.json": "{}"})


def test_a_model_zip_is_unpacked_once_beside_itself_without_what_nobody_reads(tmp_path: Path) -> None:
    source, told = export(tmp_path), list[str]()
    found = find_network(source, on_note=told.append)
    assert found.name == Path(TRAINING).name
    names = sorted(path.relative_to(found).as_posix() for path in found.rglob("*") if path.is_file())
    assert names == ["dataset.json", "dataset_fingerprint.json", "fold_0/checkpoint_final.pth", "plans.json"]
    assert told == [f"net.zip has the SHA-256 {sha256(source)}; pin it with --sha256"]
    (found / "dataset.json").write_text("kept", encoding="utf-8")
    assert find_network(source, sha256=sha256(source).upper()) == found
    assert (found / "dataset.json").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("pinned", "why"), [("0" * 64, "not 0000"), ("0" * 63, "64 hexadecimal"), ("x" * 64, "64 hexadecimal")]
)
def test_a_zip_of_another_hash_is_not_unpacked(pinned: str, why: str, tmp_path: Path) -> None:
    source = export(tmp_path)
    with pytest.raises(InputError, match=why):
        find_network(source, sha256=pinned)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("name", ["../plans.json", "a/../../plans.json", "/plans.json", "C:/plans.json", "..\\plans.json"])
def test_a_zip_that_reaches_outside_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    source = written(tmp_path / "net.zip", {f"{TRAINING}/plans.json": "{}", name: "{}"})
    with pytest.raises(InputError, match="reaches outside its folder"):
        find_network(source)
    assert list(tmp_path.iterdir()) == [source]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(f"{TRAINING}/plans.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="reaches outside its folder"):
        find_network(tmp_path / "net.zip")


@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda _: b"PK", lambda _: b""])
def test_what_is_no_model_zip_is_refused(damage: object, tmp_path: Path) -> None:
    source = export(tmp_path)
    source.write_bytes(damage(source.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match="is no model zip of nnU-Net, or damaged"):
        find_network(source)
    with pytest.raises(InputError, match="it holds no plans"):
        find_network(written(tmp_path / "other.zip", {"readme.txt": ""}))


def test_of_several_trainings_the_user_names_one(tmp_path: Path) -> None:
    source = export(tmp_path, "2d", "3d_fullres")
    with pytest.raises(
        InputError, match=r"holds 2 trainings: .*__2d, .*__3d_fullres; name one folder, or its --configuration"
    ):
        find_network(source)
    found = find_network(source, configuration="3d_fullres")
    assert found.name.endswith("__3d_fullres")
    assert find_network(found.parent, configuration="3d_fullres") == found, "a data set of nnUNet_results"
    assert find_network(found) == found
    for place in (found, found.parent):
        with pytest.raises(InputError, match="holds no training of the configuration '3d_lowres'"):
            find_network(place, configuration="3d_lowres")


def test_a_hash_is_of_a_zip_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--sha256 is the hash of a zip file"):
        find_network(tmp_path, sha256="0" * 64)
